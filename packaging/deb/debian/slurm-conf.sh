#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the packages' own scripts ask of Slurm's configuration. It only reads.
#
#   slurm-conf files                each slurm.conf that daemons or commands of this host use, one a line
#   slurm-conf setting FILE KEY     each value that FILE, or a file that it includes, gives to KEY
#   slurm-conf required FILE        each plugstack.conf, FILE or one that it includes, with spank_grid_agent as required
set -eu

files() {
    {
        echo "${SLURM_CONF:-}"
        sed -n 's/^[[:space:]]*SLURM_CONF=//p' /etc/default/slurm-grid-agent || true
        # Where slurmctld and slurmd were told to look.
        sed -n 's/^[[:space:]]*SLURM[A-Z]*_OPTIONS=.*-f[[:space:]]*\([^[:space:]"'\'']*\).*/\1/p' \
            /etc/default/slurmctld /etc/default/slurmd || true
        sed -n 's/^slurm\.conf:[[:space:]]*\([^[:space:]#]*\).*/\1/p' /etc/slurm-grid-agent/config.yaml || true
        echo /etc/slurm/slurm.conf
        echo /run/slurm/conf/slurm.conf
    } 2>/dev/null | tr -d "\"'" | awk '/^\// && !seen[$0]++' | while read -r file; do
        [ ! -r "$file" ] || echo "$file"
    done
}

# As Slurm reads it (slurm.conf(5)): KEY=VALUE anywhere in a line, keys in any case, # for comments, \ at the end of a line that
# goes on, Include.
setting() {
    awk -v first="$1" -v wanted="$2" '
        function value(text) {
            if (text ~ /^"/) return substr(text, 2, index(substr(text, 2) "\"", "\"") - 1)
            sub(/[ \t].*/, "", text)
            return text
        }
        function take(line, folder, depth) {
            if (match(" " line, /[^\\]#/)) line = substr(line, 1, RSTART - 1)
            if (tolower(line) ~ /^[ \t]*include[ \t]/) {
                sub(/^[ \t]*[^ \t]+[ \t]+/, "", line)
                line = value(line)
                visit(line ~ /^\// ? line : folder line, depth + 1)
                return
            }
            line = " " line
            while (match(tolower(line), "[ \t]" tolower(wanted) "[ \t]*=[ \t]*")) {
                line = substr(line, RSTART + RLENGTH)
                print value(line)
            }
        }
        function visit(path, depth,    folder, part, line) {
            if (depth > 8) return
            folder = path
            sub(/[^\/]*$/, "", folder)
            line = ""
            while ((getline part < path) > 0) {
                sub(/\r$/, "", part)
                line = line part
                if (sub(/\\$/, "", line)) continue
                take(line, folder, depth)
                line = ""
            }
            close(path)
            take(line, folder, depth)
        }
        BEGIN { visit(first, 0) }'
}

# required FILE DEPTH
required() {
    [ "$2" -lt 8 ] || return 0
    # shellcheck disable=SC2094  # it is only read
    awk '!/^[ \t]*#/ { print $1, $2 }' "$1" | while read -r how what; do
        case $how:$what in
            required:*spank_grid_agent*) echo "$1" ;;
            include:/*) for file in $what; do [ ! -f "$file" ] || required "$file" $(($2 + 1)); done ;;
            include:*) for file in "${1%/*}"/$what; do [ ! -f "$file" ] || required "$file" $(($2 + 1)); done ;;
        esac
    done
}

case $#:${1:-} in
    1:files) files ;;
    3:setting) setting "$2" "$3" ;;
    2:required) required "$2" 0 ;;
    *)
        sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
        exit 64
        ;;
esac
