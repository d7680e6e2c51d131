#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# install.sh [--dbd|--ssh|--nats]: installs what the lab lacks, with apt; says what and why first. Quick and silent
# when nothing is missing. No service is started, on a machine with systemd either.
#
#   --dbd   also what a lab with accounting (LAB_DBD=1) needs
#   --ssh   also what the benchmarks compare with
#   --nats  as --dbd, and the server by which ClusterCockpit's backends may hear of jobs
set -euo pipefail
export LC_ALL=C

# Package, and what the lab wants it for. apt leaves recommendations out, so the plugins are named.
readonly BASE="slurmctld:the controller
slurmd:the compute nodes
slurm-client:sbatch, squeue, scontrol
slurm-wlm-basic-plugins:authentication by munge and the rest that the daemons load
slurm-wlm-jwt-plugin:authentication by token
munge:authentication
iproute2:free ports, and the network of multi-host labs
procps:finding the processes of jobs
passwd:users for jobs"
readonly DBD="slurmdbd:the accounting daemon
slurm-wlm-mysql-plugin:its storage
mariadb-server:its database"
readonly SSH="openssh-server:what benchmarks compare with
openssh-client:what benchmarks compare with"
readonly NATS="nats-server:messages to ClusterCockpit's backends
openssl:its certificates"

wanted=$BASE
case ${1:-} in
  '') ;;
  --dbd) wanted+=$'\n'$DBD ;;
  --ssh) wanted+=$'\n'$SSH ;;
  --nats) wanted+=$'\n'$DBD$'\n'$NATS ;;
  *) sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; [ "$1" = --help ] && exit 0; exit 64 ;;
esac

command -v dpkg-query >/dev/null || { echo "install.sh: this machine has no dpkg. Install Slurm, munge and MariaDB with its own tools." >&2; exit 1; }
names=$(cut -d: -f1 <<<"$wanted")
# shellcheck disable=SC2086  # a list
have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null || true)
missing=''
for n in $names; do
  grep -qx "installed $n" <<<"$have" || missing+=" $n"
done
[ -n "$missing" ] || exit 0

echo "install.sh: the lab lacks these packages:"
for n in $missing; do echo "  $n - $(sed -n "s/^$n://p" <<<"$wanted")"; done
[ "$(id -u)" = 0 ] || { echo "install.sh: run it as root, or: apt-get install --no-install-recommends$missing" >&2; exit 1; }

# Packages ask policy-rc.d whether they may start their services; 101 is no.
policy=/usr/sbin/policy-rc.d
restore() {
  rm -f "$policy"
  if [ -e "$policy.before-lab" ]; then mv "$policy.before-lab" "$policy"; fi
}
if [ -e "$policy" ]; then mv "$policy" "$policy.before-lab"; fi
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

apt-get update -qq || { echo "install.sh: apt-get update failed; see above." >&2; exit 1; }
# shellcheck disable=SC2086  # a list
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null ||
  { echo "install.sh: apt-get install failed; see above." >&2; exit 1; }
