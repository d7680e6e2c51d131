// SPDX-License-Identifier: GPL-3.0-or-later

/// A metric as OpenMetrics 1.0 has them (https://prometheus.io/docs/specs/om/open_metrics_spec/): its name, what it means,
/// and how its values come from a status.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable {
        case gauge, counter, info, stateset
    }

    package struct Sample: Equatable {
        package var labels: [(name: String, value: String)] = []
        /// A decimal number.
        package var value: String

        package init(_ value: some BinaryInteger, _ labels: (name: String, value: String)...) {
            self.value = "\(value)"
            self.labels = labels
        }

        package init(decimal value: String) {
            self.value = value
        }

        package init(_ holds: Bool, _ labels: (name: String, value: String)...) {
            value = holds ? "1" : "0"
            self.labels = labels
        }

        package static func == (left: Sample, right: Sample) -> Bool {
            left.value == right.value && left.labels.elementsEqual(right.labels) { $0 == $1 }
        }
    }

    /// Without the prefix `grid_agent_`, and without what OpenMetrics appends for the kind (`_total`, `_info`).
    let shortName: String
    let kind: Kind
    /// The name ends with it.
    let unit: String?
    /// One sentence.
    let help: String
    let samples: @Sendable (AgentStatus) -> [Sample]

    package init(
        _ shortName: String, kind: Kind = .gauge, unit: String? = nil, _ help: String,
        _ samples: @escaping @Sendable (AgentStatus) -> [Sample]
    ) {
        self.shortName = shortName
        self.kind = kind
        self.unit = unit
        self.help = help
        self.samples = samples
    }

    package var name: String { "grid_agent_" + shortName }

    /// As a query names it.
    var sampleName: String {
        switch kind {
        case .gauge, .stateset: name
        case .counter: name + "_total"
        case .info: name + "_info"
        }
    }

    /// nil when there is nothing to say, as for a chain that is not configured.
    func text(of status: AgentStatus) -> String? {
        let samples = samples(status)
        guard !samples.isEmpty else { return nil }
        var out = "# TYPE \(name) \(kind.rawValue)\n"
        if let unit { out += "# UNIT \(name) \(unit)\n" }
        out += "# HELP \(name) \(Self.escaped(help))\n"
        for sample in samples {
            out += sampleName
            if !sample.labels.isEmpty {
                let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped(String($0.value.prefix(200))))\"" }
                out += "{\(labels.joined(separator: ","))}"
            }
            out += " \(sample.value)\n"
        }
        return out
    }

    /// One sample for each state, of which one is 1.
    package static func states(
        _ label: String, of level: AgentStatus.Level, _ labels: (name: String, value: String)...
    ) -> [Sample] {
        AgentStatus.Level.allCases.map { state in
            var sample = Sample(state == level)
            sample.labels = labels + [(label, state.rawValue)]
            return sample
        }
    }

    /// Quotes and line ends would end a value; other control characters are of no use to anybody.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\"": out += "\\\""
            case "\n": out += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f: out += "\u{fffd}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
