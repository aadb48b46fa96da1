#!/usr/bin/env bash
# Test docker-compose.yml with real containers: build, start three replicas with all that belongs to them, do the drills
# of docs/drills.md, query Prometheus, stop everything. Then docker/check_gpu_profile.sh tests the profile `gpu`.
#
#   docker/check_compose.sh
#
# It uses the Docker engine that runs. If none runs, on Debian and as root, it installs one and runs it with all files
# in a scratch directory; on other machines it prints that it skips. If images cannot be pulled, it builds them from
# Debian's packages, with the mirror and the extra certificates that this machine uses. It does not start Grafana, but
# sends the dashboard's queries to Prometheus.
#
#   KEEP=1      leave everything running, for inspection      CACHE=DIR   keep downloads there between runs
#   DRILLS="hang poison"   do only these drills, and nothing after them
#   HOLD=FILE   when the server's image is built, wait until FILE is gone
set -Eeuo pipefail
cd "$(dirname "$0")/.."

WORK=$(mktemp -d /tmp/check-compose.XXXXXX)
CACHE=${CACHE:-$WORK/cache}
OWN_ENGINE= STEP=start GPU_IMAGE='' IS_UP='' STARTED=$SECONDS
export DEBIAN_FRONTEND=noninteractive DOCKER_BUILDKIT=1 no_proxy='*'
export PORT=0 PORT_TLS=0 PROMETHEUS_PORT=0 ALERTMANAGER_PORT=0 CERTIFICATES=$WORK/certificates
mkdir -p "$CACHE/debs" "$WORK/certificates" "$WORK/bundles"
chmod 755 "$WORK" "$WORK/certificates" "$WORK/bundles"

step() { STEP=$1; printf '%4d s  %s\n' $((SECONDS - STARTED)) "$1"; }
skip() { echo "docker/check_compose.sh: skipped because $1"; exit 0; }
compose() {
  docker compose --project-name singleshot-check --profile tls \
    --file docker-compose.yml --file "$WORK/drills.yml" "$@"
}
# patiently COMMAND...: again if it fails, because a download may; what was downloaded before is kept
patiently() { "$@" || "$@" || "$@"; }
logged() { "$@" >>"$WORK/log" 2>&1 || { tail -25 "$WORK/log"; return 1; }; }

finish() {
  local status=$?
  trap - EXIT
  set +e
  rm -f "$WORK/loading"
  if [ $status -ne 0 ]; then
    [ -z "$OWN_ENGINE" ] || tail -5 "$WORK/dockerd.log"
    [ -z "$IS_UP" ] || { compose logs --tail 20; compose ps -a; }
    [ ! -e "$WORK/faults" ] || cat "$WORK/faults"
    echo "failed at: $STEP"
  fi
  if [ -n "${KEEP:-}" ]; then
    echo "kept: DOCKER_HOST=${DOCKER_HOST:-} DOCKER_CONFIG=${DOCKER_CONFIG:-} in $WORK"
  else
    [ -z "$IS_UP" ] || compose down --volumes --timeout 3 >/dev/null 2>&1
    [ -z "$GPU_IMAGE" ] || kill "$GPU_IMAGE" 2>/dev/null
    [ -z "$OWN_ENGINE" ] || stop_engine
    rm -rf "$WORK"
  fi
  [ $status -ne 0 ] || [ "$STEP" = start ] || step "all checks passed, everything is stopped"
  exit $status
}
trap finish EXIT
trap 'echo "failed: $BASH_COMMAND (${BASH_SOURCE[0]}, line $LINENO)" >>"$WORK/faults"' ERR
trap 'exit 130' INT TERM

# The servers of the drills: a bundle with a canary, and faults that the drills set off
cat >"$WORK/drills.yml" <<YAML
services:
  server:
    environment:
      PYTHONPATH: /faults:/app
      SINGLESHOT_BUNDLES: /bundles/main
      SINGLESHOT_CANARIES: /bundles/canary
      SINGLESHOT_PRECISION: int8 # without trying which one is faster, so that they start sooner
      SINGLESHOT_STUCK_SECONDS: 3
    volumes:
      - ./docker/check/faults.py:/faults/sitecustomize.py:ro
      - $WORK/bundles:/bundles:ro
YAML
python3 docker/check/bundles.py "$WORK/bundles"

source docker/check/packages.sh
source docker/check/engine.sh
step "check the compose file with each profile"
for profile in tls gpu gpu-2 gpu-4; do docker compose --profile "$profile" config --quiet; done
source docker/check/images.sh

