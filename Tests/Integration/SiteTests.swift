// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// What sites add: a job_submit plugin (lua), AllowGroups, AllocNodes, licences, PrivateData, MCS.
@Suite("Site", .serialized, .enabled(if: Lab.runs("Site")))
struct SiteTests {
    /// A site's plugin: refuses, refuses with a number, or changes a job, by its name.
    private static let plugin = """
        function slurm_job_submit(job, partitions, uid)
            if job.name == "forbidden" then
                slurm.log_user("jobs named forbidden are not welcome")
                return slurm.ERROR
            elseif job.name == "coded" then
                slurm.log_user("come back tomorrow")
                return 2050
            elseif job.name == "rewritten" then
                job.comment = "the plugin was here"
                job.time_limit = 11
                slurm.log_user("your job was given 11 minutes")
            end
            return slurm.SUCCESS
        end

        function slurm_job_modify(job, record, partitions, uid)
            return slurm.SUCCESS
        end
        """

    @Test("a job_submit plugin's refusal comes with its words; what it changes is read back; its message returned")
    func jobSubmit() async throws {
        // slurmctld looks for it beside slurm.conf.
        try await Lab.run(as: "root", "cat >$(dirname $SLURM_CONF)/job_submit.lua <<'END'\n\(Self.plugin)\nEND")
        try await Lab.reconfigure("JobSubmitPlugins=lua")
        let controller = try await Lab.connect()
        #expect(try await controller.cluster().jobSubmitPlugins == "lua")
        var request = try Lab.request(name: "forbidden")
        request.hold = true
        let (error, _) = try await failing(with: .rejected) { _ = try await controller.submit(request) }
        #expect(error.message.contains("jobs named forbidden are not welcome"), "\(error)")
        request.name = "coded"
        let (coded, _) = try await failing(with: .limit) { _ = try await controller.submit(request) }
        #expect(coded.message.contains("come back tomorrow"), "\(coded)")
        #expect(coded.number == 2050)
        request.name = "rewritten"
        let submission = try await controller.submit(request)
        #expect(submission.job?.comment == "the plugin was here")
        #expect(submission.job?.timeLimit == .minutes(11))
        #expect(submission.userMessage == "your job was given 11 minutes")
        try await controller.cancel(JobID(submission.jobID))
    }

    @Test("partitions closed to the user's group or to this host")
    func partitions() async throws {
        let controller = try await Lab.connect()
        func submit(_ partition: String, user: String = "labu1") async throws {
            var request = try Lab.request(user: user)
            request.partition = partition
            request.hold = true
            let id = try await controller.submit(request).jobID
            try await controller.cancel(JobID(id))
        }
        let group = try await failing(with: .partition) { try await submit("group") }.error
        #expect(group.number == 2003)
        try await submit("group", user: "labu3")
        let host = try await failing(with: .permissionDenied) { try await submit("hosts") }.error
        #expect(host.number == 2002)
    }

    @Test("licences: unknown ones are refused, known ones wait for their turn")
    func licenses() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request("sleep 60")
        request.licenses = "matlab:2"
        let first = try await controller.submit(request).jobID
        try await controller.running(first)
        let second = try await controller.submit(request).jobID
        try await eventually("the second waits for licences") {
            try await controller.job(second).reason.description == "Licenses"
        }
        #expect(try await controller.job(second).requested.licenses == "matlab:2")
        request.licenses = "octave:1"
        #expect(try await failing(with: .impossible) { _ = try await controller.submit(request) }.error.number == 2048)
        for id in [first, second] { try await controller.cancel(JobID(id)) }
    }

    @Test("PrivateData: SlurmUser sees all, a user only its own, and silence is not absence")
    func privateData() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request(name: "private")
        request.hold = true
        let id = try await controller.submit(request).jobID
        #expect(try await controller.job(id).name == "private")
        let other = try await Lab.run(as: "labu2", "\(Lab.binary) job \(id) --json", expecting: 4)
        #expect(other.output.contains("not_found") || other.output.contains("notFound"))
        #expect(try await Lab.run(as: "labu1", "\(Lab.binary) job \(id)").output.contains("private"))
        #expect(!(try await Lab.run(as: "labu2", "\(Lab.binary) jobs").output.contains("private")))
        try await controller.cancel(JobID(id))
    }

    @Test("MCS: the label of the user's job is told")
    func mcs() async throws {
        let controller = try await Lab.connect()
        var request = try Lab.request()
        request.hold = true
        let submission = try await controller.submit(request)
        #expect(submission.job?.mcsLabel == "labu1")
        #expect(try await controller.cluster().mcsPlugin == "mcs/user")
        request.mcsLabel = "labu2"
        _ = try await failing(with: .association) { _ = try await controller.submit(request) }
        try await controller.cancel(JobID(submission.jobID))
    }

    @Test("auth/jwt: with a token anybody is who the token says; a bad one is an authentication error")
    func jwt() async throws {
        try await Lab.run(
            as: "root",
            "head -c 32 /dev/urandom >$LAB/etc/jwt.key && chown slurm $LAB/etc/jwt.key && chmod 600 $LAB/etc/jwt.key")
        try await Lab.reconfigure("AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key=\(Lab.folder)/etc/jwt.key")
        let token = try await Lab.run(as: "root", "scontrol token username=slurm lifespan=300").output
            .trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(token.hasPrefix("SLURM_JWT="))
        let submit = "printf '#!/bin/sh\\ntrue\\n' | \(Lab.binary) submit --hold --user labu2"
        // labu1 may not act for labu2; with SlurmUser's token it may.
        try await Lab.run(as: "labu1", submit, expecting: 77)
        let id = try await Lab.run(as: "labu1", "export \(token)\n\(submit)").output
            .trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(UInt32(id) != nil)
        let bad = try await Lab.run(as: "labu1", "export SLURM_JWT=nonsense\n\(submit)", expecting: 69)
        #expect(bad.errors.contains("credential"))
        try await Lab.run(as: "root", "\(Lab.binary) cancel \(id)")
    }
}
