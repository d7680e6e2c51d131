# SPDX-License-Identifier: GPL-3.0-or-later
# The knobs, and the configuration files that follow from them.
# shellcheck shell=bash

readonly LAB_USER_PATTERN='^([a-z_][a-z0-9_-]{0,30}|0x[0-9a-f]{40})$'

# take_knobs: defaults and checks. LAB_KIND is "single" (all on this machine) or "hosts".
take_knobs() {
  LAB_KIND=${LAB_KIND:-single}
  : "${LAB_NODES:=$([ "$LAB_KIND" = hosts ] && echo 2 || echo 4)}" "${LAB_CPUS:=4}" "${LAB_MEM:=4000}" "${LAB_GPUS:=2}" "${LAB_GPU_TYPE:=}"
  : "${LAB_SOCKETS:=}" "${LAB_CORES:=}" "${LAB_THREADS:=}" "${LAB_DBD:=0}" "${LAB_CLUSTER:=lab}"
  : "${LAB_AUTH:=munge}" "${LAB_CONF_EXTRA:=}" "${LAB_DBD_CONF_EXTRA:=}" "${LAB_NODE_LINES:=}" "${LAB_PARTITION_LINES:=}"
  : "${LAB_MIN_JOB_AGE:=300}" "${LAB_CRED_EXPIRE:=5}" "${LAB_SLURMD_TIMEOUT:=30}" "${LAB_MESSAGE_TIMEOUT:=10}"
  : "${LAB_JOBCOMP:=jobcomp/none}" "${LAB_JOBCOMP_PARAMS:=}" "${LAB_PLUGIN_DIR:=}" "${LAB_PLUGSTACK:=}"
  : "${LAB_JOB_SUBMIT:=}" "${LAB_SLURMCTLD_PRELOAD:=}"
  LAB_USERS=${LAB_USERS-labu1 labu2 labu3}
  need_number LAB_NODES 1 89
  need_number LAB_CPUS 1 4096
  need_number LAB_MEM 1 99999999
  need_number LAB_GPUS 0 64
  need_number LAB_DBD 0 1
  need_number LAB_MIN_JOB_AGE 0 9999999
  need_number LAB_SLURMD_TIMEOUT 0 65533
  need_number LAB_MESSAGE_TIMEOUT 1 65533
  # Slurm takes a smaller figure for a mistake and falls back to its default of 120 s.
  need_number LAB_CRED_EXPIRE 5 86400
  local k u
  for k in LAB_SOCKETS LAB_CORES LAB_THREADS; do [ -z "${!k}" ] || need_number "$k" 1 1024; done
  [[ $LAB_CLUSTER =~ ^[a-z][a-z0-9_]{0,30}$ ]] || die "LAB_CLUSTER=$LAB_CLUSTER is no cluster name: small letters, digits and _ only."
  [[ $LAB_GPU_TYPE =~ ^[A-Za-z0-9_-]*$ ]] || die "LAB_GPU_TYPE=$LAB_GPU_TYPE is no GPU type: letters, digits, _ and - only."
  for u in $LAB_USERS; do [[ $u =~ $LAB_USER_PATTERN && $u != root ]] || die "LAB_USERS: $u is no name for a lab user."; done
  [ -z "$LAB_PLUGSTACK" ] || [ -r "$LAB_PLUGSTACK" ] || die "LAB_PLUGSTACK=$LAB_PLUGSTACK cannot be read; it names a plugstack.conf to copy."
  [ -z "$LAB_JOB_SUBMIT" ] || [ -r "$LAB_JOB_SUBMIT" ] || die "LAB_JOB_SUBMIT=$LAB_JOB_SUBMIT cannot be read; it names a job_submit.lua to copy."
  [ -z "$LAB_SLURMCTLD_PRELOAD" ] || [ -r "$LAB_SLURMCTLD_PRELOAD" ] || die "LAB_SLURMCTLD_PRELOAD=$LAB_SLURMCTLD_PRELOAD cannot be read; it names a library."
  [ -z "$LAB_PLUGIN_DIR" ] || [ -d "$LAB_PLUGIN_DIR" ] || die "LAB_PLUGIN_DIR=$LAB_PLUGIN_DIR is not a folder."
  case $LAB_AUTH in
    munge) ;;
    slurm) [ "$LAB_KIND$LAB_DBD" = single0 ] || die "LAB_AUTH=slurm goes neither with a multi-host lab nor with LAB_DBD=1." ;;
    *) die "LAB_AUTH=$LAB_AUTH is neither munge nor slurm." ;;
  esac
  # A single-host node i listens on LAB_PORT + 10 + i.
  LAB_HOSTS='' LAB_TAG='' LAB_CTL=-
  if [ "$LAB_KIND" = hosts ]; then
    need_number LAB_NODES 1 9
    [ -z "$LAB_NODE_LINES" ] || die "LAB_NODE_LINES does not go with a multi-host lab; set LAB_NODES, LAB_CPUS and so on."
    LAB_CTL=ctl LAB_HOSTS=ctl
    for ((k = 1; k <= LAB_NODES; k++)); do LAB_HOSTS+=" c$k"; done
  fi
}