step "build the server's image"
patiently logged compose --progress plain build server
megabytes() { echo $(($(docker image inspect -f '{{.Size}}' "$1") / 1000000)); }
OWN_SIZE=$(($(megabytes singleshot:cpu) - $(megabytes "${PYTHON_IMAGE:-python:3.11.11-slim-bookworm}")))
echo "singleshot:cpu: $(megabytes singleshot:cpu) MB, which is $OWN_SIZE MB more than Python's image"
[ $OWN_SIZE -lt 500 ]
docker run --rm --entrypoint python singleshot:cpu -I -c '
import json
packages = json.load(open("/opt/sbom.cdx.json"))["components"]
assert {"numpy", "uvicorn"} <= {package["name"] for package in packages}
print(len(packages), "packages in /opt/sbom.cdx.json")'
docker run --rm --entrypoint singleshot singleshot:cpu --version
if [ -z "${DRILLS:-}" ]; then # its build is mostly downloads, and the steps below mostly wait
  TENSORRT=engine patiently docker compose --profile gpu build gpu-0 >"$WORK/gpu-image.log" 2>&1 &
  GPU_IMAGE=$!
fi

if [ -n "${HOLD:-}" ]; then
  step "wait until $HOLD is gone"
  while [ -e "$HOLD" ]; do sleep 1; done
fi

step "start three replicas, both proxies, Prometheus and Alertmanager"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 \
  -keyout "$WORK/certificates/door.pem.key" -out "$WORK/certificates/door.pem" 2>/dev/null
chmod 644 "$WORK/certificates/door.pem.key"
IS_UP=1
logged compose up --detach --no-build --wait --wait-timeout 300 --scale server=3 \
  server proxy proxy-tls prometheus alertmanager alert-log
compose ps --format '{{.Name}}: {{.Status}}'
mapfile -t REPLICAS < <(compose ps --quiet server)
[ ${#REPLICAS[@]} = 3 ]
source docker/check/requests.sh

step "each replica answers a JPEG, and so does the door with TLS"
for replica in "${REPLICAS[@]}"; do
  detect -f "http://$(address "$replica"):8000/detect" | grep -o '"label":"[^"]*"' | sort | uniq -c | paste -sd' '
done
[ "$(status --cacert "$WORK/certificates/door.pem" "https://localhost:$(published proxy-tls 8443)/detect")" = 200 ]

step "the tools of Prometheus and Alertmanager accept their files"
image_of() { docker inspect -f '{{.Config.Image}}' "$(compose ps --quiet "$1")"; }
promtool() {
  docker run --rm --volume "$PWD/docker/prometheus:/etc/prometheus:ro" --entrypoint /bin/promtool \
    "$(image_of prometheus)" "$@"
}
logged promtool check config /etc/prometheus/prometheus.yml
logged compose exec -T alertmanager amtool check-config /etc/alertmanager/alertmanager.yml
(for file in docker/prometheus/*_test.yml; do promtool test rules "/etc/prometheus/$(basename "$file")"; done) \
  >"$WORK/rules.log" 2>&1 &
RULES=$!
step "HAProxy does not start with TLS if there is no certificate"
haproxy_check() {
  docker run --rm --volume "$PWD/docker:/docker:ro" --volume "$1:/certificates:ro" \
    "$(image_of proxy)" -c -f /docker/haproxy.cfg -f /docker/tls.cfg 2>&1
}
mkdir "$WORK/empty"
haproxy_check "$WORK/certificates" >/dev/null
! message=$(haproxy_check "$WORK/empty")
grep 'no SSL certificate specified' <<<"$message"

step "Prometheus finds the replicas and the proxies"
until_it_is 3 'sum(up{job="singleshot"})'
until_it_is 2 'sum(up{job="proxy"})'

step "promtool finds nothing to improve in the metrics"
get "${REPLICAS[0]}" metrics | docker run --rm --interactive --entrypoint /bin/promtool "$(image_of prometheus)" check metrics

source docker/check/drills.sh
if [ -n "${DRILLS:-}" ]; then
  for drill in $DRILLS; do
    step "drill: $drill"
    together "$drill"
  done
  print_drills
  exit
fi
for drills in outside "canary corrupt hang" kill poison "engine loop fill proxy"; do
  step "drills: $drills"
  together $drills # shellcheck disable=SC2086 (one word for each drill)
done

step "the tests of the rules pass, and every recording rule has data"
wait "$RULES" || { tail -25 "$WORK/rules.log"; exit 1; }
rules() { curl -fsS "$PROMETHEUS/api/v1/rules?type=record" | python3 -c '
import json, sys
groups = json.load(sys.stdin)["data"]["groups"]
print(*sorted({rule["name"] for group in groups for rule in group["rules"]}), sep="\n")'; }
[ "$(rules | wc -l)" -gt 10 ]
for rule in $(rules); do until_it_is 1 "clamp(count($rule), 1, 1)"; done

step "every query of the dashboard has data"
start_load 1
start_load 1 -H 'X-Request-Timeout-Ms: 1' # expires or is refused
python3 -m venv "$WORK/venv"
logged "$WORK/venv/bin/pip" install --quiet --requirement docker/grafana/requirements.txt
"$WORK/venv/bin/python" docker/check_grafana.py docker/grafana "$PROMETHEUS"
stop_load

step "drill: stop"
together stop
print_drills

step "the GPU profile, without a GPU"
logged compose down --volumes --timeout 3
IS_UP=''
wait "$GPU_IMAGE" || { tail -25 "$WORK/gpu-image.log"; exit 1; }
docker/check_gpu_profile.sh
