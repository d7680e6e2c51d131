// SPDX-License-Identifier: GPL-3.0-or-later

internal import JobLifecycle
internal import Support

/// Looks whether the state folder's disk can be written: without that nothing can be remembered, and no work is taken on.
struct StorageWatch: Sendable {
    let folder: String
    let parts: RunningParts
    /// Bytes that are free there; nil: not known.
    var room: @Sendable (_ folder: String) -> UInt64? = { FileFault.room(in: $0) }

    func look() async {
        let free = room(folder)
        let trouble = free.flatMap { free in
            free < Checks.fullBelow
                ? "\(folder): the disk is full (\(free >> 20) MiB are free), nothing is claimed: make room" : nil
        }
        if let ledger = parts.now.ledger {
            if let trouble {
                ledger.noteStorage(trouble)
            } else if ledger.storageTrouble != nil {
                // What failed is over when something can be written; the error that says no is told by the ledger.
                try? await ledger.tryStorage()
            }
        }
        parts.change { $0.storageTrouble = trouble }
    }
}
