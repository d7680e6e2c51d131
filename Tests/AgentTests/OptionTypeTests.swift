// SPDX-License-Identifier: GPL-3.0-or-later

import Slurm
import Testing

@testable import Agent

@Suite struct OptionTypeTests {
    @Test(
        arguments: [
            ("2", 2, 2), ("2-4", 2, 4), ("1-1", 1, 1), ("0", 0, 0), ("1k", 1024, 1024), ("1-2K", 1, 2048),
            ("1m", 1 << 20, 1 << 20),
        ] as [(String, UInt32, UInt32)])
    func nodeRanges(_ text: String, _ minimum: UInt32, _ maximum: UInt32) {
        let range = NodeRange(argument: text)
        #expect(range?.minimum == minimum && range?.maximum == maximum)
    }

    @Test(arguments: ["", "-", "2-", "-4", "a", "1-2-3", "4294967296", " 1", "k", "1-2,4", "5000000k", "1g"])
    func noNodeRanges(_ text: String) {
        #expect(NodeRange(argument: text) == nil)
    }

    @Test(
        arguments: [
            ("512", 512), ("512M", 512), ("512m", 512), ("4G", 4096), ("4gb", 4096), ("1T", 1 << 20), ("1024K", 1),
            ("1K", 1), ("1025K", 2), ("0", 0), ("18446744073709551615", .max),
        ] as [(String, UInt64)])
    func memorySizes(_ text: String, _ megabytes: UInt64) {
        #expect(MemorySize(argument: text)?.megabytes == megabytes)
    }

    @Test(arguments: ["", "M", "1X", "1GG", "-1", "1.5G", "18446744073709551615G", "18446744073709551616", "１G", "1 G"])
    func noMemorySizes(_ text: String) {
        #expect(MemorySize(argument: text) == nil)
    }

    @Test(arguments: [("2", nil, 2), ("a100:2", "a100", 2), ("0", nil, 0)] as [(String, String?, UInt32)])
    func gpuCounts(_ text: String, _ type: String?, _ count: UInt32) {
        #expect(GPUCount(argument: text)?.gpus == .init(count, type: type))
    }

    @Test("of several types")
    func gpusOfSeveralTypes() {
        #expect(GPUCount(argument: "a100:2,v100:1")?.gpus == .init(2, type: "a100", others: [.init(1, type: "v100")]))
        #expect(GPUCount(argument: "1,2")?.gpus == .init(1, others: [.init(2)]))
    }

    @Test(arguments: ["", "a100", "a100:", "a:b:1", "-1", "1.5", "4294967296", "1,", ",1", "a100:2,v100"])
    func noGPUCounts(_ text: String) {
        #expect(GPUCount(argument: text) == nil)
    }

    @Test(
        arguments: [
            ("gpu:2", [GRES(name: "gpu", count: 2)]),
            ("gres:gpu:a100:2", [GRES(name: "gpu", type: "a100", count: 2)]),
            ("gpu:a100:2,shard:4", [GRES(name: "gpu", type: "a100", count: 2), GRES(name: "shard", count: 4)]),
            ("craynetwork", [GRES(name: "craynetwork", count: 1)]), ("none", []), ("NONE", []),
            ("gpu:0", [GRES(name: "gpu", count: 0)]), ("gpu:1k", [GRES(name: "gpu", count: 1024)]),
            ("gpu:1,gpu:2", [GRES(name: "gpu", count: 1), GRES(name: "gpu", count: 2)]),
        ] as [(String, [GRES])])
    func gresLists(_ text: String, _ list: [GRES]) {
        #expect(GRESList(argument: text)?.list == list)
    }

    @Test(arguments: ["", ",", "gpu:a:b:c", "gpu:", "gres:", "(null)", "N/A"])
    func noGRESLists(_ text: String) {
        #expect(GRESList(argument: text) == nil)
    }

    @Test(arguments: [("A=1", "A", "1"), ("A=", "A", ""), ("A=b=c", "A", "b=c"), ("é=x", "é", "x")])
    func variables(_ text: String, _ name: String, _ value: String) {
        let variable = EnvironmentVariable(argument: text)
        #expect(variable?.name == name && variable?.value == value)
    }

    @Test(arguments: ["", "A", "=x"])
    func noVariables(_ text: String) {
        #expect(EnvironmentVariable(argument: text) == nil)
    }

    @Test(
        arguments: [
            ("end", [.end]), ("BEGIN,Fail", [.begin, .fail]), ("time_limit_80", [.timeLimit80]), ("none", []),
            ("NONE,end", []), ("end,none", []),
            ("all", [.begin, .end, .fail, .requeue, .stageOut, .invalidDependency]),
            ("all,array_tasks", [.begin, .end, .fail, .requeue, .stageOut, .invalidDependency, .arrayTasks]),
        ] as [(String, Set<JobRequest.Mail.Event>)])
    func mailEvents(_ text: String, _ events: Set<JobRequest.Mail.Event>) {
        #expect(MailEvents(argument: text)?.events == events)
    }

    @Test(arguments: ["", ",", "ends", "begin;end"])
    func noMailEvents(_ text: String) {
        #expect(MailEvents(argument: text) == nil)
    }

    @Test(
        arguments: [
            ("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigusr1", 10), ("Term", 15), ("64", 64), ("1", 1), ("CONT", 18),
            ("URG", 23), ("ttin", 21), ("SIGTTOU", 22), ("XCPU", 24),
        ] as [(String, Int32)])
    func signals(_ text: String, _ number: Int32) {
        #expect(CancelCommand.Signal(argument: text)?.number == number)
    }

    @Test(arguments: ["", "0", "65", "-9", "SIG", "SIG9", "SIGSIGKILL", "NONSENSE"])
    func noSignals(_ text: String) {
        #expect(CancelCommand.Signal(argument: text) == nil)
    }

    @Test func jobsAndTimes() {
        #expect(JobID(argument: "12_3") == JobID(12, .arrayTask(3)))
        #expect(JobID(argument: "0") == nil)
        #expect(TimeLimit(argument: "1-2") == .minutes(1560))
        #expect(TimeLimit(argument: "soon") == nil)
        #expect(BeginOption(argument: "1800000000")?.date.timeIntervalSince1970 == 1_800_000_000)
        #expect(BeginOption(argument: "tomorrow") != nil && BeginOption(argument: "soon") == nil)
    }
}
