# SPDX-License-Identifier: GPL-3.0-or-later
# A whole lab: its folder, going up, and going down.
# shellcheck shell=bash

# make_folder: LAB with all below it, reachable by every user that has business there.
make_folder() {
  if [ -e "$LAB" ] && [ ! -e "$LAB/$LAB_MARKER" ] && [ -n "$(ls -A "$LAB")" ]; then
    die "$LAB holds files and is no lab. Set LAB to a new or empty folder."
  fi
  umask 022
  mkdir -p "$LAB"
  : >"$LAB/$LAB_MARKER"
  chmod 755 "$LAB"
  if ! setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$LAB/$LAB_MARKER"; then
    local d=$LAB closed=$LAB
    while [ "$d" != / ]; do
      d=$(dirname "$d")
      [ $((0$(stat -c %a "$d") & 1)) = 1 ] || closed=$d
    done
    remove_folder
    die "other users cannot enter $closed, but the users slurm, mysql and the jobs' must reach the lab below it. Choose another place, such as LAB=/tmp/lab."
  fi
  mkdir -p "$LAB"/{etc,pid,log,state,spool,dev,run}
  mkdir -p "$LAB/munge"
  chmod 700 "$LAB/munge"
  chown slurm "$LAB/log" "$LAB/state"
  # slurmctld runs as slurm from its first step, so its files must have been that user's all along
  touch "$LAB/log/slurmctld.log" "$LAB/log/slurmdbd.log"
  chown -R slurm "$LAB/state" "$LAB/log/slurmctld.log" "$LAB/log/slurmdbd.log"
  [ -s "$LAB/munge/key" ] || (umask 377; head -c 1024 /dev/urandom >"$LAB/munge/key")
  if [ "$LAB_AUTH" = slurm ] && [ ! -s "$LAB/etc/slurm.key" ]; then
    (umask 077; head -c 1024 /dev/urandom >"$LAB/etc/slurm.key")
    chown slurm "$LAB/etc/slurm.key"
  fi
}

remove_folder() {
  local parent
  parent=$(dirname "$LAB")
  rm -rf --one-file-system -- "$LAB"
  # the default place, PWD/.lab/default, brings a parent of its own
  [ "$(basename "$parent")" != .lab ] || rmdir --ignore-fail-on-non-empty "$parent"
}

# up: everything from nothing. What fails on the way is taken down again, logs are kept for reading.
up() {
  take_knobs
  need_root
  need_commands slurmctld slurmd scontrol sinfo setpriv flock ss ps
  case $LAB_AUTH in
    munge) need_commands munged munge ;;
    slurm) command -v sackd >/dev/null || die "sackd is not installed; LAB_AUTH=slurm needs it (Debian's package sackd, from Slurm 23.11 on)." ;;
  esac
  [ "$LAB_DBD" = 0 ] || need_commands slurmdbd sacctmgr mariadbd mariadb mariadb-install-db mariadb-admin
  [ "$LAB_KIND" = single ] || need_commands ip nsenter unshare
  id slurm >/dev/null 2>&1 || die "there is no user slurm. It comes with Slurm's packages: run lab/install.sh."
  lab_folder
  if already_up; then
    echo "already up (knobs of this call are not applied): . $LAB/lab.env"
    return 0
  fi
  ! [ -e "$LAB/$LAB_MARKER" ] || (keep_if_complete; take_down) || die "the half-running lab in $LAB could not be taken down."
  if [ "$LAB_AUTH" = slurm ] && sack_listens; then
    die "somebody serves $LAB_SACK/sack.socket already: another lab with LAB_AUTH=slurm, or a real cluster. A machine can have one."
  fi
  make_folder
  trap 'up_failed' EXIT
  LAB_SLURM_VERSION=$(slurmctld -V | awk '{ print $2 }')
  registry_lock
  registry_sweep
  reserve_ports
  LAB_NODE_NAMES=''
  [ "$LAB_KIND" = single ] || LAB_TAG=sga$LAB_PORT
  write_settings "$LAB/settings" # early, so that a failure after this can be taken down
  acquire_users
  registry_unlock
  write_slurm_conf
  [ "$LAB_DBD" = 0 ] || write_slurmdbd_conf
  write_settings "$LAB/settings"
  if [ "$LAB_KIND" = hosts ]; then
    mkdir -p "$LAB/hosts"
    echo "$LAB_TAG" >"$LAB/hosts/tag"
    network_up
  fi
  start_all
  cp "$LAB/settings" "$LAB/lab.env"
  trap - EXIT
  echo "up: . $LAB/lab.env"
}

