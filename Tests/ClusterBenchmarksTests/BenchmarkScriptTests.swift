// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing
import Waiting

@testable import ClusterBenchmarks

@Suite struct BenchmarkScriptTests {
    private static let hostile = "/a b'; touch /tmp/owned; $(touch /tmp/owned) \"`x`\"\n#"

    func jobs(_ options: BenchmarkOptions, gpus: Int = 0) -> [PlannedJob] {
        let nodes = (1...2).map {
            BenchmarkNode(name: "n\($0)", cpus: 4, coresPerSocket: 4, memory: 4000, gpus: gpus > 0 ? ["": gpus] : [:])
        }
        return PlannedJob.plan(BenchmarkPart.allCases, on: HardwareClass.find(nodes), options).jobs
    }

    func bash(_ arguments: [String], environment: [String: String] = [:]) throws -> (Int32, String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C"].merging(environment) { $1 }
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "benchmark-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    @Test("every script is one that bash can read, whatever is configured", arguments: [0, 2])
    func syntax(_ gpus: Int) throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        var options = BenchmarkOptions()
        options.folder = Self.hostile
        options.storages = ["scratch": Self.hostile, "disk-tmp": "/tmp"]
        options.environment = [("A", Self.hostile), ("B C", "x"), ("1x", "y"), ("$(x)", "z")]
        options.images.hpl = Self.hostile
        (options.usesUCX, options.isTraced) = (true, true)
        (options.ucxAffinity, options.ucxTransport) = (Self.hostile + "|b", Self.hostile)
        for single in [false, true] {
            options.hplOnSingleNode = single
            for job in jobs(options, gpus: gpus) {
                let text = BenchmarkScript(job, options, token: "t").text
                #expect(text.hasPrefix("#!/bin/bash\n"))
                #expect(!text.contains("export B C") && !text.contains("export 1x") && !text.contains("export $("))
                let file = folder.appending(path: "script")
                try text.write(to: file, atomically: true, encoding: .utf8)
                let (status, output) = try bash(["-n", file.path])
                #expect(status == 0, "\(job.part): \(output)")
            }
        }
    }

    @Test("what is configured is one word of the shell")
    func quoted() throws {
        for text in [Self.hostile, "", "'", "''", "a\\'b", "$HOME", "é\u{1F600}"] {
            #expect(try bash(["-c", "printf %s \(Shell.quoted(text))"]).1 == text)
        }
    }

    /// Programs that answer in place of those on a node, in a folder of their own that is all there is beside the system's.
    func run(
        _ part: BenchmarkPart, programs: [String: String], before: String? = nil,
        _ change: (inout BenchmarkOptions, URL) -> Void = { _, _ in }
    )
        throws -> (result: PartResult, output: String, calls: String)
    {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let (bin, work) = (folder.appending(path: "bin"), folder.appending(path: "work"))
        for one in [bin, work] { try FileManager.default.createDirectory(at: one, withIntermediateDirectories: true) }
        for (name, body) in programs {
            let file = bin.appending(path: name)
            try
                "#!/bin/bash\nprintf '%s' \"$(basename \"$0\")\" >>\(folder.path)/calls; printf ' <%s>' \"$@\" >>\(folder.path)/calls; echo >>\(folder.path)/calls\n\(body)\n"
                .write(to: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        }
        var options = BenchmarkOptions()
        options.folder = work.path
        options.storages = [:]
        change(&options, folder)
        let job = try #require(jobs(options).first { $0.part == part })
        let script = folder.appending(path: "script")
        try BenchmarkScript(job, options, token: "t").text.write(to: script, atomically: true, encoding: .utf8)
        let words = before.map { ["-c", $0 + "; . \"$0\"", script.path] } ?? [script.path]
        let (_, output) = try bash(words, environment: ["PATH": "\(bin.path):/usr/bin:/bin"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: work.path).isEmpty, "the work folder is taken away")
        let calls = try? String(contentsOf: folder.appending(path: "calls"), encoding: .utf8)
        return (PartResult(part, output: output, token: "t", units: .documented), output, calls ?? "")
    }

    private static let osu = """
        case "$*" in
        *osu_latency*) echo '8 2.5' ;;
        *osu_bibw*) echo '8 100' ;;
        *osu_alltoall*) echo '8 9.25' ;;
        esac
        """

    @Test("pyxis: the image, the folder and the program, each a word of srun")
    func pyxis() throws {
        let (result, _, calls) = try run(.network, programs: ["srun": Self.osu]) { options, _ in
            options.executor = .pyxis
            options.images.osu = "registry.example#library/osu:1 2"
        }
        #expect(
            result.labels == [
                "network.p2p.latency.us": "2.50", "network.p2p.bw.mbps": "800.00",
                "network.all-to-all.latency.us": "9.25",
            ], "\(result)")
        #expect(calls.contains("<--container-image=registry.example#library/osu:1 2> <--container-mounts="))
        #expect(calls.contains("<-N> <2> <-n> <2> <--mpi=pmix>"))
        #expect(calls.contains("</osu-micro-benchmarks/mpi/collective/osu_alltoall>"))
        #expect(calls.contains("<--mem=0> <--cpu-bind=none> <--gpu-bind=none>"))
    }

