#!/usr/bin/env bash
# Test docker-compose.yml with real containers: build, start two replicas, send requests, break one replica, query
# Prometheus, stop everything. Then docker/check_gpu_profile.sh does the same for the profile `gpu`.
#
#   docker/check_compose.sh
#
# It uses the Docker engine that runs. If none runs, on Debian and as root, it installs one and runs it with all files
# in a scratch directory; on other machines it prints that it skips. If images cannot be pulled, it builds them from
# Debian's packages, with the mirror and the extra certificates that this machine uses. It does not start Grafana, but
# sends the dashboard's queries to Prometheus.
#
#   KEEP=1      leave everything running, for inspection      CACHE=DIR   keep downloads there between runs
set -Eeuo pipefail
cd "$(dirname "$0")/.."

WORK=$(mktemp -d /tmp/check-compose.XXXXXX)
CACHE=${CACHE:-$WORK/cache}
BRIDGE=singleshot0 BRIDGE_ADDRESS=172.29.255.1/24 POOL=172.30.0.0/16
PLUGINS=trixie                              # its compose and buildx also run on bookworm
ROOTFS=singleshot-check/rootfs
STEP=start OWN_ENGINE='' OWN_BRIDGE='' GPU_IMAGE='' IS_UP='' STARTED=$SECONDS
export DEBIAN_FRONTEND=noninteractive DOCKER_BUILDKIT=1 no_proxy='*' PORT=0 PROMETHEUS_PORT=0
mkdir -p "$CACHE/debs"

step() { STEP=$1; printf '%4d s  %s\n' $((SECONDS - STARTED)) "$1"; }
skip() { echo "docker/check_compose.sh: skipped because $1"; exit 0; }
compose() { docker compose --project-name singleshot-check "$@"; }
logged() { "$@" >>"$WORK/log" 2>&1 || { tail -25 "$WORK/log"; return 1; }; }

