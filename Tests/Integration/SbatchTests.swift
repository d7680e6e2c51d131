// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// An API job is what `sbatch --export=NONE` with equal options makes, but for a documented list
/// (docs/submit.md).
@Suite("As sbatch", .serialized, .enabled(if: Lab.runs("Plain")))
struct SbatchTests {
    /// Prints what a job can see of how it was submitted.
    private static let script = """
        #!/bin/bash
        echo "args:$0:$#:$*" | sed 's,/[^:]*/slurm_script,slurm_script,'
        umask
        pwd
        ulimit -a
        env | sort
        """

    /// Set by sbatch alone, and why the agent does not.
    private static let sbatchOnly: Set<String> = [
        // Makes srun inside the job start tasks without the job's environment.
        "SLURM_EXPORT_ENV"
    ]
    /// Differ from one job to the next, or name the folder and terminal of the caller.
    private static let perJob: Set<String> = [
        "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_TASK_PID", "SLURM_SUBMIT_HOST", "SLURM_JOB_NODELIST", "SLURM_NODELIST",
        "SLURM_TOPOLOGY_ADDR", "SLURMD_NODENAME", "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
        "ROCR_VISIBLE_DEVICES", "SLURM_CONF", "_", "SHLVL", "SLURM_JOB_START_TIME", "SLURM_JOB_END_TIME", "TMPDIR",
        "SLURM_SCRIPT_CONTEXT",
    ]
    struct Case: Sendable, CustomTestStringConvertible {
        var options: String
        var change: @Sendable (inout JobRequest) -> Void
        var testDescription: String { options }
    }

    static let cases: [Case] = [
        Case(options: "-n1") { $0.tasks = 1 },
        Case(options: "-n4 -c2 -w n3 -N1") {
            $0.minimumNodes = 1
            $0.maximumNodes = 1
            $0.nodeList = "n3"
            $0.tasks = 4
            $0.cpusPerTask = 2
        },
        Case(options: "-N2 --ntasks-per-node=2 --mem=200") {
            $0.minimumNodes = 2
            $0.maximumNodes = 2
            $0.tasksPerNode = 2
            $0.memory = .perNode(200)
        },
        Case(options: "-n2 --mem-per-cpu=70 --gpus-per-node=1 -p three") {
            $0.tasks = 2
            $0.memory = .perCPU(70)
            $0.gpusPerNode = .init(1)
            $0.partition = "three"
        },
        Case(options: "-n1 -G 2 -t 5") {
            $0.tasks = 1
            $0.gpusPerJob = .init(2)
            $0.timeLimit = .minutes(5)
        },
    ]

    @Test("environment, limits, umask, arguments and allocation", arguments: cases)
    func same(_ testCase: Case) async throws {
        let controller = try await Lab.connect()
        let folder = try Lab.user("labu1").home
        let name = UUID().uuidString
        // sbatch passes its own limits on; slurmd's are what a login environment on the node starts from, so it is
        // called with --propagate=NONE.
        let reply = try await Lab.run(
            as: "labu1",
            """
            cat >\(name).sh <<'END'
            \(Self.script)
            END
            umask 0022
            sbatch --parsable --export=NONE --propagate=NONE --no-requeue -J compare -i /dev/null \
                -o \(folder)/\(name).sbatch \(testCase.options) \(name).sh one two
            """)
        let theirs = try #require(
            UInt32(reply.output.trimmingCharacters(in: .whitespacesAndNewlines)), "\(reply.output)\(reply.errors)")
        let theirJob = try await controller.ended(theirs)
        var request = JobRequest(userID: try Lab.user("labu1").userID, script: Self.script, name: "compare")
        request.arguments = ["one", "two"]
        request.standardOutput = "\(folder)/\(name).api"
        request.workDirectory = folder
        testCase.change(&request)
        let ourJob = try await controller.ended(try await controller.submit(request).jobID)
        #expect(theirJob.exit.isSuccess && ourJob.exit.isSuccess)
        let theirText = try await output("\(folder)/\(name).sbatch")
        let ourText = try await output("\(folder)/\(name).api")
        let (their, our) = (Self.parse(theirText), Self.parse(ourText))
        #expect(our.other == their.other, "arguments, umask, folder, limits")
        for key in Set(their.variables.keys).union(our.variables.keys).subtracting(Self.perJob).sorted() {
            switch (their.variables[key], our.variables[key]) {
            case (let their?, let our?): #expect(our == their, "\(key)")
            case (_?, nil): #expect(Self.sbatchOnly.contains(key), "only sbatch sets \(key)")
            case (nil, _?): Issue.record("only the agent sets \(key)")
            case (nil, nil): break
            }
        }
        // What Slurm allocated for it.
        #expect(ourJob.allocatedTRES == theirJob.allocatedTRES)
        #expect(ourJob.requested.tres == theirJob.requested.tres)
        #expect(ourJob.requested.tasks == theirJob.requested.tasks)
        #expect(ourJob.requested.cpusPerTask == theirJob.requested.cpusPerTask)
        #expect(ourJob.requested.memory == theirJob.requested.memory)
        #expect(ourJob.timeLimit == theirJob.timeLimit)
        #expect(ourJob.requeue == theirJob.requeue)
        #expect(ourJob.standardInput == theirJob.standardInput)
        #expect(ourJob.nodeCount == theirJob.nodeCount)
        try await Lab.run(as: "labu1", "rm -f \(name).*")
    }

    @Test("a minimal environment: ours alone, with the limits asked for")
    func minimal() async throws {
        let controller = try await Lab.connect()
        let folder = try Lab.user("labu1").home
        let name = UUID().uuidString
        var request = JobRequest(
            userID: try Lab.user("labu1").userID, script: "#!/bin/sh\nulimit -n; umask; env\n", name: "minimal")
        request.environmentMode = .minimal(limits: ["NOFILE": 777])
        request.umask = 0o027
        request.environment = ["GREETING": "hello world"]
        request.standardOutput = "\(folder)/\(name)"
        let job = try await controller.ended(try await controller.submit(request).jobID)
        #expect(job.exit.isSuccess)
        let lines = try await output("\(folder)/\(name)").split(separator: "\n").map(String.init)
        #expect(lines.first == "777")
        #expect(lines.dropFirst().first == "0027")
        for line in ["HOME=\(folder)", "USER=labu1", "LOGNAME=labu1", "GREETING=hello world", "SLURM_JOB_NAME=minimal"]
        {
            #expect(lines.contains(line))
        }
        // Nothing of this process's own environment.
        #expect(!lines.contains { $0.hasPrefix("LAB") || $0.hasPrefix("SLURM_GRID_AGENT") })
        try await Lab.run(as: "labu1", "rm -f \(name)")
    }

    private func output(_ path: String) async throws -> String {
        // slurmd closes the file a moment after slurmctld knows the end.
        var text = ""
        try await eventually("\(path) is complete") {
            text = try await Lab.run(as: "labu1", "cat \(path)", expecting: nil).output
            return text.contains("USER=")
        }
        return text
    }

    private static func parse(_ text: String) -> (variables: [String: String], other: [String]) {
        var variables: [String: String] = [:]
        var other: [String] = []
        for line in text.split(separator: "\n").map(String.init) {
            if let equals = line.firstIndex(of: "="), line.first?.isLetter == true || line.first == "_" {
                variables[String(line[..<equals])] = String(line[line.index(after: equals)...])
            } else {
                other.append(line)
            }
        }
        return (variables, other)
    }
}
