#!/usr/bin/env bash
# Test the GPU profile of docker-compose.yml without a GPU: two replicas on one GPU start from nothing, answer, build one
# TensorRT engine and change to it under load; then the faults of a cache, of a build and of a GPU.
#
#   docker/check_gpu_profile.sh
#
# tests/stand_in/ replaces the GPU inside the containers. TensorRT for RTX builds the engines, as on a machine with a GPU,
# but the stand-in runs them. Needs a Docker engine with compose 2.24; docker/check_compose.sh, which calls this script,
# starts one if none runs.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

WORK=$(mktemp -d /tmp/check-gpu-profile.XXXXXX)
STEP=start STARTED=$SECONDS
export PORT=0 PROMETHEUS_PORT=0 no_proxy='*' TENSORRT=engine

step() { STEP=$1; printf '%4d s  %s\n' $((SECONDS - STARTED)) "$1"; }
compose() {
  docker compose --project-name singleshot-check-gpu --profile gpu --profile gpu-2 \
    --file docker-compose.yml --file "$WORK/stand-in.yml" "$@"
}
logged() { "$@" >>"$WORK/log" 2>&1 || { tail -25 "$WORK/log"; return 1; }; }

finish() {
  local status=$?
  trap - EXIT
  set +e
  rm -f "$WORK/loading"
  if [ $status -ne 0 ]; then
    echo "failed at: $STEP"
    compose ps -a
    compose logs --tail 40 gpu-0 gpu-1
  fi
  if [ -n "${KEEP:-}" ]; then
    echo "kept: $WORK"
  else
    compose down --volumes --timeout 3 >/dev/null 2>&1
    rm -rf "$WORK"
  fi
  [ $status -ne 0 ] || step "all checks of the GPU profile passed"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- The stand-in of a GPU. The cache of gpu-1 is on a full disk.
mkdir "$WORK/control"
chmod 755 "$WORK" "$WORK/control"
stand_in() {
  cat <<YAML
  $1:
    deploy: !reset null
    devices: [/dev/null:/dev/nvidia0]
    environment: {PYTHONPATH: "/stand_in:/app", SINGLESHOT_MAX_BATCH: 2}
    volumes: $2
      - ./tests/stand_in/sitecustomize.py:/stand_in/sitecustomize.py:ro
      - ./tests/stand_in:/stand_in/tests/stand_in:ro
      - $WORK/control:/control:ro
YAML
}
{
  echo services:
  stand_in gpu-0 ''
  stand_in gpu-1 '!override'
  echo '    tmpfs: ["/var/cache/singleshot:size=1m,uid=10001"]'
} >"$WORK/stand-in.yml"
compose config --quiet

step "build the images"
logged compose --progress plain build server gpu-0
megabytes() { echo $(($(docker image inspect -f '{{.Size}}' "$1") / 1000000)); }
echo "singleshot:gpu: $(megabytes singleshot:gpu) MB with TensorRT for RTX"

# ---- Requests, and what the replicas say
address() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
get() { curl -fsS -m 10 "http://$(address "$1"):8000/$2"; }
detect() { curl -sS -m 60 -H 'Content-Type: image/jpeg' --data-binary @service/bundles/bccd-passd-320/blood-cells-2.jpg "$@"; }
status() { detect -o /dev/null -w '%{http_code}\n' "$@"; }
labels() { detect -f "http://$(address "$1"):8000/detect" | grep -o '"label":"[^"]*"' | sort | uniq -c | paste -sd' '; }
engine() { get "$1" models | python3 -c '
import json, sys
model = json.load(sys.stdin)["models"][0]
print(model["engine"], model["engine_description"], model["engine_note"], sep=", ")'; }
log_since_start() { docker logs --since "$(docker inspect -f '{{.State.StartedAt}}' "$1")" "$1" 2>&1; }
in_cache() { docker exec --workdir /var/cache/singleshot "$1" sh -euc "$2"; }
# wait_until COMMAND...: return when the command succeeds, fail after a minute
wait_until() {
  for _ in $(seq 300); do ! "$@" >/dev/null 2>&1 || return 0; sleep 0.2; done
  echo "not so after a minute: $*"
  return 1
}
is_ready() { get "$1" readyz; }
notes() { engine "$1" | grep "$2"; }
uses() { [[ $(engine "$1") == "$2,"* ]]; }
says() { log_since_start "$1" | grep "$2"; }
# answers CONTAINER ENGINE: it detects what the CPU's replica detects, with that engine
answers() {
  uses "$1" "$2" || { engine "$1"; return 1; }
  [ "$(labels "$1")" = "$EXPECTED" ]
}

step "start two replicas on one GPU and one with a full disk, all without an engine"
touch "$WORK/control/hold-build"
logged compose up --detach --no-build --scale gpu-0=2 server proxy gpu-0 gpu-1
mapfile -t REPLICAS < <(compose ps --quiet gpu-0)
[ ${#REPLICAS[@]} = 2 ]
FIRST=${REPLICAS[0]} FULL=$(compose ps --quiet gpu-1) CPU=$(compose ps --quiet server)
ALL=("${REPLICAS[@]}" "$FULL")
for replica in "${ALL[@]}"; do wait_until is_ready "$replica"; done
DOOR=http://127.0.0.1:$(compose port proxy 8000 | sed 's/.*://')

step "ONNX Runtime's CUDA provider answers a JPEG before the engine is built"
EXPECTED=$(labels "$CPU")
for replica in "${ALL[@]}"; do
  wait_until notes "$replica" 'engine is being built\|another server builds'
  engine "$replica"
  answers "$replica" onnx
done

step "the engine is built once, and both replicas change to it without a lost request"
touch "$WORK/loading"
for _ in 1 2; do
  (while [ -e "$WORK/loading" ]; do status "$DOOR/detect"; sleep 0.2; done) >>"$WORK/answers" &
  CLIENTS+=($!)
done
rm "$WORK/control/hold-build"
for replica in "${REPLICAS[@]}"; do wait_until uses "$replica" tensorrt; done
for replica in "${REPLICAS[@]}"; do answers "$replica" tensorrt; done
rm "$WORK/loading"
wait "${CLIENTS[@]}"
sort "$WORK/answers" | uniq -c
[ "$(sort -u "$WORK/answers")" = 200 ]
[ "$(wc -l <"$WORK/answers")" -gt 20 ]
engine "$FIRST"
[ "$(for replica in "${REPLICAS[@]}"; do says "$replica" 'TensorRT engine is built'; done | wc -l)" = 1 ]
[ "$(in_cache "$FIRST" 'ls -1 *.engine' | wc -l)" = 1 ]

step "the proxy asks no CPU replica while a GPU replica is ready"
requests() { get "$1" metrics | sed -n 's,^singleshot_request_duration_seconds_count{.*route="/detect".* ,,p'; }
[ "$(requests "$CPU")" = 1.0 ] # the one that this script sent to it

step "if the disk of the cache is full, the log says so and the CUDA provider goes on"
wait_until says "$FULL" 'no TensorRT engine was built: .*No space left on device'
says "$FULL" 'no TensorRT engine was built'
answers "$FULL" onnx

step "after a restart the engine comes from the volume"
logged compose rm --stop --force gpu-1
logged compose restart gpu-0
for replica in "${REPLICAS[@]}"; do wait_until is_ready "$replica"; done
for replica in "${REPLICAS[@]}"; do
  answers "$replica" tensorrt
  ! says "$replica" 'building its TensorRT engine'
done

step "an engine of another version is named; a build that is killed leaves the CUDA provider"
logged compose up --detach --no-build --no-recreate --scale gpu-0=1 gpu-0
in_cache "$FIRST" 'for file in *.engine *.sha256; do mv "$file" "$(echo "$file" | sed s/rtx-1/rtx-0/)"; done'
touch "$WORK/control/hold-build"
logged compose restart gpu-0
wait_until says "$FIRST" 'building its TensorRT engine'
says "$FIRST" 'do not fit here'
kill_builder() { docker exec "$FIRST" python -I -S -c '
import os, pathlib, signal
processes = {path.parent.name: path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
(builder,) = [process for process, command in processes.items() if b"-m\0export.engine_builder\0" in command]
os.kill(int(builder), signal.SIGKILL)'; }
wait_until kill_builder
wait_until says "$FIRST" 'no TensorRT engine was built'
says "$FIRST" 'no TensorRT engine was built'
answers "$FIRST" onnx
rm "$WORK/control/hold-build"

step "the next start builds the engine"
logged compose restart gpu-0
wait_until uses "$FIRST" tensorrt
answers "$FIRST" tensorrt

step "if the GPU is lost, the process ends, the CPU answers, and Docker starts the replica again"
in_cache "$FIRST" 'for file in *rtx-1*.engine; do printf damaged | dd of="$file" bs=1 seek=1000 conv=notrunc 2>/dev/null; done'
touch "$WORK/control/lose-${FIRST:0:12}"
is_started_again() {
  status "$DOOR/detect"
  [ "$(docker inspect -f '{{.RestartCount}}' "$FIRST")" = 1 ]
}
wait_until is_started_again
rm "$WORK/control/lose-${FIRST:0:12}"
[ "$(status --retry 5 "$DOOR/detect")" = 200 ]
[ "$(requests "$CPU")" != 1.0 ]

step "a damaged engine is built again"
wait_until says "$FIRST" 'it is removed and built again'
says "$FIRST" 'it is removed and built again'
wait_until uses "$FIRST" tensorrt
answers "$FIRST" tensorrt