    @Test("apptainer, and singularity in its place: the image by its address")
    func apptainer() throws {
        let start = "while [ \"$1\" != apptainer ] && [ \"$1\" != singularity ]; do shift; done\n\"$@\"\n"
        for program in ["apptainer", "singularity"] {
            let (result, _, calls) = try run(.network, programs: ["srun": start, program: Self.osu]) { options, _ in
                options.executor = .apptainer
                options.images.osu = "registry.example#library/osu:1"
            }
            let (_, _, local) = try run(.network, programs: ["srun": start, program: Self.osu]) { options, _ in
                options.executor = .apptainer
                options.images.osu = "/images/osu.sif"
            }
            #expect(local.contains("</images/osu.sif> </osu-micro-benchmarks/mpi/pt2pt/osu_latency>"))
            #expect(result.labels.count == 3, "\(result)")
            #expect(calls.contains("\(program) <exec> <--nv> <--bind> <"))
            #expect(
                calls.contains(
                    "<docker://registry.example/library/osu:1> </osu-micro-benchmarks/mpi/pt2pt/osu_latency>"))
        }
    }

    @Test("a program that fails, says nothing, or floods takes only its own label")
    func faults() throws {
        let (result, output, _) = try run(
            .network,
            programs: [
                "osu_latency": "echo '8 2.5'", "osu_bibw": "echo 'cannot bind' >&2; exit 3",
                "osu_alltoall": "head -c 3000000 /dev/zero | tr '\\0' 'x'; echo; echo '8 4'",
                "mpirun": "shift 2; exec \"$@\"",
            ])
        #expect(result.labels == ["network.p2p.latency.us": "2.50", "network.all-to-all.latency.us": "4.00"])
        #expect(result.problems == ["osu-bibw: exit status 3: cannot bind"])
        #expect(output.utf8.count < 2 << 20)
    }

    @Test("of storage what is there is measured, and what is not is said")
    func storage() throws {
        let fio = """
            for word; do case $word in --output=*) out=${word#*=} ;; esac; done
            echo '{"jobs": [{"read": {"bw_bytes": 1048576, "iops": 2}, "write": {"bw_bytes": 2097152, "iops": 3}}]}' >"$out"
            """
        let (result, output, calls) = try run(
            .storage, programs: ["fio": fio, "srun": "while [ \"$1\" != bash ]; do shift; done\n\"$@\""]
        ) {
            options, folder in
            let here = folder.appending(path: "it's here").path
            try? FileManager.default.createDirectory(atPath: here, withIntermediateDirectories: true)
            options.storages = ["scratch": here, "disk-tmp": here, "shared-tmp": "/nowhere"]
            options.storageSize = 16
        }
        #expect(result.labels.count == 8, "\(result) \(output)")
        #expect(result.labels["storage.scratch.write.bw.mibps"] == "2.00")
        #expect(result.problems == ["shared-tmp: there is no folder /nowhere"])
        #expect(calls.contains("<--size=16M>"))
    }

    @Test("what cannot be written ends the job with a status of its own")
    func unwritten() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        var options = BenchmarkOptions()
        options.folder = folder.path
        let script = folder.appending(path: "script")
        func write() throws {
            let job = try #require(jobs(options).first { $0.part == .machine })
            try BenchmarkScript(job, options, token: "t").text.write(to: script, atomically: true, encoding: .utf8)
        }
        try write()
        let full = "bash \(Shell.quoted(script.path)) >/dev/full"
        #expect(try bash(["-c", full]).0 == Int32(BenchmarkScript.cannotWrite))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["script"])
        options.folder = "/nowhere"
        try write()
        #expect(try bash([script.path]).0 == Int32(BenchmarkScript.cannotWrite))
    }

    @Test("of a user without a home programs have a path and a home all the same")
    func noHome() throws {
        let (result, _, _) = try run(
            .network,
            programs: [
                "osu_latency": "[ -d \"$HOME\" ] && echo '8 2.5'",
                "mpirun": "shift 2; /usr/bin/printenv PATH >/dev/null && exec \"$@\"",
            ],
            before: "export -n PATH; unset HOME")
        #expect(result.labels["network.p2p.latency.us"] == "2.50", "\(result)")
    }

    @Test("this machine's own facts, as its script prints them")
    func machine() throws {
        let (result, _, _) = try run(.machine, programs: [:])
        #expect(result.labels["os"] == "linux")
        #expect(result.labels["cpu.microarch"]?.isEmpty == false)
    }
}
