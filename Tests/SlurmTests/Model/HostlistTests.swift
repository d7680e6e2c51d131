// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct HostlistTests {
    @Test(
        arguments: [
            ("", []),
            ("login", ["login"]),
            ("n1,n2", ["n1", "n2"]),
            ("n2,n1,n2", ["n2", "n1", "n2"]),
            (",n1,,n2,", ["n1", "n2"]),
            ("n[1-3]", ["n1", "n2", "n3"]),
            ("n[3]", ["n3"]),
            ("n[07-11]", ["n07", "n08", "n09", "n10", "n11"]),
            ("n[9-11]", ["n9", "n10", "n11"]),
            ("n[1,3-4]", ["n1", "n3", "n4"]),
            ("n[1-2]-ib", ["n1-ib", "n2-ib"]),
            ("rack[1-2]n[1-2]", ["rack1n1", "rack1n2", "rack2n1", "rack2n2"]),
            ("[1-2]a", ["1a", "2a"]),
            ("a-b.example.org,c[1-2]", ["a-b.example.org", "c1", "c2"]),
            ("n[000000000000000001-000000000000000002]", ["n000000000000000001", "n000000000000000002"]),
            // Slurm 22.05.8, partition and job node lists
            ("gpu-[07-08],n[1-3,10]", ["gpu-07", "gpu-08", "n1", "n2", "n3", "n10"]),
            ("gpu-[07-08]", ["gpu-07", "gpu-08"]),
            ("gpu-07,n3", ["gpu-07", "n3"]),
        ] as [(String, [String])])
    func expands(_ text: String, _ names: [String]) {
        #expect(Hostlist.expand(text) == names)
    }

    @Test(arguments: [
        "n[", "n]", "n[1", "n1]", "n[[1]]", "n[1-2]]", "n]1[", "n[]", "n[,]", "n[1,]", "n[,1]", "n[1-]", "n[-1]",
        "n[3-1]", "n[1-2-3]", "n[a]", "n[1-b]", "n[ 1]", "n[+1]", "n[１]", "n[0-65536]", "n[1-70000]",
        "n[1-1000]m[1-1000]", "n[1-40000],m[1-40000]", "n[1-40000,1-40000]", "n[1234567890123456789]",
        "n[0-18446744073709551615]", "n[99999999999999999999999]",
    ])
    func refuses(_ text: String) {
        #expect(Hostlist.expand(text) == nil)
    }

    @Test func takesExactlyTheLimit() throws {
        #expect(Hostlist.limit == 65_536)
        let names = try #require(Hostlist.expand("n[0-65535]"))
        #expect(names.count == Hostlist.limit)
        #expect(names.first == "n0" && names.last == "n65535")
        #expect(Hostlist.expand("n[0-65535],x") == nil)
        #expect(Hostlist.expand("a[1-256]b[1-256]")?.count == Hostlist.limit)
        #expect(Hostlist.expand("a[1-256]b[1-257]") == nil)
    }

    @Test("A short text cannot name more bytes than memory holds")
    func refusesNamesThatNoHostHas() {
        // 64 Ki names of 2,000 characters each are 130 MB, and quadratic work.
        #expect(Hostlist.expand("n[0-65535]" + String(repeating: "[1]", count: 2000)) == nil)
        #expect(Hostlist.expand("n[1-2]" + String(repeating: "x", count: 5000)) == nil)
    }

    @Test(
        arguments: [
            ([], ""),
            (["login"], "login"),
            (["n1"], "n1"),
            (["n1", "n2", "n3"], "n[1-3]"),
            (["n1", "n3"], "n[1,3]"),
            (["n1", "n2", "n4", "n5", "n9"], "n[1-2,4-5,9]"),
            (["n9", "n10"], "n[9-10]"),
            (["n09", "n10"], "n[09-10]"),
            (["n9", "n010"], "n[9,010]"),
            (["n99", "n100"], "n[99-100]"),
            (["n099", "n100"], "n[099-100]"),
            (["n3", "n2", "n1"], "n[3,2,1]"),
            (["n1", "n1"], "n[1,1]"),
            (["n1", "m1", "n2"], "n1,m1,n2"),
            (["n1", "login", "n2"], "n1,login,n2"),
            (["1", "2"], "[1-2]"),
            (["n1-ib", "n2-ib"], "n1-ib,n2-ib"),
            (["gpu-07", "gpu-08", "n1", "n2", "n3", "n10"], "gpu-[07-08],n[1-3,10]"),
            (["n999999999999999999", "n1000000000000000000"], "n999999999999999999,n1000000000000000000"),
        ] as [([String], String)])
    func compresses(_ names: [String], _ text: String) {
        #expect(Hostlist.compress(names) == text)
        #expect(Hostlist.expand(text) == names)
    }
}
