// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

extension AgentConfiguration {
    /// Where a key was set.
    package enum Place: Hashable, Sendable, CustomStringConvertible {
        case file(String, line: Int)
        /// The variable's name.
        case environment(String)
        /// As it was written, without hyphens.
        case flag(String)

        package var description: String {
            switch self {
            case .file(let path, let line): "\(path):\(line)"
            case .environment(let name): "environment variable \(name)"
            case .flag(let name): "--\(name)"
            }
        }
    }

    /// What is wrong with a configuration: one line for each fault, the most useful first.
    package struct Problem: Error, Equatable, CustomStringConvertible {
        package struct Item: Equatable, Sendable {
            package var place: Place?
            package var key: String?
            /// What is wrong, and what is allowed.
            package var text: String
            /// Which one of several values is meant, from 0.
            package var index: Int?

            package init(place: Place? = nil, key: String? = nil, text: String, index: Int? = nil) {
                (self.place, self.key, self.text, self.index) = (place, key, text, index)
            }

            /// `file:line: key: what is wrong; what is allowed`, in one line and without secrets.
            package var line: String {
                var parts = [place?.description, key, text].compactMap { $0 }
                if case .flag(let name)? = place, name == key { parts.remove(at: 1) }
                return PrintableText.of(redacted(parts.joined(separator: ": ")))
            }
        }

        package private(set) var items: [Item]

        /// More would only hide the first ones.
        static let mostLines = 20

        package init(_ items: [Item]) {
            self.items = items
        }

        package init(description: String) {
            items = [Item(text: description)]
        }

        package var lines: [String] {
            let lines = items.prefix(Self.mostLines).map(\.line)
            let more = items.count - lines.count
            return more > 0 ? lines + ["… and \(more) more"] : lines
        }

        package var description: String { lines.joined(separator: "\n") }

        /// The same of one value among several.
        package func of(index: Int) -> Problem {
            Problem(
                items.map { item in
                    var item = item
                    item.index = item.index ?? index
                    return item
                })
        }

        package mutating func add(_ other: Problem) { items += other.items }
    }

    /// Keys that are right by themselves and do not fit together.
    package struct Conflict: Error {
        /// Those it is about, the one to change first.
        package var keys: [String]
        package var text: String

        package init(keys: [String], text: String) {
            (self.keys, self.text) = (keys, text)
        }
    }
}
