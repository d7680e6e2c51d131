# SPDX-License-Identifier: GPL-3.0-or-later
# Messages, waiting, and the checks every script starts with.
# shellcheck shell=bash

readonly LAB_MARKER=.slurm-grid-agent-lab   # a folder without this file is not ours to delete
readonly LAB_PATH_MAX=64                    # a Unix socket's path ends at 107 bytes; slurmd's need ~40 below the lab

die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
note() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# usage_from_header: prints the script's own header comment, which is its manual.
usage_from_header() {
  awk 'NR <= 2 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$0"
}

need_root() {
  [ "$(id -u)" = 0 ] || die "must run as root, since slurmd starts jobs for other users. Run it with sudo."
}

need_commands() {
  local c
  for c in "$@"; do
    command -v "$c" >/dev/null || die "$c is not installed. Run lab/install.sh$([ "${LAB_DBD:-0}" = 1 ] && echo ' --dbd') first."
  done
}

# wait_until SECONDS COMMAND...: polls until the command succeeds; fails after SECONDS (whole, by the wall clock).
# A wait that comes to its end is no matter of seconds: only a failure takes as long, on a machine with much to do.
wait_until() {
  local end=$(($(date +%s%N) + $1 * 1000000000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s%N)" -lt "$end" ] || return 1
    sleep 0.02
  done
}

# last_lines FILE...: the end of each log that has something to say, indented for an error message.
last_lines() {
  local f
  for f in "$@"; do
    [ -s "$f" ] || continue
    printf '  %s ends with:\n' "$f"
    tail -n 5 "$f" | sed 's/^/    /'
  done
}

# is_number VALUE MIN MAX
is_number() { [[ $1 =~ ^[0-9]{1,9}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3)); }

need_number() { # need_number KNOB MIN MAX
  is_number "${!1}" "$2" "$3" || die "$1=${!1} is not a whole number from $2 to $3."
}

# lab_folder: makes LAB absolute and checks what can be checked before the folder exists.
lab_folder() {
  LAB=${LAB:-$PWD/.lab/default}
  [[ $LAB == /* ]] || LAB=$PWD/$LAB
  LAB=$(realpath -m -- "$LAB")
  [[ $LAB =~ ^/[A-Za-z0-9/._+-]+$ ]] || die "LAB=$LAB holds characters that slurm.conf cannot carry. Use letters, digits and / . _ + - only."
  [ "${#LAB}" -le "$LAB_PATH_MAX" ] || die "LAB=$LAB is ${#LAB} bytes long; Unix sockets below it allow $LAB_PATH_MAX. Choose a shorter one, such as LAB=/tmp/lab."
  export LAB
}

# load_lab: reads the settings that "up" wrote. Everything after this relies on them, not on the caller's knobs.
load_lab() {
  lab_folder
  [ -e "$LAB/$LAB_MARKER" ] && [ -s "$LAB/settings" ] || die "no lab in $LAB. Start one with lab/slurm-up.sh, or set LAB to its folder."
  local here=$LAB
  LAB_AUTH=munge # what a lab of before this knob has
  # shellcheck disable=SC1091
  . "$LAB/settings"
  [ "$LAB" = "$here" ] || die "the lab in $here was made for $LAB; a lab's folder cannot be moved. Start a new one."
}
