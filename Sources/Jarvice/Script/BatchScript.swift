// SPDX-License-Identifier: GPL-3.0-or-later

/// The script that Slurm gets: starts the application's on each node, and looks for its success word.
///
/// The application's script is data: it goes through a quoted here-document to the tasks' standard input, and each task's
/// shell evaluates what it has read. Nothing in it can end the batch script or be read by its shell.
struct BatchScript: Sendable {
    /// Templated.
    var application: String
    var nodes: Int
    /// Where all output goes: absolute, as the job's user sees it.
    var output: String
    /// Of an interactive job.
    var secret: JobSecret?

    static let bindings = """
        export PROCESS_PROCID=$SLURM_PROCID
        export PROCESS_NODENAME=$SLURMD_NODENAME
        export JOB_JOBID=$SLURM_JOBID
        export JOB_JOB_NODELIST=$SLURM_JOB_NODELIST
        export JOB_JOB_FORMATED_NODELIST=$(scontrol show hostname "$SLURM_JOB_NODELIST")
        export JOB_NNODES=$SLURM_NNODES
        export JOB_NTASKS=$SLURM_NTASKS
        export JOB_SUBMIT_DIR=$SLURM_SUBMIT_DIR
        export JOB_GPUS_PER_NODE=$SLURM_GPUS_PER_NODE
        """

    private static let search = """
        /GoTTY is starting with command/ { next }
        { gsub(/\\/bin\\/echo JARVICE_CMD_SUCCESS/, ""); if (index($0, "JARVICE_CMD_SUCCESS")) found = 1 }
        END { exit !found }
        """

    var text: String {
        let task = Self.bindings + "\n" + application + (application.hasSuffix("\n") ? "" : "\n")
        let end = Self.delimiter(for: task)
        return """
            #!/bin/bash
            \(secret.map { $0.line + "\n" } ?? "")mkdir -p -- "$HOME/.jarvice" || exit 1
            exec >\(ShellText.word(output)) 2>&1 </dev/null || exit 1
            echo "Hello from $(hostname)"
            echo 'Entering parallel region'
            exec 3> >(LC_ALL=C exec awk '\(Self.search)' >/dev/null)
            jarvice_search=$!
            srun --kill-on-bad-exit=1 --export=ALL --nodes=\(nodes) --ntasks=\(nodes) --ntasks-per-node=1 \
            bash -c 'jarvice_task=$(cat) && exec </dev/null && eval "$jarvice_task"' <<'\(end)' 2>&1 | tee /dev/fd/3
            \(task)\(end)
            exec 3>&-
            if wait "$jarvice_search"; then
                echo 'JARVICE Job completed OK'
                exit 0
            fi
            echo 'JARVICE Job failed, investigate logs'
            exit 1

            """
    }

    /// A line that is not in the text.
    static func delimiter(for text: String) -> String {
        let lines = Set(text.utf8.split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) })
        var number = 0
        while lines.contains("JARVICE_TASK_\(number)") { number += 1 }
        return "JARVICE_TASK_\(number)"
    }

    /// As upstream is shown it: without the lines that hold credentials, each line ended.
    static func shown(_ script: String) -> String {
        script.utf8.split(separator: 0x0a, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            .filter { line in !DownstreamParameters.secrets.contains { line.utf8.starts(with: "export \($0)=".utf8) } }
            .joined(separator: "\n").ended
    }
}

extension String {
    fileprivate var ended: String { hasSuffix("\n") || isEmpty ? self : self + "\n" }
}
