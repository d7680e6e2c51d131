# SPDX-License-Identifier: GPL-3.0-or-later
# The control loop: lets a command without privileges break its own lab, through a pipe.
# Whoever may write to the pipe may run scripts as root: it exists only for the life of a test.
# shellcheck shell=bash

readonly LAB_RUN_TIMEOUT=${LAB_RUN_TIMEOUT:-120}

# control_folder GROUP
control_folder() {
  rm -rf "$LAB/control"
  mkdir -p "$LAB/scripts"
  mkdir -m 770 "$LAB/control"
  mkfifo -m 660 "$LAB/control/request"
  chown "root:$1" "$LAB/control" "$LAB/control/request"
  chmod 770 "$LAB/control"
  LAB_CONTROL_GROUP=$1
}

# control_loop OURS: serves one request after the other; scripts run beside it. Ends on TERM. Should the
# script that started it be killed, takes the lab down in its place if OURS is 1.
control_loop() {
  local line begun=''
  trap 'kill $(jobs -p) 2>/dev/null || true; exit 0' TERM
  trap '' INT HUP
  exec 7<>"$LAB/control/request" # read and write, so that it never ends with its last writer
  while :; do
    if IFS= read -r -t 1 line <&7; then
      serve "$begun$line" || true
      begun=''
    else
      begun+=$line # the second may be over in the middle of a line
      if is_gone $$; then
        [ "$1" = 0 ] || (take_down)
        exit 0
      fi
    fi
  done
}

serve() {
  local id verb rest work
  if ! [[ $1 =~ ^([0-9]{1,18})\ ([^\ ]{1,40})\ (.{1,200})$ ]]; then
    note "control: not a request: ${1@Q}"
    return 0
  fi
  id=${BASH_REMATCH[1]} verb=${BASH_REMATCH[2]} rest=${BASH_REMATCH[3]}
  if [ -e "$LAB/control/reply.$id" ]; then
    note "control: request $id was answered before; each needs a number of its own."
    return 0
  fi
  work=$(mktemp -d "$LAB/pid/reply.XXXXXX")
  case $verb in
    run-as) (answer "$id" "$work" run_as "$id" "$rest") 7>&- & ;;
    reconfigure) answer "$id" "$work" reconfigure "$rest" 7>&- ;;
    *) answer "$id" "$work" fault "$verb" "$rest" 7>&- ;;
  esac
}

# answer ID WORK COMMAND...: the reply is a folder with the files rc, stdout and stderr, and appears at once.
answer() {
  local id=$1 work=$2 rc=0
  shift 2
  ("$@") >"$work/stdout" 2>"$work/stderr" </dev/null || rc=$?
  echo "$rc" >"$work/rc"
  chgrp -R "$LAB_CONTROL_GROUP" "$work"
  chmod 770 "$work"
  chmod 640 "$work"/*
  mv -T "$work" "$LAB/control/reply.$id" 2>/dev/null || { rm -rf "$work"; note "control: reply $id could not be placed."; }
}

refuse() { echo "refused: $*" >&2; exit 64; }

fault() {
  case $1 in
    stop | kill | pause | resume | start | restart | status | kill-node | cut | mend) ;;
    *) refuse "unknown action $1" ;;
  esac
  [[ $2 =~ ^[A-Za-z0-9@-]+$ ]] || refuse "$2 is no daemon's name"
  LAB=$LAB "$LAB_HERE/fault.sh" "$1" "$2"
}

# handed_in NAME: checks that NAME is a plain file in the control folder and prints its path.
handed_in() {
  [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || refuse "$1 is not a plain file name"
  [ -f "$LAB/control/$1" ] && [ ! -L "$LAB/control/$1" ] || refuse "there is no file $1 in $LAB/control"
  printf '%s\n' "$LAB/control/$1"
}

# run_as ID "USER FILE": runs a copy, since the user cannot look into the control folder.
run_as() {
  local id=$1 user file copy rc=0 home
  local -a words
  read -r -a words <<<"$2"
  [ "${#words[@]}" = 2 ] || refuse "run-as wants USER FILE"
  user=${words[0]}
  [[ $user = root || " $LAB_USERS " == *" $user "* ]] || refuse "$user is neither root nor one of $LAB_USERS"
  file=$(handed_in "${words[1]}")
  copy=$LAB/scripts/$id
  cat "$file" >"$copy"
  chmod 755 "$copy"
  local -a command=("$copy")
  [ "$(head -c 2 "$copy")" = '#!' ] || command=(/bin/bash "$copy")
  home=$(getent passwd "$user" | cut -d: -f6)
  cd "$home" 2>/dev/null || cd /
  # shellcheck disable=SC2016  # expanded by the inner shell
  at "$LAB_CTL" timeout --kill-after=2 "$LAB_RUN_TIMEOUT" \
    setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups \
    env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash \
    /bin/bash -c '. "$0" && exec "$@"' "$LAB/lab.env" "${command[@]}" || rc=$?
  rm -f "$copy"
  return "$rc"
}

# reconfigure FILE: adds its lines to slurm.conf and restarts slurmctld; what it refuses is taken back.
reconfigure() {
  local file conf=$LAB/etc/slurm.conf
  file=$(handed_in "$1")
  cp "$conf" "$conf.before"
  { echo; cat "$file"; echo; } >>"$conf"
  if LAB=$LAB "$LAB_HERE/fault.sh" restart slurmctld; then
    rm -f "$conf.before"
    return 0
  fi
  mv "$conf.before" "$conf"
  echo "slurm.conf was put back; slurmctld starts again without $1." >&2
  LAB=$LAB "$LAB_HERE/fault.sh" restart slurmctld || true
  return 1
}
