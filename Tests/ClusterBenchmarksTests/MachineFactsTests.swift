// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import ClusterBenchmarks

@Suite struct MachineFactsTests {
    static let rome = """
        == uname
        Linux x86_64
        == cpuinfo
        processor\t: 0
        vendor_id\t: AuthenticAMD
        cpu family\t: 23
        model\t\t: 49
        model name\t: AMD EPYC 7302 16-Core Processor
        flags\t\t: \(zen2)
        == lscpu
        Model name:          AMD EPYC 7302 16-Core Processor
        == nvidia
        Model: \t\t NVIDIA GeForce RTX 3090
        IRQ:   \t\t 33
        GPU UUID: \t GPU-1
        Model: \t\t NVIDIA GeForce RTX 3090
        == amd
        """

    static let zen2 =
        "fpu mmx sse sse2 ssse3 sse4a sse4_1 sse4_2 abm aes avx avx2 bmi1 bmi2 clflushopt clwb clzero cx16 f16c fma fsgsbase pclmulqdq popcnt rdseed adx xsavec xsaveopt lahf_lm movbe lzcnt xsave"

    @Test func node() throws {
        let facts = try MachineFacts(Self.rome)
        #expect(facts.os == "linux")
        #expect(facts.architecture == "amd64")
        #expect(facts.gpus == ["NVIDIA GeForce RTX 3090": 2])
        #expect(BenchmarkLabels.cleaned(facts.cpu ?? "") == "amd-epyc-7302-16-core-processor")
        #expect(BenchmarkLabels.cleaned(facts.gpu ?? "") == "nvidia-geforce-rtx-3090")
        #expect(facts.microarchitecture == "zen2")
    }

    @Test(
        "ARM's names are in lscpu; what is unknown has the machine's name",
        arguments: [
            (
                "Linux aarch64",
                "CPU implementer : 0x41\nCPU part : 0xd0c\nFeatures : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs",
                "arm64", "neoverse_n1"
            ),
            ("Linux aarch64", "CPU implementer : 0x99\nFeatures : fp", "arm64", "aarch64"),
            ("Linux ppc64le", "cpu : POWER9 (raw), altivec supported", "ppc64le", "power9le"),
            ("Linux x86_64", "vendor_id : Unknown\nflags : fpu", "amd64", "x86_64"),
            ("Linux x86_64", "", "amd64", "x86_64"),
            ("Linux s390x", "", "s390x", "s390x"),
        ])
    func machines(_ uname: String, _ cpuinfo: String, _ architecture: String, _ name: String) throws {
        let facts = try MachineFacts("== uname\n\(uname)\n== cpuinfo\n\(cpuinfo)\n== lscpu\nModel name: Neoverse-N1\n")
        #expect(facts.architecture == architecture)
        #expect(facts.microarchitecture == name)
    }

    @Test func nothing() {
        for text in ["", "== uname\n", "== uname\nLinux\n", "== cpuinfo\nmodel name: x"] {
            #expect(throws: ResultError.self) { try MachineFacts(text) }
        }
    }

    @Test("each name of the table is found by its own vendor and features, but for those that others have too")
    func table() {
        for target in Microarchitecture.targets
        where target.row.vendor.hasPrefix("Genuine") || target.row.vendor.hasPrefix("Auth") {
            var processor = Microarchitecture.Processor(machine: "x86_64")
            (processor.vendor, processor.flags) = (target.row.vendor, target.features)
            let found = Microarchitecture.name(of: processor)
            let same = Microarchitecture.targets.first { $0.row.name == found }
            #expect(found == target.row.name || same?.features.isSubset(of: target.features) == true)
        }
        #expect(Microarchitecture.targets.count > 50)
    }
}
