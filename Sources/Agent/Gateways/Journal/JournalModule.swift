// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import JobLifecycle

/// `journal.file`: every transition of the cluster as a line of JSON.
struct JournalModule: GatewayModule {
    let name = "journal"
    /// Nobody sends jobs by it.
    let isUpstream = false

    let configuration = [
        ConfigurationSection(
            title: "The journal", introduction: "For administrators with scripts of their own.",
            keys: [
                ConfigurationKey(
                    "journal.file", \.journalFile, .optional(.path), "Gets every transition as a line of JSON.",
                    example: "/var/log/slurm-grid-agent/journal.jsonl")
            ])
    ]

    func isConfigured(in configuration: AgentConfiguration) -> Bool { configuration.journalFile != nil }

    func interest(in configuration: AgentConfiguration) -> Ledger.Interest.Scope? {
        configuration.journalFile == nil ? nil : .everything
    }

    func lastTransition(_ configuration: AgentConfiguration, folder: String) async -> Int64? {
        guard let path = configuration.journalFile else { return nil }
        return await JournalGateway(path: path).lastSequence()
    }

    /// Nothing keeps it waiting.
    func unopened(_ parts: RunningParts.State, _ configuration: AgentConfiguration) -> [String] { [] }

    func open(_ context: GatewayContext) async throws -> OpenGateway? {
        guard let path = context.configuration.journalFile else { return nil }
        let journal = JournalGateway(path: path)
        return OpenGateway(running: journal, consumer: journal)
    }
}

struct JournalSettings: GatewaySettings {
    /// `journal.file`, path: every transition as a line of JSON. Default: none.
    var file: String?
}

extension AgentConfiguration {
    var journalFile: String? {
        get { self[JournalSettings.self].file }
        set { self[JournalSettings.self].file = newValue }
    }
}
