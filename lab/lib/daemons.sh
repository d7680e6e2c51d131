# SPDX-License-Identifier: GPL-3.0-or-later
# Each daemon by name: how to start it, what it is called, when it answers, and which logs speak of it.
# Names: munged (munged@HOST in a multi-host lab; sackd in its place with LAB_AUTH=slurm), mariadbd, slurmdbd, slurmctld, slurmd@NODE.
# shellcheck shell=bash

readonly LAB_SACK=/run/slurm # auth/slurm's library looks for a socket here and nowhere a knob could tell

sack_listens() { ss -Hxl src "$LAB_SACK/sack.socket" | grep -q .; }

remove_sack() {
  sack_listens || rm -f "$LAB_SACK/sack.socket"
  rmdir --ignore-fail-on-non-empty "$LAB_SACK" 2>/dev/null || true
}

daemon_comm() { echo "${1%%@*}"; }

munged_names() {
  local h
  if [ "$LAB_KIND" = single ]; then echo munged; else for h in $LAB_HOSTS; do echo "munged@$h"; done; fi
}

# auth_names: who signs credentials.
auth_names() { if [ "$LAB_AUTH" = slurm ]; then echo sackd; else munged_names; fi; }

# all_names: in the order of starting.
all_names() {
  local n
  auth_names
  if [ "$LAB_DBD" = 1 ]; then echo mariadbd; echo slurmdbd; fi
  echo slurmctld
  for n in $LAB_NODE_NAMES; do echo "slurmd@$n"; done
}

# names_of WORD: the daemons that a user's word stands for; fails on an unknown one.
names_of() {
  local n
  case $1 in
    all) all_names ;;
    munged) [ "$LAB_AUTH" = munge ] && munged_names ;;
    slurmd) for n in $LAB_NODE_NAMES; do echo "slurmd@$n"; done ;;
    *)
      for n in $(all_names); do
        if [ "$n" = "$1" ] || [ "$n" = "slurmd@$1" ]; then echo "$n"; return 0; fi
      done
      return 1
      ;;
  esac
}

# host_of NAME: where that daemon lives; "-" is this machine.
host_of() {
  if [ "$LAB_KIND" = single ]; then echo -; return; fi
  case $1 in *@*) echo "${1#*@}" ;; *) echo "$LAB_CTL" ;; esac
}

# at HOST COMMAND...: runs a command of ours there.
at() {
  local host=$1
  shift
  if [ "$host" = - ]; then "$@"; else "$LAB_HERE/lib/enter.sh" "$LAB" "$host" "$@"; fi
}

run_folder() { if [ "$LAB_KIND" = single ]; then echo "$LAB/run"; else echo "$LAB/hosts/$1/run"; fi; }

launch() {
  local name=$1 host node
  host=$(host_of "$name")
  case $name in
    munged*)
      # --force: a stale socket is replaced, and a folder of another owner is a warning only.
      spawn "$host" "$name" munged --foreground --force --num-threads=4 --socket="$LAB/run/munge.socket" \
        --key-file="$LAB/munge/key" --seed-file="$LAB/munge/$name.seed" \
        --pid-file="$LAB/munge/$name.pid" --log-file="$LAB/munge/$name.log"
      ;;
    sackd)
      # Its socket is at one place for the whole machine, in a folder that must be SlurmUser's.
      mkdir -p "$LAB_SACK"
      chown slurm "$LAB_SACK"
      spawn "$host" "$name" setpriv --reuid=slurm --regid=slurm --init-groups sackd -D
      ;;
    mariadbd)
      spawn "$host" "$name" mariadbd --no-defaults --user=mysql --datadir="$LAB/db/data" --tmpdir="$LAB/db" \
        --socket="$LAB/db/sock" --pid-file="$LAB/db/pid" --bind-address=127.0.0.1 --port=$((LAB_PORT + 2)) \
        --skip-name-resolve --performance-schema=off --innodb-buffer-pool-size=64M --innodb-log-file-size=64M \
        --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0
      ;;
    slurmdbd) spawn "$host" "$name" setpriv --reuid=slurm --regid=slurm --init-groups slurmdbd -D ;;
    slurmctld)
      spawn "$host" "$name" setpriv --reuid=slurm --regid=slurm --init-groups env LAB_FAULTS="$LAB/faults" \
        ${LAB_SLURMCTLD_PRELOAD:+"LD_PRELOAD=$LAB_SLURMCTLD_PRELOAD"} slurmctld -D
      ;;
    slurmd@*)
      node=${name#*@}
      spawn "$host" "$name" slurmd -D -N "$node"
      ;;
  esac
}

