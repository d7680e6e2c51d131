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
    /// Of one that cannot leave all in its comment, and of one on a node without what it needs for that.
    static let (cannotComment, lacksClients): (UInt32, UInt32) = (75, 71)
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
        work=$(mktemp -d -p \(options.sharesFolder ? Shell.quoted(options.folder) : "/tmp") sga-benchmark.XXXXXX) || exit \(Self.cannotWrite)
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

        \(Self.progress)

        # capture NAME COMMAND...: the end of what it prints is the result NAME.
        capture() {
            local name=$1 status lines=0
            shift
            send_waiting
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
