#!/usr/bin/env bash
# Run a command in a network namespace of its own, from which the machine's network can be reached, and restore all
# that this changes. `ip netns exec` would hide the control groups from the command, so nsenter enters the namespace.
#
#   deploy/check/namespace.sh COMMAND...
set -Eeuo pipefail
NAME=singleshot-check
OUTSIDE=172.29.254.1 INSIDE=172.29.254.2
# the kubelet sets these for the whole machine
TUNABLES=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys
  kernel.keys.root_maxbytes net.ipv4.ip_forward)
# rules -I or -D: add or delete the firewall's rules
rules() {
  iptables "$1" POSTROUTING -t nat -s $INSIDE -j MASQUERADE
  iptables "$1" FORWARD -s $INSIDE -j ACCEPT
  iptables "$1" FORWARD -d $INSIDE -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
}
BEFORE=()
finish() {
  local status=$?
  trap - EXIT
  if [ -n "${KEEP:-}" ]; then
    echo "kept: nsenter --net=/run/netns/$NAME"
    exit $status
  fi
  set +e
  ip netns pids $NAME | xargs -r kill -KILL # what the command has left
  rules -D
  ip netns del $NAME
  [ ${#BEFORE[@]} = 0 ] || sysctl -qw "${BEFORE[@]}"
  exit $status
}
if [ -e /run/netns/$NAME ]; then
  echo "the network namespace $NAME exists: another check runs, or one was kept (remove it: ip netns del $NAME)"
  exit 1
fi
ip netns add $NAME
trap finish EXIT
trap 'exit 130' INT TERM
mapfile -t BEFORE < <(sysctl "${TUNABLES[@]}" | sed 's/ = /=/')
ip link add name check-outside type veth peer name check-inside netns $NAME
ip addr add $OUTSIDE/30 dev check-outside
ip link set check-outside up
sysctl -qw net.ipv4.ip_forward=1
rules -I
inside() { nsenter --net=/run/netns/$NAME "$@"; }
inside ip link set lo up
inside ip addr add $INSIDE/30 dev check-inside
inside ip link set check-inside up
inside ip route add default via $OUTSIDE
inside sysctl -qw net.ipv4.ip_forward=1
NODE=$INSIDE inside "$@"
