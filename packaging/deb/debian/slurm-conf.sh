#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the packages' own scripts ask of Slurm's configuration. It only reads.
#
#   slurm-conf files                each slurm.conf that daemons or commands of this host use, one a line
#   slurm-conf setting FILE KEY     each value that FILE, or a file that it includes, gives to KEY
#   slurm-conf spank FILE           each line of plugstack.conf, FILE or one that it includes, that loads spank_grid_agent:
#                                   PATH:NUMBER: TEXT
#
# Exit status 0: all was read; a file that is included and not there counts as empty. 3: something could not be read, and
# the answer may lack something; stderr says what. 64: used wrongly. 124 or 137: it took too long.
set -eu

# A file on a server that is away, or one that never ends, must not hold up dpkg.
if [ "${SLURM_CONF_IN_TIME:-}" != yes ] && command -v timeout >/dev/null; then
    SLURM_CONF_IN_TIME=yes exec timeout -k 5 "${SLURM_CONF_SECONDS:-30}" "$0" "$@"
fi

most_files=300
most_bytes=16777216
seen=' '
count=0
problem=0

complain() {
    echo "slurm-conf: $*" >&2
    problem=3
}

# Only "no such file" is no file: a server that does not answer is a question left open. The shell cannot tell; Debian has perl.
is_there() {
    status=0
    perl -e 'stat $ARGV[0] or exit($!{ENOENT} || $!{ENOTDIR} ? 1 : 2)' "$1" || status=$?
    [ "$status" -le 1 ] || complain "it cannot be told whether there is a file $1"
    return "$status"
}

# Whether FILE is one to read, and was not read before.
fresh() {
    is_there "$1" || return 1
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then
        complain "$1 is no file that can be read"
        return 1
    fi
    key=$(stat -L -c %d:%i -- "$1") || return 1
    case $seen in *" $key "*) return 1 ;; esac
    seen="$seen$key "
    count=$((count + 1))
    if [ "$count" -gt "$most_files" ]; then
        complain "more than $most_files files are included"
        return 1
    fi
    if [ "$(stat -L -c %s -- "$1")" -gt "$most_bytes" ]; then
        complain "$1 has more than $most_bytes bytes"
        return 1
    fi
}

# The lines of those files that are files.
lines() {
    for file in "$@"; do
        [ ! -f "$file" ] || [ ! -r "$file" ] || head -c "$most_bytes" "$file"
    done
}

files() {
    {
        echo "${SLURM_CONF:-}"
        lines /etc/default/slurm-grid-agent | sed -n 's/^[[:space:]]*SLURM_CONF=//p'
        # Where slurmctld and slurmd were told to look.
        lines /etc/default/slurmctld /etc/default/slurmd |
            sed -n 's/^[[:space:]]*SLURM[A-Z]*_OPTIONS=.*-f[[:space:]]*\([^[:space:]"'\'']*\).*/\1/p'
        lines /etc/slurm-grid-agent/config.yaml | sed -n 's/^slurm\.conf:[[:space:]]*\([^[:space:]#]*\).*/\1/p'
        echo /etc/slurm/slurm.conf
        echo /run/slurm/conf/slurm.conf
    } | tr -d "\"'" | awk '/^\// && !seen[$0]++' | while read -r file; do
        # One that is there and cannot be read is a question for who asks next.
        ! is_there "$file" && [ "$status" = 1 ] || printf '%s\n' "$file"
    done
}

# One file as Slurm reads it (slurm.conf(5)): KEY=VALUE anywhere in a line, keys in any case, # for comments, \ at the end of a line
# that goes on, Include. Prints "value TEXT" and "include PATH".
parse() {
    awk -v wanted="$2" '
        function value(text) {
            if (text ~ /^"/) return substr(text, 2, index(substr(text, 2) "\"", "\"") - 1)
            sub(/[ \t].*/, "", text)
            return text
        }
        function take(line) {
            if (match(" " line, /[^\\]#/)) line = substr(line, 1, RSTART - 1)
            if (tolower(line) ~ /^[ \t]*include[ \t]/) {
                sub(/^[ \t]*[^ \t]+[ \t]+/, "", line)
                print "include " value(line)
                return
            }
            line = " " line
            while (match(tolower(line), "[ \t]" tolower(wanted) "[ \t]*=[ \t]*")) {
                line = substr(line, RSTART + RLENGTH)
                print "value " value(line)
            }
        }
        {
            sub(/\r$/, "")
            line = line $0
            if (sub(/\\$/, "", line)) next
            take(line)
            line = ""
        }
        END { take(line) }' "$1"
}

# setting FILE KEY
setting() {
    fresh "$1" || return 0
    # No pipe: what was read before must be known after the loop.
    text=$(parse "$1" "$2") || complain "$1 cannot be read to its end"
    while read -r what rest; do
        case $what:$rest in
            value:*) printf '%s\n' "$rest" ;;
            include:/*) setting "$rest" "$2" ;;
            include:*) setting "${1%/*}/$rest" "$2" ;;
        esac
    done <<END
$text
END
}

# spank FILE
spank() {
    fresh "$1" || return 0
    text=$(awk '!/^[ \t]*#/ && NF > 1 { sub(/\r$/, ""); $1 = $1; print NR, $0 }' "$1") || complain "$1 cannot be read to its end"
    while read -r number how what rest; do
        case $how:$what in
            required:*spank_grid_agent* | optional:*spank_grid_agent*) printf '%s:%s: %s\n' "$1" "$number" "$how $what${rest:+ $rest}" ;;
            include:/*) for file in $what; do spank "$file"; done ;;
            include:*) for file in "${1%/*}"/$what; do spank "$file"; done ;;
        esac
    done <<END
$text
END
}

case $#:${1:-} in
    1:files) files ;;
    3:setting) setting "$2" "$3" ;;
    2:spank) spank "$2" ;;
    *)
        sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
        exit 64
        ;;
esac
exit "$problem"
