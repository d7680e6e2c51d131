// SPDX-License-Identifier: GPL-3.0-or-later

extension BenchmarkScript {
    /// Linpack's input (`HPL.dat`), and the lines that hpcc wants after it. Of the two folders that HPL knows only the size
    /// differs from run to run.
    static func input(_ size: LinpackSize, forHPCC: Bool) -> String {
        let lines = [
            "HPLinpack benchmark input file", "slurm-grid-agent", "HPL.out      output file name (if any)",
            "\(forHPCC ? 8 : 6)            device out (6=stdout,7=stderr,file)",
            "1            # of problems sizes (N)", "\(size.order)            Ns",
            "1            # of NBs", "\(size.blockSize)            NBs",
            "0            PMAP process mapping (0=Row-,1=Column-major)",
            "1            # of process grids (P x Q)", "\(size.grid.rows)            Ps",
            "\(size.grid.columns)            Qs", "16.0         threshold", "1            # of panel fact",
            "2            PFACTs (0=left, 1=Crout, 2=Right)", "1            # of recursive stopping criterium",
            "4            NBMINs (>= 1)", "1            # of panels in recursion", "2            NDIVs",
            "1            # of recursive panel fact.", "1            RFACTs (0=left, 1=Crout, 2=Right)",
            "1            # of broadcast", "1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)",
            "1            # of lookahead depth", "1            DEPTHs (>=0)",
            "2            SWAP (0=bin-exch,1=long,2=mix)", "64           swapping threshold",
            "1            L1 in (0=transposed,1=no-transposed) form",
            "0            U  in (0=transposed,1=no-transposed) form", "1            Equilibration (0=no,1=yes)",
            "8            memory alignment in double (> 0)",
        ]
        let ofHPCC = [
            "##### This line (no. 32) is ignored (it serves as a separator). ######",
            "0            Number of additional problem sizes for PTRANS", "1200         values of N",
            "0            number of additional blocking sizes for PTRANS", "40           values of NB",
        ]
        return (lines + (forHPCC ? ofHPCC : [])).joined(separator: "\n") + "\n"
    }

    private static func file(_ name: String, _ text: String) -> String {
        "cat >\(name) <<'END_OF_INPUT'\n\(text)END_OF_INPUT"
    }

    var compute: String {
        let size =
            job.linpack
            ?? LinpackSize(processes: job.tasks, nodes: job.nodes, memory: 0, fraction: 0, blockSize: options.blockSize)
        return [
            Self.file("HPL.dat", Self.input(size, forHPCC: false)),
            Self.file("hpccinf.txt", Self.input(size, forHPCC: true)),
            job.gpusPerNode > 0 ? onGPUs : options.hplOnSingleNode ? onEachNode : onAllNodes,
        ].joined(separator: "\n")
    }

    private var onGPUs: String {
        // A GPU for each process.
        let affinity = (0..<min(job.gpusPerNode, 64)).map(String.init).joined(separator: "|")
        let nodes = options.hplOnSingleNode ? 1 : job.nodes
        let (count, perNode) = (nodes * job.tasksPerNode, job.tasksPerNode)
        return """
            readonly KIND=$(choose hpl.sh)
            hpl=(hpl.sh --xhpl-ai --gpu-affinity \(Shell.quoted(affinity)) --dat "$work/HPL.dat")
            step=(-N \(nodes) -n \(count) --ntasks-per-node=\(perNode) --mpi=pmix)
            case $KIND in
            native) capture hpl-ai srun "${step[@]}" "${hpl[@]}" ;;
            none) problem 'compute: the node has neither hpl.sh, apptainer, singularity nor pyxis' ;;
            *) capture hpl-ai contained "$KIND" \(Shell.quoted(options.images.hpl)) "$work" "${step[@]}" -- "${hpl[@]}" ;;
            esac
            """
    }

