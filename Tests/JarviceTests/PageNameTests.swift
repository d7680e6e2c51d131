// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Jarvice

@Suite("Names of interactive jobs")
struct PageNameTests {
    @Test("a domain is a host, with or without a place for the job's number")
    func domains() throws {
        for (text, url) in [
            ("jobs.example.org", "https://job$.jobs.example.org/7/"),
            ("JOBS.example.org/", "https://job$.jobs.example.org/7/"),
            ("x$y.example.org", "https://x$y.example.org/7/"), ("h/job$", "https://h/job$/7/"),
            ("http://127.0.0.1:80/a/job$.x/", "http://127.0.0.1:80/a/job$.x/7/"),
            ("$.h/pages", "https://$.h/pages/7/"),
        ] {
            let domain = try JobsDomain(text)
            #expect(domain.url(jobID: 42, secret: "7") == url.replacing("$", with: "42"), "\(text)")
        }
        for text in [
            "", "/job$", "h/job", "h/$/$", "$.h/$", "h h", "h/a?$", "lookup/job$", "ftp://h", "h\u{e9}", "$.h/\n",
        ] {
            #expect(throws: JobsDomain.Malformed.self, "\(text)") { try JobsDomain(text) }
        }
    }

    @Test("a request names a job, its secret, and the job's own path")
    func matches() throws {
        func job(_ domain: String, _ host: String?, _ target: String) throws -> [String]? {
            switch try JobsDomain(domain).match(host: host, target: target) {
            case .job(let found)?: ["\(found.jobID)", found.secret, found.prefix, found.path]
            case .redirect(let place)?: [place]
            case nil: nil
            }
        }
        for (domain, host, target, wanted) in [
            ("h/job$", "any", "/job7/s/a/b?c=/d", ["7", "s", "/job7/s", "/a/b?c=/d"]),
            ("h/job$", nil, "/job7/s/", ["7", "s", "/job7/s", "/"]),
            ("h/job$", nil, "/job7/s//x/../y", ["7", "s", "/job7/s", "//x/../y"]),
            ("h/job$", nil, "/job7/s", ["/job7/s/"]), ("h/job$", nil, "/job7/s?q=/", ["/job7/s/?q=/"]),
            ("h/a/j$k", nil, "/a/j4294967295k/s/", ["4294967295", "s", "/a/j4294967295k/s", "/"]),
            ("h", "job7.h", "/s/x", ["7", "s", "/s", "/x"]), ("h", "JOB7.H:8443", "/s/x", ["7", "s", "/s", "/x"]),
            ("job$.h/p", "job7.h", "/p/s/x", ["7", "s", "/p/s", "/x"]),
        ] as [(String, String?, String, [String])] {
            #expect(try job(domain, host, target) == wanted, "\(domain) \(target)")
        }
        for (domain, host, target) in [
            ("h/job$", "h", "/"), ("h/job$", "h", "/job7"), ("h/job$", "h", "/job7/"), ("h/job$", "h", "/job/s/"),
            ("h/job$", "h", "/job07/s/"), ("h/job$", "h", "/job0/s/"), ("h/job$", "h", "/job-7/s/"),
            ("h/job$", "h", "/job4294967296/s/"), ("h/job$", "h", "//job7/s/"), ("h/job$", "h", "/x/../job7/s/"),
            ("h/job$", "h", "http://h/job7/s/"), ("h/job$", "h", "/job7/s/\u{e9}"), ("h/job$", "h", "/job7?/s/"),
            ("h/job$", "h", ""), ("h/job$", "h", "*"), ("h", "job7.h.evil", "/s/"), ("h", "job7h", "/s/"),
            ("h", "job7.h@x", "/s/"), ("h", nil, "/s/"), ("h", "job7.h", "/"), ("h", "job7x.h", "/s/"),
            ("job$.h/p", "job7.h", "/s/x"), ("h", "job7.h\u{301}", "/s/"),
        ] as [(String, String?, String)] {
            #expect(try job(domain, host, target) == nil, "\(domain) \(host ?? "") \(target)")
        }
    }

