// SPDX-License-Identifier: GPL-3.0-or-later

internal import CommandOutput
internal import DeepSquare
internal import FoundationEssentials

/// What claims by transactions that this agent does not know mean.
struct KeyUse {
    /// What was looked at: from there on, Unix seconds.
    var since: UInt64
    /// That was to be looked at.
    var wanted: UInt64
    /// Since when the agent keeps account of its transactions, Unix seconds; nil: not known, or it has none yet.
    var knownSince: Int64?
    var claims: [GridProbe.ForeignClaim]

    /// Clocks differ, and what was under way when the state was lost is mined a little later.
    private static let margin: Int64 = 60

    /// - Returns: whether it is a warning, and its text.
    var finding: (isWarning: Bool, text: String) {
        let border = knownSince.map { UInt64(max(0, $0)) + UInt64(Self.margin) }
        let surely = claims.filter { claim in border.map { claim.time > $0 } ?? true }
        if let last = surely.max(by: { $0.time < $1.time }) {
            return (
                true,
                "another program claimed jobs with this key, last at \(Self.time(last.time)) (\(last.transaction)): a "
                    + "supervisor that still runs? Stop it; two senders of one key race for nonces"
            )
        }
        if let last = claims.max(by: { $0.time < $1.time }), let knownSince {
            return (
                false,
                "nobody else's since \(Self.time(UInt64(max(0, knownSince)))), when this agent's chain.sqlite was made; claims "
                    + "from before it, the last at \(Self.time(last.time)), are this agent's of then or the program's that was "
                    + "here before"
            )
        }
        if since <= wanted { return (false, "nobody else's in the last hour") }
        return (
            false,
            "nobody else's since \(Self.time(since)); the node gives the logs of too few blocks at once to look further"
        )
    }

    private static func time(_ seconds: UInt64) -> String {
        LocalTime.text(Date(timeIntervalSince1970: Double(seconds)))
    }
}
