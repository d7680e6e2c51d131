// SPDX-License-Identifier: GPL-3.0-or-later

/// The public names of interactive jobs: `[http://]HOST[:PORT][/PATH]`, where `$` stands for the Slurm job's number, in the host
/// (`job$.jobs.example.org`) or in the path (`example.org/job$`). A host alone gets `job$.` before it.
///
/// Behind the name there is a secret of the job's own, in the path. What is in front of it is the job's prefix, which the job
/// never sees.
public struct JobsDomain: Sendable, Hashable, CustomStringConvertible {
    public struct Malformed: Error, Sendable, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// A request for a job's page.
    struct Target: Sendable, Hashable {
        var jobID: UInt32
        var secret: String
        /// What the public path has before the job's own: `/job7/SECRET`.
        var prefix: String
        /// The job's own path, with its query.
        var path: String
    }

    enum Match: Sendable, Hashable {
        case job(Target)
        /// The name of a folder, without its slash.
        case redirect(String)
    }

    public let scheme: String
    private let host: String
    private let path: String

    public init(_ text: String) throws(Malformed) {
        var rest = text[...]
        var scheme = "https"
        for word in ["https", "http"] where rest.hasPrefix("\(word)://") {
            scheme = word
            rest = rest.dropFirst(word.count + 3)
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let host = rest[..<slash].lowercased()
        var path = rest[slash...]
        if path.hasSuffix("/") { path = path.dropLast() }
        guard host != "lookup" else {
            throw Malformed(description: "names no host: write the host's name in place of \"lookup\"")
        }
        let dollars = text.utf8.count { $0 == UInt8(ascii: "$") }
        guard dollars == 1 || (dollars == 0 && path.isEmpty) else {
            throw Malformed(description: "needs one $, for the job's number, such as \"jobs.example.org/job$\"")
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ Self.isName($0) || $0 == UInt8(ascii: ":") }),
            path.utf8.allSatisfy({ Self.isName($0) || $0 == UInt8(ascii: "/") }), text.utf8.count <= 512
        else {
            throw Malformed(description: "is not [http://]HOST[:PORT][/PATH], with $ for the job's number")
        }
        self.scheme = scheme
        self.host = dollars == 0 ? "job$.\(host)" : host
        self.path = String(path)
    }

    public var description: String { "\(scheme)://\(host)\(path)" }

    func url(jobID: UInt32, secret: String) -> String {
        description.replacing("$", with: "\(jobID)") + "/\(secret)/"
    }

    /// nil: the request names no job.
    /// - Parameter target: of the request line, as it was sent.
    func match(host named: String?, target: String) -> Match? {
        guard target.utf8.first == UInt8(ascii: "/"), target.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return nil
        }
        let query = target.firstIndex(of: "?") ?? target.endIndex
        var parts = target[..<query].split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let jobID: UInt32
        var prefix: String
        if host.contains("$") {
            guard let number = named.flatMap({ Self.number(Self.bare($0)[...], Self.bare(host)) }) else { return nil }
            (jobID, prefix) = (number, "")
            for word in path.split(separator: "/") {
                guard parts.popFirst() == word else { return nil }
                prefix += "/\(word)"
            }
        } else {
            var found: UInt32?
            prefix = ""
            for word in path.split(separator: "/") {
                guard let part = parts.popFirst() else { return nil }
                if word.contains("$") {
                    guard let number = Self.number(part, String(word)) else { return nil }
                    found = number
                } else if part != word {
                    return nil
                }
                prefix += "/\(part)"
            }
            guard let found else { return nil }
            jobID = found
        }
        guard let secret = parts.popFirst(), !secret.isEmpty else { return nil }
        prefix += "/\(secret)"
        let rest = target.dropFirst(prefix.count)
        guard rest.hasPrefix("/") else { return .redirect("\(prefix)/\(rest)") }
        return .job(Target(jobID: jobID, secret: String(secret), prefix: prefix, path: String(rest)))
    }

    /// What `$` stands for.
    private static func number(_ text: Substring, _ template: String) -> UInt32? {
        guard let dollar = template.firstIndex(of: "$") else { return nil }
        let (before, after) = (template[..<dollar], template[template.index(after: dollar)...])
        guard text.hasPrefix(before), text.dropFirst(before.count).hasSuffix(after) else { return nil }
        let digits = text.dropFirst(before.count).dropLast(after.count)
        guard let first = digits.utf8.first, first != UInt8(ascii: "0"),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return UInt32(digits)
    }

    /// Without the port.
    private static func bare(_ host: String) -> String {
        String(host.lowercased().prefix { $0 != ":" })
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "-._$".utf8.contains(byte)
        }
    }
}