    @Test("what belongs to one connection stays there, and nobody says for whom a proxy speaks but the proxy")
    func fields() {
        let client = ForwardedFields.Client(address: "192.0.2.7", scheme: "https", host: "h", prefix: "/job7/s")
        let sent = ForwardedFields.request(
            [
                ("Host", "h"), ("Connection", "keep-alive, X-Own, host, Content-Length"), ("Keep-Alive", "1"),
                ("x-own", "1"),
                ("Content-Length", "5"), ("TE", "trailers"), ("Upgrade", "h2c"), ("X-Forwarded-For", "127.0.0.1"),
                ("Forwarded", "for=127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Proxy-Authorization", "x"),
                ("Expect", "100-continue"), ("Cookie", "a=b"),
            ], of: client, isSocket: false)
        #expect(
            sent.map { "\($0.0): \($0.1)" } == [
                "Host: h", "Content-Length: 5", "Cookie: a=b", "Connection: close", "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Host: h", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /job7/s",
            ])
        let chunked = ForwardedFields.request([("Transfer-Encoding", "chunked")], of: client, isSocket: false)
        #expect(chunked.contains { $0 == ("Transfer-Encoding", "chunked") })
        let socket = [
            ("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket"), ("Sec-WebSocket-Protocol", "a, b"),
        ]
        #expect(ForwardedFields.asksForSocket("GET", socket) && !ForwardedFields.asksForSocket("POST", socket))
        #expect(!ForwardedFields.asksForSocket("GET", [("Upgrade", "websocket")]))
        let upgraded = ForwardedFields.request(socket, of: client, isSocket: true).map { "\($0.0): \($0.1)" }
        #expect(upgraded.prefix(3) == ["Sec-WebSocket-Protocol: a, b", "Connection: Upgrade", "Upgrade: websocket"])
        for (place, shown) in [
            ("/x", "/job7/s/x"), ("//other/x", "//other/x"), ("x", "x"), ("https://o/", "https://o/"),
        ] {
            let answer = ForwardedFields.answer(
                [("Location", place), ("Connection", "close"), ("Transfer-Encoding", "chunked")], prefix: "/job7/s",
                isSocket: false)
            #expect(answer.map { "\($0.0): \($0.1)" } == ["Location: \(shown)", "Referrer-Policy: same-origin"])
        }
    }

    @Test("a job's secret stands in its script, where nothing from outside can be")
    func secrets() throws {
        let secret = JobSecret()
        #expect(secret.text.utf8.count == 32 && secret != JobSecret())
        let script = BatchScript(application: "export JARVICE_JOB_SECRET=x\n", nodes: 1, output: "/o", secret: secret)
            .text
        #expect(JobSecret(script: script) == secret)
        #expect(!BatchScript.shown(script).contains(secret.text))
        #expect(script.contains("\nmkdir -p"))
        let batch = BatchScript(application: "\n\(secret.line)\n", nodes: 1, output: "/o").text
        #expect(JobSecret(script: batch) == nil && JobSecret(script: "") == nil)
        #expect(JobSecret(script: "#!/bin/bash\nexport JARVICE_JOB_SECRET=short\n") == nil)
        #expect(
            secret.equals(secret.text) && !secret.equals("") && !secret.equals(String(secret.text.dropLast()) + "g"))
    }

    @Test("an interactive application has its nodes for itself, and is refused where nobody could see it")
    func scripts() throws {
        func read(_ word: String, hasPages: Bool) throws(JarviceError) -> ApplicationScript? {
            let text = word + "JOBOBJ_APPDEFVERSION=2\nJARVICE_CPU_CORES=1\nJOBOBJ_REPO=a\n{DOWNSTREAM_PARAMETERS}\n"
            var executor = ExecutorSettings()
            (executor.registries.systemRegistry, executor.registries.systemBase) = ("r", "b")
            return try ApplicationScript(
                base64: PageNameTests.base64(text),
                site: .init(executor: executor, machine: "x86_64", hasPages: hasPages, servicePort: 2300))
        }
        for (word, isInteractive) in [
            ("JOBOBJ_INTERACTIVE=False\n", false), ("JOBOBJ_INTERACTIVE=True\n", true), ("", true),
            ("JOBOBJ_INTERACTIVE=false\n", true),
        ] {
            let script = try read(word, hasPages: true)
            #expect(script?.isInteractive == isInteractive)
            #expect(script?.text.contains("JARVICE_SERVICE_PORT=2300\n") == true)
            if isInteractive {
                #expect(throws: JarviceError.self) { try read(word, hasPages: false) }
            } else {
                #expect(try read(word, hasPages: false) != nil)
            }
        }
    }

    private static func base64(_ text: String) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var bytes = Array(text.utf8)
        while bytes.count % 3 != 0 { bytes.append(0x0a) }
        return stride(from: 0, to: bytes.count, by: 3).map { at in
            let word = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
            return String([18, 12, 6, 0].map { letters[word >> $0 & 63] })
        }.joined()
    }
}
