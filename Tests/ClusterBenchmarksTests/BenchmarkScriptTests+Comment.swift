// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import ClusterBenchmarks

extension BenchmarkScriptTests {
    /// Runs a script whose job has a comment in a file. The stand-in of the agent is a program that is started each time somebody looks.
    ///
    /// - Parameter agent: bash: `shown` is the comment, `answer NUMBER` overwrites it.
    /// - Returns: the comments that the job has written, one by one.
    private func comment(
        _ part: BenchmarkPart, agent: String, programs: [String: String] = [:], patience: Int = 60
    ) throws -> (status: Int32, comments: [String], calls: String) {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let bin = folder.appending(path: "bin")
        try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
        let here = Shell.quoted(folder.path)
        let squeue = """
            [ "$*" = "-h -t all -j 7 -o %t %k" ] || exit 1
            state=R
            here=\(here)
            shown=$(cat "$here/comment" 2>/dev/null)
            read -r _ kind attempt number _ <<<"$shown"
            answer() { shown="@sga taken ${attempt} $1"; printf '%s\\n' "$shown" >"$here/comment"; }
            \(agent)
            printf '%s %s\\n' "$state" "$shown"
            """
        let scontrol = """
            [ "$1 $2" = "update JobId=7" ] || exit 1
            printf '%s\\n' "${3#Comment=}" | tee -a \(here)/comments >\(here)/comment
            """
        for (name, body) in programs.merging(
            ["squeue": squeue, "scontrol": scontrol, "sleep": "exit 0"], uniquingKeysWith: { first, _ in first })
        {
            let file = bin.appending(path: name)
            try "#!/bin/bash\nprintf ' <%s>' \"$0\" \"$@\" >>\(here)/calls; echo >>\(here)/calls\n\(body)\n"
                .write(to: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        }
        var options = BenchmarkOptions()
        options.usesComments = true
        let job = try #require(jobs(options).first { $0.part == part })
        let script = folder.appending(path: "script")
        let text = BenchmarkScript(job, options, token: "s3cret").text
        // Minutes would pass else.
        #expect(text.contains("send \(BenchmarkScript.postPatience) "))
        try text.replacing("send \(BenchmarkScript.postPatience) ", with: "send \(patience) ")
            .write(to: script, atomically: true, encoding: .utf8)
        let environment = ["PATH": "\(bin.path):/usr/bin:/bin", "SLURM_JOB_ID": "7"]
        let (status, _) = try bash([script.path], environment: environment)
        func read(_ name: String) -> String {
            (try? String(contentsOf: folder.appending(path: name), encoding: .utf8)) ?? ""
        }
        let calls = read("calls")
        #expect(!calls.contains("s3cret"))
        return (status, read("comments").split(separator: "\n").map(String.init), calls)
    }

    /// What the agent would have of these comments.
    private func taken(_ comments: [String]) throws -> [String: String] {
        var transfer = CommentTransfer()
        var found: [String: String] = [:]
        for comment in comments {
            let chunk = try #require(CommentChunk(comment, job: 7, secret: "s3cret"), "\(comment)")
            if case .whole(let parcel) = transfer.take(chunk) {
                found.merge(try ResultParcel.contents(packed: parcel)) { first, _ in first }
            }
        }
        return found
    }

    private static let obeys = "if [ \"$kind\" = chunk ]; then answer \"$number\"; fi"
    /// As many chunks as these bytes are, for gzip finds nothing in them.
    private static let noise = [
        "speedtest": "head -c 5000 /dev/urandom | base64 -w 0; echo; echo '{\"type\":\"result\"}'"
    ]

    @Test("results are left in the comment, and the secret is on no command line")
    func commented() throws {
        let done = try comment(.machine, agent: Self.obeys)
        #expect(done.status == 0, "\(done)")
        let found = try taken(done.comments)
        let result = PartResult(.machine, ResultBlocks(whole: found), units: .documented)
        #expect(result.labels["os"] == "linux" && found.keys.sorted() == ["machine"], "\(found)")
    }

    @Test("many chunks, one after the other, each once; a job that is started again begins again from the first")
    func chunks() throws {
        let done = try comment(.internet, agent: Self.obeys, programs: Self.noise)
        #expect(done.status == 0 && done.comments.count > 5, "\(done)")
        for (index, comment) in done.comments.enumerated() {
            let chunk = CommentChunk(comment, job: 7, secret: "s3cret")
            #expect(chunk?.number == Int64(index + 1) && comment.utf8.count <= 1024)
        }
        // What the agent has of it is not taken for this one's.
        let again = try comment(.internet, agent: Self.obeys, programs: Self.noise)
        let attempts = [done, again].map { CommentChunk($0.comments[0], job: 7, secret: "s3cret")?.attempt }
        #expect(attempts[0] != attempts[1])
        #expect(try taken(done.comments)["internet"]?.utf8.count ?? 0 > 6000)
    }

    @Test(
        "what is lost, written over, or answered by an agent that knows less is left again",
        arguments: [
            // Each second one is lost.
            "if [ \"$kind\" = chunk ]; then if [ -e \"$here/lost\" ]; then rm \"$here/lost\"; \(obeys); else touch \"$here/lost\"; shown=benchmark; echo benchmark >\"$here/comment\"; fi; fi",
            // Slurm answers only each second time.
            "if [ -e \"$here/away\" ]; then rm \"$here/away\"; \(obeys); else touch \"$here/away\"; exit 1; fi",
            // Answers that mean nothing, first.
            "if [ \"$kind\" = chunk ]; then if [ -e \"$here/lied\" ]; then rm \"$here/lied\"; \(obeys); else touch \"$here/lied\"; shown=\"@sga taken $attempt 9999\"; fi; fi",
            "if [ \"$kind\" = chunk ]; then if [ -e \"$here/lied\" ]; then rm \"$here/lied\"; \(obeys); else touch \"$here/lied\"; shown='@sga taken 5 1'; fi; fi",
            // Once it has forgotten what came after the second one.
            "if [ \"$kind\" = chunk ]; then if [ \"$number\" = 4 ] && [ ! -e \"$here/forgot\" ]; then touch \"$here/forgot\"; answer 2; else answer \"$number\"; fi; fi",
        ])
    func lost(_ agent: String) throws {
        let done = try comment(.internet, agent: agent, programs: Self.noise)
        #expect(done.status == 0, "\(done)")
        #expect(try taken(done.comments)["internet"]?.utf8.count ?? 0 > 6000)
    }

    @Test(
        "an agent that stays away, results that are too many, a node without Slurm's commands: an exit status of their own"
    )
    func unanswered() throws {
        let away = try comment(.machine, agent: "", patience: 1)
        #expect(away.status == Int32(BenchmarkScript.cannotComment), "\(away)")
        // What has its place was not changed: it was left there once.
        #expect(away.comments.count == 1)
        // Nobody can change the comment of a job that is being ended.
        for state in ["CG", "TO", "CA"] {
            let ended = try comment(.machine, agent: "state=\(state)")
            #expect(ended.status == Int32(BenchmarkScript.cannotComment) && ended.comments.isEmpty, "\(ended)")
        }
        let large = try comment(
            .internet, agent: Self.obeys,
            programs: ["speedtest": "head -c 300000 /dev/urandom | base64; echo '{}'"])
        #expect(
            large.status == Int32(BenchmarkScript.cannotComment) && large.comments.isEmpty, "\(large.comments.count)")
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["bash", "mktemp", "rm"] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.appending(path: name).path, withDestinationPath: "/usr/bin/\(name)")
        }
        var options = BenchmarkOptions()
        options.usesComments = true
        let job = try #require(jobs(options).first { $0.part == .machine })
        let script = folder.appending(path: "script")
        try BenchmarkScript(job, options, token: "t").text.write(to: script, atomically: true, encoding: .utf8)
        #expect(try bash([script.path], environment: ["PATH": folder.path]).0 == Int32(BenchmarkScript.lacksClients))
    }
}
