// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import ClusterBenchmarks

extension BenchmarkScriptTests {
    /// Runs a script that posts; what it posts is put together as an output.
    ///
    /// - Parameter curl: what the stand-in of curl does beyond; it prints the status of the answer.
    private func post(
        _ part: BenchmarkPart, curl: String, programs: [String: String], pinned: String? = nil
    ) throws -> (status: Int32, result: PartResult, calls: String, posted: String) {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let bin = folder.appending(path: "bin")
        try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
        let here = Shell.quoted(folder.path)
        let stand = """
            printf ' <%s>' "$@" >>\(here)/calls; echo >>\(here)/calls
            for word; do case $word in @*) file=${word#@} ;; esac; done
            while [ "$1" != --config ]; do shift; done
            cat "$2" >\(here)/config
            here=\(here)
            keep() { cat "$file" >>\(here)/posted; }
            \(curl)
            """
        for (name, body) in programs.merging(["curl": stand], uniquingKeysWith: { first, _ in first }) {
            let file = bin.appending(path: name)
            try "#!/bin/bash\n\(body)\n".write(to: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        }
        var options = BenchmarkOptions()
        options.storages = ["disk-tmp": folder.path]
        options.storageSize = 4
        options.posting = .init(address: "head:3000", certificates: pinned, trustsNodes: true)
        let job = try #require(jobs(options).first { $0.part == part })
        let script = folder.appending(path: "script")
        try BenchmarkScript(job, options, token: "s3cret", path: "/benchmark/3/1").text
            .write(to: script, atomically: true, encoding: .utf8)
        func read(_ name: String) -> String {
            (try? String(contentsOf: folder.appending(path: name), encoding: .utf8)) ?? ""
        }
        // Foundation waits for whatever has come of a process: the mark is made when the script itself is over.
        let words = "bash \"$0\" >/dev/null 2>&1; status=$?; touch \(here)/over; exit $status"
        let (status, _) = try bash(["-c", words, script.path], environment: ["PATH": "\(bin.path):/usr/bin:/bin"])
        let posted = read("posted")
        let (calls, config) = (read("calls"), read("config"))
        #expect(!calls.contains("s3cret") && !calls.contains("<-k>") && !calls.contains("--insecure"), "\(calls)")
        #expect(calls.split(separator: "\n").allSatisfy { $0.hasPrefix(" <--disable>") })
        if !config.isEmpty {
            #expect(config.contains("url = \"https://head:3000/benchmark/3/1\"\n"))
            #expect(config.contains("header = \"Authorization: Bearer s3cret\"\n"))
        }
        return (status, PartResult(part, output: posted, token: "s3cret", units: .documented), calls, posted)
    }

    @Test("results are posted, and the secret is on no command line")
    func posted() throws {
        let done = try post(.machine, curl: "keep; printf 200", programs: [:])
        #expect(done.status == 0 && done.result.labels["os"] == "linux", "\(done)")
        #expect(!done.calls.contains("--cacert"))
    }

    @Test("what cannot be posted is posted later; a certificate that the node does not trust may be the pinned one")
    func postedLater() throws {
        let late = try post(
            .machine,
            curl: "if [ ! -e \"$0.again\" ]; then touch \"$0.again\"; printf 000; exit 7; fi; keep; printf 200",
            programs: [:])
        #expect(late.status == 0 && late.result.labels["os"] == "linux", "\(late)")
        let pinned = try post(
            .machine, curl: "case \"$*\" in *--cacert*) ;; *) printf 000; exit 60 ;; esac; keep; printf 200",
            programs: [:],
            pinned: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
        #expect(pinned.status == 0 && pinned.result.labels["os"] == "linux", "\(pinned)")
    }

    @Test("the folder on another node is made, or was this user's; one that somebody else has put there is not used")
    func ownFolder() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let (own, link, file) = (folder.path + "/own", folder.path + "/link", folder.path + "/file")
        var foreign = "/usr"
        if geteuid() == 0 {
            foreign = folder.path + "/foreign"
            try FileManager.default.createDirectory(atPath: foreign, withIntermediateDirectories: false)
            #expect(chown(foreign, 12_345, 12_345) == 0)
        }
        func status(_ path: String) throws -> Int32 {
            try bash(["-c", "sh -c '\(BenchmarkScript.makesOwnFolder)' sh \"$0\" 2>/dev/null", path]).0
        }
        #expect(try status(own) == 0)
        #expect(try FileManager.default.attributesOfItem(atPath: own)[.posixPermissions] as? Int == 0o700)
        #expect(try status(own) == 0)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: own)
        try Data().write(to: URL(fileURLWithPath: file))
        for planted in [foreign, link, file] { #expect(try status(planted) != 0, "\(planted)") }
    }

    @Test("what is refused, and a node without curl, end the job with a status of their own")
    func unposted() throws {
        let refused = try post(.machine, curl: "printf 401", programs: [:])
        #expect(refused.status == Int32(BenchmarkScript.cannotPost))
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["bash", "mktemp", "mkdir", "rm", "cat", "grep"] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending(path: name).path, withDestinationPath: "/usr/bin/\(name)")
        }
        var options = BenchmarkOptions()
        options.posting = .init(address: "head:3000", certificates: nil, trustsNodes: true)
        let job = try #require(jobs(options).first { $0.part == .machine })
        let script = folder.appending(path: "script")
        try BenchmarkScript(job, options, token: "t").text.write(to: script, atomically: true, encoding: .utf8)
        #expect(try bash([script.path], environment: ["PATH": folder.path]).0 == Int32(BenchmarkScript.lacksCurl))
    }

