// SPDX-License-Identifier: GPL-3.0-or-later

extension BenchmarkScript {
    /// How far programs are, by their own words.
    static let progress = """
        # progress NAME PERCENT: how far it is, when it is further.
        progress() {
            if [ "$2" -gt "${last_percent:-0}" ] && [ "$2" -le 100 ]; then
                last_percent=$2
                announce "@sga progress $TOKEN $1 $2"
            fi
        }

        # follow NAME [LINES]: passes on what a program prints, and looks for its own words on how far it is: HPL's and HPL-MxP's
        # fraction, fio's percentage; with LINES, as of OSU, a line for each size of message. Without an end of line, or
        # after many lines, it looks no more.
        follow() {
            local name=$1 lines=${2:-0} seen=0 count=0 line percent
            tee >(
                last_percent=0
                while [ "$count" -lt 5000 ] && IFS= read -r -n 400 line; do
                    count=$((count + 1)) percent=
                    if [[ $line =~ (Fraction|Prog)\\ *=\\ *([0-9]+)(\\.[0-9]*)?% ]]; then percent=${BASH_REMATCH[2]}
                    elif [[ $line =~ Jobs:\\ .*\\[([0-9]+)(\\.[0-9]*)?%\\] ]]; then percent=${BASH_REMATCH[1]}
                    elif [ "$lines" -gt 0 ] && [[ $line =~ ^[0-9]+\\ +[0-9.]+ ]]; then
                        seen=$((seen + 1)) percent=$((seen * 100 / lines))
                    fi
                    if [ -n "$percent" ]; then progress "$name" "$((10#$percent))"; fi
                done
                cat >/dev/null
            )
        }

        # sections NAME FILE COUNT: how many of so many sections hpcc has written, until it is ended.
        sections() {
            local done
            last_percent=0
            while sleep 2; do
                done=$(grep -c '^End of .* section' "$2" 2>/dev/null)
                progress "$1" "$((${done:-0} * 100 / $3))"
            done
        }
        """
}
