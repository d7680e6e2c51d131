// SPDX-License-Identifier: GPL-3.0-or-later

internal import FoundationEssentials

/// Sign-in at a registry. Never logged, and in no comment: only in the job's own script.
struct ContainerCredentials: Sendable, Equatable {
    var user = ""
    var password = ""

    /// As scripts take them; empty for none.
    var encodedUser: String { Self.encode(user) }
    var encodedPassword: String { Self.encode(password) }

    private static func encode(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    /// Of the application's image.
    /// - Parameters:
    ///   - auths: base64 of a Docker configuration `{"auths": {…}}`.
    ///   - secret: JSON {server, username, password}, with doubled braces; not JSON: none.
    init(repository: String, auths: String?, secret: String?) throws(JarviceError) {
        let registry = Self.registry(repository)
        let entries = try Self.entries(auths)
        if let own = Self.secret(secret), Self.host(own.server) == registry {
            self = own.credentials
            return
        }
        for (name, value) in entries where Self.host(name) == registry {
            guard let text = value["auth"]?.string, let bytes = PythonText.base64(text),
                let pair = String(validating: bytes, as: UTF8.self), let colon = pair.firstIndex(of: ":")
            else { continue }
            user = String(pair[..<colon])
            password = String(pair[colon...].dropFirst())
        }
    }

    /// Of the init image: in the configuration they are base64 already.
    init(encodedUser: String, encodedPassword: String) throws(JarviceError) {
        guard let user = Self.decode(encodedUser), let password = Self.decode(encodedPassword) else {
            throw JarviceError(.refused, "the credentials of the system registry are not base64 of a text")
        }
        self.user = user
        self.password = password
    }

    private static func decode(_ text: String) -> String? {
        PythonText.base64(text).flatMap { String(validating: $0, as: UTF8.self) }
    }

    static func registry(_ repository: String) -> String {
        let parts = repository.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count >= 3 ? String(parts[0]) : "index.docker.io"
    }

    /// host[:port] of a URL; else the text itself.
    static func host(_ name: String) -> String {
        guard let scheme = name.ranges(of: "://").first else { return name }
        return String(name[scheme.upperBound...].prefix { $0 != "/" })
    }

    private static func entries(_ text: String?) throws(JarviceError) -> [(String, JSONValue)] {
        guard let text else { return [] }
        let problem = JarviceError(.refused, "JOBOBJ_CTRSECRET is not base64 of {\"auths\": {…}}")
        guard let bytes = PythonText.base64(text) else { throw problem }
        do {
            guard case .object(let members)? = try JSONValue(parsing: bytes)["auths"] else { throw problem }
            return members.map { ($0.name, $0.value) }
        } catch {
            throw problem
        }
    }

    private static func secret(_ text: String?) -> (server: String, credentials: ContainerCredentials)? {
        guard let text else { return nil }
        let single = text.replacing("{{", with: "{").replacing("}}", with: "}")
        guard let json = try? JSONValue(parsing: single.utf8), let server = json["server"]?.string,
            let user = json["username"]?.string, let password = json["password"]?.string
        else { return nil }
        return (server, ContainerCredentials(user: user, password: password))
    }

    init(user: String = "", password: String = "") {
        self.user = user
        self.password = password
    }
}
