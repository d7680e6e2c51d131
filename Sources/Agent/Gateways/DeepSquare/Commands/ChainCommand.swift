// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import Ethereum
internal import FoundationEssentials
internal import StatusViews

struct ChainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chain",
        abstract: "Show the agent's account on the chain, and its transactions.",
        discussion: """
            status, cancel, bump, acknowledge and fill ask the running agent, so that there is never a second sender; run them as \
            root or SlurmUser. list and show read the file and need no running agent.
            """,
        subcommands: [Status.self, Transactions.self, Acknowledge.self, Fill.self], defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show chain, account, balance, nonces, what is in flight, and alarms.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("chain"))
                if options.json { return print(answer) }
                print(Self.text(try ControlAnswer.decode(ChainParts.Status.self, answer)))
            }
        }

        static func text(_ answer: ChainParts.Status) -> String {
            let status = answer.account
            var lines = [
                "chain      \(status.chain)", "account    \(status.address)",
                "head       \(status.head.map(String.init) ?? "no node has answered yet")",
                "balance    \(Amount.text(status.balance, "coins"))",
                "nonce      \(status.minedNonce.map(String.init) ?? "?") mined, \(status.nextNonce.map(String.init) ?? "?") is the next",
                "in flight  \(status.inFlight)", "waiting    \(status.waiting)",
            ]
            if let feed = answer.feed {
                lines.append(
                    "logs       read to block \(feed.block.map(String.init) ?? "?"), \(feed.lag.map(String.init) ?? "?") behind the head"
                )
            }
            for (alarm, words) in status.alarms.sorted(by: { $0.key < $1.key }) {
                lines.append("ALARM      \(alarm): \(words)")
            }
            return lines.joined(separator: "\n")
        }
    }

    struct Acknowledge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End the alarm of foreign nonces: you know who else uses the key.",
            discussion: """
                The chain's count of transactions is taken as it is now. What was meant for a nonce in doubt gets another \
                one.
                """)

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("chain-acknowledge"))
                print(options.json ? answer : "acknowledged")
            }
        }
    }

    struct Fill: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Close a gap of nonces now, by transfers of nothing to the account itself.",
            discussion: """
                For the alarm nonceGap. Nonces for which a transaction is on the disk get that one again; the others would \
                be filled after a minute anyway.
                """)

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer = try options.client.answer(to: ControlRequest("chain-fill"))
                if options.json { return print(answer) }
                let nonces = try ControlAnswer.decode(ChainParts.Filled.self, answer).nonces
                print(
                    nonces.isEmpty
                        ? "there is no gap" : "filling nonce \(nonces.map(String.init).joined(separator: ", "))")
            }
        }
    }

    struct Transactions: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tx", abstract: "Show and change the agent's transactions.",
            subcommands: [List.self, Show.self, Cancel.self, Bump.self], defaultSubcommand: List.self)
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List transactions, the newest first.")

        @OptionGroup var file: LedgerCommand.FileOptions
        @Flag(help: "Only those that are not over.") var open = false
        @Option(help: "At most so many.") var limit = 50
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit takes 1 to 1000000") }
        }

        func run() async throws {
            try await reportingChain {
                let found = try await ChainStore(reading: file.stateFolder + "/chain.sqlite").list(
                    onlyOpen: open, limit: limit)
                if json { return try printJSON(found) }
                var table = Table(["KEY", "CLASS", "STATE", "NONCE", "GAS", "BLOCK", "HASH"])
                for one in found {
                    table.add([
                        one.key, one.className, one.state, one.nonce.map(String.init) ?? "-",
                        (one.gasUsed ?? one.gasLimit).map(String.init) ?? "-", one.block.map(String.init) ?? "-",
                        one.hashes.first ?? "-",
                    ])
                }
                print(table.render())
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a transaction with every hash it has had.")

        @OptionGroup var file: LedgerCommand.FileOptions
        @Argument(help: "Its key, from the list.") var key: String
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            try await reportingChain {
                let found = try await ChainStore(reading: file.stateFolder + "/chain.sqlite").list(key: key)
                guard let one = found.first else {
                    complain("slurm-grid-agent: there is no transaction \"\(key)\"")
                    throw ExitCode(4)
                }
                if json { return try printJSON(one) }
                print(Self.text(one))
            }
        }

        static func text(_ one: ChainStore.ListedTransaction) -> String {
            func time(_ seconds: Double) -> String { Date(timeIntervalSince1970: seconds).ISO8601Format() }
            var lines = [
                "\(one.key)  \(one.state)", "  class    \(one.className)", "  to       \(one.recipient)",
                "  call     \(one.call)", "  made     \(time(one.madeAt))",
            ]
            if let ended = one.endedAt { lines.append("  over     \(time(ended))") }
            if let nonce = one.nonce { lines.append("  nonce    \(nonce)") }
            if let limit = one.gasLimit {
                lines.append("  gas      \(one.gasUsed.map { "\($0) of " } ?? "limit ")\(limit)")
            }
            if let block = one.block { lines.append("  block    \(block)") }
            lines += one.hashes.map { "  hash     \($0)" }
            return lines.joined(separator: "\n")
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a transaction back.",
            discussion: """
                One that was sent is replaced by a transaction to oneself of the same nonce, which costs gas and may come too \
                late. The party that wanted the transaction is told that it was cancelled.
                """)

        @OptionGroup var options: ControlOptions
        @Argument(help: "Its key, from the list.") var key: String

        func run() async throws { try await ChainCommand.change("chain-cancel", key, options) }
    }

    struct Bump: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replace a transaction that was sent by one of a higher fee now, within the fee ceiling.")

        @OptionGroup var options: ControlOptions
        @Argument(help: "Its key, from the list.") var key: String

        func run() async throws { try await ChainCommand.change("chain-bump", key, options) }
    }

    fileprivate static func change(_ command: String, _ key: String, _ options: ControlOptions) async throws {
        try await reportingControl {
            var request = ControlRequest(command)
            request.key = key
            let answer = try options.client.answer(to: request)
            print(options.json ? answer : "done")
        }
    }
}

/// Runs a command's body; what goes wrong becomes one line on stderr and a status.
func reportingChain(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as ChainStoreError {
        complain("slurm-grid-agent: \(error)")
        throw ExitCode(error.code == .newer ? 78 : 1)
    } catch let error as KeyError {
        complain("slurm-grid-agent: \(error)")
        throw ExitCode(error.code == .missing || error.code == .exposed ? 66 : 65)
    }
}
