#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh [--quick]: starts a lab, and prints each figure as one JSON object a line on stdout; everything else goes to
# stderr. Needs root (the lab does); what measures runs as user slurm.
#
#   --quick  a few rounds only: tells that it works, not how fast it is
#
# BENCH: the optimised program that measures (default .build-release/release/SlurmBench, as `make bench` builds it).
# README.md says what the figures mean. Takes about 3 minutes after the build. Exit status 0: everything was
# measured, whatever the figures are.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(dirname "$here")
bench=${BENCH:-$root/.build-release/release/SlurmBench} quick=''
usage() { sed -n '/^# run.sh/,/^set/ { /^set/d; s/^# \{0,1\}//p }' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=--quick; shift ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 64 ;;
  esac
done
[ "$(id -u)" = 0 ] || { echo "run.sh needs root: the lab does." >&2; exit 77; }
exec 3>&1 1>&2
[ -x "$bench" ] || { echo "run.sh: there is no $bench: make bench builds it" >&2; exit 69; }

note() { echo "bench: $*" >&2; }

for command in cc sbatch squeue ssh sshd ssh-keygen setpriv; do
  command -v "$command" >/dev/null || { note "$command is missing"; exit 69; }
done

# In memory where there is room: slurmctld writes each job to its disk, and the disk is not what is compared.
folder=/tmp
[ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 2000000 ] 2>/dev/null && folder=/dev/shm
work=$(mktemp -d "$folder/slurm-bench.XXXX")
chmod 755 "$work"
export LAB=$work/lab
sshd_pid='' made_run_sshd='' measure_pid=''

clean_up() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  if [ -n "$measure_pid" ]; then kill -TERM "$measure_pid" 2>/dev/null && wait "$measure_pid" || true; fi
  if [ -n "$sshd_pid" ]; then kill "$sshd_pid" 2>/dev/null && wait "$sshd_pid" || true; fi
  if [ -n "$made_run_sshd" ]; then rmdir --ignore-fail-on-non-empty /run/sshd; fi
  "$root/lab/slurm-down.sh" || status=1
  if [ "$status" = 0 ]; then rm -rf "$work"; else note "logs are left in $work"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

note "building"
make -C "$here/c" OUT="$work/slurm-baseline"
cp "$bench" "$work/SlurmBench"
chmod 755 "$work/SlurmBench" "$work/slurm-baseline"

note "starting the lab"
# GPUs for the running jobs. No job is purged meanwhile, and the scheduler runs as often as Slurm's defaults say.
LAB_CPUS=32 LAB_GPUS=32 LAB_MIN_JOB_AGE=7200 LAB_CONF_EXTRA='SchedulerParameters=bf_interval=30' "$root/lab/slurm-up.sh"
# shellcheck source=/dev/null
. "$LAB/lab.env"
export SLURM_CONF
owner=${LAB_USERS%% *}

note "starting sshd on port $LAB_PORT_FREE"
mkdir "$work/ssh"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user"
cp "$work/ssh/user.pub" "$work/ssh/authorized_keys"
echo "[127.0.0.1]:$LAB_PORT_FREE $(cut -d ' ' -f 1,2 "$work/ssh/host.pub")" >"$work/ssh/known_hosts"
chown slurm "$work/ssh/user"
cat >"$work/ssh/sshd_config" <<END
ListenAddress 127.0.0.1
Port $LAB_PORT_FREE
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/authorized_keys
PidFile none
StrictModes no
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers $owner
PrintMotd no
PrintLastLog no
MaxStartups 100
END
cat >"$work/ssh/ssh_config" <<END
Host bench
HostName 127.0.0.1
Port $LAB_PORT_FREE
User $owner
IdentityFile $work/ssh/user
IdentitiesOnly yes
UserKnownHostsFile $work/ssh/known_hosts
StrictHostKeyChecking yes
BatchMode yes
ControlMaster no
ControlPath none
END
if [ ! -d /run/sshd ]; then mkdir -m 755 /run/sshd && made_run_sshd=1; fi
"$(command -v sshd)" -D -e -f "$work/ssh/sshd_config" 2>"$work/ssh/sshd.log" &
sshd_pid=$!

mkdir "$work/run"
chown slurm "$work/run"
cp "$here/measure.sh" "$work/"
# in the background: a signal to this script is then seen at once
(cd "$work/run" && exec setpriv --reuid slurm --regid slurm --init-groups \
  "$work/measure.sh" --owner "$owner" --work "$work" $quick >&3) &
measure_pid=$!
status=0
wait "$measure_pid" || status=$?
measure_pid=''
exit "$status"
