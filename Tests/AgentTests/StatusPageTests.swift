// SPDX-License-Identifier: GPL-3.0-or-later

import DeepSquare
import Foundation
import PageTesting
import Testing

@testable import Agent
@testable import StatusViews

@Suite("Status page")
struct StatusPageTests {
    @Test("while new jobs wait for something the page says for what")
    func obstacles() {
        var status = StatusFixtures.busy
        func page() -> String { StatusPage(Gateways.all, status: status).document(nonce: "N").text }
        #expect(page().contains("claims what fits"))
        status.grid?.obstacles = []
        #expect(page().contains("claims what fits"))
        status.grid?.obstacles = ["slurmctld does not answer", "prices change"]
        #expect(page().contains("slurmctld does not answer; prices change") && !page().contains("claims what fits"))
    }

    @Test(
        "that slurmctld is away keeps new jobs waiting, too; an agent of an earlier release has said nothing of either")
    func silence() {
        let parts: [AgentStatus.Part] = [.init(name: "slurmctld", level: .failure, text: "is away")]
        #expect(GridStatus.obstacles(["drained"], beside: parts) == ["drained", "slurmctld does not answer"])
        #expect(GridStatus.obstacles([], beside: [.init(name: "slurmctld", level: .ok, text: "")]) == [])
        #expect(GridStatus.obstacles(nil, beside: parts) == nil)
    }

    @Test("what comes from outside is text, wherever it stands")
    func escaping() {
        let evil = "<script>alert('1')</script>\"&\u{202e}\u{1}"
        let good = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}\u{fffd}"
        var status = AgentStatus(
            version: evil, startedAt: 0, now: 60, health: .failure, summary: evil, isReady: false)
        status.cluster = evil
        status.slurmVersion = evil
        status.parts = [.init(name: evil, level: .failure, text: evil), .init(name: evil, level: .ok, text: evil)]
        status.deliveries = [.init(gateway: evil, waiting: 1, parked: 1, oldest: 1, lastError: evil)]
        status.held = [.init(job: evil, slurmJob: 1, reason: evil, until: 90)]
        status.chain = .init(id: 1, account: evil, balance: evil, inFlight: 0, waiting: 0, alarms: [evil: evil])
        status.grid = .init(contract: evil, state: evil, isApproved: true, isDrained: true, credits: evil)
        let step = AgentStatus.Step(at: 1, what: evil, transaction: evil)
        let job = AgentStatus.Job(
            id: evil, claim: 1, slurmJob: 1, customer: evil, chainStatus: evil, state: evil, isOver: false, minutes: 1,
            trouble: evil, earned: evil, steps: [step])
        var over = job
        over.isOver = true
        status.recentJobs = [job, over]
        status.earnings = [.init(day: evil, jobs: 1, credits: evil)]
        status.problems = [.init(at: 1, level: evil, message: evil, count: 2)]

        let text = StatusPage(Gateways.all, status: status).document(nonce: "N").text
        #expect(text.ranges(of: "<script").count == 1)
        #expect(!text.contains("\u{202e}") && !text.contains("\u{1}"))
        // Each field once at least; the long ones also in titles.
        #expect(text.ranges(of: good).count > 30)
        let unescaped = text.ranges(of: "alert(").filter { !text[$0.upperBound...].hasPrefix("&#39;1&#39;)") }
        #expect(unescaped.isEmpty)
    }

    @Test(
        "no attribute runs code or styles, which the policy would forbid; nothing is from elsewhere",
        arguments: SampleStatus.allCases)
    func plainMarkup(_ state: SampleStatus) throws {
        let page = StatusPage(Gateways.all, status: try state.read())
        let text = page.document(nonce: "N").text
        let markup = text.replacing(#/<(script|style) nonce="N">[^§]*?</\1>/#, with: "")
        #expect(markup.firstMatch(of: #/<[^>]*\s(style|on\w+)=/#) == nil)
        #expect(
            markup.matches(of: #/(?:href|src)="([^"]*)"/#).map { String($0.1) }
                == ["icon.svg", "metrics", "status.json", "readyz", "healthz"])
        #expect(text.contains(page.live.text))
        // Every element that is opened is closed: what the script puts in is what the server sent.
        for tag in [
            "main", "section", "div", "ul", "ol", "li", "dl", "dt", "dd", "details", "summary", "span", "p", "table",
            "tr", "td", "small", "b", "code", "time",
        ] {
            let opened = markup.matches(of: try Regex("<\(tag)[ >]")).count
            #expect(opened == markup.ranges(of: "</\(tag)>").count, "\(tag)")
        }
        let ids = markup.matches(of: #/ id="([^"]*)"/#).map { String($0.1) }
        #expect(Set(ids).count == ids.count)
    }

    @Test("nothing to show is explained")
    func empty() {
        let text = StatusPage(Gateways.all, status: AgentStatus.bare).live.text
        for words in [
            "Nothing has been checked yet", "serves no grid", "Nobody has to be told", "None is delayed",
            "names no node",
            "metascheduler.smart-contract is not configured", "no grid is configured", "None since the start",
        ] { #expect(text.contains(words), "\(words)") }
        #expect(text.contains("up 1 min"))
    }

    @Test("what is configured and not open yet is not said to be off")
    func notOpen() throws {
        let text = StatusPage(Gateways.all, status: try SampleStatus.starting.read()).live.text
        for words in [
            "names no node", "contract is not configured", "no grid is configured", "serves no grid", "nor a journal",
        ] {
            #expect(!text.contains(words), "\(words)")
        }
        #expect(text.ranges(of: StatusPage.notOpen).count == 5)
    }

    @Test("a job's way from request to payment: times, what passed, transactions in full")
    func timeline() throws {
        let text = StatusPage(Gateways.all, status: try SampleStatus.busy.read()).live.text
        let status = try SampleStatus.busy.read()
        let job = try #require(status.recentJobs.first { $0.steps.contains { $0.what.hasPrefix("paid") } })
        for step in job.steps {
            #expect(text.contains(HTML.escaped(step.what)))
            let hash = try #require(step.transaction ?? job.steps.first?.transaction)
            #expect(text.contains("title=\"\(hash)\"") && text.contains("<code>\(hash)</code>"))
        }
        #expect(text.contains("<code>\(job.customer)</code>"))
        let earned = try #require(job.earned.flatMap(Amount.init(wei:)))
        #expect(text.contains("title=\"\(earned.exact)\u{a0}credits\""))
    }

    @Test("trouble comes first, and is said with words")
    func trouble() throws {
        let status = try SampleStatus.failing.read()
        let text = StatusPage(Gateways.all, status: status, silentFor: 90).live.text
        #expect(text.contains("data-title=\"✕ slurm-grid-agent on physics\""))
        #expect(text.contains("have not answered for 1 min 30 s"))
        let parts = try #require(text.split(separator: "id=\"parts\"").last)
        let failure = try #require(parts.range(of: "</b> failure</span>"))
        let warning = try #require(parts.range(of: "</b> warning</span>"))
        let well = try #require(parts.range(of: "</b> ok</span>"))
        #expect(failure.lowerBound < warning.lowerBound && warning.lowerBound < well.lowerBound)
        for held in status.held { #expect(text.contains(HTML.escaped(held.reason))) }
        for alarm in status.chain?.alarms ?? [:] {
            #expect(text.contains(alarm.key) && text.contains(HTML.escaped(alarm.value)))
        }
        #expect(
            text.contains("1\u{202f}213 blocks behind") && text.contains("not approved") && text.contains("drained"))
        #expect(text.contains("2 parked") && text.contains("412 times"))
    }
}
