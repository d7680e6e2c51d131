// SPDX-License-Identifier: GPL-3.0-or-later

/// The batch script of a job. Every value that comes from a configuration or from Slurm is one quoted word of it.
public struct BenchmarkScript: Sendable {
    let job: PlannedJob
    let options: BenchmarkOptions
    /// Letters and digits, random: of the run.
    let token: String

    /// Where it posts, if it does.
    let path: String

    /// The exit status of a job that cannot write to the result folder, or where it works.
    static let cannotWrite: UInt32 = 73
    /// Of one that cannot post, and of one on a node without curl.
    static let (cannotPost, lacksCurl): (UInt32, UInt32) = (74, 72)
    /// Seconds for which a job tries to post before it ends: an agent is restarted sooner.
    static let postPatience = 600

    public init(_ job: PlannedJob, _ options: BenchmarkOptions, token: String, path: String = "/") {
        self.job = job
        self.options = options
        self.token = token
        self.path = path
    }

    public var text: String {
        let body =
            switch job.part {
            case .machine: machine
            case .compute: compute
            case .network: network
            case .storage: storage
            case .internet: internet
            }
        return ([prelude] + environment + [body]).joined(separator: "\n") + "\n"
    }

    // MARK: what all have

    private var prelude: String {
        """
        #!/bin/bash
        # A benchmark of slurm-grid-agent: \(job.part.rawValue).
        set -u -o pipefail
        # Of a user without a home Slurm may leave out both, and mpirun starts nothing then; PATH is bash's own.
        export LC_ALL=C PATH HOME="${HOME:-/}"
        readonly TOKEN=\(Shell.quoted(token)) EXECUTOR=\(options.executor.rawValue) LIMIT=\(ResultBlocks.sizeLimit)
        work=$(mktemp -d -p \(options.posting == nil ? Shell.quoted(options.folder) : "/tmp") sga-benchmark.XXXXXX) || exit \(Self.cannotWrite)
        cd "$work" || exit \(Self.cannotWrite)
        unwritten=
        exec 9>&1
        \(transport)

        # block NAME FILE: prints a result, the end of a long one, so that the agent knows it, and knows whether it is whole.
        block() {
            local file=$2
            if [ "$(wc -c <"$file")" -gt "$LIMIT" ]; then
                tail -c "$LIMIT" "$file" >"$work/cut" || unwritten=yes
                file=$work/cut
            fi
            {
                printf '\\n@sga begin %s %s %s %s\\n' "$TOKEN" "$1" "$(wc -c <"$file")" "$(cksum <"$file" | cut -d' ' -f1)" &&
                    base64 <"$file" | sed 's/^/@sga . /' && printf '@sga end %s %s\\n' "$TOKEN" "$1"
            } | deliver || unwritten=yes
            flush || :
        }
        problem() { printf '%s\\n' "$1" >>"$work/problem" || unwritten=yes; }
        finish() {
            if [ -s "$work/problem" ]; then block problem "$work/problem"; fi
            farewell
            cd / && rm -rf -- "$work"
            if [ -n "$unwritten" ]; then exit \(Self.cannotWrite); fi
        }
        trap finish EXIT
        trap 'exit 143' TERM
        has() { command -v "$1" >/dev/null 2>&1; }

        # last FILE: its last line that says something.
        last() { grep -v '^[-=* ]*$' "$1" | tail -n 1 | cut -c 1-150; }

        # progress NAME PERCENT: how far it is, when it is further.
        progress() {
            if [ "$2" -gt "${last_percent:-0}" ] && [ "$2" -le 100 ]; then
                last_percent=$2
                printf '\\n@sga progress %s %s %s\\n' "$TOKEN" "$1" "$2" | announce
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

        # capture NAME COMMAND...: the end of what it prints is the result NAME.
        capture() {
            local name=$1 status lines=0
            shift
            # As many sizes as these have unless somebody asks for others.
            case $name in osu-latency) lines=23 ;; osu-bibw) lines=23 ;; osu-alltoall) lines=21 ;; esac
            # Neither fills the folder.
            { "$@" 2>&3 | follow "$name" "$lines" 2>/dev/null | tail -c "$LIMIT" >"$work/$name.output"; } 3>&1 | tail -c 4096 >"$work/$name.errors"
            status=$?
            if [ -s "$work/$name.output" ]; then block "$name" "$work/$name.output"; fi
            if [ "$status" != 0 ]; then
                problem "$name: exit status $status: $(last "$work/$name.errors")"
            fi
            return "$status"
        }

        # choose PROGRAM...: how they are run here.
        choose() {
            if [ "$EXECUTOR" != auto ]; then echo "$EXECUTOR"; return; fi
            local program
            for program in "$@"; do
                if has "$program"; then echo native; return; fi
            done
            if has apptainer || has singularity; then echo apptainer
            elif srun --help 2>/dev/null | grep -q -e --container-image; then echo pyxis
            else echo none; fi
        }

        # contained KIND IMAGE FOLDER SRUN-OPTION... -- COMMAND...
        contained() {
            local kind=$1 image=$2 folder=$3 step=(--mem=0 --cpu-bind=none --gpu-bind=none)
            shift 3
            while [ "$1" != -- ]; do step+=("$1"); shift; done
            shift
            if [ "$kind" = pyxis ]; then
                srun "${step[@]}" --container-image="$image" --container-mounts="$work:$work:rw,$folder:$folder:rw" "$@"
            else
                local program=apptainer source="docker://${image/\\#//}"
                has apptainer || program=singularity
                # A file, or a folder with what is in one.
                case $image in /*) source=$image ;; esac
                srun "${step[@]}" "$program" exec --nv --bind "$work,$folder" "$source" "$@"
            fi
        }

        # logged FILE COMMAND...: the end of what it prints is in the file.
        logged() {
            local file=$1
            shift
            "$@" 2>&1 | tail -c 65536 >"$file"
        }

        # launch PROCESSES PROGRAM...: by MPI, on all nodes of the job.
        launch() {
            local count=$1
            shift
            if has mpirun; then mpirun -np "$count" "$@"; else srun --mpi=pmix -n "$count" "$@"; fi
        }
        """
    }

