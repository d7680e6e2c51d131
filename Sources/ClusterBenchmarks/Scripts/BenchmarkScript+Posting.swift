// SPDX-License-Identifier: GPL-3.0-or-later

extension BenchmarkScript {
    /// Of sh: makes the folder `$1` for this user alone. Its name can be seen while the job runs, and /tmp is everybody's: one that
    /// somebody else has put there is not used.
    static let makesOwnFolder = #"{ [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; } || mkdir -m 0700 -- "$1""#

    /// How what is printed comes to the agent: `deliver` takes a result, `flush` sends what was taken, `send_waiting`
    /// too, before the next program begins; `announce` is for what may be lost, `farewell` for what has to be done at the end.
    var transport: String {
        if options.sharesFolder {
            return """
                deliver() { cat; }
                announce() { printf '\\n%s\\n' "$1" >&9; }
                flush() { :; }
                send_waiting() { :; }
                farewell() { :; }
                place() { :; }
                fetch() { :; }
                """
        }
        return [options.posting.map(post) ?? commenting, apart].joined(separator: "\n")
    }

    /// By HTTPS.
    private func post(_ posting: BenchmarkOptions.Posting) -> String {
        let pinned = posting.certificates.map { "cat >\"$work/pinned.pem\" <<'END_OF_INPUT'\n\($0)END_OF_INPUT" } ?? ""
        // The nodes' own roots first: a certificate of theirs may be changed meanwhile.
        let trusts =
            (posting.trustsNodes ? ["''"] : []) + (posting.certificates == nil ? [] : ["\"$work/pinned.pem\""])
        return """
            if ! command -v curl >/dev/null 2>&1; then
                cd / && rm -rf -- "$work"
                exit \(Self.lacksCurl)
            fi
            mkdir "$work/outbox" || exit \(Self.cannotWrite)
            # The folder is this user's alone; nothing of it is on a command line.
            cat >"$work/curl" <<'END_OF_INPUT'
            url = "https://\(posting.address)\(path)"
            header = "Authorization: Bearer \(token)"
            header = "Content-Type: text/plain"
            header = "Expect:"
            END_OF_INPUT
            \(pinned)
            unposted=

            # post FILE [SECONDS]: 0: it is done with, 1: later.
            post() {
                local trust code limit=${2:-120}
                for trust in \(trusts.joined(separator: " ")); do
                    code=$(curl --disable --silent --proto '=https' --connect-timeout 10 --max-time "$limit" --output /dev/null \\
                        --write-out '%{http_code}' --config "$work/curl" ${trust:+--cacert "$trust"} --data-binary "@$1")
                    case $? in 60 | 77) continue ;; esac
                    break
                done
                case $code in
                200) return 0 ;;
                # It will never be taken.
                400 | 401 | 404 | 405 | 409 | 413 | 507) unposted=yes; return 0 ;;
                *) return 1 ;;
                esac
            }
            deliver() { cat >"$(mktemp -p "$work/outbox" XXXXXX)"; }
            # Whatever becomes of it, the program does not wait for it.
            announce() {
                if [ -n "${announced:-}" ] && [ $((SECONDS - announced)) -lt 5 ]; then return; fi
                announced=$SECONDS
                (
                    # For good: bash would keep what a group only redirects, and who reads there would wait.
                    exec >/dev/null 2>&1 3>&- 9>&-
                    if file=$(mktemp -p "$work" progress.XXXXXX); then
                        printf '\\n%s\\n' "$1" >"$file" && post "$file" 10
                        rm -f -- "$file"
                    fi
                ) &
            }
            send_waiting() { :; }
            # What cannot be posted now waits for the next one, or the end.
            flush() {
                local file
                for file in "$work"/outbox/*; do
                    if [ ! -f "$file" ]; then continue; fi
                    if ! post "$file"; then return 1; fi
                    rm -f -- "$file"
                done
            }
            farewell() {
                local start=$SECONDS
                until flush; do
                    if [ $((SECONDS - start)) -ge \(Self.postPatience) ]; then unposted=yes; break; fi
                    sleep 2
                done
                everywhere rm -rf -- "$work"
                if [ -n "$unposted" ]; then
                    cd / && rm -rf -- "$work"
                    exit \(Self.cannotPost)
                fi
            }
            """
    }

    /// Nothing is shared: each node has a work folder of its own.
    private var apart: String {
        """
        # everywhere COMMAND...: on each node, of which this is one: nothing is shared, and programs want their folder.
        everywhere() {
            local nodes=${SLURM_JOB_NUM_NODES:-1}
            if [ "$nodes" -gt 1 ]; then srun -N "$nodes" -n "$nodes" --ntasks-per-node=1 --chdir=/ "$@" >/dev/null 2>&1; fi
        }
        if ! everywhere sh -c '\(Self.makesOwnFolder)' sh "$work"; then
            cd / && rm -rf -- "$work"
            exit \(Self.cannotWrite)
        fi
        # place NODE FOLDER, fetch NODE FOLDER: one of the work folder, to a node and back.
        place() {
            if [ "$1" = "${SLURMD_NODENAME:-}" ]; then return; fi
            tar -C "$work" -cf - "$2" | srun -N 1 -n 1 -w "$1" --chdir=/ tar -C "$work" -xf -
        }
        fetch() {
            if [ "$1" = "${SLURMD_NODENAME:-}" ]; then return; fi
            srun -N 1 -n 1 -w "$1" --chdir=/ tar -C "$work" -cf - "$2" | tar -C "$work" -xf -
        }
        """
    }
}
