// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

@testable import Jarvice

@Suite("What jobs wrote")
struct JobFileTests {
    /// A folder, with a home in it.
    private final class Place {
        let folder: String
        var home: String { folder + "/home" }

        init() throws {
            folder = FileManager.default.temporaryDirectory.path + "/files-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: home + "/.jarvice", withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func write(_ text: String, _ name: String) throws {
            try Data(text.utf8).write(to: URL(filePath: folder + "/" + name))
        }

        func link(_ name: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(atPath: folder + "/" + name, withDestinationPath: target)
        }

        /// What the helper answers, and the bytes behind.
        func ask(_ path: String, lines: Int = 10, bytes: Int = 1000) throws -> (FileAnswer, String) {
            var ends: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            let helper = FileHelper(peer: getuid(), minimumUserID: 1, roots: [])
            _ = helper.answer(
                FileRequest(userID: getuid(), path: path, lines: lines, bytes: bytes), home: home, on: ends[0])
            close(ends[0])
            defer { close(ends[1]) }
            let all = Array(FileHandle(fileDescriptor: ends[1]).readDataToEndOfFile())
            let end = try #require(all.firstIndex(of: FileLine.end))
            let answer = try #require(FileLine.decode(FileAnswer.self, all[..<end]))
            return (answer, String(decoding: all[(end + 1)...], as: UTF8.self))
        }
    }

    @Test("the last lines of a file, of so many bytes")
    func tail() throws {
        let place = try Place()
        try place.write("one\ntwo\n\nfour\n", "home/.jarvice/a.out")
        let path = place.home + "/.jarvice/a.out"
        for (lines, bytes, text) in [
            (10, 1000, "one\ntwo\n\nfour\n"), (4, 1000, "one\ntwo\n\nfour\n"), (3, 1000, "two\n\nfour\n"),
            (2, 1000, "\nfour\n"), (1, 1000, "four\n"), (0, 1000, "four\n"), (10, 6, "\nfour\n"), (10, 5, "four\n"),
            (10, 3, "ur\n"),
        ] {
            let (answer, found) = try place.ask(path, lines: lines, bytes: bytes)
            #expect(answer == FileAnswer(kind: .text, size: text.utf8.count) && found == text, "\(lines) \(bytes)")
        }
        for (text, lines, last) in [("", 3, ""), ("\n", 3, "\n"), ("a", 1, "a"), ("a\nb", 1, "b"), ("\n\n", 1, "\n")] {
            try place.write(text, "home/b")
            #expect(try place.ask(place.home + "/b", lines: lines).1 == last, "\(text.debugDescription)")
        }
    }

    @Test("links, pipes, folders and what lies elsewhere are not read")
    func refused() throws {
        let place = try Place()
        try place.write("secret\n", "other")
        try place.write("own\n", "home/own")
        try place.link("home/link", to: place.folder + "/other")
        try place.link("home/near", to: "own")
        try place.link("home/way", to: place.folder)
        try place.link("home/loop", to: "loop")
        #expect(mkfifo(place.home + "/pipe", 0o600) == 0)
        for (name, kind) in [
            ("own", FileAnswer.Kind.text), ("link", .refused), ("near", .refused), ("way/other", .nothing),
            ("loop", .refused), ("pipe", .refused), (".jarvice", .refused), ("none", .nothing), ("none/own", .nothing),
            ("own/x", .nothing), ("../other", .refused), ("./own", .refused), ("", .refused), ("x/../own", .refused),
        ] {
            let (answer, text) = try place.ask(place.home + "/" + name)
            #expect(answer.kind == kind && text == (kind == .text ? "own\n" : ""), "\(name): \(answer)")
        }
        for path in [place.folder + "/other", "/etc/passwd", "own", "/", place.home, place.home + "x/own", "/dev/null"]
        {
            #expect(try place.ask(path).0.kind == .refused, "\(path)")
        }
    }

    @Test("the longest folder counts, by whole names")
    func roots() {
        func split(_ path: String, _ roots: [String]) -> [String]? {
            FileWalk.split(path, roots).map { [$0.root] + $0.names }
        }
        #expect(split("/a/b/c", ["/a", "/a/b"]) == ["/a/b", "c"])
        #expect(split("//a///b", ["/a/"]) == ["/a/", "b"])
        #expect(split("/ab/c", ["/a"]) == nil)
        #expect(split("/a/b", ["/", "a", ""]) == nil)
        #expect(split("/a", ["/a"]) == nil)
        #expect(split("/a/\0", ["/a"]) == nil)
    }

    @Test("who asks is told by the kernel, and no system user is served", arguments: [0, 1, 2])
    func credentials(_ row: Int) throws {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let request = FileLine.encode(
            FileRequest(userID: row == 1 ? 0 : 7, path: "/etc/passwd", lines: 1, bytes: 1))
        let text = row == 2 ? Array("{}\n".utf8) : request
        #expect(text.withUnsafeBytes { send(ends[1], $0.baseAddress, $0.count, 0) } == text.count)
        let helper = FileHelper(peer: row == 0 ? getuid() + 1 : getuid(), minimumUserID: 1000, roots: ["/etc"])
        #expect(helper.serve(ends[0]) == 77)
        // It was to end soon, and this process is not.
        alarm(0)
        close(ends[0])
        let all = Array(FileHandle(fileDescriptor: ends[1]).readDataToEndOfFile())
        close(ends[1])
        let answer = try #require(FileLine.decode(FileAnswer.self, all.dropLast()))
        let words = ["may not ask", "no user of uid 0", "not a request"][row]
        #expect(answer.kind == (row == 1 ? .refused : .failed) && answer.why?.contains(words) == true, "\(answer)")
    }

    @Test("how many lines upstream wants")
    func lines() throws {
        for (text, lines) in [
            ("{}", 100), (#"{"lines":["5"]}"#, 5), (#"{"lines":[5]}"#, 5), (#"{"lines":["1"]}"#, 100),
            (#"{"lines":[" 7 "]}"#, 7), (#"{"lines":["x"]}"#, 100), (#"{"lines":[]}"#, 100),
            (#"{"lines":["-3"]}"#, 100),
            (#"{"lines":["99999999"]}"#, 10_000),
        ] {
            #expect(Dispatcher.lines(try JSONValue(parsing: text.utf8)) == lines, "\(text)")
        }
    }

    @Test("whose a submission is")
    func owner() {
        let owner = JarviceGateway.owner("1001/7/a name")
        #expect(owner?.userID == 1001 && owner?.name == "a name")
        // A number is whatever upstream says.
        #expect(JarviceGateway.owner("1001/a/b/n")?.name == "n")
        #expect(JarviceGateway.owner("n") == nil && JarviceGateway.owner("x/1/n") == nil)
    }
}
