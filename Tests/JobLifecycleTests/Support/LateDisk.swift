// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import GRDB
import NIOConcurrencyHelpers

/// The disk below a store: one commit of all takes its time, fails, or is the last thing before the process dies.
final class LateDisk: TransactionObserver, Sendable {
    enum Fault: Sendable, Hashable {
        /// Nothing is there, and the caller is told; the next time it works.
        case fails
        /// It takes its time, then it is there.
        case slow
        /// It is there, and whoever waits for it hears so later.
        case lateAnswer
        /// The process dies right before it, or right after it: nobody is told anything any more.
        case diesBefore, diesAfter

        static let all: [Fault] = [.fails, .slow, .lateAnswer, .diesBefore, .diesAfter]
    }

    struct Failure: Error {}

    private struct State {
        var left: Int
        var isDead = false
        var isDone = false
        /// What the next process finds is there.
        var isCopied = false
        /// Commits of the process's other files that are being written.
        var underWay = 0
    }

    private let state: NIOLockedValueBox<State>
    private let fault: Fault
    private let passTime: @Sendable () -> Void
    private let die: @Sendable () -> Void

    /// - Parameters:
    ///   - commit: which one; 0 is the next.
    ///   - passTime: what happens while somebody waits for it.
    ///   - die: copies what is on the disk, and stops what the process does elsewhere.
    init(
        _ fault: Fault, commit: Int, passTime: @escaping @Sendable () -> Void = {},
        die: @escaping @Sendable () -> Void = {}
    ) {
        state = NIOLockedValueBox(State(left: commit))
        self.fault = fault
        self.passTime = passTime
        self.die = die
    }

    /// Whether the fault has happened.
    var isDone: Bool { state.withLockedValue { $0.isDone } }
    var isDead: Bool { state.withLockedValue { $0.isDead } }
    var isCopied: Bool { state.withLockedValue { $0.isCopied } }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseDidRollback(_ db: Database) {}

    private func isDue(_ faults: Set<Fault>) -> Bool {
        state.withLockedValue { state in
            guard faults.contains(fault), !state.isDone else { return false }
            state.left -= 1
            state.isDone = state.left < 0
            return state.isDone
        }
    }

    func databaseWillCommit() throws {
        if isDead { throw Failure() }
        guard isDue([.fails, .slow, .diesBefore]) else { return }
        switch fault {
        case .fails: throw Failure()
        case .slow, .lateAnswer: passTime()
        case .diesBefore, .diesAfter:
            end()
            throw Failure()
        }
    }

    func databaseDidCommit(_ db: Database) {
        guard isDue([.lateAnswer, .diesAfter]) else { return }
        if fault == .lateAnswer { passTime() } else { end() }
    }

    /// All files of the process end at the same moment: what another one is writing is there, and nothing after it.
    private func end() {
        state.withLockedValue { $0.isDead = true }
        while state.withLockedValue({ $0.underWay > 0 }) { usleep(100) }
        die()
        state.withLockedValue { $0.isCopied = true }
    }

    fileprivate func begin() -> Bool {
        state.withLockedValue { state in
            if !state.isDead { state.underWay += 1 }
            return !state.isDead
        }
    }

    fileprivate func ended() { state.withLockedValue { $0.underWay -= 1 } }

    /// What a process that died would find: the files of a store as they are now.
    static func copy(_ files: String..., from folder: String, to other: String) {
        for file in files {
            for suffix in ["", "-wal"] {
                try? FileManager.default.removeItem(atPath: "\(other)/\(file)\(suffix)")
                try? FileManager.default.copyItem(
                    atPath: "\(folder)/\(file)\(suffix)", toPath: "\(other)/\(file)\(suffix)")
            }
        }
    }
}

/// Another file of the same process: it dies when the disk says so.
final class DiskNeighbour: TransactionObserver, Sendable {
    private let disk: LateDisk
    private let isWriting = NIOLockedValueBox(false)

    init(_ disk: LateDisk) {
        self.disk = disk
    }

    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}

    func databaseWillCommit() throws {
        guard disk.begin() else { throw LateDisk.Failure() }
        isWriting.withLockedValue { $0 = true }
    }

    func databaseDidCommit(_ db: Database) { end() }
    func databaseDidRollback(_ db: Database) { end() }

    private func end() {
        let wasWriting = isWriting.withLockedValue { isWriting in
            defer { isWriting = false }
            return isWriting
        }
        if wasWriting { disk.ended() }
    }
}
