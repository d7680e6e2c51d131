// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// The commands, as an administrator types them.
@Suite("Commands", .serialized, .enabled(if: Lab.runs("Plain")))
struct CommandTests {
    @Test("submit from standard input, follow, exit status tells the end")
    func submitAndWait() async throws {
        for (body, status, state) in [("true", Int32(0), "COMPLETED"), ("exit 9", 3, "FAILED")] {
            let script =
                "printf '#!/bin/sh\\n\(body)\\n' | \(Lab.binary) submit --user labu1 -o /dev/null -J stdin -c 2 -t 3"
            let id = try await Lab.run(as: "root", script).output.trimmingCharacters(in: .whitespacesAndNewlines)
            let waited = try await Lab.run(
                as: "root", "\(Lab.binary) wait \(id) --interval 0.2", expecting: status)
            let last = try #require(waited.output.split(separator: "\n").last)
            #expect(last.hasPrefix(state))
            let shown = try await Lab.run(as: "root", "\(Lab.binary) job \(id)").output
            #expect(shown.contains("labu1 (uid"))
            #expect(shown.contains("stdin"))
        }
    }

    @Test("JSON of every command is one document with the documented keys")
    func json() async throws {
        let id = try await Lab.run(
            as: "root", "printf '#!/bin/sh\\nsleep 60\\n' | \(Lab.binary) submit --user labu1 --json -n 2 -p three"
        ).output
        let submitted = try object(id)
        let number = try #require(submitted["job_id"] as? Int)
        #expect((submitted["job"] as? [String: Any])?["partition"] as? String == "three")
        try await eventually("job \(number) runs") {
            let job = try object(try await Lab.run(as: "root", "\(Lab.binary) job \(number) --json").output)
            guard job["state"] as? String == "RUNNING" else { return false }
            let share = try #require((job["placement"] as? [[String: Any]])?.first)
            #expect(share["node"] as? String == "n3")
            #expect(share["cores_source"] as? String == "libslurm")
            return true
        }
        let jobs = try JSONSerialization.jsonObject(
            with: Data(try await Lab.run(as: "root", "\(Lab.binary) jobs --json --user labu1").output.utf8))
        #expect((jobs as? [[String: Any]])?.contains { $0["id"] as? Int == number } == true)
        let cluster = try object(try await Lab.run(as: "root", "\(Lab.binary) cluster --json -p main").output)
        let partition = try #require((cluster["partitions"] as? [[String: Any]])?.first)
        #expect((partition["total"] as? [String: Any])?["gpus"] as? Int == 8)
        let cancelled = try object(try await Lab.run(as: "root", "\(Lab.binary) cancel --json \(number)").output)
        #expect(cancelled["jobs"] as? [String] == ["\(number)"])
        let error = try object(
            try await Lab.run(as: "root", "\(Lab.binary) job 3999999 --json", expecting: 4).output)
        #expect((error["error"] as? [String: Any])?["code"] as? String == "notFound")
    }

    @Test("wrong use: what is wrong, and status 64; a request that cannot be: the field, and status 65")
    func refusals() async throws {
        let cases: [(String, Int32, String)] = [
            ("job abc", 64, "abc"), ("cancel", 64, "--name"), ("cancel 1 --batch", 64, "--signal"),
            ("submit --mem 5X /dev/null", 64, "5X"), ("frobnicate", 64, "frobnicate"),
            ("submit --user labu1 /dev/null", 65, "script"), ("submit --user nobodyatall /dev/null", 65, "nobodyatall"),
            ("submit --user labu1 /no/such/file", 65, "/no/such/file"),
            ("jobs --slurm-conf /no/such/slurm.conf", 78, "/no/such/slurm.conf"),
        ]
        for (arguments, status, word) in cases {
            let reply = try await Lab.run(as: "root", "\(Lab.binary) \(arguments)", expecting: status)
            #expect(reply.errors.contains(word), "\(arguments): \(reply.errors)")
            #expect(reply.output.isEmpty, "\(arguments)")
        }
    }

    @Test("what users write into their jobs does not reach the administrator's terminal as control codes")
    func controlCharacters() async throws {
        // sbatch lets them through; the agent's own submit would not.
        let id = try await Lab.run(
            as: "labu1", "sbatch --parsable -H -J $'evil\\033[31m' --wrap true -o /dev/null"
        ).output.trimmingCharacters(in: .whitespacesAndNewlines)
        let shown = try await Lab.run(as: "root", "\(Lab.binary) jobs; \(Lab.binary) job \(id)").output
        #expect(shown.contains("evil"))
        #expect(!shown.contains("\u{1b}"))
        try await Lab.run(as: "root", "\(Lab.binary) cancel \(id)")
    }

    @Test("by name and user")
    func cancelByName() async throws {
        for _ in 0..<2 {
            try await Lab.run(
                as: "root", "printf '#!/bin/sh\\ntrue\\n' | \(Lab.binary) submit --user labu2 --hold -J twins")
        }
        let ended = try await Lab.run(as: "root", "\(Lab.binary) cancel --name twins --user labu2").output
        #expect(ended.split(separator: "\n").count == 2)
    }

    @Test("slurm.conf where a configless slurmd puts it")
    func configless() async throws {
        let script = """
            unshare -m sh -ec '
              mkdir -p /run/slurm
              mount -t tmpfs none /run/slurm
              mkdir /run/slurm/conf
              cp "$(dirname "$SLURM_CONF")"/*.conf /run/slurm/conf/
              chmod -R a+rX /run/slurm
              unset SLURM_CONF
              exec setpriv --reuid=slurm --regid=slurm --init-groups \(Lab.binary) cluster'
            """
        #expect(try await Lab.run(as: "root", script).output.contains("main"))
    }

    private func object(_ text: String) throws -> [String: Any] {
        let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        return try #require(parsed, "no JSON object: \(text)")
    }
}
