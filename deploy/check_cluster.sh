#!/usr/bin/env bash
# Test deploy/helm/singleshot and deploy/kubernetes on a real Kubernetes of one node: build the images, start the
# control plane and the node in a network namespace of their own, install the chart, do the drills of
# docs/kubernetes.md under load, train with two pods, uninstall the chart, stop everything.
#
#   deploy/check_cluster.sh
#
# It needs root on Debian 12 (bookworm), four gigabytes of memory and, the first time, some fifteen minutes to build
# Kubernetes 1.20.2 from Debian's source package. The images are built as in docker/check_compose.sh.
#
#   KEEP=1      leave everything running, for inspection      CACHE=DIR   keep programs and downloads there between runs
#   DRILLS="restart scale"   do only these drills
set -Eeuo pipefail
cd "$(dirname "$0")/.."

skip() { echo "deploy/check_cluster.sh: skipped because $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "only root can start a node"
grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release || skip "this is not Debian 12 (bookworm), which has the source of a whole Kubernetes"
for program in ip iptables nsenter sysctl; do
  command -v $program >/dev/null || skip "there is no $program: apt-get install iproute2 iptables procps util-linux"
done
[ -n "${NODE:-}" ] || exec deploy/check/namespace.sh "$PWD/deploy/check_cluster.sh"

WORK=$(mktemp -d /tmp/check-cluster.XXXXXX)
CACHE=${CACHE:-$WORK/cache}
STEP=start STARTED=$SECONDS OWN_ENGINE='' PIDS=()
NAMESPACE=detect # of the release
DRILLS=${DRILLS:-restart kill upgrade evict scale canary copy keys remove train}
export DEBIAN_FRONTEND=noninteractive DOCKER_BUILDKIT=1 no_proxy='*' PATH=$CACHE/bin:/usr/bin:$PATH
export DOCKER_HOST=unix://$WORK/docker.sock
mkdir -p "$CACHE/debs"
chmod 755 "$WORK"

step() { STEP=$1; printf '%4d s  %s\n' $((SECONDS - STARTED)) "$1"; }
# patiently COMMAND...: again if it fails, because a download may; what was downloaded before is kept
patiently() { "$@" || "$@" || "$@"; }
logged() { "$@" >>"$WORK/log" 2>&1 || { tail -25 "$WORK/log"; return 1; }; }

describe_failure() {
  kubectl get pods --all-namespaces -o wide
  kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -15
  kubectl --namespace "$NAMESPACE" logs --selector app.kubernetes.io/name=singleshot --all-containers --prefix --tail 5
  tail --lines 3 "$WORK"/run/*.log
}
finish() {
  local status=$?
  trap - EXIT
  set +e
  rm -f "$WORK/loading"
  [ $status = 0 ] || { echo "failed at: $STEP"; [ ${#PIDS[@]} = 0 ] || describe_failure; }
  [ $status -ne 0 ] || [ "$STEP" = start ] || step "all checks passed"
  if [ -n "${KEEP:-}" ]; then
    echo "kept: KUBECONFIG=${KUBECONFIG:-} DOCKER_HOST=$DOCKER_HOST PATH=$CACHE/bin:\$PATH"
  else
    [ ${#PIDS[@]} = 0 ] || stop_cluster
    [ -z "$OWN_ENGINE" ] || stop_engine
    rm -rf "$WORK"
    echo "everything is stopped"
  fi
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

PLUGINS=trixie # buildx
source docker/check/packages.sh
source deploy/check/binaries.sh
ENGINE_OPTIONS=(--add-runtime "check=$PWD/deploy/check/runtime.py" --default-runtime check
  --exec-opt native.cgroupdriver=cgroupfs)
source docker/check/engine.sh
source docker/check/images.sh
source deploy/check/images.sh
if [[ " $DRILLS " = *" train "* ]]; then
  train_image >"$WORK/train-image.log" 2>&1 &
  TRAIN_IMAGE=$!
fi
source docker/check/load.sh
source deploy/check/control_plane.sh
python3 docker/check/bundles.py "$WORK/bundles"
chmod -R a+rX "$WORK/bundles"
source deploy/check/release.sh

step "JPEGs through the Service have the detections of the golden image"
for _ in $(seq 4); do detect -f "$DOOR/detect" | python3 deploy/check/compare.py; done
source deploy/check/drills.sh
source deploy/check/train.sh
for drill in $DRILLS; do
  step "drill: $drill"
  begin
  "drill_$drill"
done
print_drills
cat <<'TEXT'

Not shown, because this is one node with Kubernetes 1.20, without an operator, a GPU or a network plug-in:
  the objects of autoscaling/v2 and policy/v1 (v2beta2 and v1beta1 took their places), NetworkPolicy's effect, KEDA,
  PodMonitor and PrometheusRule, images as volumes, the spread over nodes and zones, GPUs, Indexed Jobs, and
  prometheus-adapter itself (deploy/check/custom_metrics.py asked Prometheus its queries)
TEXT