start_all() {
  local n
  export SLURM_CONF=$LAB/etc/slurm.conf
  for n in $(auth_names); do launch "$n"; done
  [ "$LAB_DBD" = 0 ] || { make_database; launch mariadbd; }
  for n in $(auth_names); do await "$n" "$(patience "$n")"; done
  if [ "$LAB_DBD" = 1 ]; then
    await mariadbd "$(patience mariadbd)"
    grant_database
    launch slurmdbd
    await slurmdbd "$(patience slurmdbd)"
    add_accounts # before slurmctld reads them
  fi
  launch slurmctld
  await slurmctld "$(patience slurmctld)"
  for n in $LAB_NODE_NAMES; do
    mkdir -p "$LAB/spool/$n"
    launch "slurmd@$n"
  done
  wait_until "$(patience slurmd)" all_nodes_up || for n in $LAB_NODE_NAMES; do
    node_is_up "$n" || fail_daemon "slurmd@$n" "does not come up: slurmctld says $(at "$LAB_CTL" sinfo -h -N -n "$n" -o '%T %E')."
  done
}

all_nodes_up() {
  ! at "$LAB_CTL" timeout 5 sinfo -h -N -o %T | grep -qvE '^(idle|mixed|allocated|completing|drained|draining|reserved|maint|planned)$'
}

make_database() {
  [ ! -e "$LAB/db/complete" ] || return 0
  rm -rf "$LAB/db"
  mkdir -p "$LAB/db"
  chown mysql "$LAB/db"
  chmod 700 "$LAB/db"
  # A server that starts removes temporary tables from the folder that it shares with others: each has one of its own.
  TMPDIR="$LAB/db" mariadb-install-db --no-defaults --user=mysql --datadir="$LAB/db/data" --skip-test-db \
    --auth-root-authentication-method=socket --auth-root-socket-user=root >"$LAB/log/mariadbd.out" 2>&1 ||
    fail_daemon mariadbd "has no database: mariadb-install-db failed."
  : >"$LAB/db/complete"
}

grant_database() {
  mariadb --no-defaults -uroot -S "$LAB/db/sock" >>"$LAB/log/mariadbd.out" 2>&1 <<END || fail_daemon mariadbd "refuses the grants for slurmdbd."
create database if not exists slurm_acct_db;
create user if not exists slurm@'127.0.0.1';
set password for slurm@'127.0.0.1' = password('$(cat "$LAB/munge/db-password")');
grant all on slurm_acct_db.* to slurm@'127.0.0.1';
END
}

# add_accounts: user U gets the account acct_U. One file to load takes 1 s where single commands take 4.
add_accounts() {
  local u file=$LAB/etc/accounts.load
  [ -n "$LAB_USERS" ] && [ ! -e "$file" ] || return 0
  {
    echo "Cluster - '$LAB_CLUSTER':Fairshare=1:QOS='normal'"
    echo "Parent - 'root'"
    echo "User - 'root':DefaultAccount='root':AdminLevel='Administrator':Fairshare=1"
    for u in $LAB_USERS; do echo "Account - 'acct_$u':Description='lab':Organization='lab':Fairshare=1"; done
    for u in $LAB_USERS; do
      echo "Parent - 'acct_$u'"
      echo "User - '$u':DefaultAccount='acct_$u':Fairshare=1"
    done
  } >"$file.new"
  at "$LAB_CTL" sacctmgr -i load file="$file.new" >"$LAB/log/sacctmgr.out" 2>&1 &&
    at "$LAB_CTL" sacctmgr -n -P show account format=account | grep -qx "acct_$u" ||
    die "sacctmgr added no accounts.
$(last_lines "$LAB/log/sacctmgr.out" "$LAB/log/slurmdbd.out")"
  mv "$file.new" "$file"
}

already_up() {
  [ -s "$LAB/lab.env" ] || return 1
  (
    load_lab
    for n in $(all_names); do [ "$(state_of "$n")" = running ] || exit 1; done
    export SLURM_CONF=$LAB/etc/slurm.conf
    slurmctld_answers
  )
}

up_failed() {
  trap - EXIT
  exec 9>&- # the registry's lock, which going down wants itself
  (KEEP=1 take_down) || true
  note "the lab was stopped again; its logs are in $LAB/log. lab/slurm-down.sh removes them."
  exit 1
}

# keep_if_complete: a lab that once was up keeps its state and database through a restart.
keep_if_complete() { if [ -s "$LAB/lab.env" ]; then KEEP=1; else KEEP=0; fi; }

# take_down: nothing of the lab stays; with KEEP=1 its folder does, and the daemons get to end in order.
take_down() {
  lab_folder
  [ -e "$LAB/$LAB_MARKER" ] || return 0
  if [ -s "$LAB/settings" ]; then
    load_lab
    if [ "${KEEP:-0}" = 1 ]; then stop_in_order; fi
    end_all
    network_down
    [ "$LAB_AUTH" = munge ] || remove_sack
    release_lab
  fi
  if [ "${KEEP:-0}" = 1 ]; then rm -rf "$LAB"/pid/*; else remove_folder; fi
}

stop_in_order() {
  local n
  local -a steps
  mapfile -t steps < <(step_pids)
  [ "${#steps[@]}" = 0 ] || { mapfile -t steps < <(with_children "${steps[@]}"); kill_pids "${steps[@]}"; }
  # shellcheck disable=SC2046  # names without blanks
  set -- $(all_names | tac)
  for n in "$@"; do stop_daemon "$n"; done
}
