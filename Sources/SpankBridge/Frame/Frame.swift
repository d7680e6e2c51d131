// SPDX-License-Identifier: GPL-3.0-or-later

/// The event format's numbers; `docs/event-format.md` is their source.
enum FrameFormat {
    static let headerSize = 16
    static let lengthSize = 4
    static let magic: UInt16 = 0x4753
    static let version: UInt8 = 1
    /// Of what follows the length field.
    static let lengths = 12...65_532
    static let truncated: UInt16 = 0x8000

    enum Kind: UInt8 {
        case hello = 1
        case event = 2
        case ack = 3
        case refusal = 4
        case sealed = 5
        case node = 6
    }
}

/// What a field means.
enum FieldTag: UInt16 {
    case source = 1, bootID, kind, mode, observed, dropped
    case jobText = 10, jobID, arrayJobID, arrayTaskID, arrayTaskCount, arrayTasks, hetJobID, hetJobOffset
    case uid = 20, gid, state, exitCode, submitTime, eligibleTime, startTime, endTime, suspendTime
    case runTimeBeforeSuspension, timeSuspended, restartCount, timeLimit
    case name = 40, partition, nodes, account, adminComment, comment, allocatedTRES, cluster
    case node = 50, stepID, taskID, taskStatus, gpus, cores, hardware, gpuAddresses, memory, waited
    case credential = 60
    case host = 70, pid, builtFor, running, modeReason, socket, spoolFolder, ringLimit, spoolLimit, chain, chainState
    case chainErrors, chainMaximum, spooled, spoolRefused, spoolTrouble, callbackMaximum, pluginVersion, settingsFrom
    case text = 90
}

/// One frame whose fields have been found to be well-formed.
struct Frame: Sendable, Hashable {
    struct Field: Sendable, Hashable {
        var tag: UInt16
        var isTruncated: Bool
        var value: [UInt8]
    }

    var kind: FrameFormat.Kind
    var sequence: UInt64
    var fields: [Field]

    subscript(tag: FieldTag) -> Field? {
        fields.last { $0.tag == tag.rawValue }
    }

    func number(_ tag: FieldTag) -> UInt64? {
        guard let value = self[tag]?.value, [1, 2, 4, 8].contains(value.count) else { return nil }
        return value.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    func number32(_ tag: FieldTag) -> UInt32? { number(tag).flatMap { UInt32(exactly: $0) } }

    /// Unix seconds, or another unit of time; what no clock can show is no time.
    func time(_ tag: FieldTag) -> Int64? { number(tag).flatMap { Int64(exactly: $0) } }

    func text(_ tag: FieldTag) -> String? { self[tag].map { String(decoding: $0.value, as: UTF8.self) } }

    // MARK: writing

    init(_ kind: FrameFormat.Kind, sequence: UInt64, fields: [Field] = []) {
        self.kind = kind
        self.sequence = sequence
        self.fields = fields
    }

    mutating func append(_ tag: FieldTag, _ value: UInt64) {
        fields.append(Field(tag: tag.rawValue, isTruncated: false, value: Self.bytes(value, 8)))
    }

    mutating func append(_ tag: FieldTag, _ text: String) {
        var bytes = Array(text.utf8)
        let limit = 4096
        let isLong = bytes.count > limit
        if isLong {
            var end = limit
            while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
            bytes.removeSubrange(end...)
        }
        fields.append(Field(tag: tag.rawValue, isTruncated: isLong, value: bytes))
    }

    mutating func append(_ tag: FieldTag, bytes: [UInt8]) {
        fields.append(Field(tag: tag.rawValue, isTruncated: false, value: bytes))
    }

    /// The frame as it goes over the wire; nil when it does not fit into 64 KiB.
    var encoded: [UInt8]? {
        var body = Self.bytes(UInt64(FrameFormat.magic), 2) + [FrameFormat.version, kind.rawValue]
        body += Self.bytes(sequence, 8)
        for field in fields {
            guard field.value.count <= Int(UInt16.max) else { return nil }
            body += Self.bytes(UInt64(field.tag | (field.isTruncated ? FrameFormat.truncated : 0)), 2)
            body += Self.bytes(UInt64(field.value.count), 2) + field.value
        }
        guard FrameFormat.lengths.contains(body.count) else { return nil }
        return Self.bytes(UInt64(body.count), 4) + body
    }

    private static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
}
