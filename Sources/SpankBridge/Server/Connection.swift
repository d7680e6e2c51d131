// SPDX-License-Identifier: GPL-3.0-or-later

internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import Sockets

typealias BridgeChannel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

/// Serves one plugin: reads, has it committed, acknowledges, reads on. While the sink is at work nothing is read, so a
/// slow ledger holds the plugin back and never grows memory.
struct Connection {
    let sink: any BridgeSink
    let counters: NIOLockedValueBox<BridgeCounters>
    let logger: Logger
    let peer: BridgePeer
    let deadlines: BridgeServer.Deadlines
    /// Called with the first whole frame.
    let onFrame: @Sendable () -> Void

    func serve(_ channel: BridgeChannel) async throws {
        // Whoever connects and says nothing gives its place up, and whoever begins a frame and does not end it.
        let patience = ChannelDeadline(channel.channel) { [counters] in
            counters.withLockedValue { $0.silentConnections += 1 }
        }
        defer { patience.clear() }
        patience.set(deadlines.frame)
        try await channel.executeThenClose { inbound, outbound in
            var decoder = FrameDecoder()
            var dealtWith: UInt64 = 0
            for try await buffer in inbound {
                var batch = Batch(peer: peer)
                var broken: FrameDecoder.Broken?
                do throws(FrameDecoder.Broken) {
                    try decoder.feed(buffer.readableBytesView) { batch.take($0) }
                } catch {
                    broken = error
                }
                if batch.frames > 0 {
                    if dealtWith == 0 { onFrame() }
                    patience.clear()
                }
                if decoder.pendingBytes > 0 { patience.setUnlessSet(deadlines.frame) }
                counters.withLockedValue { batch.count(into: &$0, bytes: buffer.readableBytes) }
                guard await deal(with: batch) else { return }
                dealtWith += UInt64(batch.frames)
                if batch.frames > 0, let ack = Frame(.ack, sequence: dealtWith).encoded {
                    try await write(ack, to: outbound, of: channel)
                }
                if let broken {
                    counters.withLockedValue { $0.brokenStreams += 1 }
                    logger.warning(
                        "closed a connection whose bytes make no sense",
                        metadata: ["peer": "\(peer)", "why": "\(broken)"])
                    var refusal = Frame(.refusal, sequence: 0)
                    refusal.append(.text, broken.description)
                    if let bytes = refusal.encoded { try await write(bytes, to: outbound, of: channel) }
                    return
                }
            }
        }
    }

    /// Whoever does not read its acknowledgements is closed.
    private func write(
        _ bytes: [UInt8], to outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, of channel: BridgeChannel
    ) async throws {
        let deadline = ChannelDeadline(channel.channel)
        deadline.set(deadlines.answer)
        defer { deadline.clear() }
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    /// - Returns: false when it could not be committed; then nothing is acknowledged.
    private func deal(with batch: Batch) async -> Bool {
        for hello in batch.hellos { await sink.hello(hello, from: peer) }
        for refusal in batch.delivery.refused {
            logger.warning(
                "refused a frame; it is kept in the ledger",
                metadata: ["peer": "\(peer)", "why": "\(refusal.reason)", "bytes": "\(refusal.bytes.count)"])
        }
        guard !batch.delivery.isEmpty else { return true }
        do {
            try await sink.commit(batch.delivery)
            return true
        } catch {
            counters.withLockedValue { $0.commitFailures += 1 }
            logger.error(
                "events could not be committed; their plugin will send them again",
                metadata: ["peer": "\(peer)", "why": "\(error)"])
            // The plugin comes back at once; the disk does not.
            try? await Task.sleep(for: .milliseconds(200))
            return false
        }
    }
}

/// What one read brought, sorted.
struct Batch {
    var delivery: BridgeDelivery
    var hellos: [PluginHello] = []
    var frames = 0

    init(peer: BridgePeer) {
        delivery = BridgeDelivery(peer: peer)
    }

    mutating func take(_ item: FrameDecoder.Item) {
        frames += 1
        switch item {
        case .refused(let refusal): delivery.refused.append(refusal)
        case .frame(let frame): take(frame)
        }
    }

    private mutating func take(_ frame: Frame) {
        do throws(FrameRefusal.Incomplete) {
            switch frame.kind {
            case .event: delivery.events.append(try PluginEvent(frame))
            case .node: delivery.nodes.append(try PluginNode(frame))
            case .hello: hellos.append(try PluginHello(frame))
            case .ack, .refusal, .sealed:
                refuse(frame, .forbidden("a plugin on this host sends no frame of type \(frame.kind.rawValue)"))
            }
        } catch {
            refuse(frame, .incomplete(error.what))
        }
    }

    mutating func refuse(_ frame: Frame, _ reason: FrameRefusal.Reason) {
        delivery.refused.append(FrameRefusal(reason: reason, bytes: frame.encoded ?? []))
    }

    func count(into counters: inout BridgeCounters, bytes: Int) {
        counters.bytes += bytes
        counters.frames += frames
        counters.events += delivery.events.count + delivery.nodes.count
        counters.hellos += hellos.count
        counters.refusedFrames += delivery.refused.count
    }
}
