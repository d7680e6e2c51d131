// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import JobLifecycle

/// What waits in a ledger was written by whatever release ran before. These texts are what they wrote: none is ever changed.
@Suite("Stored submissions")
struct JobSpecTests {
    struct Case: Sendable {
        var name: String
        var stored: String
        var spec: JobSpec
    }

    private static func spec(_ change: (inout JobSpec) -> Void = { _ in }) -> JobSpec {
        var spec = JobSpec(userID: 1000, script: "#!/bin/sh\ntrue\n", name: "0x01")
        change(&spec)
        return spec
    }

    private static func gridJob(_ spec: inout JobSpec) {
        spec.comment = "DeepSquare grid"
        spec.partition = "main"
        spec.tasks = 2
        spec.cpusPerTask = 4
        spec.memory = .perCPU(1000)
        spec.timeLimit = 60
        spec.output = "/tmp/slurm-grid-agent-%j-x.log"
        spec.umask = 0o067
    }

    static let cases: [Case] = [
        Case(
            name: "form 1, a job of the grid",
            stored: ##"""
                {"arguments":[],"comment":"DeepSquare grid","cpusPerTask":4,"environment":{},"environmentMode":{"login":{}},\##
                "gresPerNode":[],"hold":false,"memory":{"perCPU":{"_0":1000}},"name":"0x01","partition":"main",\##
                "requeue":false,"script":"#!\/bin\/sh\ntrue\n","standardInput":"\/dev\/null",\##
                "standardOutput":"\/tmp\/slurm-grid-agent-%j-x.log","tasks":2,"timeLimit":{"minutes":{"_0":60}},\##
                "umask":55,"userID":1000}
                """##,
            spec: spec(gridJob)),
        Case(
            name: "form 1, with GPUs",
            stored: ##"""
                {"arguments":[],"comment":"DeepSquare grid","cpusPerTask":4,"environment":{},"environmentMode":{"login":{}},\##
                "gpusPerJob":{"count":3},"gresPerNode":[],"hold":false,"memory":{"perCPU":{"_0":1000}},"name":"0x01",\##
                "partition":"main","requeue":false,"script":"#!\/bin\/sh\ntrue\n","standardInput":"\/dev\/null",\##
                "standardOutput":"\/tmp\/slurm-grid-agent-%j-x.log","tasks":2,"timeLimit":{"minutes":{"_0":60}},\##
                "umask":55,"userID":1000}
                """##,
            spec: spec {
                gridJob(&$0)
                $0.gpus = 3
            }),
        Case(
            name: "form 2, all of it",
            stored: ##"""
                {"comment":"DeepSquare grid","cpus_per_task":4,"format":2,"gpus":3,"memory_per_cpu_mib":1000,"name":"0x01",\##
                "output":"/tmp/slurm-grid-agent-%j-x.log","partition":"main","script":"#!/bin/sh\ntrue\n","tasks":2,\##
                "time_limit_minutes":60,"umask":55,"user_id":1000}
                """##,
            spec: spec {
                gridJob(&$0)
                $0.gpus = 3
            }),
        Case(
            name: "form 2, whose account it is",
            stored:
                ##"{"account":"grid","format":2,"name":"0x01","qos":"low","script":"#!/bin/sh\ntrue\n","umask":18,"user_id":1000}"##,
            spec: spec {
                $0.account = "grid"
                $0.qos = "low"
            }),
        Case(
            name: "form 2, what must be in it",
            stored: ##"{"format":2,"name":"0x01","script":"#!/bin/sh\ntrue\n","umask":18,"user_id":1000}"##,
            spec: spec()),
        Case(
            name: "form 2, memory of each node",
            stored:
                ##"{"format":2,"memory_per_node_mib":5,"name":"0x01","script":"#!/bin/sh\ntrue\n","umask":18,"user_id":1000}"##,
            spec: spec { $0.memory = .perNode(5) }),
        Case(
            name: "form 2, with what only some gateways ask for",
            stored: ##"""
                {"format":2,"name":"0x01","options":{"array":"0-3","begin":1700000000,"constraint":"fast",\##
                "dependency":"afterok:7","excluded_nodes":"n9","exclusive":"nodes",\##
                "gpus_per_job":[{"count":4}],"gpus_per_node":[{"count":2,"type":"a100"},{"count":1}],\##
                "gpus_per_task":[{"count":1,"type":"h100"}],"gres":"shard:4","licenses":"matlab:2","mail_events":["begin","end"],\##
                "mail_recipient":"a@example.org","mcs_label":"m","minimum_cpus_per_node":3,"nice":9,"node_list":"n[1-2]","nodes":2,\##
                "requeue":true,"reservation":"r","standard_error":"/e","standard_input":"/i","stays_held":true,\##
                "tasks_per_node":5,"unlimited":true,"wckey":"w","work_directory":"/home/a"},\##
                "script":"#!/bin/sh\ntrue\n","umask":18,"user_id":1000}
                """##,
            spec: spec { $0.options = allOptions }),
        Case(
            name: "form 2, on parts of nodes",
            stored: ##"""
                {"format":2,"name":"0x01","options":{"exclusive":"user"},"script":"#!/bin/sh\ntrue\n","umask":18,\##
                "user_id":1000}
                """##,
            spec: spec { $0.options.exclusive = .user }),
    ]

    /// Each of them once.
    private static var allOptions: JobSpec.Options {
        var options = JobSpec.Options()
        (options.nodes, options.tasksPerNode, options.minimumCPUsPerNode) = (2, 5, 3)
        options.exclusive = .nodes
        options.nice = 9
        options.gpusPerJob = [.init(count: 4)]
        options.gpusPerNode = [.init(count: 2, type: "a100"), .init(count: 1)]
        options.gpusPerTask = [.init(count: 1, type: "h100")]
        (options.gres, options.isUnlimited, options.licenses) = ("shard:4", true, "matlab:2")
        (options.reservation, options.constraint, options.wckey) = ("r", "fast", "w")
        (options.nodeList, options.excludedNodes, options.mcsLabel) = ("n[1-2]", "n9", "m")
        (options.array, options.dependency, options.begin) = ("0-3", "afterok:7", 1_700_000_000)
        (options.workDirectory, options.standardError, options.standardInput) = ("/home/a", "/e", "/i")
        (options.mailEvents, options.mailRecipient) = (["begin", "end"], "a@example.org")
        (options.requeue, options.staysHeld) = (true, true)
        return options
    }

    @Test("the fixture has every option")
    func allOfThem() {
        let values = Mirror(reflecting: Self.allOptions).children.map { "\($0.label ?? ""): \($0.value)" }
        #expect(values.count == 27 && !values.contains { $0.hasSuffix(": nil") }, "\(values)")
    }

    @Test("every form that a release wrote is read", arguments: cases.indices)
    func read(_ index: Int) throws {
        let row = Self.cases[index]
        #expect(try JobSpec(stored: Array(row.stored.utf8)) == row.spec, "\(row.name)")
    }

    @Test("what this release writes is what the fixtures of its form say")
    func written() throws {
        for row in Self.cases where row.name.hasPrefix("form 2") {
            #expect(try String(decoding: row.spec.stored, as: UTF8.self) == row.stored, "\(row.name)")
        }
    }

    @Test("a field that a later release adds is passed over, a missing one has its default", arguments: [1, 2, 3])
    func tolerant(_ format: Int) throws {
        let own = format == 1 ? #""userID":1000"# : #""format":\#(format),"user_id":1000"#
        let text =
            ##"{\##(own),"name":"0x01","script":"#!/bin/sh\ntrue\n","priority":"fast","placement":{"rack":[1]}}"##
        #expect(try JobSpec(stored: Array(text.utf8)) == Self.spec())
    }

    @Test(
        "what is no job is an error of its own, never a job with defaults",
        arguments: ["", "{}", "[]", #"{"format":2}"#, #"{"format":"two","user_id":1,"name":"a","script":"b"}"#])
    func unreadable(_ text: String) {
        #expect(throws: JobSpec.Unreadable.self) { try JobSpec(stored: Array(text.utf8)) }
    }
}
