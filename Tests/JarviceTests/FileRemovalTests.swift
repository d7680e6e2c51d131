// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Jarvice

@Suite("What the helper removes and lists")
struct FileRemovalTests {
    /// A home with something beside it, taken away at the end.
    private final class Place {
        let folder = FileManager.default.temporaryDirectory.path + "/removal-\(UUID().uuidString.prefix(8))"
        var home: String { folder + "/home" }

        init() throws {
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        /// A name with a slash at its end is a folder; `a>b` a link.
        func make(_ names: String...) throws {
            for name in names {
                if name.hasSuffix("/") {
                    try FileManager.default.createDirectory(
                        atPath: folder + "/" + name, withIntermediateDirectories: true)
                } else if let arrow = name.firstIndex(of: ">") {
                    try FileManager.default.createSymbolicLink(
                        atPath: folder + "/" + name[..<arrow], withDestinationPath: String(name[arrow...].dropFirst()))
                } else {
                    try Data("text".utf8).write(to: URL(filePath: folder + "/" + name))
                }
            }
        }

        func has(_ name: String) -> Bool {
            // Of a link, not of what it leads to.
            (try? FileManager.default.attributesOfItem(atPath: folder + "/" + name)) != nil
        }
    }

    private func kind(_ body: () throws(FileWalk.Failure) -> Void) -> FileAnswer.Kind? {
        do throws(FileWalk.Failure) {
            try body()
            return nil
        } catch {
            return error.kind
        }
    }

    @Test("a regular file of the user's own place goes, and nothing else")
    func files() throws {
        let place = try Place()
        try place.make(
            "other", "home/.jarvice/", "home/.jarvice/a.out", "home/link>../other", "home/way>..", "home/sub/")
        #expect(mkfifo(place.home + "/pipe", 0o600) == 0)
        func remove(_ name: String, before: Int64 = .max) -> FileAnswer.Kind? {
            kind { () throws(FileWalk.Failure) in
                try FileWalk.remove(place.home + "/" + name, below: [place.home], before: before)
            }
        }
        for (name, wanted) in [
            ("link", FileAnswer.Kind.refused), ("way/other", .nothing), ("../other", .refused), ("pipe", .refused),
            ("sub", .refused), ("none", .nothing), ("none/none", .nothing), ("", .refused),
        ] {
            #expect(remove(name) == wanted, "\(name)")
        }
        // Written since the job that it is of.
        #expect(remove(".jarvice/a.out", before: Int64(Date().timeIntervalSince1970) - 3600) == .refused)
        #expect(place.has("home/.jarvice/a.out"))
        #expect(remove(".jarvice/a.out") == nil && !place.has("home/.jarvice/a.out"))
        #expect(place.has("other") && place.has("home/link") && place.has("home/pipe"))
    }

    @Test("a folder goes with what is in it; where its links lead nothing goes")
    func folders() throws {
        let place = try Place()
        try place.make(
            "other/", "other/kept", "home/jobs/7/a/b/", "home/jobs/7/f", "home/jobs/7/a/g",
            "home/jobs/7/a/b/l>/etc/passwd",
            "home/jobs/7/out>../../../other", "home/jobs/8>../../other", "home/file", "home/jobs/9/")
        func remove(_ name: String) -> FileAnswer.Kind? {
            kind { () throws(FileWalk.Failure) in
                try FileWalk.removeFolder(place.home + "/" + name, below: [place.home])
            }
        }
        #expect(remove("jobs/8") == .refused && remove("file") == .refused && remove("jobs/none") == .nothing)
        #expect(remove("jobs/8/kept") == .nothing && remove("") == .refused && remove("../other") == .refused)
        #expect(remove("jobs/7") == nil)
        #expect(!place.has("home/jobs/7") && place.has("other/kept") && place.has("home/jobs/9"))
        // Deeper than anybody means it to be.
        try place.make("home/deep/" + String(repeating: "d/", count: 70))
        #expect(remove("deep") == .refused && place.has("home/deep/d"))
    }

    @Test("swapped for a link at any moment, nothing outside goes or is listed")
    func swaps() throws {
        let place = try Place()
        try place.make("other/", "other/kept", "other/kept.out", "home/.jarvice/", "home/aside/")
        let isOver = NIOLockedValueBox(false)
        let folder = place.folder
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            while !isOver.withLockedValue({ $0 }) {
                // The folder is a folder, and then a link to another one.
                rename(folder + "/home/.jarvice", folder + "/home/aside/j")
                symlink(folder + "/other", folder + "/home/.jarvice")
                unlink(folder + "/home/.jarvice")
                rename(folder + "/home/aside/j", folder + "/home/.jarvice")
            }
            done.signal()
        }
        for _ in 0..<3000 {
            _ = kind { () throws(FileWalk.Failure) in
                try FileWalk.remove(place.home + "/.jarvice/kept.out", below: [place.home], before: .max)
            }
            _ = kind { () throws(FileWalk.Failure) in
                try FileWalk.removeFolder(place.home + "/.jarvice", below: [place.home])
            }
            let list = try? FileWalk.list(place.home + "/.jarvice", below: [place.home], details: false, bytes: 4096)
            #expect(list.map { !String(decoding: $0, as: UTF8.self).contains("kept") } ?? true)
        }
        isOver.withLockedValue { $0 = true }
        done.wait()
        #expect(place.has("other/kept") && place.has("other/kept.out"))
    }

    @Test("a list is as the reference's")
    func lists() throws {
        let place = try Place()
        try place.make(
            "home/pv/sub/", "home/pv/f1", "home/pv/.hidden", "home/pv/link>f1", "home/way>pv", "home/pv/sub/below")
        #expect(mkfifo(place.home + "/pv/pipe", 0o600) == 0)
        func list(_ path: String, details: Bool = false) throws(FileWalk.Failure) -> [String] {
            let text = try FileWalk.list(path, below: [place.home], details: details, bytes: 100_000)
            return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        let pv = place.home + "/pv"
        let found = try list(pv)
        #expect(found.prefix(2) == ["/data\(pv)/", "/data\(pv)/sub/"])
        #expect(found.dropFirst(2).sorted() == ["/data\(pv)/.hidden", "/data\(pv)/f1"])
        #expect(try list(pv + "/").prefix(2) == ["/data\(pv)//", "/data\(pv)/sub/"])
        #expect(try list(pv + "/f1") == ["/data\(pv)/f1"])
        #expect(try list(String(pv.dropFirst()) + "/f1") == ["/data\(pv.dropFirst())/f1"])
        #expect(try list(place.home).first == "/data\(place.home)/")
        let details = try list(pv + "/f1", details: true)[0].split(separator: " ")
        #expect(details.count == 3 && Int(details[0]) ?? 0 > 1_700_000_000 && details[1] == "4")
        for (path, wanted) in [
            (place.home + "/none", FileAnswer.Kind.nothing), (place.home + "/way", .refused), ("/etc", .refused),
            ("/", .refused), (place.home + "/../x", .refused), (".", .refused), (pv + "/pipe", .refused),
        ] {
            #expect(kind { () throws(FileWalk.Failure) in _ = try list(path) } == wanted, "\(path)")
        }
        #expect(try FileWalk.list(pv, below: [place.home], details: false, bytes: 1).isEmpty)
    }
}
