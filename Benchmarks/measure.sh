#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# measure.sh --owner USER --work DIR [--quick]: run.sh's second half, inside the lab, as user slurm.
#
# Two servers answer one command a line (c/slurm_baseline.c lists them): one makes libslurm's calls from C, one makes
# them through the Swift module. They take turns, and the first of a round changes from round to round, so what slows
# the machine slows both. A round's figure is the median of its calls; a ratio is the median of the rounds' ratios.
set -euo pipefail

owner='' work='' quick=''
while [ $# -gt 0 ]; do
  case $1 in
    --owner) owner=$2; shift 2 ;;
    --work) work=$2; shift 2 ;;
    --quick) quick=1; shift ;;
    *) exit 64 ;;
  esac
done

rounds=101 calls=5 list_rounds=31 list_calls=1 batch=80 slow_rounds=7
if [ -n "$quick" ]; then rounds=7 list_rounds=3 slow_rounds=2; fi
queue=10000 ended=2000 running=50

note() { echo "bench: $*" >&2; }
die() { note "$*"; exit 1; }

# --- the servers

declare -A to from pid
start_server() { # NAME COMMAND…
  local name=$1 in out
  shift
  mkfifo "$work/run/$name.in" "$work/run/$name.out"
  "$@" <"$work/run/$name.in" >"$work/run/$name.out" &
  pid[$name]=$!
  exec {in}>"$work/run/$name.in" {out}<"$work/run/$name.out"
  to[$name]=$in from[$name]=$out
  rm "$work/run/$name.in" "$work/run/$name.out"
}
stop_server() { # NAME
  local in=${to[$1]} out=${from[$1]}
  echo quit >&"$in"
  wait "${pid[$1]}" || note "$1 ended with status $?"
  exec {in}>&- {out}<&-
  unset "pid[$1]"
}
clean_up() {
  local name
  for name in "${!pid[@]}"; do kill "${pid[$name]}" 2>/dev/null || true; done
}
trap clean_up EXIT
trap 'exit 143' INT TERM HUP