    private var onAllNodes: String {
        """
        readonly KIND=$(choose hpcc xhpl)
        case $KIND in
        native)
            if has hpcc; then
                sections hpcc hpccoutf.txt \(Self.hpccSections) &
                watcher=$!
                logged hpcc.log launch \(job.tasks) hpcc || problem "compute: hpcc: exit status $?: $(last hpcc.log)"
                kill "$watcher" && wait "$watcher" 2>/dev/null
                if [ -s hpccoutf.txt ]; then block hpcc hpccoutf.txt; fi
            elif has xhpl; then capture hpl launch \(job.tasks) xhpl
            else problem 'compute: there is neither hpcc nor xhpl on the node'; fi ;;
        none) problem 'compute: the node has neither hpcc, xhpl, apptainer, singularity nor pyxis' ;;
        *) capture hpl contained "$KIND" \(Shell.quoted(options.images.hpl)) "$work" -n \(job.tasks) --mpi=pmix -- \\
            hpl.sh --no-multinode --dat "$work/HPL.dat" ;;
        esac
        """
    }

    /// All of them at the same time, each for itself.
    private var onEachNode: String {
        """
        count=0
        for node in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
            mkdir "$count" && cp HPL.dat hpccinf.txt "$count/"
            place "$node" "$count"
            (
                cd "$count" || exit
                program=hpcc
                has hpcc || program=xhpl
                if has mpirun; then mpirun -np \(job.tasksPerNode) -host "$node:\(job.tasksPerNode)" "$program"
                else srun --mpi=pmix --exact -N 1 -w "$node" -n \(job.tasksPerNode) "$program"; fi 2>&1 | tail -c "$LIMIT" >hpl.log
            ) &
            count=$((count + 1))
        done
        wait
        index=0
        for node in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
            fetch "$node" "$index"
            index=$((index + 1))
        done
        for ((index = 0; index < count; index++)); do
            if [ -s "$index/hpccoutf.txt" ]; then block "hpcc.$index" "$index/hpccoutf.txt"
            elif [ -s "$index/hpl.log" ]; then block "hpl.$index" "$index/hpl.log"
            else problem "compute: node $index printed nothing"; fi
        done
        """
    }

    /// That hpcc writes, as Debian's 1.5.0 does.
    private static let hpccSections = 16

    // MARK: network

    /// One process on each node.
    var network: String {
        // hpcc measures the network whatever it solves.
        let small = LinpackSize(processes: job.nodes, nodes: 1, memory: 0, fraction: 0, blockSize: 64)
        var size = small
        size.order = 64 * 4 * max(1, small.grid.rows)
        return [
            Self.file("hpccinf.txt", Self.input(size, forHPCC: true)),
            """
            readonly KIND=$(choose osu_latency hpcc)
            readonly OSU=/osu-micro-benchmarks/mpi
            case $KIND in
            native)
                if has osu_latency; then
                    capture osu-latency launch 2 osu_latency
                    capture osu-bibw launch 2 osu_bibw
                    capture osu-alltoall launch \(job.nodes) osu_alltoall
                elif has hpcc; then
                    sections hpcc hpccoutf.txt \(Self.hpccSections) &
                    watcher=$!
                    logged hpcc.log launch \(job.nodes) hpcc || problem "network: hpcc: exit status $?: $(last hpcc.log)"
                    kill "$watcher" && wait "$watcher" 2>/dev/null
                    if [ -s hpccoutf.txt ]; then block hpcc hpccoutf.txt; fi
                else problem 'network: there is neither osu_latency nor hpcc on the node'; fi ;;
            none) problem 'network: the node has neither osu_latency, hpcc, apptainer, singularity nor pyxis' ;;
            *)
                image=\(Shell.quoted(options.images.osu))
                capture osu-latency contained "$KIND" "$image" "$work" -N 2 -n 2 --mpi=pmix -- "$OSU/pt2pt/osu_latency"
                capture osu-bibw contained "$KIND" "$image" "$work" -N 2 -n 2 --mpi=pmix -- "$OSU/pt2pt/osu_bibw"
                capture osu-alltoall contained "$KIND" "$image" "$work" -N \(job.nodes) -n \(job.nodes) --mpi=pmix -- \\
                    "$OSU/collective/osu_alltoall" ;;
            esac
            """,
        ].joined(separator: "\n")
    }