slurmctld_answers() { at "$LAB_CTL" timeout 5 scontrol ping | grep -q 'is UP'; }

# node_is_up NODE: slurmctld counts it as working. A trailing * would mean that it does not respond.
node_is_up() {
  case $(at "$LAB_CTL" timeout 5 sinfo -h -N -n "$1" -o %T | head -n 1) in
    *'*' | down* | unknown* | error* | future* | '') return 1 ;;
  esac
}

answers() {
  local name=$1
  case $name in
    munged*) at "$(host_of "$name")" timeout 5 sh -c "munge -S '$LAB/run/munge.socket' -n | unmunge -S '$LAB/run/munge.socket' -o /dev/null" ;;
    sackd) sack_listens ;;
    mariadbd) timeout 5 mariadb-admin --no-defaults -uroot -S "$LAB/db/sock" ping ;;
    slurmdbd) at "$LAB_CTL" timeout 10 sacctmgr -n show cluster ;;
    slurmctld) slurmctld_answers ;;
    slurmd@*)
      at "$(host_of "$name")" timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$(node_port "${name#*@}")" || return 1
      # Without a controller a listening slurmd is all that can be asked for.
      [ "$(state_of slurmctld)" != running ] || ! slurmctld_answers || node_is_up "${name#*@}"
      ;;
  esac
}

answers_or_died() { answers "$1" || is_gone "$2"; }

# logs_of NAME: newest word last, for error messages.
logs_of() {
  case $1 in
    munged*) echo "$LAB/log/$1.out" "$LAB/munge/$1.log" ;;
    slurmd@*) echo "$LAB/log/$1.out" ;;
    *) echo "$LAB/log/$1.out" ;;
  esac
}

# fail_daemon NAME TEXT: the error message of a daemon that does not do as told.
fail_daemon() {
  # shellcheck disable=SC2046  # a list of file names without blanks
  die "$1 $2
$(last_lines $(logs_of "$1"))
  What to do: read that log; if it speaks of a knob, change it. Then lab/slurm-down.sh and up again."
}

# await NAME SECONDS: until it answers; an error message if it ends or stays silent.
await() {
  local pid
  pid=$(recorded_pid "$1") || fail_daemon "$1" "was not started."
  wait_until "$2" answers_or_died "$1" "$pid" || fail_daemon "$1" "(pid $pid) does not answer after $2 s."
  ! is_gone "$pid" || fail_daemon "$1" "ended by itself right after its start."
}

patience() { case $1 in mariadbd | slurmdbd) echo 120 ;; *) echo 60 ;; esac; }

start_daemon() {
  case $(state_of "$1") in
    running) note "$1 is running already (pid $(daemon_pid "$1"))."; return 0 ;;
    paused) die "$1 is paused (pid $(daemon_pid "$1")). Use resume, or kill it first." ;;
  esac
  launch "$1"
  await "$1" "$(patience "$1")"
}

# stop_daemon NAME: asks it to end. A paused one is woken so that it can hear.
stop_daemon() {
  local pid
  pid=$(daemon_pid "$1") || { forget "$1"; return 0; }
  kill -TERM "$pid" 2>/dev/null || true
  kill -CONT "$pid" 2>/dev/null || true
  if ! wait_until 60 is_gone "$pid"; then
    note "$1 (pid $pid) ignored TERM for 60 s and is killed."
    kill_pids "$pid"
  fi
  forget "$1"
}

forget() { rm -f "$LAB/pid/$1"; }
