// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import AdminHTTP
@testable import Agent

/// What Tests/Page/page.py shows to a browser: the server's own answers for three states, with their headers.
@Suite("Status page files")
struct StatusPageFiles {
    @Test("written where PAGE_OUT says", .enabled(if: ProcessInfo.processInfo.environment["PAGE_OUT"] != nil))
    func write() async throws {
        let folder = URL(filePath: try #require(ProcessInfo.processInfo.environment["PAGE_OUT"]))
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for state in SampleStatus.allCases {
            let status = try state.read()
            let routes = AdminRoutes(
                access: AdminAccess(token: nil, hosts: []), gateways: Gateways.all, snapshot: { (status, 0) })
            for (path, suffix) in ["/": ".html", "/live": ".live.html", "/icon.svg": ".svg", "/metrics": ".metrics"] {
                let answer = await routes.answer(AdminRequest(path: path, host: "localhost"))
                #expect(answer.status == 200)
                let file = folder.appending(path: state.rawValue + suffix)
                try Data(answer.body.utf8).write(to: file)
                try JSONEncoder().encode(answer.headers).write(to: file.appendingPathExtension("headers.json"))
            }
        }
    }
}
