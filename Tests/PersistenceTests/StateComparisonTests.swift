// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Persistence

@Suite("Whether the state's files belong together")
struct StateComparisonTests {
    /// What may be found in a file.
    enum Find: String, CaseIterable {
        case same, next, new, older, unnamed, other

        func file(_ name: String) -> StateComparison.File {
            switch self {
            case .same: .init(name, StateIdentity(family: "f", generation: 7), hadContent: true)
            // The agent died between the files.
            case .next: .init(name, StateIdentity(family: "f", generation: 6, next: 7), hadContent: true)
            case .new: .init(name, nil, hadContent: false)
            case .older: .init(name, StateIdentity(family: "f", generation: 3), hadContent: true)
            // An old copy from before files had names.
            case .unnamed: .init(name, nil, hadContent: true)
            case .other: .init(name, StateIdentity(family: "g", generation: 6), hadContent: true)
            }
        }
    }

    private static let names = ["ledger", "chain", "grid"]

    private static func compare(_ finds: [Find]) -> StateComparison {
        StateComparison(zip(finds, names).map { $0.file($1) })
    }

    static let pairs = Find.allCases.flatMap { first in Find.allCases.map { [.same, first, $0] } }

    @Test("one file that is as it was, and two of any kind: each is known for what it is", arguments: pairs)
    func table(_ finds: [Find]) {
        let found = Self.compare(finds)
        let others = finds.filter { $0 == .other }.count
        // Two files of another state are the majority.
        guard others < 2 else {
            #expect(found.names(.other) == ["ledger"])
            #expect(found.refusal?.contains("ledger") == true)
            return
        }
        for (name, find) in zip(Self.names, finds) {
            let wanted: StateComparison.Condition =
                switch find {
                case .same, .next: .same
                case .new: .new
                case .older, .unnamed: .older
                case .other: .other
                }
            #expect(found.conditions[name] == wanted, "\(name)")
        }
        #expect(found.identity == StateIdentity(family: "f", generation: 7))
        #expect((found.refusal != nil) == (others == 1))
        #expect(found.isSame == finds.allSatisfy { $0 == .same || $0 == .next })
    }

    @Test("no file has a name: the first start, or the first with a release that gives them")
    func unnamed() {
        #expect(Self.compare([.new, .new, .new]).isSame)
        #expect(Self.compare([.unnamed, .unnamed, .unnamed]).isSame)
        #expect(Self.compare([.unnamed, .new, .new]).isSame)
        #expect(Self.compare([.unnamed, .new, .unnamed]).names(.new) == ["chain"])
        #expect(Self.compare([.new, .new, .new]).identity != Self.compare([.new, .new, .new]).identity)
    }

    @Test("what a file holds may show that it is older than it says")
    func lower() {
        var found = Self.compare([.same, .same, .new])
        found.lower("chain")
        found.lower("grid")
        #expect(found.conditions == ["ledger": .same, "chain": .older, "grid": .new])
    }

    @Test("a file whose witness is lost may be an old copy of an hour ago", arguments: Find.allCases, Find.allCases)
    func witness(_ chain: Find, _ grid: Find) {
        let found = Self.compare([.same, chain, grid])
        guard found.refusal == nil else { return }
        let good: [Find] = [.same, .next]
        #expect(found.isProven("chain", by: "grid") == (good.contains(chain) && good.contains(grid)))
    }

    /// Fails at a write.
    fileprivate actor Shelf {
        struct Full: Error {}

        var identities: [String: StateIdentity] = [:]
        var left: Int

        init(_ left: Int) { self.left = left }

        func set(_ name: String, _ identity: StateIdentity) throws {
            guard left > 0 else { throw Full() }
            left -= 1
            identities[name] = identity
        }
        func refill() { left = .max }
    }

    private struct File: StateFile {
        let fileName: String
        let shelf: Shelf

        func identity() async throws -> StateIdentity? { await shelf.identities[fileName] }
        func setIdentity(_ identity: StateIdentity) async throws { try await shelf.set(fileName, identity) }
        func hadContent() async throws -> Bool { true }
    }

    @Test(
        "files that were given their first name when the agent died belong together, wherever it died",
        arguments: 0...6)
    func named(_ writes: Int) async throws {
        let shelf = Shelf(writes)
        let files = Self.names.map { File(fileName: $0, shelf: shelf) }
        let first = try await StateComparison.of(files)
        _ = try? await StateComparison.advance(files, from: first.identity)
        await shelf.refill()
        let found = try await StateComparison.of(files)
        #expect(found.isSame)
        #expect(writes == 0 || found.identity.family == first.identity.family)
        let reached = try await StateComparison.advance(files, from: found.identity)
        #expect(try await StateComparison.of(files).isSame)
        #expect(reached.generation > 0)
    }

    @Test("files that were being marked when the agent died belong together, wherever it died", arguments: 0...6)
    func interrupted(_ writes: Int) async throws {
        let shelf = Shelf(.max)
        let files = Self.names.map { File(fileName: $0, shelf: shelf) }
        let first = try await StateComparison.advance(files, from: .fresh())
        #expect(first.generation == 1 && first.next == nil)
        let dying = Shelf(writes)
        for name in Self.names {
            await dying.refill()
            try await dying.set(name, first)
        }
        await dying.limit(writes)
        let again = Self.names.map { File(fileName: $0, shelf: dying) }
        if writes < 6 {
            await #expect(throws: Shelf.Full.self) { try await StateComparison.advance(again, from: first) }
        } else {
            _ = try await StateComparison.advance(again, from: first)
        }
        await dying.refill()
        let found = try await StateComparison.of(again)
        #expect(found.isSame)
        let next = try await StateComparison.advance(again, from: found.identity)
        #expect(try await StateComparison.of(again).isSame)
        // A copy from before all that is an old one.
        try await dying.set("chain", first)
        #expect(try await StateComparison.of(again).names(.older) == ["chain"])
        #expect(next.generation > first.generation)
    }
}

extension StateComparisonTests.Shelf {
    fileprivate func limit(_ writes: Int) { left = writes }
}
