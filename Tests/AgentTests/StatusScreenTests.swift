// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Agent

@Suite struct StatusScreenTests {
    @Test func look() {
        for s in [StatusFixtures.idle, StatusFixtures.busy, StatusFixtures.failing] {
            for (c, r) in [(80, 23), (120, 50), (100,40), (40, 12), (60,8)] as [(Int?, Int?)] {
                print("=====", c as Any); print(StatusScreen(status: s, columns: c, rows: r).text)
            }
        }
    }
}
