# Part of deploy/check_cluster.sh: one node with the whole control plane, whose processes run in this network namespace.
# NODE is the node's address.
API=https://$NODE:16443 TOKEN=check-cluster
RUN=$WORK/run
PIDS=()
mkdir -p "$RUN"
export KUBECONFIG=$RUN/kubeconfig
install_packages dnsmasq-base

spawn() { # NAME COMMAND...
  local name=$1
  shift
  (cd "$RUN" && exec setsid "$@" >"$RUN/$name.log" 2>&1 </dev/null) &
  PIDS+=($!)
}
stop_cluster() {
  local pid
  for pid in "${PIDS[@]}"; do kill "$pid"; done
  docker ps --all --quiet | xargs -r docker rm --force
  for pid in "${PIDS[@]}"; do kill -KILL "$pid"; done
  wait "${PIDS[@]}"
} >/dev/null 2>&1

step "start a control plane and a node"
ip route add 10.96.0.0/16 dev "$BRIDGE" # a service that kube-proxy does not know yet is not sought outside
openssl genrsa -out "$RUN/accounts.key" 2048 2>/dev/null
openssl rsa -in "$RUN/accounts.key" -pubout -out "$RUN/accounts.pub" 2>/dev/null
echo "$TOKEN,check,check,system:masters" >"$RUN/tokens.csv"
cat >"$KUBECONFIG" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: check, cluster: {server: "$API", insecure-skip-tls-verify: true}}]
users: [{name: check, user: {token: $TOKEN}}]
contexts: [{name: check, context: {cluster: check, user: check}}]
current-context: check
YAML
ETCD=http://127.0.0.1:23790 PEER=http://127.0.0.1:23800
spawn etcd "$BIN/etcd" --data-dir data --unsafe-no-fsync --listen-client-urls $ETCD --advertise-client-urls $ETCD \
  --listen-peer-urls $PEER --initial-advertise-peer-urls $PEER --initial-cluster default=$PEER
wait_for 60 curl -fs $ETCD/health
spawn apiserver "$BIN/kube-apiserver" --etcd-servers=$ETCD --authorization-mode=RBAC --token-auth-file=tokens.csv \
  --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file=accounts.key \
  --service-account-key-file=accounts.pub --cert-dir=certificates --bind-address=0.0.0.0 --secure-port=16443 \
  --advertise-address="$NODE" --service-cluster-ip-range=10.96.0.0/16 --kubelet-preferred-address-types=InternalIP
wait_for 120 kubectl get --raw /readyz
# the autoscaler measures often, so that a drill takes two minutes and not twenty
spawn controller-manager "$BIN/kube-controller-manager" --kubeconfig="$KUBECONFIG" --leader-elect=false \
  --service-account-private-key-file=accounts.key --root-ca-file=certificates/apiserver.crt --cert-dir=certificates \
  --cluster-cidr=172.29.255.0/24 --port=0 \
  --horizontal-pod-autoscaler-sync-period=3s --horizontal-pod-autoscaler-downscale-stabilization=15s
spawn scheduler "$BIN/kube-scheduler" --kubeconfig="$KUBECONFIG" --leader-elect=false --port=0
spawn kubelet "$BIN/kubelet" --kubeconfig="$KUBECONFIG" --container-runtime=docker --docker-endpoint="$DOCKER_HOST" \
  --cgroup-driver=cgroupfs --cgroups-per-qos=false --enforce-node-allocatable= --fail-swap-on=false \
  --root-dir="$WORK/kubelet" --pod-infra-container-image=singleshot-check/pause --hostname-override=node \
  --node-ip="$NODE" --anonymous-auth --authorization-mode=AlwaysAllow --read-only-port=0 --eviction-hard= \
  --image-gc-high-threshold=100 --cert-dir=certificates --cluster-dns="$NODE" --cluster-domain=cluster.local \
  --node-status-update-frequency=3s --sync-frequency=10s
spawn proxy "$BIN/kube-proxy" --kubeconfig="$KUBECONFIG" --hostname-override=node --cluster-cidr=172.29.255.0/24 \
  --proxy-mode=iptables --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
  --conntrack-tcp-timeout-close-wait=0
: >"$RUN/hosts"
spawn names dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts="$RUN/hosts" \
  --listen-address="$NODE" --bind-interfaces --local=/cluster.local/ --user=root --pid-file=
spawn hosts python3 -I "$PWD/deploy/check/names.py" "$API" $TOKEN "$RUN/hosts" "${PIDS[-1]}"
wait_for 120 kubectl wait --for=condition=Ready node/node --timeout=1s
wait_for 60 kubectl get serviceaccount default
kubectl get nodes -o wide
kubectl get --raw /version | grep -F "\"v$KUBERNETES\"" # by which the chart chooses the versions of objects
