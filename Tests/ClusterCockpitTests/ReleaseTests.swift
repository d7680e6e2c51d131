// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import ClusterCockpit

struct ReleaseTests {
    /// What each release answers to the three questions.
    private func probe(_ answers: [ReleaseProbe.Request: BackendAnswer]) -> ReleaseProbe.Result {
        var probe = ReleaseProbe()
        while true {
            let result = probe.take(answers[probe.request] ?? BackendAnswer(418))
            guard case .next = result else { return result }
        }
    }

    @Test func eachReleaseIsFound() {
        let missing = BackendAnswer(404, "404 page not found")
        let scope = BackendAnswer(400, #"parsing request body failed: json: unknown field "scope""#)
        let user = BackendAnswer(400, "ARCHIVE/CLUSTERCONFIG > job without any resources/hosts")
        #expect(probe([.nodeStates: BackendAnswer(200)]) == .found(.v15))
        #expect(probe([.nodeStates: missing, .tagScope: user]) == .found(.v14))
        #expect(probe([.nodeStates: missing, .tagScope: scope, .clusters: BackendAnswer(200)]) == .found(.v13))
        #expect(probe([.nodeStates: missing, .tagScope: scope, .clusters: missing]) == .found(.v12))
    }

    @Test func whatIsNoBackendIsNoRelease() {
        let missing = BackendAnswer(404, "not here")
        let cases: [[ReleaseProbe.Request: BackendAnswer]] = [
            [.nodeStates: BackendAnswer(401, "token")], [.nodeStates: BackendAnswer(302)],
            [.nodeStates: BackendAnswer(502)],
            [.nodeStates: missing, .tagScope: missing], [.nodeStates: BackendAnswer(204)],
        ]
        for answers in cases {
            guard case .waits = probe(answers) else {
                Issue.record("\(answers)")
                continue
            }
        }
    }

    @Test func statesInTheWordsOfEachRelease() {
        for state in EndState.allCases {
            #expect(BackendRelease.v15.word(for: state) == state.rawValue)
            for release in [BackendRelease.v12, .v13, .v14] {
                let isNew = [.nodeFail, .bootFail, .deadline].contains(state)
                #expect(release.word(for: state) == (isNew ? "failed" : state.rawValue))
            }
        }
    }

    @Test func noRunEndsBeforeItStarts() {
        #expect(BackendRelease.v15.stopTime(start: 10, end: 10) == 10)
        #expect(BackendRelease.v15.stopTime(start: 10, end: 5) == 10)
        #expect(BackendRelease.v14.stopTime(start: 10, end: 10) == 11)
        #expect(BackendRelease.v12.stopTime(start: 10, end: 12) == 12)
        #expect(BackendRelease.v12.stopTime(start: .max, end: .max) == .max)
    }
}
