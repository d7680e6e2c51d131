#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test.sh: tests the lab itself: two labs side by side, one of them with accounting, all faults, the
# control loop, a multi-host lab, and that nothing is left afterwards. Takes about a minute; needs root.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 0 ] || { sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; [ "$1" = --help ] && exit 0; exit 64; }
[ "$(id -u)" = 0 ] || { echo "test.sh: must run as root." >&2; exit 1; }
work=$(mktemp -d /tmp/labtest.XXXX)
chmod 755 "$work"
export LAB_USERS="labt1 labt2" # names of its own, so that labs which run beside the test do not matter
unset LAB LAB_PORT LAB_DBD LAB_NODES LAB_CONF_EXTRA
failed=0 checks=0

check() { # check WHAT COMMAND...
  local what=$1 begin out rc=0
  shift
  checks=$((checks + 1))
  begin=$(date +%s%N)
  out=$("$@" 2>&1 </dev/null) || rc=$?
  printf '%-4s %6d ms  %s\n' "$([ "$rc" = 0 ] && echo ok || echo FAIL)" $((($(date +%s%N) - begin) / 1000000)) "$what"
  [ "$rc" = 0 ] || { failed=$((failed + 1)); sed 's/^/       | /' <<<"$out"; }
}
refuses() { ! "$@"; }
exits() { local want=$1 rc=0; shift; "$@" || rc=$?; [ "$rc" = "$want" ] || { echo "exit status $rc, not $want"; return 1; }; }
fault() { LAB=$1 "$here/fault.sh" "${@:2}"; }
in_lab() { (. "$1/lab.env" && shift && "$@"); }
clean() {
  local l
  for l in "$work"/*/; do LAB=${l%/} "$here/slurm-down.sh" >/dev/null 2>&1; done
  rm -rf "$work"
}
trap clean EXIT

as_user() { setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups env HOME="$(getent passwd "$1" | cut -d: -f6)" "${@:2}"; }

gpu_job() { # an interactive and a batch job, each on two nodes with a GPU on each
  local out id i
  . "$1/lab.env"
  out=$(as_user labt1 srun -D /tmp -N2 --gres=gpu:1 bash -c 'echo "$(id -un) gpu=$CUDA_VISIBLE_DEVICES"' 2>&1 | sort | uniq -c | xargs)
  [ "$out" = "2 labt1 gpu=0" ] || { echo "srun said: $out"; return 1; }
  id=$(as_user labt1 sbatch --parsable -D /home/labt1 -o "job-$LAB_PORT" -N2 --gres=gpu:2 --wrap 'srun -l bash -c "echo \$CUDA_VISIBLE_DEVICES"; scontrol show job $SLURM_JOB_ID | grep -o JobState=RUNNING') || return 1
  for ((i = 0; i < 1200; i++)); do [ "$(squeue -h -j "$id" -t all -o %T)" = COMPLETED ] && break; sleep 0.05; done
  out=$(sort "/home/labt1/job-$LAB_PORT" | xargs)
  [ "$out" = "0: 0,1 1: 0,1 JobState=RUNNING" ] || { echo "sbatch's job said: $out"; return 1; }
}

forget_jobs() { # a slurmctld that is killed has forgotten its last seconds: ended jobs may run on in its books
  . "$1/lab.env"
  scancel --user=labt1
  timeout 90 bash -c 'until [ -z "$(squeue -h)" ]; do sleep 0.05; done'
}

stubborn_job() { # leaves a job behind that ignores TERM and has a child which left its session
  . "$1/lab.env"
  as_user labt1 sbatch -D /tmp -o /dev/null --wrap 'trap "" TERM; (setsid sleep 7654321 &); while :; do sleep 1; done' || return 1
  for ((i = 0; i < 1200; i++)); do pgrep -u labt1 -f 'sleep 7654321' && return 0; sleep 0.05; done
  return 1
}

node_down() { # a killed node is noticed: marked * (no answer), then down
  . "$1/lab.env"
  timeout 180 bash -c 'until scontrol show node n2 | grep -Eq "NOT_RESPONDING|State=DOWN"; do sleep 0.2; done' && return 0
  scontrol show node n2
  tail -n 5 "$1/log/slurmctld.out"
  return 1
}

late_job() { # a submission takes effect after its answer was given up
  . "$1/lab.env"
  echo 4 >"$1/faults/late"
  refuses as_user labt1 sbatch -H -D /tmp -o /dev/null -J late --wrap true || return 1
  timeout 60 bash -c 'until squeue -h -n late -o %i | grep -q .; do sleep 0.1; done' && [ ! -e "$1/faults/late" ] && scancel -n late
}

failing_files() { # slurmctld cannot save its state, and goes on
  . "$1/lab.env"
  echo "$1/state/job_state" >"$1/faults/files"
  as_user labt1 sbatch -H -D /tmp -o /dev/null -J unsaved --wrap true || return 1
  timeout 90 bash -c 'until grep -q "Input/output error" '"$1"'/log/slurmctld.log; do sleep 0.2; done' || return 1
  rm "$1/faults/files"
  scancel -n unsaved
}

user_waits() { # a user with a customer's name is made when nobody else changes /etc/passwd
  local name rc=0
  name=$(printf '0x%040x' $$)
  (cd "$here/grid" && python3 -B -c '
import pathlib, sys, time, unix_users
with unix_users.locked():
    pathlib.Path(sys.argv[1], "held").touch()
    time.sleep(1)
    pathlib.Path(sys.argv[1], "free").touch()' "$work") &
  timeout 60 bash -c 'until [ -e '"$work"'/held ]; do sleep 0.02; done' || return 1
  (. "$here/lib.sh" && add_user "$name") && [ -e "$work/free" ] && id "$name" || rc=1
  userdel --remove "$name" 2>/dev/null
  wait $!
  rm "$work/held" "$work/free"
  return $rc
}

hosts_job() {
  local out
  out=$(LAB=$1 "$here/on-host.sh" --user labt1 ctl srun -D /tmp -N2 --gres=gpu:1 bash -c 'echo "$(hostname)"' 2>&1 | sort | xargs)
  [ "$out" = "c1 c2" ] || { echo "srun said: $out"; return 1; }
  out=$(LAB=$1 "$here/on-host.sh" --user labt1 ctl sbatch -W -D /home/labt1 -o hosts -N2 --wrap 'srun hostname' && sort /home/labt1/hosts | xargs)
  [[ $out == *"c1 c2" ]] || { echo "sbatch's job said: $out"; return 1; }
}

no_network_left() { ! ip netns list | grep -q '^sga.*-\(ctl\|c[0-9]\|switch\)' || [ -n "$(ls /run/slurm-grid-agent-lab/ports 2>/dev/null)" ]; }

no_process_left() { # by open files, working folder and words of the command line
  local p found=0
  for p in /proc/[0-9]*; do
    [ "${p#/proc/}" != $$ ] && [ "${p#/proc/}" != "$BASHPID" ] || continue
    if [ -n "$(find "$p/fd" "$p/cwd" -lname "$work/*" 2>/dev/null | head -n 1)" ] ||
      grep -qzE "^SLURM_GRID_AGENT_LAB_DAEMON=$work/" "$p/environ" 2>/dev/null ||
      tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "$work/"; then
      ps -fp "${p#/proc/}" && found=1
    fi
  done 2>/dev/null
  ! pgrep -f 'sleep 7654321' || found=1
  return $found
}

# A port block of ours may be another lab's by now.
no_port_left() { local p; for p in $ports; do [ -e "/run/slurm-grid-agent-lab/ports/$p" ] || ! ss -Htln | awk '{ n = split($4, a, ":"); print a[n] }' | awk -v p="$p" '$1 >= p && $1 < p + 100 { f = 1 } END { exit !f }' || return 1; done; }
no_claim_left() { ! grep -rqs "$work/" /run/slurm-grid-agent-lab; }
no_user_left() { ! getent passwd labt1 labt2 && [ ! -e /home/labt1 ] && [ ! -e /home/labt2 ]; }
no_mount_left() { ! grep "$work" /proc/self/mountinfo; }

a=$work/a b=$work/b h=$work/h ports=''
check "what is installed needs no time" "$here/install.sh" --dbd
check "up: 4 nodes" env LAB="$a" LAB_SLURMD_TIMEOUT=5 LAB_MESSAGE_TIMEOUT=2 "$here/slurm-up.sh"
check "up: 4 nodes, slurmdbd, MariaDB, beside it" env LAB="$b" LAB_DBD=1 "$here/slurm-up.sh"
check "up again does nothing" env LAB="$a" "$here/slurm-up.sh"
for l in "$a" "$b"; do ports+=" $(in_lab "$l" printenv LAB_PORT)"; done
check "a user is made when nobody else changes users" user_waits
check "GPU jobs in the first" gpu_job "$a"
check "GPU jobs in the second" gpu_job "$b"
check "accounting has the job" in_lab "$b" timeout 90 bash -c 'until sacct -a -n -X -P -o user,account,state | grep -q "labt1|acct_labt1|COMPLETED"; do sleep 0.2; done'

for d in slurmctld munged n1; do
  check "pause $d" fault "$a" pause $d
  check "status of paused $d is 4" exits 4 fault "$a" status $d
  check "resume $d" fault "$a" resume $d
  check "kill $d" fault "$a" kill $d
  check "status of killed $d is 3" exits 3 fault "$a" status $d
  check "start $d" fault "$a" start $d
  check "restart $d" fault "$a" restart $d
  check "pause, then stop $d" eval "fault $a pause $d && fault $a stop $d && fault $a start $d"
done
for d in slurmdbd mariadbd; do
  check "pause $d" fault "$b" pause $d
  check "resume $d" fault "$b" resume $d
  check "kill $d" fault "$b" kill $d
  check "start $d" fault "$b" start $d
  check "stop $d" fault "$b" stop $d
  check "start $d" fault "$b" start $d
done
check "stop and start all slurmds" eval "fault $a stop slurmd && fault $a start slurmd"
check "no job is stuck after the faults" forget_jobs "$a"
check "jobs run after all faults, first" gpu_job "$a"
check "jobs run after all faults, second" gpu_job "$b"
check "kill-node n2" fault "$a" kill-node n2
check "slurmctld sees n2 down" node_down "$a"
check "start n2" fault "$a" start n2
check "unknown daemon is refused" exits 64 fault "$a" kill sshd
check "all runs" eval "fault $a status && fault $b status"
check "a job that resists" stubborn_job "$a"
check "half-up is started again" eval "fault $a kill slurmctld && LAB=$a $here/slurm-up.sh && fault $a status"
check "a job that resists, once more" stubborn_job "$a"
check "down" env LAB="$a" "$here/slurm-down.sh"
check "the users stay for the second lab" id labt1
check "down and up with KEEP=1" eval "KEEP=1 LAB=$b $here/slurm-down.sh && LAB=$b LAB_DBD=1 $here/slurm-up.sh"
ports+=" $(in_lab "$b" printenv LAB_PORT)"
check "its jobs are still accounted" in_lab "$b" bash -c 'sacct -a -n -X -P -o user -S now-1hour | grep -q labt1'
check "down, with accounting" env LAB="$b" "$here/slurm-down.sh"

f=$work/f
check "a library that makes files fail" cc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work/faulty-files.so" "$here/faulty-files.c" -ldl
check "up: with faults on purpose" env LAB="$f" LAB_NODES=1 LAB_MESSAGE_TIMEOUT=2 LAB_JOB_SUBMIT="$here/late.lua" \
  LAB_SLURMCTLD_PRELOAD="$work/faulty-files.so" "$here/slurm-up.sh"
ports+=" $(in_lab "$f" printenv LAB_PORT)"
check "a late submission" late_job "$f"
check "files that fail" failing_files "$f"
check "restart slurmctld, which keeps its faults" fault "$f" restart slurmctld
check "a late submission again" late_job "$f"
check "down, with faults on purpose" env LAB="$f" "$here/slurm-down.sh"
rm -f "$work/faulty-files.so"

request=$here/request.sh
# shellcheck disable=SC2016
check "with-slurm: control loop as user slurm" env LAB="$work/w" "$here/with-slurm.sh" --user slurm -- bash -ec '
  [ "$(id -un)" = slurm ] && [ "$HOME" = "$LAB/home/slurm" ]
  '"$request"' pause slurmctld && '"$request"' resume slurmctld && '"$request"' kill-node n1 && '"$request"' start n1
  [ "$(echo "id -un" | '"$request"' run-as labt1 -)" = labt1 ]
  [ "$(echo "id -un" | '"$request"' run-as root -)" = root ]
  ! echo id | '"$request"' run-as nobody -
  ! '"$request"' kill init
  echo MinJobAge=77 | '"$request"' reconfigure -; scontrol show config | grep "MinJobAge *= 77"
  ! echo Nonsense=1 | '"$request"' reconfigure -; scontrol ping | grep "is UP"'
check "with-slurm gives back the status" exits 42 env LAB="$work/w" "$here/with-slurm.sh" -- bash -c 'exit 42'
check "with-slurm takes down on TERM" exits 143 env LAB="$work/w" timeout --preserve-status --foreground 2 "$here/with-slurm.sh" -- sleep 60
check "and leaves no folder" refuses ls "$work/w"
check "a bad knob is explained" eval "(LAB=$work/x LAB_CONF_EXTRA=Nonsense=1 $here/slurm-up.sh || true) 2>&1 | grep -q 'unrecognized key: Nonsense'"
check "and goes down" env LAB="$work/x" "$here/slurm-down.sh"

check "up: hosts ctl, c1, c2" env LAB="$h" LAB_SLURMD_TIMEOUT=5 LAB_MESSAGE_TIMEOUT=2 "$here/hosts-up.sh"
check "jobs across hosts" hosts_job "$h"
check "cut c2, and slurmctld sees it" eval "fault $h cut c2 && LAB=$h $here/on-host.sh ctl timeout 90 bash -c 'until sinfo -h -N -n c2 -o %T | grep -q down; do sleep 0.1; done'"
check "mend c2, and it comes back" eval "fault $h mend c2 && LAB=$h $here/on-host.sh ctl timeout 180 bash -c 'until sinfo -h -N -n c2 -o %T | grep -qx idle; do sleep 0.1; done'"
check "pause and resume munged@c1" eval "fault $h pause munged@c1 && fault $h resume munged@c1"
check "kill-node c2, start c2" eval "fault $h kill-node c2 && fault $h start c2"
check "jobs across hosts, again" hosts_job "$h"
check "down: hosts" env LAB="$h" "$here/hosts-down.sh"

check "no process is left" no_process_left
check "no port is left" no_port_left
check "no claim is left" no_claim_left
check "no user is left" no_user_left
check "no network is left" no_network_left
check "no mount is left" no_mount_left
check "no file is left" rmdir "$work"
echo "$((checks - failed)) of $checks checks passed"
[ "$failed" = 0 ]
