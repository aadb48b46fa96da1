# Part of docker/check_compose.sh: the drills of docs/drills.md. Each causes a fault, waits for what an operator sees
# of it, ends the fault, waits until all is well, and adds a row to the table.
ALERT_LOG=$(compose ps --quiet alert-log)
begin() { BEGUN=$SECONDS; BEGUN_AT=$(date +%s); }
# well DRILL TEXT: all is well again; TEXT is what an operator saw
well() { printf '%s|%s|%s\n' "$1" "$2" $((SECONDS - BEGUN)) >>"$WORK/drills"; tail -1 "$WORK/drills"; }
print_drills() {
  printf '\n%-9s %-5s %s\n' drill well 'what an operator sees'
  awk -F'|' '{printf "%-9s %3d s %s\n", $1, $3, $2}' "$WORK/drills"
}
# says CONTAINER PATTERN: the container has logged it since the drill began
says() { docker logs --since "$BEGUN_AT" "$1" 2>&1 | grep -E "$2"; }
# received STATUS ALERT: the receiver has got it
received() { says "$ALERT_LOG" "\"status\": \"$1\".*\"alert\": \"$2\""; }
restarts() { docker inspect -f '{{.RestartCount}}' "$@" | awk '{sum += $1} END {print sum}'; }
is_served() { [ "$(status "$DOOR/detect")" = 200 ]; }
has_restarted() { [ "$(restarts "$1")" -gt "$2" ]; }
# signal_server CONTAINER SIGNAL: to the server, the child of process 1; Docker does not know about it
signal_server() { docker exec "$1" sh -c 'kill -"$0" $(cat /proc/1/task/1/children)' "$2"; }
# together DRILL...: do them at once, because they mostly wait
together() {
  local drill running=()
  for drill in "$@"; do
    (begin; "drill_$drill") &
    running+=($!)
  done
  for drill in "${running[@]}"; do wait "$drill"; done
  DOOR=http://127.0.0.1:$(published proxy 8000)
}

