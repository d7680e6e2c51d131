// SPDX-License-Identifier: GPL-3.0-or-later

import JobLifecycle
import Testing

@testable import ClusterCockpit

/// What must not leave the cluster.
struct SecretTests {
    @Test(arguments: [
        // Pattern, text, what is left.
        (["token=\\S+"], "a token=1 b token=2\ntoken=3", "a [removed] b [removed]\n[removed]"),
        // Over several lines.
        (["-----BEGIN[\\s\\S]*?END-----"], "x\n-----BEGIN\nabc\nEND-----\ny", "x\n[removed]\ny"),
        (["password:\\n\\S+"], "password:\nsecret\nrest", "[removed]\nrest"),
        // At the beginning and the end of each line.
        (["^key=.*$"], "key=1\nkey=2\r\nmonkey=3", "[removed]\n[removed]\r\nmonkey=3"),
        // One that finds only a part does not hide the rest from another.
        (["token=", "token=\\S+"], "token=abc rest", "[removed] rest"),
        (["bc", "ab", "cd"], "xabcdx", "x[removed]x"),
        (["ab", "cd"], "abcd", "[removed]"),
        (["[a-z]"], "ab1", "[removed]1"),
        // Nothing to remove.
        (["token=\\S+"], "", ""),
        ([], "token=1", "token=1"),
    ])
    func isRemoved(patterns: [String], text: String, left: String) throws {
        #expect(try SecretPatterns(patterns).redact(text) == left)
    }

    @Test(arguments: [
        "(token=\\S+)?", "(|token=\\S+)", "\\S*", ".*", "", "^", "$", "\\b", "\\B", "x*", "a|b*", "(?=token)",
        "(?!token)", "(?i)(?=TOKEN)",
    ])
    func findsTheEmptyString(pattern: String) {
        let problem = #expect(throws: SecretPatterns.Problem.self) { try SecretPatterns(["good", pattern]) }
        #expect(problem?.description.contains("finds the empty string") == true)
        #expect(problem?.description.contains("write what the secret begins with") == true)
    }

    @Test(arguments: ["(", "[a", "a{2,1}", "*", "(?<=token=)\\S+"])
    func isNoRegularExpression(pattern: String) {
        let problem = #expect(throws: SecretPatterns.Problem.self) { try SecretPatterns([pattern]) }
        #expect(problem?.description == "not a regular expression")
    }

    /// No probe shows it: the line goes.
    @Test func anEmptyMatchThatWasNotForeseen() throws {
        let patterns = try SecretPatterns(["(?=t[o]ken)"])
        #expect(patterns.redact("one\ntwo token=abc end\nthree") == "one\n[removed]\nthree")
    }

    @Test func namesAndZeroBytesToo() throws {
        var run = CockpitRun(jobID: 7, submitTime: 1, startTime: 2, job: "7")
        run.details.name = "token=abc"
        run.capture = JobCapture(submitTime: 1)
        run.capture?.script = "to\0ken=abc\n\0"
        run.capture?.slurmInfo = "Comment=tok\0en=\0abc x"
        let data = MetaData(limit: 1024, withScript: true, secrets: try SecretPatterns(["token=\\S+"])).of(
            run, placementSource: nil)
        #expect(data["jobName"] == "[removed]")
        #expect(data["jobScript"] == "[removed]\n")
        #expect(data["slurmInfo"] == "Comment=[removed] x")
    }
}
