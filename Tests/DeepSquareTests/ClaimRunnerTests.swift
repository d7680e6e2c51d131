// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import DeepSquare

@Suite("What is done for a claim at once")
struct ClaimRunnerTests {
    private typealias Work = ClaimRunner.Work

    private static let epoch = Date(timeIntervalSince1970: 1_000_000)

    /// What keeps what from beginning, row by row: an x where the work of the row waits for that of the column.
    private static let exclusions = """
                  examine decide withdraw cancel setLimit read send recall close
        examine   x       .      .        .      .        .    .    .      x
        decide    .       x      .        .      .        .    .    .      x
        withdraw  .       .      x        .      .        .    .    .      x
        cancel    .       .      .        x      .        .    .    .      x
        setLimit  .       .      .        .      x        .    .    .      x
        read      .       .      .        .      .        x    .    .      x
        send      .       .      .        .      .        .    x    .      x
        recall    .       .      .        .      .        .    .    x      x
        close     x       x      x        x      x        x    x    x      x
        """

    @Test("which work excludes which")
    func table() {
        var rows = Self.exclusions.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        let columns = rows.removeFirst()
        #expect(columns == Work.allCases.map { "\($0)" } && rows.compactMap(\.first) == columns)
        for (work, row) in zip(Work.allCases, rows) {
            for (other, mark) in zip(Work.allCases, row.dropFirst()) {
                var runner = ClaimRunner()
                #expect(runner.begin(other, at: Self.epoch) == .now)
                let answer = runner.begin(work, at: Self.epoch)
                #expect(answer == (mark == "x" ? .after(other) : .now), "\(work) beside \(other)")
                #expect(runner.underWay == (mark == "x" ? [other] : [work, other]))
                for one in runner.underWay { runner.end(one) }
                #expect(runner.isIdle && runner.mayBegin(work, at: Self.epoch) == .now)
            }
        }
    }

    @Test("what has failed is tried later each time, and the claim is looked at then")
    func failures() {
        var runner = ClaimRunner()
        var now = Self.epoch
        for (index, seconds) in [0.5, 1, 2, 4, 8, 16, 30, 30].enumerated() {
            #expect(runner.begin(.read, at: now) == .now)
            #expect(runner.failed(.read, why: "no \(index)", at: now) == index + 1)
            runner.end(.read)
            runner.beginLook()
            #expect(runner.begin(.read, at: now) == .later(now + seconds))
            #expect(runner.lookAt == now + seconds && runner.isIdle)
            #expect(runner.trouble(of: .read) == "no \(index)")
            // The others do not wait for it.
            #expect(runner.mayBegin(.send, at: now) == .now)
            now += seconds
        }
        runner.forget(.read)
        #expect(runner.begin(.read, at: now) == .now && runner.trouble == nil)
    }

    @Test("a pause is no trouble, one with a reason is; what somebody else tries may begin at any time")
    func pauses() {
        var runner = ClaimRunner()
        runner.pause(.recall, until: Self.epoch + 5)
        #expect(runner.mayBegin(.recall, at: Self.epoch) == .later(Self.epoch + 5) && runner.trouble == nil)
        #expect(runner.mayBegin(.recall, at: Self.epoch + 5) == .now)
        runner.pause(.examine, until: Self.epoch + 60, why: "nobody knows it")
        #expect(runner.trouble(of: .examine) == "nobody knows it")
        runner.isTried(.cancel, tries: 3, why: "away")
        #expect(runner.mayBegin(.cancel, at: Self.epoch) == .now && runner.trouble == "away")
    }

    @Test("the earliest look counts; a look says again what the claim waits for")
    func looks() {
        var runner = ClaimRunner()
        for seconds in [9.0, 3, 7] { runner.look(at: Self.epoch + seconds) }
        runner.hold = GridStatus.Hold(until: 5, minutes: 1)
        #expect(runner.lookAt == Self.epoch + 3)
        runner.beginLook()
        #expect(runner.lookAt == nil && runner.hold == nil)
    }
}
