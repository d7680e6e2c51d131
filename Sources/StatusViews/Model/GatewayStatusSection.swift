// SPDX-License-Identifier: GPL-3.0-or-later

/// What a gateway shows of itself: its object in the JSON of `status`.
package protocol GatewayStatusSection: Codable, Equatable, Sendable {
    /// The name of its object; nil: its fields lie beside those of the agent, as they always have.
    static var key: String? { get }
    /// What is shown of a gateway that is not there.
    init()
}

/// The sections of each gateway, by their type.
struct AllGatewaySections: Codable, Equatable, Sendable {
    private var values: [ObjectIdentifier: any GatewayStatusSection] = [:]

    /// Of a coder's `userInfo`: which sections there are, `[any GatewayStatusSection.Type]`. Without it there are none to be read, and
    /// those that are there are written.
    static let typesKey = CodingUserInfoKey(rawValue: "sections of gateways")

    private static func types(_ userInfo: [CodingUserInfoKey: Any]) -> [any GatewayStatusSection.Type] {
        typesKey.flatMap { userInfo[$0] as? [any GatewayStatusSection.Type] } ?? []
    }

    init() {}

    subscript<Section: GatewayStatusSection>(_ type: Section.Type) -> Section? {
        get { values[ObjectIdentifier(type)] as? Section }
        set { values[ObjectIdentifier(type)] = newValue }
    }

    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// One of another release may lack a section; fields that lie beside the agent's are never left out.
    init(from decoder: any Decoder) throws {
        for type in Self.types(decoder.userInfo) { try take(type, decoder) }
    }

    private mutating func take<Section: GatewayStatusSection>(_ type: Section.Type, _ decoder: any Decoder) throws {
        guard let key = type.key else {
            self[type] = try Section(from: decoder)
            return
        }
        self[type] = try decoder.container(keyedBy: Key.self).decodeIfPresent(type, forKey: Key(stringValue: key))
    }

    func encode(to encoder: any Encoder) throws {
        var all = self
        for type in Self.types(encoder.userInfo) where type.key == nil { all.fill(type) }
        for section in all.values.values { try Self.put(section, encoder) }
    }

    private mutating func fill<Section: GatewayStatusSection>(_ type: Section.Type) {
        if self[type] == nil { self[type] = Section() }
    }

    private static func put<Section: GatewayStatusSection>(_ section: Section, _ encoder: any Encoder) throws {
        guard let key = Section.key else { return try section.encode(to: encoder) }
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(section, forKey: Key(stringValue: key))
    }

    static func == (left: Self, right: Self) -> Bool {
        func isSame<Section: GatewayStatusSection>(_ section: Section) -> Bool {
            (left[Section.self] ?? Section()) == (right[Section.self] ?? Section())
        }
        return (Array(left.values.values) + right.values.values).allSatisfy { isSame($0) }
    }
}

extension AgentStatus {
    package subscript<Section: GatewayStatusSection>(_ type: Section.Type) -> Section? {
        get { sections[type] }
        set { sections[type] = newValue }
    }
}