# ask NAME COMMAND…: the answer's numbers, in REPLY
ask() {
  local name=$1
  shift
  echo "$*" >&"${to[$name]}"
  read -r -t 600 REPLY <&"${from[$name]}" || die "$name: no answer to: $*"
  [[ $REPLY == ok* ]] || die "$name: $REPLY"
  REPLY=${REPLY#ok}
  REPLY=${REPLY# }
}

# --- figures

# median NUMBER…
median() {
  printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { m = int((NR + 1) / 2); printf "%.9g\n", NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'
}
divide() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.9g\n", a / b }'; }
microseconds() { awk -v a="$1" 'BEGIN { printf "%.1f", a / 1000 }'; }
per_second() { awk -v n="$1" -v t="$2" 'BEGIN { printf "%.0f", n * 1e9 / t }'; } # COUNT NANOSECONDS
figure() { # NAME VALUE UNIT
  awk -v name="$1" -v value="$2" -v unit="$3" 'BEGIN { printf "{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}\n", name, value, unit }'
}

# interleave ROUNDS "SERVER COMMAND…" …: fills rounds_of[1], rounds_of[2], … with each command's median of each round. The
# commands are run in turn, beginning with another one each round.
rounds_of=()
interleave() {
  local count=$1 round index place
  shift
  local -a commands=("$@")
  rounds_of=()
  for ((round = 0; round < count; round++)); do
    for place in "${!commands[@]}"; do
      index=$(((place + round) % ${#commands[@]}))
      # shellcheck disable=SC2086  # commands are words
      ask ${commands[index]}
      # shellcheck disable=SC2086  # numbers
      rounds_of[index + 1]+=" $(median $REPLY)"
    done
  done
}

# ratio NAME UNIT A B: the median over the rounds of A's figure / B's
ratio() {
  local index
  local -a upper lower ratios=()
  read -r -a upper <<<"${rounds_of[$3]}"
  read -r -a lower <<<"${rounds_of[$4]}"
  for index in "${!upper[@]}"; do ratios+=("$(divide "${upper[index]}" "${lower[index]}")"); done
  note "$1: $(microseconds "$(median "${upper[@]}")") us against $(microseconds "$(median "${lower[@]}")") us;" \
    "rounds from $(printf '%.3f\n' "${ratios[@]}" | sort -g | sed -n '1p;$p' | paste -s -d ' ' | sed 's/ / to /')"
  figure "$1" "$(median "${ratios[@]}")" "$2"
}

# --- the queue is almost empty

start_server c "$work/slurm-baseline" "$owner"
start_server swift "$work/SlurmBench" "$owner"

# once untimed: connections, caches
for name in c swift; do
  ask $name job 5
  ask $name submit 5
done

interleave "$rounds" "swift job $calls" "c job $calls"
ratio slurm.job.vs_c ratio 1 2

interleave "$rounds" "swift submit $calls" "c submit $calls"
ratio slurm.submit.vs_c ratio 1 2

interleave "$rounds" "swift submit-readback $calls" "c submit-readback $calls"
ratio slurm.submit_readback.vs_c ratio 1 2

interleave "$list_rounds" "c throughput $batch 8" "swift throughput $batch 8"
# jobs/s against jobs/s: the other way round than the times
ratio slurm.submit_throughput_8.vs_c ratio 1 2
# shellcheck disable=SC2086  # numbers
note "throughput: C $(per_second "$batch" "$(median ${rounds_of[1]})") jobs/s," \
  "Swift $(per_second "$batch" "$(median ${rounds_of[2]})") jobs/s"

# --- against the commands; an equal job

printf '#!/bin/bash\n# Stands for a job of a grid: a few lines of shell around one program.\nset -eu\nexec sleep 3600\n' >"$work/run/job.sh"
sbatch="sbatch --parsable --hold --export=NONE --job-name=bench-sbatch --comment=benchmark"
sbatch+=" --chdir=/tmp --output=/tmp/bench-sbatch.out --error=/tmp/bench-sbatch.err --partition=main --account=grid --ntasks=1"
sbatch+=" --cpus-per-task=1 --mem=100 --gpus-per-node=1 --time=60 --no-requeue $work/run/job.sh"
ssh="ssh -F $work/ssh/ssh_config bench SLURM_CONF=$SLURM_CONF $sbatch"
ask c run 1 "$ssh"
interleave "$list_rounds" "swift submit 3" "c run 3 $sbatch"
ratio slurm.submit.speedup_vs_sbatch x 2 1
# What bare C gains on this machine: the Swift figure cannot be above it.
interleave "$list_rounds" "c submit 3" "c run 3 $sbatch"
ratio slurm.submit.c_speedup_vs_sbatch x 2 1
interleave "$slow_rounds" "swift submit 5" "c run 3 $ssh"
ratio slurm.submit.speedup_vs_ssh_sbatch x 2 1

# --- 10,000 jobs

ask c count
[ "$REPLY" -lt $((queue - running)) ] || die "$REPLY jobs are there before the queue is filled up to $queue"
ask c throughput $(((queue - running - REPLY) / 8 * 8)) 8
ask c count
[ "$REPLY" = $((queue - running)) ] || ask c submit $((queue - running - REPLY))
ask c cancel "$ended"
ask c start "$running"
for ((tries = 0; ; tries++)); do
  [ "$(squeue --noheader --states=running | wc -l)" -lt "$running" ] || break
  [ "$tries" -lt 120 ] || die "the $running jobs do not run: $(squeue --noheader --states=configuring,pending -o '%r' | sort | uniq -c | paste -s -d ' ')"
  sleep 1
done
ask c count
note "the queue: $REPLY jobs, of which $running run, $ended have ended"

# A process of its own, whose memory nothing else has touched.
start_server memory "$work/SlurmBench" "$owner"
ask memory memory 5
read -r first steady peak high_water <<<"$REPLY"
stop_server memory
note "memory: RssAnon $first KiB after the first load, $steady KiB after the fifth, at most $peak KiB; VmHWM $high_water KiB"
figure slurm.jobs_10k.rss_mib "$(divide "$steady" 1024)" MiB
figure slurm.jobs_10k.peak_rss_mib "$(divide "$peak" 1024)" MiB
figure slurm.jobs_10k.peak_vmhwm_mib "$(divide "$high_water" 1024)" MiB

for name in c swift; do ask $name jobs 2; done
interleave "$list_rounds" "swift jobs $list_calls" "c jobs $list_calls"
ratio slurm.jobs_10k.vs_c ratio 1 2

interleave "$slow_rounds" "swift jobs 1" "c run 1 squeue --json"
ratio slurm.jobs_10k.speedup_vs_squeue_json x 2 1
interleave "$slow_rounds" "c jobs 1" "c run 1 squeue --json"
ratio slurm.jobs_10k.c_speedup_vs_squeue_json x 2 1

ask swift gres 11
# shellcheck disable=SC2086  # numbers
figure slurm.gres_decode_10k.ms "$(divide "$(median $REPLY)" 1e6)" ms

stop_server c
stop_server swift
