// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc

/// Asks systemd-timedated over the system bus whether something keeps this host's clock right: `NTPSynchronized` of
/// org.freedesktop.timedate1(5), which is the kernel's own word. The service may not ask the kernel (ProtectClock=yes).
///
/// Of the D-Bus specification only what this one question needs: EXTERNAL authentication, `Hello`, `Properties.Get`.
struct TimeService {
    /// The system bus.
    var bus = "/run/dbus/system_bus_socket"
    /// timedated is started for the question.
    var patience: Duration = .seconds(5)

    /// Blocks for up to `patience`. nil: nobody there can tell.
    func isSynchronised() -> Bool? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard connect(descriptor) else { return nil }
        var stream = Stream(descriptor: descriptor, end: .now + patience)
        let user = String(geteuid()).utf8.map { String($0, radix: 16) }.joined()
        guard stream.send([0] + Array("AUTH EXTERNAL \(user)\r\n".utf8)), let answer = stream.line(),
            answer.hasPrefix("OK ")
        else { return nil }
        let hello = DBusCall(serial: 1, to: "org.freedesktop.DBus", at: "/org/freedesktop/DBus", name: "Hello")
        let question = DBusCall(
            serial: 2, to: "org.freedesktop.timedate1", at: "/org/freedesktop/timedate1", name: "Get",
            of: "org.freedesktop.DBus.Properties", words: ["org.freedesktop.timedate1", "NTPSynchronized"])
        guard stream.send(Array("BEGIN\r\n".utf8) + hello.bytes + question.bytes) else { return nil }
        while let message = stream.message() {
            guard message.answers == question.serial else { continue }
            return message.flag
        }
        return nil
    }

    private func connect(_ descriptor: Int32) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(bus.utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// Bytes that come, until a moment.
    private struct Stream {
        let descriptor: Int32
        let end: ContinuousClock.Instant
        private var pending: [UInt8] = []

        init(descriptor: Int32, end: ContinuousClock.Instant) {
            (self.descriptor, self.end) = (descriptor, end)
        }

        /// The bus says of itself and of others what is no answer: not without end.
        private static let limit = 1 << 16

        func send(_ bytes: [UInt8]) -> Bool {
            bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                == bytes.count
        }

        private mutating func fill(_ count: Int) -> Bool {
            guard count <= Self.limit else { return false }
            while pending.count < count {
                let left = ContinuousClock.now.duration(to: end) / .milliseconds(1)
                guard left > 0 else { return false }
                var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&waiting, 1, Int32(min(left.rounded(.up), 60_000))) > 0 else { return false }
                var chunk = [UInt8](repeating: 0, count: 4096)
                let got = read(descriptor, &chunk, chunk.count)
                guard got > 0 else { return false }
                pending += chunk[..<got]
            }
            return true
        }

        mutating func line() -> String? {
            var length = 1
            while fill(length) {
                if pending[length - 1] == UInt8(ascii: "\n") {
                    defer { pending.removeFirst(length) }
                    return String(decoding: pending[..<length], as: UTF8.self)
                }
                length += 1
            }
            return nil
        }

        mutating func message() -> DBusMessage? {
            guard fill(DBusMessage.headLength), let length = DBusMessage.length(pending), fill(length) else {
                return nil
            }
            defer { pending.removeFirst(length) }
            return DBusMessage(Array(pending[..<length]))
        }
    }
}

/// A method call, little-endian.
struct DBusCall {
    let serial: UInt32
    let bytes: [UInt8]

    /// - Parameter words: the arguments, all of them strings.
    init(serial: UInt32, to: String, at: String, name: String, of interface: String? = nil, words: [String] = []) {
        self.serial = serial
        var body = Writer()
        for word in words { body.text(word) }
        var fields = Writer()
        for (code, type, value) in [
            (1, "o", at), (2, "s", interface ?? "org.freedesktop.DBus"), (3, "s", name), (6, "s", to),
        ] as [(UInt8, String, String)] {
            fields.align(8)
            fields.bytes.append(code)
            fields.signature(type)
            fields.text(value)
        }
        if !words.isEmpty {
            fields.align(8)
            fields.bytes.append(8)
            fields.signature("g")
            fields.signature(String(repeating: "s", count: words.count))
        }
        var message = Writer()
        message.bytes = [UInt8(ascii: "l"), 1, 0, 1]
        message.number(UInt32(body.bytes.count))
        message.number(serial)
        message.number(UInt32(fields.bytes.count))
        message.bytes += fields.bytes
        message.align(8)
        bytes = message.bytes + body.bytes
    }

    /// Where a field begins counts from its message's start: the fields begin at 16, the body at a multiple of 8.
    private struct Writer {
        var bytes: [UInt8] = []

        mutating func align(_ size: Int) { while bytes.count % size != 0 { bytes.append(0) } }

        mutating func number(_ value: UInt32) {
            align(4)
            withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
        }

        mutating func text(_ text: String) {
            number(UInt32(text.utf8.count))
            bytes += Array(text.utf8) + [0]
        }

        mutating func signature(_ text: String) { bytes += [UInt8(text.utf8.count)] + Array(text.utf8) + [0] }
    }
}

/// What is read of a message: whether it answers a call, and with which boolean.
struct DBusMessage: Equatable {
    static let headLength = 16

    /// The call's serial; nil: it answers none.
    var answers: UInt32?
    /// Of a variant with a boolean; nil: an error, or something else.
    var flag: Bool?

    /// All of the message, by its first 16 bytes; nil: not a message of this host's byte order.
    static func length(_ head: [UInt8]) -> Int? {
        guard head.count >= headLength, head[0] == UInt8(ascii: "l"), let body = number(head, 4),
            let fields = number(head, 12)
        else { return nil }
        return headLength + (Int(fields) + 7) / 8 * 8 + Int(body)
    }

    init?(_ bytes: [UInt8]) {
        guard let length = Self.length(bytes), bytes.count == length, let body = Self.number(bytes, 4) else {
            return nil
        }
        let start = length - Int(body)
        // Field 5, of type u: each field begins at a multiple of 8.
        for place in stride(from: Self.headLength, to: max(Self.headLength, start - 7), by: 8)
        where Array(bytes[place..<place + 4]) == [5, 1, UInt8(ascii: "u"), 0] {
            answers = Self.number(bytes, place + 4)
            break
        }
        let isReturn = bytes[1] == 2
        if isReturn, Array(bytes[start...].prefix(3)) == [1, UInt8(ascii: "b"), 0] {
            flag = Self.number(bytes, start + 4).map { $0 != 0 }
        }
    }

    private static func number(_ bytes: [UInt8], _ place: Int) -> UInt32? {
        guard place + 4 <= bytes.count else { return nil }
        return (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
    }
}
