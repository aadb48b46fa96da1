# Part of docker/check_compose.sh: the images that the files name, or substitutes of the same layout.
ROOTFS=singleshot-check/rootfs

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
  # haproxy with the libraries that it needs, because Debian's older release has only version 2.6
  unpack "$WORK/haproxy/root" haproxy libc6 libcrypt1 libjemalloc2 liblua5.4-0 libopentracing-c-wrapper0t64 \
    libopentracing1 libpcre2-8-0 libssl3t64 libstdc++6 libgcc-s1 zlib1g libzstd1 coreutils
  ln -s usr/lib usr/lib64 "$WORK/haproxy/root/"
  stand_in HAPROXY_IMAGE haproxy <<DOCKERFILE
FROM scratch
COPY root/ /
USER 99
STOPSIGNAL SIGUSR1
ENTRYPOINT ["/usr/sbin/haproxy", "-W", "-db"]
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
  unpack "$WORK/alertmanager" prometheus-alertmanager
  stand_in ALERTMANAGER_IMAGE alertmanager <<DOCKERFILE
FROM $ROOTFS
COPY usr/bin/prometheus-alertmanager /bin/alertmanager
COPY usr/bin/amtool /bin/
COPY usr/share/prometheus/alertmanager /usr/share/prometheus/alertmanager
RUN mkdir -p /alertmanager && chown 65534:65534 /alertmanager
USER 65534
WORKDIR /alertmanager
ENTRYPOINT ["/bin/alertmanager"]
DOCKERFILE
fi

