# Part of deploy/check_cluster.sh: Prometheus, the custom metrics API, and the chart as release `singleshot`. A Service of
# that name is the one that could break the server, by the variables that it adds to pods.
in_namespace() { kubectl --namespace "$NAMESPACE" "$@"; }
address_of() { kubectl --namespace "$1" get service "$2" -o jsonpath='{.spec.clusterIP}:{.spec.ports[0].port}'; }
# upgrade OPTION...: install the release, or give it other values, and wait until the old pods are gone
upgrade() {
  helm upgrade --install singleshot deploy/helm/singleshot --namespace "$NAMESPACE" --values deploy/check/values/base.yaml \
    --set proxy.image="$HAPROXY_IMAGE" --wait --timeout 5m "$@" && wait_for 120 is_settled
}
# pods COMPONENT: the names of the pods that run and are not about to stop
pods() {
  in_namespace get pods --selector "app.kubernetes.io/component=$1" -o json | python3 -c '
import json, sys
for pod in json.load(sys.stdin)["items"]:
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    if ready and "deletionTimestamp" not in pod["metadata"]:
        print(pod["metadata"]["name"])'
}
is_settled() { [ "$(in_namespace get pods -o name | wc -l)" = $(($(number_of server) + $(number_of proxy))) ]; }
number_of() { pods "$1" | wc -l; }
are_running() { [ "$(number_of server)" = "$1" ]; } # NUMBER of servers

kinds() { kubectl api-resources --verbs list -o name | grep -v '^events' | paste -sd,; }
# all that is in the namespace, and all that is in none
inventory() { in_namespace get "$(kinds)" -o name 2>/dev/null | sort; }

step "start Prometheus and the custom metrics API"
for namespace in monitoring train "$NAMESPACE"; do kubectl create namespace "$namespace" >/dev/null; done
kubectl label namespace monitoring kubernetes.io/metadata.name=monitoring >/dev/null # as Kubernetes does from 1.21 on
sed "s|image: IMAGE|image: $PROMETHEUS_IMAGE|" deploy/check/manifests/prometheus.yaml | logged kubectl apply --filename -
sed "s|WORK|$WORK|" deploy/check/manifests/volumes.yaml | logged kubectl apply --filename -
logged kubectl --namespace monitoring rollout status deployment/prometheus --timeout 120s
PROMETHEUS=http://$(address_of monitoring prometheus)
install_packages python3-yaml
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=custom-metrics -days 2 -keyout "$RUN/metrics.key" \
  -out "$RUN/metrics.crt" 2>/dev/null
spawn custom-metrics /usr/bin/python3 -I "$PWD/deploy/check/custom_metrics.py" "$NODE" metrics.crt metrics.key \
  "$PWD/deploy/helm/prometheus-adapter.yaml" "$PROMETHEUS" "$API" "$TOKEN"
sed "s|NODE|$NODE|" deploy/check/manifests/custom_metrics.yaml | logged kubectl apply --filename -
wait_for 60 kubectl get --raw /apis/custom.metrics.k8s.io/v1beta1

step "install the chart"
inventory >"$WORK/inventory"
logged upgrade
in_namespace get pods -o wide | awk '{print "  " $1, $2, $3, $6}'
DOOR=http://$(address_of "$NAMESPACE" singleshot)
