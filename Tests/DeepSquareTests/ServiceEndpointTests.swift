// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import DeepSquare

@Suite("The grid's services")
struct ServiceEndpointTests {
    @Test(
        "host and port",
        arguments: [
            ("sbatch.deepsquare.run:443", "sbatch.deepsquare.run", 443), ("LOCALHOST:1", "localhost", 1),
            ("127.0.0.1:65535", "127.0.0.1", 65_535), ("[::1]:3000", "::1", 3000),
            ("[fe80::1%eth0]:3000", "fe80::1%eth0", 3000), ("my_host-1:8080", "my_host-1", 8080),
        ] as [(String, String, Int)])
    func reads(_ text: String, _ host: String, _ port: Int) {
        let endpoint = ServiceEndpoint(text)
        #expect(endpoint == ServiceEndpoint(host: host, port: port))
        #expect(endpoint.flatMap { ServiceEndpoint($0.description) } == endpoint)
    }

    @Test(
        "what is none",
        arguments: [
            "", ":", ":443", "host", "host:", "host:0", "host:65536", "host:-1", "host:x", "host:443/path", "::1:443",
            "a b:443", "https://host:443", "user@host:443", "hóst:443", "host\n:443", "[]:443",
            String(repeating: "a", count: 254) + ":443",
        ])
    func none(_ text: String) {
        #expect(ServiceEndpoint(text) == nil)
    }

    struct Case: CustomTestStringConvertible {
        var sbatch = "sbatch.deepsquare.run"
        var configured: String?
        var told: String?
        var used: String?

        var testDescription: String { "\(told ?? "-") beside \(sbatch), configured \(configured ?? "-")" }
    }

    static let cases: [Case] = [
        // Nothing is told: what is configured.
        Case(told: nil, used: nil), Case(told: "", used: nil), Case(configured: "log:1", told: nil, used: "log:1"),
        Case(configured: "log:1", told: "", used: "log:1"),
        // What is configured is used wherever it is.
        Case(configured: "10.1.2.3:99", told: "10.1.2.3:99", used: "10.1.2.3:99"),
        Case(configured: "Log.Example.org:99", told: "log.example.org:99", used: "log.example.org:99"),
        Case(configured: "log.example.org:99", told: "log.example.org:98", used: nil),
        // The service itself, at any port, and its neighbours.
        Case(told: "sbatch.deepsquare.run:444", used: "sbatch.deepsquare.run:444"),
        Case(told: "logger.deepsquare.run:443", used: "logger.deepsquare.run:443"),
        Case(told: "LOGGER.DeepSquare.Run:443", used: "logger.deepsquare.run:443"),
        Case(told: "a.b.deepsquare.run:443", used: "a.b.deepsquare.run:443"),
        Case(told: "x.sbatch.deepsquare.run:443", used: "x.sbatch.deepsquare.run:443"),
        // Other domains, however they are written.
        Case(told: "deepsquare.run:443", used: nil), Case(told: "evil.example:443", used: nil),
        Case(told: "evildeepsquare.run:443", used: nil), Case(told: "deepsquare.run.evil.example:443", used: nil),
        Case(told: "logger.deepsquare.run.:443", used: nil), Case(told: "10.0.0.1:443", used: nil),
        Case(told: "127.0.0.1:6817", used: nil), Case(told: "localhost:6817", used: nil),
        Case(told: "[::1]:443", used: nil),
        Case(told: "logger.deepsquare.run", used: nil), Case(told: "https://logger.deepsquare.run:443", used: nil),
        // The domain of a two-part name would be a whole top-level one.
        Case(sbatch: "deepsquare.run", told: "logger.deepsquare.run:443", used: "logger.deepsquare.run:443"),
        Case(sbatch: "deepsquare.run", told: "evil.run:443", used: nil),
        Case(sbatch: "sbatch", told: "logger:443", used: nil),
        Case(sbatch: "sbatch", told: "sbatch:443", used: "sbatch:443"),
        Case(sbatch: "localhost", told: "127.0.0.1:443", used: nil),
        // An address has no neighbours.
        Case(sbatch: "10.0.0.1", told: "10.0.0.1:3000", used: "10.0.0.1:3000"),
        Case(sbatch: "10.0.0.1", told: "10.0.0.2:3000", used: nil),
        Case(sbatch: "10.0.0.1", told: "9.0.0.1:3000", used: nil),
        Case(sbatch: "10.0.0.1", told: "x.0.0.1:3000", used: nil),
        Case(sbatch: "fe80::1", told: "[fe80::1]:3000", used: "[fe80::1]:3000"),
        Case(sbatch: "fe80::1", told: "[fe80::2]:3000", used: nil),
        Case(sbatch: "::ffff:10.0.0.1", told: "x.0.0.1:3000", used: nil),
    ]

    @Test("nothing from outside picks an address to connect to", arguments: cases)
    func logger(_ row: Case) {
        var settings = GridSettings()
        settings.sbatch = ServiceEndpoint(host: row.sbatch, port: 443)
        settings.gridLogger = row.configured.flatMap { ServiceEndpoint($0) }
        #expect(GridLogger.endpoint(row.told, settings)?.description == row.used)
    }

    @Test("a service's words are one line of bounded length")
    func words() {
        struct Odd: Error, CustomStringConvertible {
            var description: String
        }
        let words = GridTransport.words(Odd(description: "a\u{1b}[31m\n\u{7f}" + String(repeating: "é", count: 1000)))
        #expect(words.unicodeScalars.count == 300)
        #expect(words.hasPrefix("a [31m  éé"))
    }
}
