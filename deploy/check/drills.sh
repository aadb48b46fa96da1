# Part of deploy/check_cluster.sh: the drills. Each does something to the release while clients send images, and adds a
# row to the table: how many requests they sent, how many were not answered with 200, and what else was seen.
begin() { BEGUN=$SECONDS REQUESTS=0 LOST=0; }
# well DRILL TEXT
well() {
  printf '%s|%s|%s|%s|%s\n' "$1" $((SECONDS - BEGUN)) "$REQUESTS" "$LOST" "$2" >>"$WORK/drills"
  tail -1 "$WORK/drills"
}
print_drills() {
  printf '\n%-9s %5s %8s %4s  %s\n' drill time requests lost 'what is seen'
  awk -F'|' '{printf "%-9s %3d s %8d %4d  %s\n", $1, $2, $3, $4, $5}' "$WORK/drills"
}
# end_load LEAST: stop the clients, who must have sent at least that many requests and lost none
end_load() {
  local requests
  stop_load
  requests=$(wc -l <"$WORK/answers")
  REQUESTS=$((REQUESTS + requests))
  LOST=$((LOST + $(grep -cvx 200 "$WORK/answers" || true)))
  [ "$LOST" = 0 ] || { echo "lost requests: $ANSWERS"; return 1; }
  [ "$requests" -ge "$1" ] || { echo "the clients sent only $requests requests"; return 1; }
}
# all_new COMPONENT PODS: none of these pods runs any more
all_new() { ! pods "$1" | grep -xF "$2" >/dev/null; }
rollout() { logged in_namespace rollout "$1" "deployment/singleshot-$2" "${@:3}"; }
container_of() { docker ps --quiet --filter "label=io.kubernetes.pod.name=$1" --filter "label=io.kubernetes.container.name=server"; }
# setting_is NAME VALUE: each server has it in its environment
setting_is() {
  for pod in $(pods server); do
    [ "$(in_namespace get pod "$pod" -o jsonpath="{.spec.containers[0].env[?(@.name=='SINGLESHOT_$1')].value}")" = "$2" ]
  done
}

drill_restart() {
  local servers proxies
  servers=$(pods server) proxies=$(pods proxy)
  start_load 3
  for name in cpu proxy; do
    rollout restart $name
    rollout status $name --timeout 240s
  done
  end_load 50
  all_new server "$servers"
  all_new proxy "$proxies"
  well restart "rollout restart of the servers, then of the proxies: all pods are new"
}

drill_kill() {
  local servers container
  mapfile -t servers < <(pods server)
  start_load 3
  sleep 2
  logged in_namespace delete pod "${servers[0]}" --force --grace-period 0
  rollout status cpu --timeout 240s
  container=$(container_of "${servers[1]}")
  docker kill --signal KILL "$container" >/dev/null
  restarts() { in_namespace get pod "${servers[1]}" -o jsonpath='{.status.containerStatuses[0].restartCount}'; }
  has_restarted() { [ "$(restarts)" = 1 ] && are_running 2; }
  wait_for 120 has_restarted
  end_load 50
  well kill "a pod deleted by force is replaced; a server killed with SIGKILL has restartCount $(restarts)"
}

drill_scale() {
  utilisation() { grep -o '{.*' "$RUN/custom-metrics.log" | tail -1; }
  has_grown() { [ "$(number_of server)" -ge 3 ]; }
  local busy servers most
  servers=$(pods server)
  start_load 6
  # a target that six clients exceed on any machine, and that one does not
  logged upgrade --set cpu.autoscaling.by=hpa,cpu.autoscaling.target=0.2
  [ "$(pods server | grep -cxF "$servers")" = 2 ] # the change itself stops none
  wait_for 300 has_grown || { utilisation; return 1; }
  busy=$(utilisation) most=$(number_of server)
  end_load 100
  start_load 1
  wait_for 300 are_running 2
  end_load 20
  in_namespace get events --field-selector reason=SuccessfulRescale -o custom-columns=:message --no-headers
  start_load 1
  logged upgrade
  end_load 1
  well scale "2 to $most to 2 servers; utilisation of the busy ones: $busy"
}

