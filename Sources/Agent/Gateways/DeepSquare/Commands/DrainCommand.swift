// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Claim no more jobs of the grid; those that are claimed go on.")

    @OptionGroup var options: ControlOptions

    func run() async throws { try await Self.drain(options) }

    static func drain(_ options: ControlOptions) async throws {
        try await change("drain", options, "drained; `slurm-grid-agent provider resume` ends it")
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Claim jobs of the grid again.")

    @OptionGroup var options: ControlOptions

    func run() async throws { try await Self.resume(options) }

    static func resume(_ options: ControlOptions) async throws {
        try await change("resume", options, "claims jobs again")
    }
}

private func change(_ command: String, _ options: ControlOptions, _ done: String) async throws {
    try await reportingControl {
        let answer = try options.client.answer(to: ControlRequest(command))
        print(options.json ? answer : done)
    }
}

/// As they were called before `provider` had them.
enum FormerNames {
    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drain", abstract: "The same as `provider drain`.", shouldDisplay: false)

        @OptionGroup var options: ControlOptions

        func run() async throws { try await DrainCommand.drain(options) }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "The same as `provider resume`.", shouldDisplay: false)

        @OptionGroup var options: ControlOptions

        func run() async throws { try await ResumeCommand.resume(options) }
    }
}
