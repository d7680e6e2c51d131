// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import CommandOutput
internal import FoundationEssentials
internal import Glibc
internal import StatusViews

/// Asks the running agent. Blocks, which a command may.
struct ControlClient {
    static let defaultSocket = "/run/slurm-grid-agent/control.sock"

    struct Failure: Error, CustomStringConvertible {
        var exitStatus: Int32
        var description: String
        /// Nobody listens there.
        var isAbsent = false
    }

    let socket: String
    /// Seconds without a word after which the agent counts as silent; nil: any time.
    var patience: Int?

    /// Hands each line of the answer to `take` as it comes.
    /// - Throws: ``Failure``; also for an `{"error":…}` of the agent.
    func ask(_ request: ControlRequest, _ take: (String) throws -> Void) throws {
        let descriptor = try connect()
        defer { close(descriptor) }
        var bytes = Array(try ControlServer.json(request).utf8) + [UInt8(ascii: "\n")]
        while !bytes.isEmpty {
            let count = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            if count < 0, errno == EAGAIN { throw silence }
            guard count > 0 else { throw Failure(exitStatus: 69, description: "the agent closed the connection") }
            bytes.removeFirst(count)
        }
        var pending: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { throw silence }
            guard count >= 0 else {
                throw Failure(
                    exitStatus: 69, description: "the agent's answer broke off: \(String(cString: strerror(errno)))")
            }
            guard count > 0 else {
                guard pending.isEmpty else {
                    throw Failure(exitStatus: 69, description: "the agent's answer broke off in the middle of a line")
                }
                return
            }
            pending += chunk[..<count]
            while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                if let problem = try? JSONDecoder().decode([String: String].self, from: Data(line.utf8))["error"] {
                    throw Failure(exitStatus: 1, description: problem)
                }
                try take(line)
            }
        }
    }

    private var silence: Failure {
        Failure(
            exitStatus: 69,
            description:
                "the agent at \(socket) has said nothing for \(patience ?? 0) s: journalctl -u slurm-grid-agent tells more"
        )
    }

    /// The one line of an answer.
    func answer(to request: ControlRequest) throws -> String {
        var lines: [String] = []
        try ask(request) { lines.append($0) }
        guard let line = lines.first else { throw Failure(exitStatus: 69, description: "the agent gave no answer") }
        return line
    }

    private func connect() throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(socket.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Failure(exitStatus: 64, description: "\(socket): too long for a socket's path")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw Failure(exitStatus: 1, description: "no socket: \(String(cString: strerror(errno)))")
        }
        if let patience {
            // connect(2) waits as long as a send, when too many are before it.
            var limit = timeval(tv_sec: patience, tv_usec: 0)
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
            }
        }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return descriptor }
        let number = errno
        close(descriptor)
        if number == EAGAIN { throw silence }
        if number == EACCES {
            throw Failure(exitStatus: 77, description: "\(socket): permission denied: run this as root or SlurmUser")
        }
        throw Failure(
            exitStatus: 69,
            description:
                "no agent listens at \(socket): `systemctl status slurm-grid-agent` says whether it runs, and if not why; "
                + "--control names another socket",
            isAbsent: [ENOENT, ECONNREFUSED].contains(number))
    }
}

/// Where the running agent is asked.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The agent's control socket.", valueName: "path"), completion: .file())
    var control = ControlClient.defaultSocket

    @Flag(help: "Print JSON.")
    var json = false

    var client: ControlClient { ControlClient(socket: control) }
}

/// Runs a command's body; what goes wrong becomes one line on stderr and a status.
func reportingControl(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let error as ControlClient.Failure {
        complain("slurm-grid-agent: \(error)")
        throw ExitCode(error.exitStatus)
    }
}

/// The agent's answers, as `ControlServer` writes them.
enum ControlAnswer {
    static func decode<Answer: Decodable>(_ type: Answer.Type, _ text: String) throws -> Answer {
        try StatusJSON.decoder(Gateways.all).decode(type, from: Data(text.utf8))
    }

    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
