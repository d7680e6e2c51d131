// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Glibc
import Testing

@testable import Agent

@Suite("Whom files can be changed by")
struct FileTrustTests {
    private static let slurm: UInt32 = 64030

    @Test(
        "owner, mode, kind and number of names",
        arguments: [
            (FileTrust.Facts(kind: .file, owner: slurm, mode: 0o600), nil),
            (.init(kind: .file, owner: 0, mode: 0o644), nil),
            (.init(kind: .file, owner: 1000, mode: 0o600), "belongs to uid 1000"),
            (.init(kind: .file, owner: slurm, mode: 0o620), "others may write it: chmod go-w"),
            (.init(kind: .file, owner: slurm, mode: 0o602), "others may write it: chmod go-w"),
            (.init(kind: .file, owner: slurm, mode: 0o600, links: 2), "has 2 names"),
            (.init(kind: .link, owner: slurm, mode: 0o777), "symbolic link"),
            (.init(kind: .other, owner: slurm, mode: 0o600), "not a plain file"),
            (.init(kind: .folder, owner: slurm, mode: 0o700), "not a plain file"),
        ] as [(FileTrust.Facts, String?)])
    func files(_ facts: FileTrust.Facts, _ words: String?) {
        let trouble = FileTrust(owner: Self.slurm).trouble("/spool/x", facts, is: .file)
        #expect((trouble == nil) == (words == nil))
        if let words { #expect(trouble?.hasPrefix("/spool/x: ") == true && trouble?.contains(words) == true) }
    }

    @Test(
        "folders above",
        arguments: [
            (FileTrust.Facts(kind: .folder, owner: 0, mode: 0o755), true),
            (.init(kind: .folder, owner: 0, mode: 0o1777), true),
            (.init(kind: .folder, owner: slurm, mode: 0o700), true),
            (.init(kind: .folder, owner: 0, mode: 0o777), false),
            (.init(kind: .folder, owner: 0, mode: 0o775), false),
            (.init(kind: .folder, owner: 1000, mode: 0o755), false),
        ])
    func above(_ facts: FileTrust.Facts, _ isFine: Bool) {
        #expect((FileTrust(owner: Self.slurm).troubleAbove("/var", facts) == nil) == isFine)
    }

    /// What is done to a spool of one file, as root or whoever runs this.
    @Test(
        "on the disk",
        arguments: [
            "nothing", "missing", "writable folder", "writable file", "second name", "link", "link as folder", "pipe",
            "above",
        ])
    func disk(_ what: String) throws {
        let top = FileManager.default.temporaryDirectory.path + "/trust-\(UUID().uuidString.prefix(8))"
        let spool = top + "/state/grid-agent"
        try FileManager.default.createDirectory(
            atPath: spool, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(atPath: top) }
        let file = spool + "/n1.1.00.spool"
        try Data("x".utf8).write(to: URL(fileURLWithPath: file))
        chmod(top, 0o755)
        chmod(top + "/state", 0o755)
        chmod(spool, 0o700)
        chmod(file, 0o600)
        var looked = spool
        switch what {
        case "missing": looked = top + "/nowhere"
        case "writable folder": chmod(spool, 0o770)
        case "writable file": chmod(file, 0o666)
        case "second name": link(file, top + "/other")
        case "link": symlink("/etc/passwd", spool + "/n2.spool")
        case "link as folder":
            symlink(spool, top + "/link")
            looked = top + "/link"
        case "pipe": mkfifo(spool + "/pipe", 0o600)
        case "above": chmod(top + "/state", 0o777)
        default: break
        }
        let answer = FileTrust(owner: geteuid()).folder(looked)
        switch what {
        case "nothing": #expect(answer == .fine)
        case "missing": #expect(answer == .missing)
        default:
            guard case .trouble(let words) = answer else {
                Issue.record("\(what): \(answer)")
                return
            }
            #expect(words.hasPrefix(top))
        }
    }
}
