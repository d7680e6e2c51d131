// SPDX-License-Identifier: GPL-3.0-or-later

internal import Ethereum
internal import FoundationEssentials
internal import Logging
internal import Support

/// Registering this cluster with the grid.
extension DeepSquareGateway {
    /// What `provider show` shows.
    public struct ProviderReport: Codable, Sendable {
        public struct Entry: Codable, Sendable {
            public var hardware: String
            /// Wei of credits a minute.
            public var prices: [String: String]
            public var labels: [Label]
        }

        public var address: String
        public var state: String
        /// What the chain has; nil: nothing.
        public var onChain: Entry?
        /// A registration that waits for approval.
        public var waiting: Entry?
        /// What this cluster would register now.
        public var cluster: Entry
        /// Between the newest of the chain's entries and the cluster.
        public var differences: [String]
        /// A registration is sent, or about to be sent by the agent itself; nil: an agent of an earlier release.
        public var isUnderWay: Bool?
    }

    public enum RegisterAnswer: Codable, Sendable, Hashable {
        /// The chain's entry says the same.
        case unchanged
        /// Jobs are under way whose prices would change with it: it is sent when they are over. Nothing is claimed until the
        /// chain has decided on it.
        case draining(jobs: Int)
        case sent(transaction: String)
        /// One that was sent before, by the agent itself or by this command, is not over: no second one was sent.
        case underWay(transaction: String)
    }

    public var standing: ProviderStanding {
        provider.standing(isSent: isRegistrationSent || registrationInHand != nil, isComing: !hasTriedToRegister)
    }

    /// For people.
    var standingWords: String {
        switch standing {
        case .sent: "not registered yet: the registration is sent and waits for its transaction"
        case .coming:
            "not registered yet: the agent registers by itself"
                + (registrationTrouble.map { ", and tries again because \($0)" } ?? "")
        case .unknown, .banned, .approved, .waiting, .unregistered: provider.words
        }
    }

    var isRegistrationOpen: Bool {
        get async { await !manager.openKeys(prefix: Self.registrationPrefix).isEmpty }
    }

    func registration() async throws(GridError) -> Registration {
        let configured = Dictionary(settings.labels.cleaned.map { ($0.key, $0.value) }) { _, last in last }
        let labels = await labels(configured).map { Label(key: $0.key, value: $0.value) }.sorted { $0.key < $1.key }
        return Registration(
            hardware: try await cluster.hardware(partition: settings.partition), prices: settings.prices, labels: labels
        )
    }

    /// The approved entry and the one that waits.
    func entries() async throws(GridError) -> (approved: ProviderRecord?, waiting: ProviderRecord?) {
        let own: [ABIValue] = [.address(address)]
        let answers = try await reader.ask([
            .init(ContractABI.getProvider, own, at: contracts.providers),
            .init(ContractABI.getWaitingProvider, own, at: contracts.providers),
        ])
        func record(_ answer: Result<[ABIValue], GridError>) throws(GridError) -> ProviderRecord? {
            switch answer {
            case .failure(let error):
                // NoProvider: how some contracts say that there is none.
                if error.code == .reverted { return nil }
                throw error
            case .success(let values):
                do throws(ContractAnswer) {
                    return try ProviderRecord.read(values[0])
                } catch {
                    throw GridError(.malformed, "ProviderManager: \(error)")
                }
            }
        }
        return (try record(answers[0]), try record(answers[1]))
    }

    public func providerReport() async throws(GridError) -> ProviderReport {
        await refreshProvider()
        let (approved, waiting) = try await entries()
        let ours = try await registration()
        func entry(_ hardware: Hardware, _ prices: Prices, _ labels: [Label]) -> ProviderReport.Entry {
            .init(
                hardware: hardware.words,
                prices: [
                    "gpu": "\(prices.gpuPerMinute)", "cpu": "\(prices.cpuPerMinute)",
                    "mem": "\(prices.memoryPerMinute)",
                ],
                labels: labels)
        }
        let newest = waiting ?? approved
        return ProviderReport(
            address: address.checksummed, state: standingWords,
            onChain: approved.map { entry($0.hardware, $0.prices, $0.labels) },
            waiting: waiting.map { entry($0.hardware, $0.prices, $0.labels) },
            cluster: entry(ours.hardware, ours.prices, ours.labels),
            differences: newest.map(ours.differences) ?? ["the chain knows no registration of this provider"],
            isUnderWay: standing == .sent || standing == .coming || isRegistrationSent)
    }

    /// At start: a registration is sent only when the chain knows none, or when the configuration says so.
    /// - Returns: false when it is to be tried again: neither Slurm nor a node need be there yet.
    func registerAtStart() async -> Bool {
        guard await manager.openKeys(prefix: Self.registrationPrefix).isEmpty else { return true }
        do throws(GridError) {
            let (approved, waiting) = try await entries()
            guard let newest = waiting ?? approved else {
                if provider.isBanned { return true }
                let ours = try await registration()
                logger.notice("the chain does not know this provider: registers it")
                _ = try await sendRegistration(ours)
                return true
            }
            let ours = try await registration()
            let differences = ours.differences(from: newest)
            if differences.isEmpty { return true }
            logger.warning(
                "the chain's registration differs: `slurm-grid-agent provider show`, then `provider register`",
                metadata: ["differences": "\(differences.joined(separator: "; "))"])
            if settings.registersAutomatically { _ = try await register() }
            return true
        } catch {
            if Task.isCancelled { return true }
            note(error)
            // Once for the same reason: it is asked for every few seconds.
            if registrationTrouble != error.description {
                registrationTrouble = error.description
                logger.warning(
                    "the registration could not be compared, and will be tried again", metadata: ["why": "\(error)"])
            }
            return false
        }
    }

    /// `provider register`.
    public func register() async throws(GridError) -> RegisterAnswer {
        let open = await manager.openKeys(prefix: Self.registrationPrefix)
        if let key = open.first ?? registrationInHand { return .underWay(transaction: key) }
        let (approved, waiting) = try await entries()
        let ours = try await registration()
        if let newest = waiting ?? approved, ours.differences(from: newest).isEmpty { return .unchanged }
        // Prices are read again when jobs end, so those under way end first.
        if let approved, approved.prices != ours.prices { return try await changePrices() }
        return try await sendRegistration(ours.keeping(labelsOf: waiting ?? approved))
    }

    /// None while another one is on its way: both would be paid for, and the grid would have to decide twice.
    private func sendRegistration(_ registration: Registration) async throws(GridError) -> RegisterAnswer {
        if let registrationInHand { return .underWay(transaction: registrationInHand) }
        let key = Self.registrationPrefix + UUID().uuidString
        registrationInHand = key
        defer { registrationInHand = nil }
        if let open = await manager.openKeys(prefix: Self.registrationPrefix).first {
            return .underWay(transaction: open)
        }
        try await send(registration, key: key)
        isRegistrationSent = true
        return .sent(transaction: key)
    }

    func send(_ registration: Registration, key: String) async throws(GridError) {
        do {
            try await manager.submit(
                TransactionIntent(
                    key: key, className: "other", recipient: contracts.providers,
                    data: try ContractABI.register.call(registration.call)))
        } catch {
            throw GridError(.storage, "\(error)")
        }
        logger.notice(
            "registers with the grid",
            metadata: ["hardware": "\(registration.hardware.words)", "labels": "\(registration.labels.count)"])
    }
}
