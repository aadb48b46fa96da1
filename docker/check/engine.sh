# Part of docker/check_compose.sh: a Docker engine with compose, from Debian's packages if none runs.
BRIDGE=singleshot0 BRIDGE_ADDRESS=172.29.255.1/24 POOL=172.30.0.0/16
PLUGINS=trixie                              # its compose and buildx also run on bookworm
OWN_ENGINE='' OWN_BRIDGE=''
declare -p ENGINE_OPTIONS >/dev/null 2>&1 || ENGINE_OPTIONS=() # more options of dockerd

stop_engine() {
  kill "$OWN_ENGINE"
  for _ in $(seq 100); do kill -0 "$OWN_ENGINE" 2>/dev/null || break; sleep 0.2; done
  kill -KILL "$OWN_ENGINE" 2>/dev/null
  awk -v w="$WORK/" 'index($2, w) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
  ip link del "$OWN_BRIDGE"
  iptables-restore <"$WORK/iptables.before"
}

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
    --bridge "$BRIDGE" --default-address-pool "base=$POOL,size=24" "${ENGINE_OPTIONS[@]}" >"$WORK/dockerd.log" 2>&1 </dev/null &
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

