// SPDX-License-Identifier: GPL-3.0-or-later

/// A kind of value: what it is called in help, what is allowed, how it is read and shown.
package struct ValueKind<Value: Sendable>: Sendable {
    package typealias Problem = AgentConfiguration.Problem

    package let form: ConfigurationKey.Form
    package let placeholder: String
    /// What is allowed, with the unit: `duration, 100ms to 1h`.
    package let allowed: String
    package let read: @Sendable ([String]) throws(Problem) -> Value
    /// As `read` takes it, but for words such as `off`, and without secrets.
    package let show: @Sendable (Value) -> String

    package init(
        form: ConfigurationKey.Form, _ placeholder: String, allowed: String,
        show: @escaping @Sendable (Value) -> String, read: @escaping @Sendable ([String]) throws(Problem) -> Value
    ) {
        self.form = form
        self.placeholder = placeholder
        self.allowed = allowed
        self.read = read
        self.show = show
    }

    /// One value.
    package init(
        _ placeholder: String, allowed: String, form: ConfigurationKey.Form = .single,
        show: @escaping @Sendable (Value) -> String = { "\($0)" },
        read: @escaping @Sendable (String) throws(Problem) -> Value
    ) {
        self.init(form: form, placeholder, allowed: allowed, show: show) { values throws(Problem) in
            try read(values.last ?? "")
        }
    }

    /// Nothing is nil; shown as `word`.
    package static func optional<Wrapped>(_ kind: ValueKind<Wrapped>, else word: String = "off") -> ValueKind<Wrapped?>
    where Value == Wrapped? {
        ValueKind(
            form: kind.form, kind.placeholder, allowed: kind.allowed, show: { $0.map(kind.show) ?? word }
        ) { values throws(Problem) in
            values.allSatisfy(\.isEmpty) ? nil : try kind.read(values)
        }
    }

    /// Any number of values.
    package static func list<Element>(_ kind: ValueKind<Element>) -> ValueKind<[Element]> where Value == [Element] {
        ValueKind(
            form: .list, kind.placeholder + ",…", allowed: "list, \(kind.allowed) each",
            show: { shown($0.map(kind.show)) }
        ) { values throws(Problem) in
            var elements: [Element] = []
            for (index, value) in values.enumerated() {
                do throws(Problem) {
                    elements.append(try kind.read([value]))
                } catch {
                    throw error.of(index: index)
                }
            }
            return elements
        }
    }
}

/// A list for people.
package func shown(_ items: [String]) -> String { items.isEmpty ? "none" : items.joined(separator: ", ") }
