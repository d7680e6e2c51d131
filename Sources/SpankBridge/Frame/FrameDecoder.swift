// SPDX-License-Identifier: GPL-3.0-or-later

/// Cuts a byte stream into frames. No I/O: bytes in, items out; holds at most one unfinished frame between calls.
struct FrameDecoder {
    enum Item: Sendable, Hashable {
        case frame(Frame)
        /// This frame cannot be read, the next one can.
        case refused(FrameRefusal)
    }

    /// Where the next frame begins can no longer be known.
    struct Broken: Error, Sendable, Hashable, CustomStringConvertible {
        var description: String
    }

    private var pending: [UInt8] = []
    private var broken: Broken?
    /// Bytes taken in, looked at for a header, or moved, and fields made, so far.
    private(set) var steps = 0

    /// The most steps that so many bytes take in so many parts: the rest that is moved is less than a part, as the decoder has
    /// been through what came before it.
    static func worstSteps(bytes: Int, parts: Int) -> Int { 4 * bytes + 16 * parts }

    /// Bytes of a frame whose end has not come yet.
    var pendingBytes: Int { pending.count }

    /// - Throws: once the stream makes no sense, and ever after; the items before that point are lost to this call, so
    ///   they are handed to `deliver` as they are found.
    mutating func feed(_ bytes: some Sequence<UInt8>, _ deliver: (Item) -> Void) throws(Broken) {
        if let broken { throw broken }
        let held = pending.count
        pending.append(contentsOf: bytes)
        steps += pending.count - held
        var start = 0
        defer {
            if start > 0 { steps += pending.count - start }
            pending.removeFirst(start)
        }
        while pending.count - start >= 8 {
            steps += 8
            let length = Int(integer(start, 4))
            let magic = UInt16(integer(start + 4, 2))
            guard magic == FrameFormat.magic, FrameFormat.lengths.contains(length) else {
                let problem = Broken(
                    description: magic == FrameFormat.magic
                        ? "a frame of \(length) bytes; 12 to 65532 are possible" : "no frame begins here")
                broken = problem
                throw problem
            }
            let end = start + FrameFormat.lengthSize + length
            guard pending.count >= end else { return }
            deliver(item(start, end))
            start = end
        }
    }

    private mutating func item(_ start: Int, _ end: Int) -> Item {
        func refused(_ reason: FrameRefusal.Reason) -> Item {
            .refused(FrameRefusal(reason: reason, bytes: Array(pending[start..<end])))
        }
        let version = pending[start + 6]
        guard version == FrameFormat.version else { return refused(.version(version)) }
        guard let kind = FrameFormat.Kind(rawValue: pending[start + 7]) else {
            return refused(.type(pending[start + 7]))
        }
        var frame = Frame(kind, sequence: integer(start + 8, 8))
        var position = start + FrameFormat.headerSize
        while position < end {
            steps += 4
            guard position + 4 <= end else { return refused(.malformedField) }
            let tag = UInt16(integer(position, 2))
            let length = Int(integer(position + 2, 2))
            position += 4
            guard position + length <= end else { return refused(.malformedField) }
            frame.fields.append(
                Frame.Field(
                    tag: tag & ~FrameFormat.truncated, isTruncated: tag & FrameFormat.truncated != 0,
                    value: Array(pending[position..<position + length])))
            position += length
        }
        return .frame(frame)
    }

    private func integer(_ position: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for offset in (0..<count).reversed() { value = value << 8 | UInt64(pending[position + offset]) }
        return value
    }
}

/// A frame that was set aside.
public struct FrameRefusal: Sendable, Hashable {
    public enum Reason: Sendable, Hashable, CustomStringConvertible {
        /// Of a later version of the format.
        case version(UInt8)
        case type(UInt8)
        case malformedField
        /// Well-formed, but it lacks what an event or a hello must say.
        case incomplete(String)
        /// Its sender may not say this.
        case forbidden(String)

        public var description: String {
            switch self {
            case .version(let version): "event format version \(version) is not known here: upgrade the agent"
            case .type(let type): "unknown frame type \(type)"
            case .malformedField: "a field runs beyond the frame's end"
            case .incomplete(let what): "it does not say \(what)"
            case .forbidden(let what): what
            }
        }
    }

    public var reason: Reason
    /// The whole frame.
    public var bytes: [UInt8]
}
