#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# enter.sh LAB HOST COMMAND...: becomes COMMAND inside a host of a multi-host lab (same pid).
# The host has its own network and host name, its own /etc/hosts, and its own LAB/run with its munge
# socket, so that all hosts share one slurm.conf.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: enter.sh LAB HOST COMMAND..." >&2; exit 64; }
lab=$1 host=$2
shift 2
if [ "${LAB_ENTERED:-}" != "$lab $host" ]; then
  tag=$(cat "$lab/hosts/tag")
  exec nsenter --net="/run/netns/$tag-$host" env LAB_ENTERED="$lab $host" \
    unshare --uts --mount --propagation private "$0" "$lab" "$host" "$@"
fi
unset LAB_ENTERED
hostname "$host"
mount --bind "$lab/hosts/hosts" /etc/hosts
mount --bind "$lab/hosts/$host/run" "$lab/run"
exec "$@"