    /// How what is printed comes to the agent: `deliver` takes a result, `flush` sends what was taken, `announce` is for what may be
    /// lost, `farewell` for what has to be done at the end.
    private var transport: String {
        guard let posting = options.posting else {
            return """
                deliver() { cat; }
                announce() { cat >&9; }
                flush() { :; }
                farewell() { :; }
                place() { :; }
                fetch() { :; }
                """
        }
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

            # post FILE: 0: it is done with, 1: later.
            post() {
                local trust code
                for trust in \(trusts.joined(separator: " ")); do
                    code=$(curl --disable --silent --proto '=https' --connect-timeout 10 --max-time 120 --output /dev/null \\
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
            announce() {
                local file
                file=$(mktemp -p "$work" progress.XXXXXX) && cat >"$file" && post "$file"
                rm -f -- "$file"
            }
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
            # everywhere COMMAND...: on each node, of which this is one: nothing is shared, and programs want their folder.
            everywhere() {
                local nodes=${SLURM_JOB_NUM_NODES:-1}
                if [ "$nodes" -gt 1 ]; then srun -N "$nodes" -n "$nodes" --ntasks-per-node=1 --chdir=/ "$@" >/dev/null 2>&1; fi
            }
            everywhere mkdir -m 0700 -p -- "$work"
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

    private var environment: [String] {
        var lines = options.environment.filter { BenchmarkOptions.isVariable($0.name) }.map {
            "export \($0.name)=\(Shell.quoted($0.value))"
        }
        lines += ["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OMPI_MCA_hwloc_base_binding_policy=none"]
        if options.usesUCX {
            lines += [
                "export PMIX_MCA_pml=ucx OMPI_MCA_pml=ucx PMIX_MCA_btl='^vader,openib,tcp' OMPI_MCA_btl='^vader,openib,tcp'"
            ]
            if let transport = options.ucxTransport { lines.append("export UCX_TLS=\(Shell.quoted(transport))") }
            if let affinity = options.ucxAffinity {
                let devices = affinity.split(separator: "|", omittingEmptySubsequences: false)
                    .map { Shell.quoted(String($0)) }
                lines += [
                    "devices=(\(devices.joined(separator: " ")))",
                    "export UCX_NET_DEVICES=${devices[${SLURM_NODEID:-0}]:-${devices[0]}}",
                ]
            }
        } else {
            lines.append(
                "export PMIX_MCA_pml=ob1 OMPI_MCA_pml=ob1 PMIX_MCA_btl=vader,self,tcp OMPI_MCA_btl=vader,self,tcp NCCL_IB_DISABLE=1"
            )
        }
        if options.isTraced { lines.append("export NCCL_DEBUG=TRACE NCCL_DEBUG_SUBSYS=ALL") }
        return lines
    }

    private var machine: String {
        """
        {
            echo '== uname'; uname -s -m
            echo '== cpuinfo'; awk 'NF == 0 && NR > 1 { exit } { print }' /proc/cpuinfo
            echo '== lscpu'; lscpu
            echo '== nvidia'; cat /proc/driver/nvidia/gpus/*/information
            echo '== amd'
            for device in /sys/class/drm/renderD*/device; do
                if [ "$(cat "$device/vendor" 2>&1)" = 0x1002 ]; then
                    cat "$device/product_name" 2>/dev/null || echo "amd-gpu-$(cat "$device/device")"
                fi
            done
        } >machine.output 2>/dev/null
        block machine machine.output
        """
    }

    private var internet: String {
        """
        case $(choose speedtest speedtest-cli) in
        native)
            # Debian's speedtest-cli installs a program speedtest too.
            if has speedtest && ! speedtest --version 2>&1 | grep -q speedtest-cli; then
                capture internet speedtest --accept-license --accept-gdpr -f json
            elif has speedtest-cli; then capture internet speedtest-cli --json
            else problem 'internet: there is neither speedtest nor speedtest-cli on the node'; fi ;;
        none) problem 'internet: the node has neither speedtest, speedtest-cli, apptainer, singularity nor pyxis' ;;
        *) capture internet contained "$(choose speedtest speedtest-cli)" \(Shell.quoted(options.images.speedtest)) "$work" \\
            -n 1 -- /usr/local/bin/speedtest --accept-license --accept-gdpr -f json-pretty ;;
        esac
        """
    }
}
