// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import DeepSquare
internal import Ethereum
internal import Glibc
internal import Yams

/// `users.map-file`: customers, and as whom, where and at whose cost their jobs run. A YAML mapping with a line for each:
///
///     "0x52908400098527886E0F7030069857D2E4169EE7": alice
///     "0x8617E340B3D01FA5F11F306F4090FD50E238070D": {user: bob, partition: gpu, account: grid, qos: low}
struct UserMapFile: Equatable, Sendable {
    typealias Problem = AgentConfiguration.Problem

    static let key = "users.map-file"

    var path: String
    /// What it says; empty until it was read.
    var customers: [Address: GridCustomer] = [:]

    /// Throws everything that is wrong in it.
    mutating func read() throws(Problem) {
        let text: String
        do throws(Problem) {
            text = try ConfigurationFile.read(path, missing: "write it, or remove the key") { status throws(Problem) in
                if let trouble = Self.trouble(path, owner: status.st_uid, mode: status.st_mode, user: geteuid()) {
                    throw Problem(description: trouble)
                }
            }
        } catch {
            throw Problem(
                error.items.map { item in
                    var item = item
                    item.key = item.key ?? Self.key
                    return item
                })
        }
        customers = try Self.customers(text, file: path)
    }

    /// Who can write it says as whom jobs run. Root, who asks for somebody else, cannot tell who that is.
    static func trouble(_ path: String, owner: UInt32, mode: UInt32, user: UInt32) -> String? {
        guard owner == 0 || owner == user || user == 0 else {
            return "\(path): belongs to uid \(owner), who could run jobs as any user: chown root \(path)"
        }
        guard mode & 0o022 == 0 else { return "\(path): others may write it: chmod go-w \(path)" }
        return nil
    }

    // MARK: what it says

    static func customers(_ text: String, file: String) throws(Problem) -> [Address: GridCustomer] {
        guard let root = try YAMLReader(text: text, file: file).root() else { return [:] }
        guard let mapping = root.mapping else {
            throw problem(file, root.line, "expects a line `ADDRESS: USER` for each customer")
        }
        var customers: [Address: GridCustomer] = [:]
        var lines: [Address: Int] = [:]
        var found = Problem([])
        for (name, value) in mapping {
            do throws(Problem) {
                guard let word = name.scalar?.string else { throw Problem(description: "an address is one word") }
                let address = try ValueKind<Address>.account.read([word])
                if let first = lines.updateValue(name.line, forKey: address) {
                    throw Problem(description: "\(quoted(word)) is given twice; the first one is in line \(first)")
                }
                customers[address] = try customer(value)
            } catch {
                guard found.items.count < 100 else { throw found }
                found.add(
                    Problem(
                        error.items.map { item in
                            .init(place: item.place ?? .file(file, line: name.line), key: item.key, text: item.text)
                        }))
            }
        }
        guard found.items.isEmpty else { throw found }
        return customers
    }

    private static let fields = "user, partition, account, qos"

    private static func customer(_ node: Node) throws(Problem) -> GridCustomer {
        if let scalar = node.scalar, !node.isEmptyScalar {
            return GridCustomer(login: try ValueKind<String>.login.read([scalar.string]))
        }
        guard let mapping = node.mapping, mapping.count > 0 else {
            throw Problem(description: "takes a login name, or {user: NAME, …}; there are \(fields)")
        }
        var customer = GridCustomer()
        for (name, value) in mapping {
            let word = name.scalar?.string ?? ""
            guard let text = value.scalar?.string, !text.isEmpty else {
                throw Problem(description: "\(quoted(word)) takes one value")
            }
            switch word {
            case "user": customer.login = try ValueKind<String>.login.read([text])
            case "partition": customer.partition = try ValueKind<String>.partition.read([text])
            case "account": customer.account = try ValueKind<String>.slurmAccount.read([text])
            case "qos": customer.qos = try ValueKind<String>.slurmQOS.read([text])
            default: throw Problem(description: "there is no field \(quoted(word)); there are \(fields)")
            }
        }
        return customer
    }

    private static func problem(_ file: String, _ line: Int, _ text: String) -> Problem {
        Problem([.init(place: .file(file, line: line), text: text)])
    }
}

extension ValueKind where Value == UserMapFile? {
    static var userMapFile: Self {
        Self(form: .single, "PATH", allowed: "absolute path", show: { $0?.path ?? "off" }) { values throws(Problem) in
            guard let text = values.last, !text.isEmpty else { return nil }
            return UserMapFile(path: try ValueKind<String>.path.read([text]))
        }
    }
}

extension ValueKind where Value == String {
    static var slurmAccount: Self { slurmName("ACCOUNT", "an account; `sacctmgr show account` lists them") }
    static var slurmQOS: Self { slurmName("QOS", "a QOS; `sacctmgr show qos` lists them") }

    private static func slurmName(_ placeholder: String, _ what: String) -> Self {
        Self(placeholder, allowed: "name of \(what.prefix { $0 != ";" })") { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 255,
                text.unicodeScalars.allSatisfy({ $0.value > 32 && $0 != "," && $0 != "\u{7f}" })
            else { throw Problem(description: "\(quoted(text)) is not the name of \(what)") }
            return text
        }
    }
}
