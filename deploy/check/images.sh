# Part of deploy/check_cluster.sh: the images that the node runs; it pulls none.
step "build the server's image"
[ -n "${PYTHON_IMAGE:-}" ] || PYTHON_IMAGE=$(sed -n 's/^ARG PYTHON_IMAGE=//p' docker/Dockerfile)
default_of() { sed -n "s/.*{$1:-\(.*\)}.*/\1/p" docker-compose.yml | head -1; }
for name in HAPROXY_IMAGE PROMETHEUS_IMAGE; do
  [ -n "${!name:-}" ] || { export $name="$(default_of $name)"; patiently logged docker pull --quiet "${!name}"; }
done
# build_target TARGET OPTION...
build_target() {
  local target=$1
  shift
  patiently docker build --progress plain --file docker/Dockerfile --target "$target" --tag "singleshot:$target" \
    --build-arg PYTHON_IMAGE="$PYTHON_IMAGE" "$@" .
}
logged build_target cpu
logged docker build --tag singleshot-check/pause - <<DOCKERFILE
FROM $PYTHON_IMAGE
ENTRYPOINT ["/bin/sh", "-c", "trap 'exit 0' INT TERM; sleep infinity & wait"]
DOCKERFILE

# The image for training has the build of torch for CPUs, which the build finds on this port of its own machine.
train_image() {
  local wheels=$WORK/index/torch server status=0
  mkdir -p "$wheels"
  python3 -m venv "$WORK/pip"
  patiently "$WORK/pip/bin/pip" download --quiet --no-deps --dest "$wheels" --retries 1 \
    --extra-index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' constraints.txt)"
  python3 -m http.server --bind 127.0.0.1 --directory "$WORK/index" 8099 >/dev/null 2>&1 &
  server=$!
  build_target workbench --network host --build-arg TORCH_INDEX=http://127.0.0.1:8099 || status=$?
  kill $server
  return $status
}