    // MARK: storage

    var storage: String {
        let calls = BenchmarkLabels.storages.compactMap { name in
            options.storages[name].map { path in
                "storage \(name) \(Shell.quoted(path)) \(name.hasPrefix("disk-") ? 1 : job.nodes)"
            }
        }
        return """
            readonly KIND=$(choose fio ior) SIZE=\(max(1, options.storageSize))
            # on_each NAME FOLDER: what fio found, each line with the node's number; how far it is, of the first node.
            on_each() {
                local node=${SLURM_NODEID:-0} status
                local found=$work/$1.found.$node
                fio --output-format=json --output="$found" --directory="$2" --bs=2M --size="${SIZE}M" --eta=always --eta-newline=2 \\
                    --filename="file.$node" --ioengine=psync --invalidate=1 \\
                    --name=write --rw=write --end_fsync=1 --name=read --stonewall --rw=read |
                    if [ "$node" = 0 ]; then cat; else cat >/dev/null; fi
                status=${PIPESTATUS[0]}
                sed "s/^/@fio $node /" "$found"
                rm -f -- "$found"
                return "$status"
            }
            export -f on_each
            export work SIZE
            # by_node NAME: each node's lines into a file of its own.
            by_node() { sed -n 's/^@fio //p' | awk -v name="$1.fio." '{ file = name $1; sub(/^[0-9]+ /, ""); print >>file; close(file) }'; }
            # storage NAME FOLDER NODES
            storage() {
                local name=$1 nodes=$3 folder file
                send_waiting
                if [ ! -d "$2" ]; then problem "$name: there is no folder $2"; return; fi
                folder=$(mktemp -d -p "$2" sga-benchmark.XXXXXX) || { problem "$name: $2 cannot be written"; return; }
                case $KIND in
                native)
                    if has fio; then
                        { if [ "$nodes" = 1 ]; then on_each "$name" "$folder"
                        else srun -N "$nodes" -n "$nodes" --ntasks-per-node=1 bash -c 'on_each "$0" "$1"' "$name" "$folder"; fi; } \\
                            2>"$name.errors" | follow "$name.fio" 2>/dev/null | by_node "$name" ||
                            problem "$name: fio: $(last "$name.errors")"
                        for file in "$name".fio.*; do
                            if [ -s "$file" ]; then block "$file" "$file"; fi
                        done
                    elif has ior; then
                        logged "$name.log" launch "$nodes" ior -w -r -t 2M -b "${SIZE}M" -i 5 -C -e -g -F -o "$folder/file" \\
                            -O summaryFormat=CSV -O summaryFile="$work/$name.ior" || problem "$name: ior: $(last "$name.log")"
                        if [ -s "$name.ior" ]; then block "$name.ior" "$name.ior"; fi
                    else problem "$name: there is neither fio nor ior on the node"; fi ;;
                none) problem "$name: the node has neither fio, ior, apptainer, singularity nor pyxis" ;;
                *)
                    logged "$name.log" contained "$KIND" \(Shell.quoted(options.images.ior)) "$folder" -N "$nodes" -n "$nodes" \\
                        --mpi=pmix -- /usr/local/bin/ior -w -r -t 2M -b "${SIZE}M" -i 5 -C -e -g -F -o "$folder/file" \\
                        -O summaryFormat=CSV -O summaryFile="$work/$name.ior" || problem "$name: ior: $(last "$name.log")"
                    if [ -s "$name.ior" ]; then block "$name.ior" "$name.ior"; fi ;;
                esac
                rm -rf -- "$folder"
            }
            \(calls.joined(separator: "\n"))
            """
    }
}
