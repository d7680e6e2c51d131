// SPDX-License-Identifier: GPL-3.0-or-later

/// A machine whose file is not the one that it was.
extension TransactionMachine {
    /// The file is a new one or an old copy of it: what was sent since is of this agent, and found on the chain by its nonces. What
    /// waits in it was decided long ago, and may have been sent: whoever wants it decides again.
    mutating func forgive() {
        forgives = true
        change(.forgiven(nil))
        foreign = []
        change(.foreign([]))
        clear(.foreignNonce)
        for pending in queue {
            queue.removeAll { $0.id == pending.id }
            finish(pending, nonce: nil, .cancelled)
        }
    }
}
