# SPDX-License-Identifier: GPL-3.0-or-later
# The hosts of a multi-host lab: network namespaces joined by a bridge in a namespace of its own.
# Nothing is added to the machine's own interfaces: both ends of each cable are born inside namespaces.
# shellcheck shell=bash

readonly LAB_SUBNET=10.97.0

host_ns() { printf '%s-%s\n' "$LAB_TAG" "$1"; }

# host_address HOST: ctl is .1, cN is .1N
host_address() { case $1 in ctl) echo "$LAB_SUBNET.1" ;; *) echo "$LAB_SUBNET.$((10 + ${1#c}))" ;; esac; }

network_up() {
  local h switch
  switch=$(host_ns switch)
  ip netns add "$switch" || die "cannot make network namespace $switch. Is it left from a lab that crashed? See: ip netns list"
  ip -n "$switch" link add br0 type bridge
  ip -n "$switch" link set br0 up
  for h in $LAB_HOSTS; do
    local ns
    ns=$(host_ns "$h")
    ip netns add "$ns" || die "cannot make network namespace $ns."
    ip link add eth0 netns "$ns" type veth peer name "port-$h" netns "$switch"
    ip -n "$switch" link set "port-$h" master br0 up
    ip -n "$ns" link set lo up
    ip -n "$ns" addr add "$(host_address "$h")/24" dev eth0
    ip -n "$ns" link set eth0 up
    mkdir -p "$LAB/hosts/$h/run"
  done
  {
    echo "127.0.0.1 localhost"
    for h in $LAB_HOSTS; do echo "$(host_address "$h") $h"; done
  } >"$LAB/hosts/hosts"
}

network_down() {
  local h
  [ -n "${LAB_TAG:-}" ] || return 0
  for h in $LAB_HOSTS switch; do
    [ ! -e "/run/netns/$(host_ns "$h")" ] || ip netns del "$(host_ns "$h")"
  done
}

# cable HOST up|down: plugs or pulls a host's network cable, at the switch, so that the host sees no carrier.
cable() { ip -n "$(host_ns switch)" link set "port-$1" "$2"; }
