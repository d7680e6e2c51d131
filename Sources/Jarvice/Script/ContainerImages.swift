// SPDX-License-Identifier: GPL-3.0-or-later

/// Where images come from.
public struct RegistrySettings: Sendable, Equatable {
    public var systemRegistry = ""
    public var systemBase = ""
    public var imagesTag = "latest"
    public var localRegistry = ""
    public var localBase = ""
    public var proxyPort: Int?
    /// Comma-separated prefixes.
    public var proxyRepositories = ""
    /// Comma-separated.
    public var globalRegistries = ""
    /// Of the init image: base64.
    public var initUser = ""
    public var initPassword = ""

    public init() {}
}

/// The images of one job, as Singularity names them.
struct ContainerImages: Sendable, Equatable {
    var application: String
    var initial: String
    var isInGlobalRegistries: Bool

    /// - Parameter machine: the architecture of this host, as `uname -m` says it.
    init(
        repository: String, nae: String?, definitionVersion: Int, architecture: String?, machine: String,
        _ settings: RegistrySettings
    ) throws(JarviceError) {
        initial =
            "docker://\(settings.systemRegistry)/\(settings.systemBase)/initv\(definitionVersion):"
            + Self.tag(settings.imagesTag, architecture: architecture ?? machine, machine: machine)
        application = "docker://" + (try Self.application(repository, nae, settings))
        isInGlobalRegistries = Self.isGlobal(application, settings.globalRegistries)
    }

    /// Go's names.
    static func architecture(_ name: String) -> String { name == "x86_64" ? "amd64" : name }

    static func tag(_ tag: String, architecture: String, machine: String) -> String {
        let own = Self.architecture(machine)
        guard tag.count >= own.count + 2, tag.hasSuffix(own) else { return tag }
        return tag.dropLast(own.count) + Self.architecture(architecture)
    }

    private static func application(
        _ repository: String, _ nae: String?, _ settings: RegistrySettings
    ) throws(JarviceError) -> String {
        if !settings.localRegistry.isEmpty {
            guard let nae else { throw JarviceError(.refused, "the application script has no JOBOBJ_NAE") }
            return "\(settings.localRegistry)/\(settings.localBase)/\(nae):latest"
        }
        guard let port = settings.proxyPort else { return repository }
        let prefixes = settings.proxyRepositories.split(separator: ",", omittingEmptySubsequences: false)
        guard let prefix = prefixes.first(where: { repository.hasPrefix($0) }) else { return repository }
        let host = prefix.prefix { $0 != "/" }
        guard !host.isEmpty, let place = repository.range(of: host) else { return repository }
        return repository.replacingCharacters(in: place, with: "localhost:\(port)")
    }

    /// The last entry gets a slash; without a list it is the only thing looked for, so that every image is in.
    static func isGlobal(_ image: String, _ list: String) -> Bool {
        var entries = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        entries[entries.count - 1] += "/"
        return entries.contains { $0.isEmpty || image.contains($0) }
    }
}

extension String {
    fileprivate func range(of text: Substring) -> Range<Index>? { ranges(of: text).first }

    fileprivate func replacingCharacters(in range: Range<Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