    @Test(
        "how far programs are, by their own words",
        arguments: [
            (
                BenchmarkPart.network, "osu_latency",
                "echo '# OSU MPI Latency Test'; for size in 0 1 2 4; do echo \"$size   1.5\"; done", "osu-latency",
                [4, 8, 13, 17]
            ),
            (
                .network, "osu_bibw",
                "echo 'Column=000000128 Fraction= 1.0% Gflops=1.2e+02'; printf '\\033[1mProg= 10.01%%\\tN_left= 65280\\n'; echo 'Prog= 9.0%'",
                "osu-bibw", [1, 10]
            ),
            (
                .storage, "fio",
                "printf 'Jobs: 1 (f=1): [W(1),P(1)][0.0%%][w=9MiB/s][eta 01m]\\rJobs: 1 (f=1): [W(1),P(1)][60.5%%][w=9MiB/s]\\r\\nJobs: 1 (f=1), 0B/s-9MiB/s: [_(1),R(1)][100.0%%][eta 00m]\\n'",
                "disk-tmp.fio", [60, 100]
            ),
        ])
    func progress(
        _ part: BenchmarkPart, _ program: String, _ body: String, _ name: String, _ wanted: [Int]
    ) throws {
        let (_, output, _) = try run(
            part,
            programs: ["osu_latency": "true"].merging([program: body]) { $1 }.merging([
                "mpirun": "shift 2; exec \"$@\"", "srun": "exit 1",
            ]) { $1 }
        ) { options, folder in
            options.storages = ["disk-tmp": folder.path]
            options.storageSize = 4
        }
        func shown(_ text: String, _ token: String) -> [PartProgress] {
            text.split(separator: "\n").compactMap { PartProgress.last(in: String($0), token: token) }
        }
        #expect(shown(output, "t") == wanted.map { PartProgress(name: name, percent: $0) }, "\(output)")
    }

    @Test("how far a program is is posted beside it, and holds it up in nothing")
    func postedProgress() throws {
        // News are told by their length. Whoever posts them goes on for as long as the script is at work, or waits in vain.
        let news = """
            if [ $(wc -l <"$file") -lt 4 ]; then
                keep
                for count in {1..150}; do
                    if [ -e "$here/over" ] || [ ! -e "$here/script" ]; then exit; fi
                    sleep 0.2
                done
                echo waited >>"$here/posted"
            fi
            keep; printf 200
            """
        let done = try post(
            .network, curl: news,
            programs: [
                "osu_latency": "echo '0 1.5'; echo '1 1.5'; sleep 1", "osu_bibw": "echo '8 100'",
                "osu_alltoall": "echo '8 9'", "mpirun": "shift 2; exec \"$@\"",
            ])
        #expect(!done.posted.contains("waited"))
        #expect(done.status == 0 && done.result.labels.count == 3, "\(done)")
        let progress = PartProgress.last(in: done.posted, token: "s3cret")
        #expect(progress?.name.hasPrefix("osu-") == true, "\(done.posted)")
    }
}
