# Part of docker/check_compose.sh and deploy/check_cluster.sh: requests to the door at $DOOR and to $PROMETHEUS.
docker run --rm --entrypoint python singleshot:cpu -I -c '
import glob, sys, cv2
golden = cv2.imread(glob.glob("service/bundles/*/golden.png")[0])
sys.stdout.buffer.write(cv2.imencode(".jpg", golden)[1])' >"$WORK/golden.jpg"
detect() { curl -sS -m 60 -H 'Content-Type: image/jpeg' --data-binary "@${IMAGE:-$WORK/golden.jpg}" "$@"; }
status() { detect -o /dev/null -w '%{http_code}\n' "$@" 2>>"$WORK/log" || true; }

ask() { curl -fsS -m 5 -G "$PROMETHEUS/api/v1/query" --data-urlencode "query=$1" | python3 -c '
import json, sys
result = json.load(sys.stdin)["data"]["result"]
print(result[0]["value"][1] if result else "none")'; }
# until_it_is VALUE QUERY: wait until Prometheus answers VALUE, and meanwhile send requests. Every second one has a
# deadline of 1 ms, so it expires or is refused.
until_it_is() {
  for _ in $(seq 60); do
    [ "$(ask "$2")" != "$1" ] || return 0
    for _ in 1 2 3; do
      status "$DOOR/detect" >/dev/null
      status -H 'X-Request-Timeout-Ms: 1' "$DOOR/detect" >/dev/null
    done
    sleep 1
  done
  echo "Prometheus still answers $(ask "$2") to $2, not $1"
  return 1
}
# wait_for SECONDS COMMAND...: return when the command succeeds
wait_for() {
  local until=$((SECONDS + $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || { echo "this did not become so: $*"; return 1; }
    sleep 0.2
  done
}
# start_load NUMBER OPTION...: that many clients, in addition to those that run, send the golden image to the door
# stop_load: end them; their answers are in $WORK/answers, and ANSWERS says how many there are of each
CLIENTS=()
start_load() {
  local number=$1
  shift
  [ -e "$WORK/loading" ] || : >"$WORK/answers"
  touch "$WORK/loading"
  for _ in $(seq "$number"); do
    (while [ -e "$WORK/loading" ]; do status "$@" "$DOOR/detect"; sleep 0.1; done) >>"$WORK/answers" &
    CLIENTS+=($!)
  done
}
stop_load() {
  rm "$WORK/loading"
  wait "${CLIENTS[@]}"
  CLIENTS=()
  ANSWERS=$(sort "$WORK/answers" | uniq -c | awk '{printf "%s%s times %s", sep, $1, $2; sep = ", "}')
}