drill_outside() {
  local path answers='' other
  for path in /metrics /v2/repository/index /%6detrics /v2/%72epository/index //metrics /x/../metrics /%256detrics; do
    answers+=$(curl -s -o /dev/null -w '%{http_code} ' --path-as-is "$DOOR$path")
  done
  [ "$answers" = "403 403 403 403 400 400 400 " ]
  : >"$WORK/slow"
  python3 docker/check/slow_senders.py 127.0.0.1 "${DOOR##*:}" 200 >"$WORK/slow" &
  wait_for 20 test -s "$WORK/slow"
  [ "$(status "$DOOR/detect")" = 429 ]
  other=$(docker exec "$ALERT_LOG" python3 -c '
import urllib.request
print(urllib.request.urlopen("http://proxy:8000/models", timeout=5).status)')
  [ "$other" = 200 ]
  wait $!
  [ "$(cat "$WORK/slow")" = "128 wait, 72 get 429" ]
  wait_for 45 is_served
  well outside "/metrics and /v2/repository: 403; of 200 slow senders at one address $(cat "$WORK/slow"), another is served"
}

drill_canary() {
  start_load 4
  found_by() { ask "round(model_version:singleshot_detections_per_picture:mean1h{version=\"$1\"}, 0.1)"; }
  is_worse() { [ "$(ask 'ALERTS{alertname="SingleshotCanaryWorse", by="detections"}')" = 1 ]; }
  wait_for 120 is_worse
  stop_load
  well canary "detections a picture: $(found_by 1) by version 1, $(found_by 2) by 2; alert SingleshotCanaryWorse pending"
}

drill_corrupt() {
  local bundles=$WORK/bundles beside reason
  cp -r "$bundles/main" "$bundles/broken"
  truncate --size 1M "$bundles/broken/model.onnx"
  cp -r "$bundles/broken" "$bundles/new"
  mv "$bundles/main" "$bundles/good" && mv "$bundles/new" "$bundles/main"
  until_it_is 1 'max(singleshot_bundle_fault{fault="refused"})'
  [ "$(status "$DOOR/detect")" = 200 ]
  wait_for 20 says "${REPLICAS[0]}" '"event": ?"bundle_refused"'
  # a server that starts with this bundle beside a good one
  beside=$(docker run --detach --init --read-only --tmpfs /tmp --volume "$bundles:/bundles:ro" \
    --env SINGLESHOT_BUNDLES=/bundles/good:/bundles/broken singleshot:cpu)
  wait_for 60 is_ready "$beside"
  reason=$(get "$beside" readyz | grep -o '"fault":"refused"')
  [ "$(status "http://$(address "$beside"):8000/detect")" = 200 ]
  wait_for 20 says "$beside" '"event": ?"bundle_refused"'
  docker rm --force "$beside" >/dev/null
  wait_for 120 received firing SingleshotBundleRefused
  mv "$bundles/main" "$bundles/bad" && mv "$bundles/good" "$bundles/main"
  until_it_is none 'singleshot_bundle_fault == 1'
  well corrupt "bundle_fault 1, event bundle_refused, alert SingleshotBundleRefused received; the old model answers; a new server serves the good one and says $reason in /readyz"
}

drill_hang() {
  docker pause "${REPLICAS[2]}" >/dev/null
  wait_for 120 received firing SingleshotReplicaDown
  [ "$(status "$DOOR/detect")" = 200 ]
  local fired=$((SECONDS - BEGUN))
  docker unpause "${REPLICAS[2]}" >/dev/null
  wait_for 120 received resolved SingleshotReplicaDown
  wait_for 20 is_ready "${REPLICAS[2]}"
  well hang "alert SingleshotReplicaDown received after $fired s, resolved $((SECONDS - BEGUN - fired)) s after the end"
}

drill_kill() {
  local before
  before=$(restarts "${REPLICAS[1]}")
  start_load 3
  sleep 1
  signal_server "${REPLICAS[1]}" KILL
  wait_for 60 has_restarted "${REPLICAS[1]}" "$before"
  wait_for 60 are_ready
  stop_load
  [ "$(sort -u "$WORK/answers")" = 200 ]
  wait_for 20 says "$(compose ps --quiet proxy)" 'replicas/cpu.* is DOWN'
  well kill "no request is lost: $ANSWERS; the log of the proxy says DOWN, RestartCount grows"
}

drill_poison() {
  local before answer
  before=$(restarts "${REPLICAS[@]}")
  cat "$WORK/golden.jpg" >"$WORK/poison.jpg"
  printf poison >>"$WORK/poison.jpg"
  start_load 3
  sleep 1
  answer=$(IMAGE=$WORK/poison.jpg status "$DOOR/detect")
  sleep 1
  wait_for 60 are_ready
  stop_load
  [ "$answer" = 502 ]
  wait_for 20 says "$(compose ps --quiet proxy)" ' 502 .*POST /detect'
  [ $(($(restarts "${REPLICAS[@]}") - before)) = 2 ]
  # each of the three clients may lose a request with each of the two replicas; 503: the one that goes on is busy
  [ "$(awk '$1 != 200 && $1 != 503' "$WORK/answers" | wc -l)" -le 6 ]
  [ "$(grep -c 200 "$WORK/answers")" -gt 20 ]
  well poison "its client gets 502 and is in the log of the proxy, two replicas start again; others: $ANSWERS"
}

# stuck CONTAINER SIGNAL: the signal makes it stuck; a request meets that
stuck() {
  local before
  before=$(restarts "$1")
  signal_server "$1" "$2"
  status -m 2 "http://$(address "$1"):8000/detect" >/dev/null
  wait_for 60 has_restarted "$1" "$before"
  wait_for 60 is_ready "$1"
}
drill_engine() {
  stuck "${REPLICAS[0]}" USR2
  wait_for 20 says "${REPLICAS[0]}" '"event": ?"trouble"'
  well engine "it is stuck for more than STUCK_SECONDS=3: event trouble, the process ends, Docker starts it again"
}

drill_loop() {
  stuck "${REPLICAS[2]}" USR1
  wait_for 20 says "${REPLICAS[2]}" 'Timeout .*!'
  well loop "the event loop is stuck for STUCK_SECONDS=3: stacks in the log, the process ends, Docker starts it again"
}

# is_killed CONTAINER: by SIGKILL, which nothing but the kernel sends in this drill. The event `oom` may be missing: the
# engine does not see it if the container ends first.
is_killed() {
  docker events --since "$BEGUN_AT" --until "$(date +%s)" --filter event=die --filter container="$1" |
    grep exitCode=137
}
drill_fill() {
  local replica=${REPLICAS[1]} before limit senders=()
  before=$(restarts "$replica")
  limit=$(($(docker stats --no-stream --format '{{.MemUsage}}' "$replica" | sed 's/[^0-9.].*//; s/[.].*//') + 60))
  until docker update --memory ${limit}m --memory-swap ${limit}m "$replica" >/dev/null 2>&1; do
    limit=$((limit + 20)) # Docker refuses a limit below the memory in use, of which files are a part
    [ $limit -lt 4000 ]
  done
  cp "$WORK/golden.jpg" "$WORK/large.jpg"
  truncate --size 30M "$WORK/large.jpg"
  for _ in $(seq 8); do
    IMAGE=$WORK/large.jpg status --limit-rate 10M "http://$(address "$replica"):8000/detect" >/dev/null &
    senders+=($!)
  done
  wait_for 60 has_restarted "$replica" "$before"
  wait_for 20 docker update --memory 4g --memory-swap 4g "$replica"
  wait "${senders[@]}"
  wait_for 20 is_killed "$replica"
  wait_for 60 is_ready "$replica"
  well fill "the kernel kills the server at its memory limit: docker events says die with exitCode=137, RestartCount grows"
}

drill_proxy() {
  logged compose stop proxy proxy-tls
  wait_for 120 received firing SingleshotProxyDown
  local fired=$((SECONDS - BEGUN))
  logged compose up --detach --no-deps --no-recreate proxy # as docs/operating.md says
  logged compose up --detach --no-deps --no-recreate proxy-tls
  [ "$(compose ps --quiet server | sort)" = "$(printf '%s\n' "${REPLICAS[@]}" | sort)" ]
  DOOR=http://127.0.0.1:$(published proxy 8000)
  wait_for 90 is_served
  well proxy "alert SingleshotProxyDown received after $fired s"
}

drill_stop() {
  logged compose stop server
  for replica in "${REPLICAS[@]}"; do
    [ "$(docker inspect -f '{{.State.ExitCode}}' "$replica")" = 0 ]
    wait_for 20 says "$replica" '"event": ?"drain"'
    wait_for 20 says "$replica" '"event": ?"stop"'
  done
  well stop "events drain and stop, exit status 0"
}
