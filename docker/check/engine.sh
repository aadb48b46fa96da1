# Part of docker/check_compose.sh: a Docker engine with compose, from Debian's packages if none runs.
BRIDGE=singleshot0 BRIDGE_ADDRESS=172.29.255.1/24 POOL=172.30.0.0/16
PLUGINS=trixie                              # its compose and buildx also run on bookworm
OWN_ENGINE='' OWN_BRIDGE=''

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

