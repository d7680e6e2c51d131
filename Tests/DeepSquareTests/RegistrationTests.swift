// SPDX-License-Identifier: GPL-3.0-or-later

import BigInt
import Testing

@testable import DeepSquare

@Suite("What a cluster is registered with")
struct RegistrationTests {
    @Test(
        "labels are cleaned as the grid does it",
        arguments: [
            ("AMD EPYC 7302 16-Core Processor", "amd-epyc-7302-16-core-processor"), ("linux", "linux"), ("", ""),
            ("  ", ""), ("41450.00", "41450.00"),
            ("storage.shared-world-tmp.read.bw.mibps", "storage.shared-world-tmp.read.bw.mibps"),
            ("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-r-xeon-r-cpu-2.20ghz"), ("-a-", "a"), ("a - b", "a-b"),
            ("--", ""), ("a_b.c", "a_b.c"), ("Zürich", "z-rich"), ("a,b;c", "a-b-c"),
            ("GeForce RTX™ 3090", "geforce-rtx-3090"),
            ("a\nb\0c", "a-b-c"), ("１２", ""),
        ])
    func cleans(_ text: String, _ clean: String) {
        #expect(Label.clean(text) == clean)
        #expect(Label.clean(clean) == clean)
    }

    @Test("labels are in order of their keys, each once, the last one counts")
    func cleaned() {
        let labels = [
            Label(key: "OS", value: "Linux"), Label(key: "b", value: "1"), Label(key: "!", value: "none"),
            Label(key: "a", value: ""), Label(key: "os", value: "BSD"),
        ]
        #expect(
            labels.cleaned == [
                Label(key: "a", value: ""), Label(key: "b", value: "1"), Label(key: "os", value: "bsd"),
            ])
    }

    private static let hardware = Hardware(
        gpusPerNode: [0, 1], cpusPerNode: [16, 8], memoryPerNode: [128_000, 64_000])

    private static func registration(_ labels: [Label] = [Label(key: "os", value: "linux")]) -> Registration {
        Registration(hardware: hardware, prices: GridSettings().prices, labels: labels)
    }

    private static func record(_ change: (inout ProviderRecord) -> Void = { _ in }) -> ProviderRecord {
        var record = ProviderRecord(
            address: provider, hardware: hardware, prices: GridSettings().prices,
            labels: [Label(key: "os", value: "linux")], isBanned: false)
        change(&record)
        return record
    }

    @Test("\"each restart may need a new approval\": the same says no difference")
    func same() {
        #expect(Self.registration().differences(from: Self.record()).isEmpty)
        let shouted = Self.registration([Label(key: "OS", value: "LINUX")])
        #expect(shouted.differences(from: Self.record()).isEmpty)
    }

    @Test("labels that are not ours are no difference, and stay")
    func foreignLabels() {
        let record = Self.record {
            $0.labels = [
                Label(key: "zone", value: "CH"), Label(key: "os", value: "linux"), Label(key: "gpu", value: "A100"),
            ]
        }
        let ours = Self.registration()
        #expect(ours.differences(from: record).isEmpty)
        #expect(
            ours.keeping(labelsOf: record).labels == [
                Label(key: "gpu", value: "A100"), Label(key: "os", value: "linux"), Label(key: "zone", value: "CH"),
            ])
        #expect(ours.keeping(labelsOf: nil) == ours)
        // "Empty benchmark values overwrite operators' labels": ours win where they are set.
        let other = Self.record { $0.labels = [Label(key: "os", value: "bsd")] }
        #expect(ours.keeping(labelsOf: other).labels == [Label(key: "os", value: "linux")])
    }

    @Test("differences, in words")
    func differences() {
        let gwei = BigUInt(10).power(9)
        let rows: [(ProviderRecord, [String])] = [
            (
                Self.record { $0.hardware = Hardware(gpusPerNode: [0], cpusPerNode: [16], memoryPerNode: [128_000]) },
                [
                    "hardware: the chain has 1 nodes, 16 CPUs, 0 GPUs, 128000 MB, "
                        + "the cluster has 2 nodes, 24 CPUs, 1 GPUs, 192000 MB"
                ]
            ),
            (
                Self.record { $0.prices = Prices(gpuPerMinute: 1, cpuPerMinute: gwei, memoryPerMinute: 0) },
                [
                    "gpu price a minute: the chain has 0.000000000000000001 credits, the configuration has 8.5",
                    "cpu price a minute: the chain has 0.000000001 credits, the configuration has 0.95",
                    "mem price a minute: the chain has 0 credits, the configuration has 0.00008",
                ]
            ),
            (
                Self.record { $0.labels = [] },
                ["label os: the chain has none, the configuration has \"linux\""]
            ),
            (
                Self.record { $0.labels = [Label(key: "os", value: "bsd")] },
                ["label os: the chain has \"bsd\", the configuration has \"linux\""]
            ),
        ]
        for (record, words) in rows { #expect(Self.registration().differences(from: record) == words) }
    }

    @Test("nodes in another order, and the same sums, are other hardware")
    func order() {
        let turned = Self.record {
            $0.hardware = Hardware(gpusPerNode: [1, 0], cpusPerNode: [8, 16], memoryPerNode: [64_000, 128_000])
        }
        let differences = Self.registration().differences(from: turned)
        #expect(differences.count == 1 && differences.first?.hasPrefix("hardware: ") == true)
    }

    @Test("sums of hardware that a contract gives do not overflow")
    func overflow() {
        let hardware = Hardware(gpusPerNode: [.max, 2], cpusPerNode: [.max, .max], memoryPerNode: [0, 0])
        #expect(hardware.words == "2 nodes, 18446744073709551614 CPUs, 1 GPUs, 0 MB")
    }
}