finish() {
  local status=$?
  trap - EXIT
  set +e
  if [ $status -ne 0 ]; then
    echo "failed at: $STEP"
    [ -z "$IS_UP" ] || { compose ps -a; compose logs --tail 20; }
    [ -z "$OWN_ENGINE" ] || tail -5 "$WORK/dockerd.log"
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
stop_engine() {
  kill "$OWN_ENGINE"
  for _ in $(seq 100); do kill -0 "$OWN_ENGINE" 2>/dev/null || break; sleep 0.2; done
  kill -KILL "$OWN_ENGINE" 2>/dev/null
  awk -v w="$WORK/" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
  ip link del "$OWN_BRIDGE"
  iptables-restore <"$WORK/iptables.before"
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- Debian's packages, if there is no engine or no registry
install_packages() {
  local missing=()
  for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return
  logged apt-get -qq -o DPkg::Lock::Timeout=300 update
  logged apt-get -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends install "${missing[@]}"
}
mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk '
    /^URIs:/ {print $2; exit}  /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' || true
}
# unpack DIRECTORY PACKAGE...: packages of $PLUGINS, verified by apt, not installed; /etc/apt is not changed
unpack() {
  local apt=$WORK/apt directory=$1 package file
  shift
  mkdir -p "$directory" "$apt"/{lists,cache/archives}/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $PLUGINS main" >"$apt/sources.list"
  local options=(-qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$apt/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache"
    -o APT::Sandbox::User=root)
  for package in "$@"; do
    if ! compgen -G "$CACHE/debs/${package}_*.deb" >/dev/null; then
      [ -e "$apt/updated" ] || { logged apt-get "${options[@]}" update && touch "$apt/updated"; }
      (cd "$CACHE/debs" && logged apt-get "${options[@]}" download "$package")
    fi
    for file in "$CACHE/debs/${package}"_*.deb; do dpkg-deb -x "$file" "$directory"; done
  done
}

# ---- An engine with compose
engine_is_there() { docker info >/dev/null 2>&1; }
if ! engine_is_there; then
  [ "$(id -u)" = 0 ] || skip "no Docker engine answers, and only root can start one"
  command -v apt-get >/dev/null || skip "no Docker engine answers, and this script can install one only on Debian"
  step "install an engine"
  install_packages docker.io iptables iproute2 curl mmdebstrap
  ip link add name "$BRIDGE" type bridge 2>/dev/null ||
    skip "this machine does not allow a network bridge for a Docker engine"
  OWN_BRIDGE=$BRIDGE
  ip addr add "$BRIDGE_ADDRESS" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  iptables-save >"$WORK/iptables.before"
  export DOCKER_HOST=unix://$WORK/docker.sock PATH=/usr/bin:$PATH
  setsid dockerd -H "$DOCKER_HOST" --data-root "$WORK/data" --exec-root "$WORK/exec" --pidfile "$WORK/dockerd.pid" \
    --bridge "$BRIDGE" --default-address-pool "base=$POOL,size=24" >"$WORK/dockerd.log" 2>&1 </dev/null &
  OWN_ENGINE=$!
  for _ in $(seq 300); do engine_is_there && break; kill -0 "$OWN_ENGINE"; sleep 0.2; done
fi
docker info --format 'engine {{.ServerVersion}}, {{.Driver}}'
if ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1; then
  command -v apt-get >/dev/null || skip "docker compose is not installed"
  step "fetch compose and buildx"
  unpack "$WORK/plugins" docker-compose docker-buildx
  export DOCKER_CONFIG=$WORK/config
  mkdir -p "$DOCKER_CONFIG"
  mv "$WORK/plugins/usr/libexec/docker/cli-plugins" "$DOCKER_CONFIG/"
fi

step "check the compose file, with and without GPUs"
compose config --quiet
for profile in gpu gpu-2 gpu-4; do compose --profile "$profile" config --quiet; done

# ---- Images: those that the files name, or substitutes of the same layout
# stand_in VARIABLE TAG: build a substitute in $WORK/TAG from the Dockerfile on stdin, and name it in VARIABLE
stand_in() {
  mkdir -p "$WORK/$2"
  cat >"$WORK/$2/Dockerfile"
  logged docker build --tag "singleshot-check/$2" "$WORK/$2"
  export "$1=singleshot-check/$2"
}
if ! timeout 60 docker pull --quiet "${PYTHON_IMAGE:-python:3.11.11-slim-bookworm}" >/dev/null 2>&1; then
  step "no registry: build the images from Debian's packages"
  install_packages mmdebstrap
  if [ ! -s "$CACHE/rootfs.tar" ]; then
    logged mmdebstrap --mode=root --format=tar --variant=minbase --include=python3,python3-venv,ca-certificates \
      --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt=force-unsafe-io \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/locale/*' \
      bookworm "$CACHE/rootfs.tar.part" "$(mirror)"
    mv "$CACHE/rootfs.tar.part" "$CACHE/rootfs.tar"
  fi
  docker import "$CACHE/rootfs.tar" "$ROOTFS" >/dev/null
  mkdir -p "$WORK/python/ca"
  cp /usr/local/share/ca-certificates/*.crt "$WORK/python/ca/" 2>/dev/null || true
  stand_in PYTHON_IMAGE python <<DOCKERFILE
FROM $ROOTFS
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
COPY ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates && python3 -m venv /usr/local && rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
DOCKERFILE
  stand_in HAPROXY_IMAGE haproxy <<DOCKERFILE
FROM $ROOTFS
RUN apt-get update && apt-get install --yes --no-install-recommends haproxy
USER haproxy
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy", "-W", "-db"]
CMD ["-f", "/usr/local/etc/haproxy/haproxy.cfg"]
DOCKERFILE
  unpack "$WORK/prometheus" prometheus promtool
  stand_in PROMETHEUS_IMAGE prometheus <<DOCKERFILE
FROM $ROOTFS
COPY usr/bin/prometheus usr/bin/promtool /bin/
RUN mkdir -p /prometheus /etc/prometheus && chown 65534:65534 /prometheus
USER 65534
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
DOCKERFILE
fi

step "build the server's image"
logged compose --progress plain build server
megabytes() { echo $(($(docker image inspect -f '{{.Size}}' "$1") / 1000000)); }
OWN_SIZE=$(($(megabytes singleshot:cpu) - $(megabytes "${PYTHON_IMAGE:-python:3.11.11-slim-bookworm}")))
echo "singleshot:cpu: $(megabytes singleshot:cpu) MB, which is $OWN_SIZE MB more than Python's image"
[ $OWN_SIZE -lt 500 ]
# its build is mostly downloads, and the steps below mostly wait
TENSORRT=engine compose --profile gpu build gpu-0 >"$WORK/gpu-image.log" 2>&1 &
GPU_IMAGE=$!

step "start two replicas, the proxy and Prometheus"
IS_UP=1
logged compose up --detach --no-build --wait --wait-timeout 300 --scale server=2 server proxy prometheus
compose ps --format '{{.Name}}: {{.Status}}'

# ---- Requests
address() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
mapfile -t REPLICAS < <(compose ps --quiet server)
[ ${#REPLICAS[@]} = 2 ]
DOOR=http://127.0.0.1:$(compose port proxy 8000 | sed 's/.*://')
PROMETHEUS=http://127.0.0.1:$(compose port prometheus 9090 | sed 's/.*://')
docker exec "${REPLICAS[0]}" python -c '
import glob, sys, cv2
golden = cv2.imread(glob.glob("service/bundles/*/golden.png")[0])
sys.stdout.buffer.write(cv2.imencode(".jpg", golden)[1])' >"$WORK/golden.jpg"
detect() { curl -sS -m 60 -H 'Content-Type: image/jpeg' --data-binary "@$WORK/golden.jpg" "$@"; }
status() { detect -o /dev/null -w '%{http_code}\n' "$@"; }

step "each replica answers a JPEG"
for replica in "${REPLICAS[@]}"; do
  detect -f "http://$(address "$replica"):8000/detect" | grep -o '"label":"[^"]*"' | sort | uniq -c | paste -sd' '
done

# ---- Prometheus
ask() { curl -fsS -m 5 -G "$PROMETHEUS/api/v1/query" --data-urlencode "query=$1" | python3 -c '
import json, sys
result = json.load(sys.stdin)["data"]["result"]
print(result[0]["value"][1] if result else "none")'; }
# until_it_is VALUE QUERY: wait until Prometheus answers VALUE, and meanwhile send requests. Every second one has a
# deadline of 1 ms, so it expires or is refused.
until_it_is() {
  for _ in $(seq 60); do
    [ "$(ask "$2")" != "$1" ] || return 0
    for replica in "${AWAKE[@]}"; do
      status "http://$(address "$replica"):8000/detect" >/dev/null
      status -H 'X-Request-Timeout-Ms: 1' "http://$(address "$replica"):8000/detect" >/dev/null
    done
    sleep 1
  done
  echo "Prometheus still answers $(ask "$2") to $2, not $1"
  return 1
}
AWAKE=("${REPLICAS[@]}")
step "promtool: configuration, rules and their tests"
logged compose exec -T prometheus promtool check config /etc/prometheus/prometheus.yml
logged compose exec -T prometheus promtool test rules /etc/prometheus/rules_test.yml
step "Prometheus finds both replicas"
until_it_is 2 'sum(up{job="singleshot"})'
until_it_is 1 'sum(up{job="proxy"})'

step "every recording rule has data"
rules() { curl -fsS "$PROMETHEUS/api/v1/rules?type=record" | python3 -c '
import json, sys
groups = json.load(sys.stdin)["data"]["groups"]
print(*sorted({rule["name"] for group in groups for rule in group["rules"]}), sep="\n")'; }
[ "$(rules | wc -l)" -gt 10 ]
for rule in $(rules); do until_it_is 1 "clamp(count($rule), 1, 1)"; done

step "every query of the dashboard has data"
python3 -m venv "$WORK/venv"
logged "$WORK/venv/bin/pip" install --quiet --requirement docker/grafana/requirements.txt
"$WORK/venv/bin/python" docker/check_grafana.py docker/grafana "$PROMETHEUS"

step "if a replica hangs, an alert fires and the other replica answers"
[ "$(ask 'ALERTS{alertname="SingleshotReplicaDown"}')" = none ]
docker pause "${REPLICAS[1]}" >/dev/null
AWAKE=("${REPLICAS[0]}")
until_it_is 1 'ALERTS{alertname="SingleshotReplicaDown", alertstate="firing"}'
[ "$(status "$DOOR/detect")" = 200 ]
docker unpause "${REPLICAS[1]}" >/dev/null
AWAKE=("${REPLICAS[@]}")
until_it_is none 'ALERTS{alertname="SingleshotReplicaDown"}'

step "if a replica is killed under load, no request is lost"
CLIENTS=()
for _ in $(seq 3); do
  (for _ in $(seq 40); do status "$DOOR/detect"; done) >>"$WORK/answers" &
  CLIENTS+=($!)
done
for _ in $(seq 300); do [ "$(wc -l <"$WORK/answers")" -lt 30 ] || break; sleep 0.1; done
docker kill "${REPLICAS[1]}" >/dev/null
wait "${CLIENTS[@]}"
sort "$WORK/answers" | uniq -c
[ "$(sort -u "$WORK/answers")" = 200 ]
[ "$(wc -l <"$WORK/answers")" = 120 ]

step "a replica that is stopped exits with status 0"
logged compose stop server
[ "$(docker inspect -f '{{.State.ExitCode}}' "${REPLICAS[0]}")" = 0 ]

step "the GPU profile, without a GPU"
logged compose down --volumes --timeout 3
IS_UP=''
wait "$GPU_IMAGE" || { tail -25 "$WORK/gpu-image.log"; exit 1; }
docker/check_gpu_profile.sh
