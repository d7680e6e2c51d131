// SPDX-License-Identifier: GPL-3.0-or-later

internal import DeepSquare
internal import Ethereum
internal import JobLifecycle

/// What a fault of a file does to a gateway that opens it: most pass, or are healed while the agent runs (room is made, a disk answers
/// again, a file is given back to its user), and are tried again. Only what is in the file, and stays there, ends the agent, with
/// exit status 78.
extension ChainStoreError {
    var whenOpening: any Error {
        [.newer, .otherAccount, .damaged].contains(code)
            ? Daemon.StartFailure(exitStatus: 78, description: description) : Patience.Trouble(description: description)
    }
}

extension GridError {
    var whenOpening: any Error {
        code == .configuration
            ? Daemon.StartFailure(exitStatus: 78, description: description) : Patience.Trouble(description: description)
    }
}

extension LedgerError {
    /// It is open already: a damaged one is set aside by the next start.
    var whenOpening: any Error {
        switch code {
        case .newer, .otherCluster: Daemon.StartFailure(exitStatus: 78, description: description)
        case .damaged: Daemon.StartFailure(exitStatus: 73, description: description)
        default: Patience.Trouble(description: description)
        }
    }
}
