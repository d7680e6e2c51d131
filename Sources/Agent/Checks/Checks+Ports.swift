// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import Glibc
internal import Sockets
internal import StatusViews

/// The ports that the agent listens at. The running agent tells of its own as of doors that nobody can come in at.
extension Checks {
    func ports() -> [Finding] {
        guard running == nil else { return [] }
        let wanted =
            [
                ("bridge.listen", configuration.bridgeListen.flatMap(ListenAddress.init)),
                ("admin.listen", configuration.admin.listen),
            ] + modules.flatMap { $0.listeners(in: configuration) }.map { ($0.key, Optional($0.address)) }
        return wanted.compactMap { key, address in address.map { port(key, $0) } }
    }

    private func port(_ key: String, _ address: ListenAddress) -> Finding {
        let trouble = Self.trouble(listeningAt: address)
        guard trouble?.number == EADDRINUSE, case .success(let status) = agentStatus else {
            return trouble.map { failure(key, $0.text) } ?? ok(key, "\(address)")
        }
        return Self.port(key, address, status) ?? failure(key, trouble?.text ?? "\(address)")
    }

    /// What the running agent says of a port that somebody has; nil: it is not the agent. One of an earlier release tells of those
    /// alone at which it cannot listen.
    static func port(_ key: String, _ address: ListenAddress, _ status: AgentStatus) -> Finding? {
        if let part = status.parts.first(where: { $0.name == key && $0.level == .failure }) {
            return Finding(level: .failure, subject: key, text: part.text)
        }
        guard status.listening?.contains(key) ?? true else { return nil }
        return Finding(level: .ok, subject: key, text: "\(address): the agent listens there")
    }

    static func trouble(listeningAt address: ListenAddress) -> (number: Int32, text: String)? {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, "\(address.port)", &hints, &found) == 0, let found else {
            return (EINVAL, "\(address): is not a numeric address")
        }
        defer { freeaddrinfo(found) }
        let descriptor = Glibc.socket(found.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) != 0 else { return nil }
        let number = errno
        let advice = ListeningAdvice.words(number, port: address.port) ?? String(cString: strerror(number))
        return (number, "\(address): \(advice)")
    }
}
