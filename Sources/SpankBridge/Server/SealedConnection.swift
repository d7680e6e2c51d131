// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Sockets

/// Serves one message from another host: a credential that holds one SPANK event, then the end.
struct SealedConnection {
    let sink: any BridgeSink
    let opener: any CredentialOpener
    let allowedUsers: Set<UInt32>
    let counters: NIOLockedValueBox<BridgeCounters>
    let logger: Logger
    let address: String
    let deadline: Duration
    /// Called when root or SlurmUser has signed.
    let onCredential: @Sendable () -> Void

    func serve(_ channel: BridgeChannel) async throws {
        let patience = ChannelDeadline(channel.channel)
        patience.set(deadline)
        defer { patience.clear() }
        try await channel.executeThenClose { inbound, outbound in
            var decoder = FrameDecoder()
            for try await buffer in inbound {
                var items: [FrameDecoder.Item] = []
                counters.withLockedValue { $0.bytes += buffer.readableBytes }
                do throws(FrameDecoder.Broken) {
                    try decoder.feed(buffer.readableBytesView) { items.append($0) }
                } catch {
                    counters.withLockedValue { $0.brokenStreams += 1 }
                    return
                }
                if let first = items.first {
                    counters.withLockedValue { $0.frames += 1 }
                    // A node keeps what it said until it reads this; most do not wait for it.
                    if await take(first), let ack = Frame(.ack, sequence: 1).encoded {
                        try await outbound.write(ByteBuffer(bytes: ack))
                    }
                    return
                }
            }
        }
    }

    /// - Returns: whether it is committed.
    private func take(_ item: FrameDecoder.Item) async -> Bool {
        guard case .frame(let frame) = item, frame.kind == .sealed, let credential = frame[.credential]?.value else {
            turnAway("it is not signed") { $0.refusedFrames += 1 }
            return false
        }
        let opened: OpenedCredential
        do throws(CredentialError) {
            opened = try await opener.open(credential)
        } catch {
            turnAway(error.message) { counters in
                switch error.code {
                case .replayed: counters.credentialsReplayed += 1
                case .expired: counters.credentialsExpired += 1
                case .invalid: counters.credentialsInvalid += 1
                case .unavailable: counters.credentialsUnavailable += 1
                }
            }
            return false
        }
        guard allowedUsers.contains(opened.uid) else {
            turnAway("signed by uid \(opened.uid)") { $0.credentialsWrongUser += 1 }
            return false
        }
        onCredential()
        counters.withLockedValue { $0.credentialsOpened += 1 }
        var delivery = BridgeDelivery(peer: BridgePeer(way: .tcp, uid: opened.uid, pid: nil, address: address))
        guard let frame = Self.frame(in: opened.payload), Self.put(frame, into: &delivery) else {
            turnAway("it holds no SPANK event") { $0.forged += 1 }
            return false
        }
        counters.withLockedValue { $0.events += 1 }
        do {
            try await sink.commit(delivery)
            return true
        } catch {
            counters.withLockedValue { $0.commitFailures += 1 }
            logger.warning("a SPANK message was lost", metadata: ["peer": "\(address)", "why": "\(error)"])
            return false
        }
    }

    /// nil: it is not one whole frame.
    static func frame(in payload: [UInt8]) -> Frame? {
        var decoder = FrameDecoder()
        var items: [FrameDecoder.Item] = []
        do throws(FrameDecoder.Broken) {
            try decoder.feed(payload) { items.append($0) }
        } catch {
            return nil
        }
        guard items.count == 1, decoder.pendingBytes == 0, case .frame(let frame) = items[0] else { return nil }
        return frame
    }

    /// Only what a compute node can know: no record of the job completion plugin.
    static func put(_ frame: Frame, into delivery: inout BridgeDelivery) -> Bool {
        switch frame.kind {
        case .node:
            guard let node = try? PluginNode(frame) else { return false }
            delivery.nodes = [node]
            return true
        case .event:
            guard let event = try? PluginEvent(frame), event.source == .spank else { return false }
            switch event.kind {
            case .prolog, .epilog, .stepStart, .taskExit:
                delivery.events = [event]
                return true
            case .jobStart, .jobRecord: return false
            }
        case .hello, .ack, .refusal, .sealed: return false
        }
    }

    private func turnAway(_ why: String, _ count: (inout BridgeCounters) -> Void) {
        counters.withLockedValue(count)
        logger.warning("turned a message away", metadata: ["peer": "\(address)", "why": "\(why)"])
    }
}
