// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import PageTesting
import Testing

@testable import StatusViews

@Suite("The text of metrics")
struct OpenMetricsTests {
    @Test("the reader would see it if the text were broken")
    func strictness() {
        let good =
            "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds It.\na_seconds{b=\"c\"} 1.5\n# EOF\n"
        #expect(throws: Never.self) { try OpenMetricsText(good) }
        for (part, instead) in [
            ("# EOF\n", ""), ("# EOF\n", "# EOF"), (" gauge", " thing"), ("UNIT a_seconds", "UNIT b"), (" 1.5", " x"),
            ("UNIT a_seconds seconds", "UNIT a_seconds bytes"), ("\"c\"", "\"c"), ("\"c\"", "\"c\\q\""),
            (" 1.5\n", " 1.5\na_seconds{b=\"c\"} 2\n"), (" 1.5\n", " 1.5\n\n"), (" gauge", " counter"),
            (" gauge", " stateset"), ("b=\"c\"", "b=\"c\",b=\"d\""), (" 1.5", "  1.5"), (" 1.5\n", " 1.5\r\n"),
            ("a_seconds{", "b_seconds{"), (" 1.5\n", " 1.5\n# TYPE a_seconds gauge\na_seconds 1\n"),
        ] {
            #expect(throws: OpenMetricsText.Broken.self, "\(instead)") {
                try OpenMetricsText(good.replacingOccurrences(of: part, with: instead))
            }
        }
    }

    @Test("text from elsewhere cannot break out of a label, nor make ever more series")
    func hostile() throws {
        var status = AgentStatus.bare
        let name = "a\"} 1\n# EOF\n\\x\r{" + String(repeating: "y", count: 500)
        status.cluster = name
        status.parts = (0..<500).map { .init(name: "part \($0)", level: .warning, text: "") }
        status.parts += [.init(name: "part 0", level: .failure, text: "")]
        status.deliveries = (0..<500).map { .init(gateway: "\(name)\($0)", waiting: $0, parked: 0) }.suffix(1)
        let families = try OpenMetricsText(MetricsPage([]).text(status)).families
        let cluster = try #require(families["grid_agent_cluster"]?.samples.first?.labels["cluster"])
        #expect(cluster.hasPrefix("a\"} 1\n# EOF\n\\x\u{fffd}{yyy") && cluster.count == 200)
        #expect(families["grid_agent_part_state"]?.samples.count == 64 * AgentStatus.Level.allCases.count)
        #expect(families["grid_agent_deliveries_waiting"]?.samples.first?.value == 499)
    }
}
