// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Support

@Suite("Why a database file cannot be written")
struct FileFaultTests {
    @Test("a file is its owner's to give: what is this user's already is not to be given to it")
    func reading() {
        #expect(FileFault.advice(reading: "/k", owner: 5, user: 5).hasSuffix("chmod 0600 /k"))
        #expect(FileFault.advice(reading: "/k", owner: 0, user: 5) == "chown 5 /k")
        #expect(FileFault.advice(reading: "/k", owner: nil, user: 5).contains("a folder above it cannot be entered"))
    }

    @Test("nothing is in the way of a file of one's own in a folder of one's own")
    func fine() throws {
        let folder = NSTemporaryDirectory() + "fault-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(FileFault.advice(writing: folder + "/a.sqlite") == nil)
        try Data().write(to: URL(fileURLWithPath: folder + "/a.sqlite"))
        #expect(FileFault.advice(writing: folder + "/a.sqlite") == nil)
        try FileManager.default.createDirectory(atPath: folder + "/b.sqlite", withIntermediateDirectories: false)
        #expect(FileFault.advice(writing: folder + "/b.sqlite")?.contains("not a regular file") == true)
        #expect(FileFault.advice(writing: folder + "/none/a.sqlite")?.contains("/none is not there") == true)
    }
}
