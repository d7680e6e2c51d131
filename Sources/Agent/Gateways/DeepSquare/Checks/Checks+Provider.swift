// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum

/// Whose account it is, and how far it is on its way into the grid.
extension Checks {
    /// What the chain says of the provider, and who has to do something about it.
    struct Standing: Equatable {
        var standing: ProviderStanding
        /// The agent's own words; nil: it was not asked.
        var words: String?
    }

    static func provider(_ found: Standing) -> Finding {
        let nothing = "nothing is claimed or reported until"
        let (words, remedy): (String, String) =
            switch found.standing {
            case .approved: ("approved", "")
            case .waiting:
                (
                    "registered, waits for approval",
                    "nothing is claimed or reported until the grid approves it: ask its administrators"
                )
            case .sent:
                (
                    "not registered yet: the registration is sent and waits for its transaction",
                    "\(nothing) it is there and the grid approves it; `slurm-grid-agent chain tx list --open` shows it"
                )
            case .coming:
                (
                    "not registered yet: the agent registers by itself",
                    "\(nothing) it has and the grid approves it; there is nothing to type"
                )
            case .unregistered where found.words == nil:
                (
                    "not registered",
                    "the agent registers by itself when it is started with this configuration: "
                        + "systemctl restart slurm-grid-agent"
                )
            case .unregistered:
                ("not registered", "\(nothing) the grid approves a registration: slurm-grid-agent provider register")
            case .banned: ("banned", "\(nothing) the grid lifts that: ask its administrators")
            case .unknown: ("not known yet: no node has answered", "\(nothing) it is")
            }
        let said = found.words ?? words
        return Finding(
            level: found.standing == .approved ? .ok : .warning, subject: "provider",
            text: remedy.isEmpty ? said : "\(said): \(remedy)")
    }

    /// An agent that runs, here or as the service, knows more than the chain: what it is about to send, or has sent.
    func standing(
        _ probe: GridProbe, _ contract: Address, _ account: Address?
    ) async throws(GridError) -> Standing {
        if let gateway = running?.now.grid { return Standing(await gateway.status) }
        // The chain's word is newer than what an agent last heard of it; of what is not on the chain only the agent knows.
        let found = try await probe.standing()
        guard found == .unregistered else { return Standing(standing: found) }
        let client = ControlClient(socket: configuration.controlSocket, patience: 10)
        let answer = try? client.answer(to: ControlRequest("grid"))
        guard let status = answer.flatMap({ try? ControlAnswer.decode(GridStatus.self, $0) }),
            status.contract == contract.checksummed, status.provider == account?.checksummed
        else { return Standing(standing: found) }
        return status.standing == .sent || status.standing == .coming
            ? Standing(status) : Standing(standing: found, words: "not registered")
    }

    static func otherAccount(_ key: Address, _ bound: Address, open: Int, _ path: String) -> Finding {
        let words = "\(key.checksummed), and \(path) is of \(bound.checksummed)"
        return open > 0
            ? Finding(
                level: .failure, subject: "key",
                text:
                    "\(words), with \(open) open transactions: the agent does not start with this key. Go back to the "
                    + "key of before until they are done, or use another state folder")
            : Finding(
                level: .warning, subject: "key",
                text: "\(words): the next start takes the new account over, and jobs that the former one has claimed "
                    + "are reported by nobody. If that is not meant, put the key of before back")
    }
}

extension Checks.Standing {
    init(_ status: GridStatus) {
        // Of an agent of an earlier release only this is known.
        self.init(standing: status.standing ?? (status.isApproved ? .approved : .waiting), words: status.state)
    }
}