drill_evict() {
  start_load 2
  # the node is closed to new pods, so that the place of the first pod stays empty
  ! kubectl drain node --pod-selector app.kubernetes.io/component=server --delete-emptydir-data --ignore-daemonsets \
    --timeout 20s >"$WORK/drain" 2>&1
  grep -m1 -o 'Cannot evict pod as it would violate the pod.s disruption budget' "$WORK/drain"
  are_running 1
  logged kubectl uncordon node
  wait_for 120 are_running 2
  end_load 30
  well evict "drain evicts one of two servers; the budget holds the other: Cannot evict pod"
}

drill_canary() {
  versions() {
    for _ in $(seq 60); do
      detect -o /dev/null -D - "$DOOR/detect" | tr -d '\r' | awk 'tolower($1) == "x-model-version:" {print $2}'
    done | sort | uniq -c | awk '{printf "%s%s by version %s", sep, $1, $2; sep = ", "}'
  }
  local seen
  start_load 2
  logged upgrade --values deploy/check/values/canary.yaml
  seen=$(versions)
  [[ $seen =~ .*"by version 1, "[0-9]+" by version 2" ]]
  logged upgrade
  [[ $(versions) = "60 by version 1" ]]
  end_load 50
  well canary "two folders of a claim, canaryShare 0.5: of 60 answers $seen; without it again 60 by version 1"
}

drill_keys() {
  logged upgrade --set apiKeys.clients.alice=drill-key
  [ "$(status "$DOOR/detect")" = 401 ]
  [ "$(status -H 'Authorization: Bearer wrong' "$DOOR/detect")" = 401 ]
  [ "$(status -H 'Authorization: Bearer drill-key' "$DOOR/detect")" = 200 ]
  logged upgrade
  [ "$(status "$DOOR/detect")" = 200 ]
  well keys "with a Secret of keys: 401 without a key, 401 with a wrong one, 200 with the right one"
}

drill_copy() {
  docker build --quiet --tag singleshot-check/bundle --file - "$WORK/bundles" >/dev/null <<DOCKERFILE
FROM $PYTHON_IMAGE
COPY canary /bundle
DOCKERFILE
  spawn web python3 -m http.server --bind "$NODE" --directory "$WORK/bundles" 8098
  version() { detect "$DOOR/detect" | grep -o '"version":"[^"]*"'; }
  start_load 2
  logged upgrade --set bundles[0].name=copied,bundles[0].image=singleshot-check/bundle,bundles[0].path=/bundle
  [ "$(version)" = '"version":"2"' ]
  logged upgrade --set bundles[0].name=fetched,bundles[0].url="http://$NODE:8098/main"
  [ "$(version)" = '"version":"1"' ]
  logged upgrade
  end_load 50
  well copy "init containers copy a bundle from an image, and fetch one over HTTP ($(grep -c ' 200 ' "$RUN/web.log") files)"
}

drill_upgrade() {
  start_load 3
  logged upgrade --set settings.MAX_BATCH=4
  setting_is MAX_BATCH 4
  logged helm rollback singleshot --namespace "$NAMESPACE" --wait --timeout 5m
  wait_for 120 is_settled
  setting_is MAX_BATCH ''
  end_load 50
  well upgrade "helm upgrade with another MAX_BATCH, then helm rollback: each reached all servers"
}

drill_remove() {
  logged helm uninstall singleshot --namespace "$NAMESPACE" --wait --timeout 5m
  left() { kubectl get "$(kinds)" --all-namespaces --selector app.kubernetes.io/instance=singleshot -o name; }
  nothing_is_left() { [ -z "$(left)" ] && inventory | cmp --silent - "$WORK/inventory"; }
  wait_for 120 nothing_is_left || { left; inventory | diff "$WORK/inventory" -; return 1; }
  well remove "helm uninstall leaves nothing: the objects of all $(kinds | tr ',' '\n' | wc -l) kinds are as before the installation"
}
