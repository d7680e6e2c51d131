// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import Testing

@testable import Slurm

@Suite struct NodeStateTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var raw: UInt32
        var base: NodeState.Base?
        var responding: Bool
        var text: String

        var testDescription: String { "\(raw): \(text)" }
    }

    /// Numbers that slurmctld 22.05.8 gave for nodes, with `scontrol show node`'s words except for the order of flags.
    @Test(arguments: [
        Row(raw: 0x2, base: .idle, responding: true, text: "IDLE"),
        Row(raw: 0x3, base: .allocated, responding: true, text: "ALLOCATED"),
        Row(raw: 0x5, base: .mixed, responding: true, text: "MIXED"),
        Row(raw: 0x205, base: .mixed, responding: true, text: "MIXED+DRAIN"),
        Row(raw: 0x402, base: .idle, responding: true, text: "IDLE+COMPLETING"),
        Row(raw: 0x801, base: .down, responding: false, text: "DOWN+NOT_RESPONDING"),
        Row(raw: 0x2005, base: .mixed, responding: false, text: "MIXED+FAIL"),
        Row(raw: 0x8025, base: .mixed, responding: true, text: "MIXED+RESERVED+MAINTENANCE"),
        Row(raw: 0x208022, base: .idle, responding: true, text: "IDLE+RESERVED+MAINTENANCE+PLANNED"),
        Row(raw: 0x200002, base: .idle, responding: true, text: "IDLE+PLANNED"),
    ])
    func decodesRealNumbers(_ row: Row) {
        check(row)
    }

    /// Numbers of slurm.h that no lab made.
    @Test(arguments: [
        Row(raw: 0, base: .unknown, responding: false, text: "UNKNOWN"),
        Row(raw: 4, base: .error, responding: false, text: "ERROR"),
        Row(raw: 6, base: .future, responding: false, text: "FUTURE"),
        Row(raw: 9, base: nil, responding: false, text: "STATE_9"),
        Row(raw: 0x202, base: .idle, responding: true, text: "IDLE+DRAIN"),
        Row(raw: 0x802, base: .idle, responding: false, text: "IDLE+NOT_RESPONDING"),
        Row(raw: 0x803, base: .allocated, responding: false, text: "ALLOCATED+NOT_RESPONDING"),
        Row(raw: 0x1002, base: .idle, responding: false, text: "IDLE+POWERED_DOWN"),
        Row(raw: 0x201, base: .down, responding: false, text: "DOWN+DRAIN"),
    ])
    func decodesOtherNumbers(_ row: Row) {
        check(row)
    }

    private func check(_ row: Row) {
        let state = NodeState(rawValue: row.raw)
        #expect(state.base == row.base)
        #expect(state.isResponding == row.responding)
        #expect(state.description == row.text)
    }

    @Test("A node that is powering up does not answer yet")
    func poweringUp() {
        #expect(!NodeState(rawValue: NodeState.Base.idle.rawValue | cs_NODE_STATE_POWERING_UP).isResponding)
    }

    /// ERROR is in slurm.h but libslurm has no word for it.
    @Test(arguments: NodeState.Base.allCases.filter { $0 != .error })
    func baseNamesAreSlurms(_ base: NodeState.Base) throws {
        #expect(try LibslurmWords.nodeState(base.rawValue) == NodeState(rawValue: base.rawValue).description)
    }

    @Test func eachFlagHasItsOwnNameAndBit() {
        let flags = NodeState.Flags.names
        #expect(Set(flags.map(\.1)).count == flags.count)
        #expect(flags.reduce(0) { $0 + $1.0.rawValue.nonzeroBitCount } == flags.count)
        #expect(flags.allSatisfy { $0.0.rawValue & cs_NODE_STATE_BASE == 0 })
    }
}