slurm_plugin_folder() {
  local d
  for d in /usr/lib/*/slurm-wlm /usr/lib64/slurm /usr/lib/*/slurm /usr/lib/slurm; do
    [ -e "$d/auth_munge.so" ] && { echo "$d"; return 0; }
  done
  die "Slurm's plugin folder is not in any usual place under /usr/lib."
}

# default_node_lines: what LAB_NODE_LINES replaces.
default_node_lines() {
  local i name shape="CPUs=$LAB_CPUS" gres=''
  if [ -n "$LAB_SOCKETS$LAB_CORES$LAB_THREADS" ]; then
    shape="Sockets=${LAB_SOCKETS:-1} CoresPerSocket=${LAB_CORES:-1} ThreadsPerCore=${LAB_THREADS:-1}"
  fi
  [ "$LAB_GPUS" = 0 ] || gres=" Gres=gpu:${LAB_GPU_TYPE:+$LAB_GPU_TYPE:}$LAB_GPUS"
  for ((i = 1; i <= LAB_NODES; i++)); do
    name=n$i
    [ "$LAB_KIND" = single ] || name=c$i
    echo "NodeName=$name $shape RealMemory=$LAB_MEM$gres"
  done
}

# write_nodes: completes the node lines with addresses, makes the fake GPUs, and sets LAB_NODE_NAMES.
# A gres.conf File must be a device, so a fake GPU is a second name for /dev/null.
write_nodes() {
  local line name gres item count i=0 g=0
  local -a parts
  LAB_NODE_NAMES=''
  : >"$LAB/etc/gres.conf"
  while read -r line; do
    [[ -n $line && $line != \#* ]] || continue
    [[ $line =~ ^NodeName=([A-Za-z][A-Za-z0-9-]*)([[:space:]]|$) ]] ||
      die "LAB_NODE_LINES: '$line' must start with NodeName= and one plain name; one node to a line."
    name=${BASH_REMATCH[1]} i=$((i + 1)) g=0
    LAB_NODE_NAMES+="${LAB_NODE_NAMES:+ }$name"
    if [ "$LAB_KIND" = hosts ]; then
      line+=" NodeHostname=$name NodeAddr=$(host_address "$name") Port=$(node_port "$name")"
    else
      line+=" NodeHostname=localhost NodeAddr=127.0.0.1 Port=$(node_port "$name")"
    fi
    [[ $line == *State=* ]] || line+=" State=UNKNOWN"
    echo "$line"
    gres=$(sed -n 's/.*[[:space:]][Gg]res=\([^[:space:]]*\).*/\1/p' <<<"$line")
    for item in ${gres//,/ }; do
      IFS=: read -r -a parts <<<"$item"
      [ "${parts[0]}" = gpu ] || continue
      count=${parts[-1]}
      [[ $count =~ ^[0-9]+$ ]] || count=1
      local type=''
      if [ "${#parts[@]}" -gt 2 ]; then type=" Type=${parts[1]}"; fi
      local first=$g
      for ((; g < first + count; g++)); do
        rm -f "$LAB/dev/$name-gpu$g"
        mknod -m 666 "$LAB/dev/$name-gpu$g" c 1 3 || die "cannot make device $LAB/dev/$name-gpu$g; fake GPUs need mknod. Set LAB_GPUS=0, or LAB on another file system."
      done
      echo "NodeName=$name Name=gpu$type File=$LAB/dev/$name-gpu[$first-$((g - 1))]" >>"$LAB/etc/gres.conf"
    done
  done
  [ "$i" -gt 0 ] || die "LAB_NODE_LINES names no node."
}

# node_port NAME: the port of that slurmd, by its place in LAB_NODE_NAMES.
node_port() {
  local n i=0
  for n in $LAB_NODE_NAMES; do
    i=$((i + 1))
    [ "$n" != "$1" ] || { echo $((LAB_PORT + 10 + i)); return 0; }
  done
  return 1
}

default_partition_lines() {
  # shellcheck disable=SC2206  # node names hold no blanks or patterns
  local -a names=($LAB_NODE_NAMES)
  local half=$(((${#names[@]} + 1) / 2)) IFS=,
  echo "PartitionName=main Nodes=${names[*]} Default=YES DefaultTime=60 MaxTime=7-0 State=UP"
  echo "PartitionName=half Nodes=${names[*]:0:half} DefaultTime=10 MaxTime=1-0 State=UP"
}

# auth_info: where clients get their credentials. Of auth/slurm's daemons only sackd may serve them: all slurmds of a
# lab would fight for the one socket that the library knows.
auth_info() { if [ "$LAB_AUTH" = slurm ]; then echo disable_sack; else echo "socket=$LAB/run/munge.socket"; fi; }

write_slurm_conf() {
  local address=127.0.0.1 host=localhost nodes
  [ "$LAB_KIND" = single ] || { host=ctl; address=$(host_address ctl); }
  nodes=$LAB/etc/nodes.conf
  if [ -n "$LAB_NODE_LINES" ]; then printf '%b\n' "$LAB_NODE_LINES"; else default_node_lines; fi >"$nodes.in"
  write_nodes <"$nodes.in" >"$nodes"
  {
    cat <<END
ClusterName=$LAB_CLUSTER
SlurmctldHost=$host($address)
SlurmctldPort=$LAB_PORT
SlurmUser=slurm
AuthType=auth/$LAB_AUTH
CredType=cred/$LAB_AUTH
AuthInfo=$(auth_info),cred_expire=$LAB_CRED_EXPIRE
StateSaveLocation=$LAB/state
SlurmdSpoolDir=$LAB/spool/%n
SlurmctldPidFile=$LAB/state/slurmctld.pid
SlurmdPidFile=$LAB/spool/%n/slurmd.pid
SlurmctldLogFile=$LAB/log/slurmctld.log
SlurmdLogFile=$LAB/log/slurmd.%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
# An idle lab must notice at once what a busy cluster notices in a minute.
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
DefMemPerCPU=100
GresTypes=gpu
MaxJobCount=60000
MinJobAge=$LAB_MIN_JOB_AGE
SlurmdTimeout=$LAB_SLURMD_TIMEOUT
MessageTimeout=$LAB_MESSAGE_TIMEOUT
KillWait=5
JobCompType=$LAB_JOBCOMP
PlugStackConfig=$LAB/etc/plugstack.conf
END
    [ "$LAB_JOBCOMP" != jobcomp/filetxt ] || echo "JobCompLoc=$LAB/state/jobcomp.txt"
    [ -z "$LAB_JOBCOMP_PARAMS" ] || echo "JobCompParams=$LAB_JOBCOMP_PARAMS"
    [ -z "$LAB_JOB_SUBMIT" ] || echo "JobSubmitPlugins=lua"
    [ -z "$LAB_PLUGIN_DIR" ] || echo "PluginDir=$(realpath "$LAB_PLUGIN_DIR"):$(slurm_plugin_folder)"
    if [ "$LAB_DBD" = 1 ]; then
      # slurmdbd connections do not look at AuthInfo: they want the socket once more.
      cat <<END
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$address
AccountingStoragePort=$((LAB_PORT + 1))
AccountingStoragePass=$LAB/run/munge.socket
AccountingStoreFlags=job_comment,job_env,job_script
AccountingStorageTRES=gres/gpu
END
    fi
    cat "$nodes"
    if [ -n "$LAB_PARTITION_LINES" ]; then printf '%b\n' "$LAB_PARTITION_LINES"; else default_partition_lines; fi
    printf '%b\n' "$LAB_CONF_EXTRA"
  } >"$LAB/etc/slurm.conf"
  rm -f "$nodes" "$nodes.in"
  if [ -n "$LAB_PLUGSTACK" ]; then cat "$LAB_PLUGSTACK"; fi >"$LAB/etc/plugstack.conf"
  [ -z "$LAB_JOB_SUBMIT" ] || cat "$LAB_JOB_SUBMIT" >"$LAB/etc/job_submit.lua"
  # Flags that tell a preloaded library or a job_submit.lua what goes wrong now; such a script takes its own away.
  mkdir -p "$LAB/faults"
  chown slurm "$LAB/faults"
  # The cgroup plugin "disabled" came with 23.11; older slurmds refuse the word.
  case $LAB_SLURM_VERSION in 2[0-2].* | 23.02*) ;; *) echo CgroupPlugin=disabled ;; esac >"$LAB/etc/cgroup.conf"
}

write_slurmdbd_conf() {
  local address=127.0.0.1
  [ "$LAB_KIND" = single ] || address=$(host_address ctl)
  [ -s "$LAB/munge/db-password" ] || (umask 077; od -An -tx1 -N16 /dev/urandom | tr -d ' \n' >"$LAB/munge/db-password")
  (umask 077; : >"$LAB/etc/slurmdbd.conf")
  chown slurm "$LAB/etc/slurmdbd.conf"
  {
    cat <<END
AuthType=auth/munge
AuthInfo=socket=$LAB/run/munge.socket
DbdHost=$([ "$LAB_KIND" = single ] && echo localhost || echo ctl)
DbdAddr=$address
DbdPort=$((LAB_PORT + 1))
SlurmUser=slurm
PidFile=$LAB/state/slurmdbd.pid
LogFile=$LAB/log/slurmdbd.log
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((LAB_PORT + 2))
StorageUser=slurm
StoragePass=$(cat "$LAB/munge/db-password")
StorageLoc=slurm_acct_db
END
    printf '%b\n' "$LAB_DBD_CONF_EXTRA"
  } >"$LAB/etc/slurmdbd.conf"
}

# write_settings FILE: what the other scripts, the tests and the user need to know of this lab.
write_settings() {
  local k
  {
    echo "# A throwaway Slurm cluster for tests. Use: . $LAB/lab.env"
    for k in LAB LAB_KIND LAB_CLUSTER LAB_AUTH LAB_DBD LAB_USERS LAB_NODE_NAMES LAB_HOSTS LAB_TAG LAB_CTL LAB_PORT LAB_SLURM_VERSION LAB_SLURMCTLD_PRELOAD; do
      printf 'export %s=%q\n' "$k" "${!k}"
    done
    printf 'export SLURM_CONF=%q\n' "$LAB/etc/slurm.conf"
    printf 'export LAB_MUNGE_SOCKET=%q\n' "$LAB/run/munge.socket"
    printf 'export LAB_PORT_SLURMCTLD=%d LAB_PORT_SLURMDBD=%d LAB_PORT_MARIADB=%d LAB_PORT_FREE=%d\n' \
      "$LAB_PORT" $((LAB_PORT + 1)) $((LAB_PORT + 2)) $((LAB_PORT + 3))
  } >"$1.new"
  mv "$1.new" "$1"
}
