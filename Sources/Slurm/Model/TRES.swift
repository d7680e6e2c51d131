// SPDX-License-Identifier: GPL-3.0-or-later

/// Trackable resources as slurmctld prints them: `cpu=4,mem=100M,node=1,billing=4,gres/gpu=2,gres/gpu:tesla=2`.
///
/// Kept as text and read when asked: a queue of ten thousand jobs is decoded far more often than its TRES are looked
/// at.
public struct TRES: Sendable, Hashable, CustomStringConvertible {
    public var text: String

    public init(_ text: String) {
        self.text = text
    }

    public var description: String { text }

    public var isEmpty: Bool { text.isEmpty }

    /// Every `name=amount` in order, amounts without their unit suffix: memory (`mem`) in MB, `bb/…` in MB, the rest
    /// as counts. Entries that cannot be read are left out.
    public var entries: [(name: String, amount: UInt64)] {
        text.utf8.split(separator: UInt8(ascii: ",")).compactMap { entry in
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")), equals != entry.startIndex,
                let name = String(entry[..<equals])
            else { return nil }
            let inMegabytes = name == "mem" || name.hasPrefix("bb/")
            guard let amount = Self.amount(entry[entry.index(after: equals)...], inMegabytes: inMegabytes) else {
                return nil
            }
            return (name, amount)
        }
    }

    /// The amount of one resource, nil when it is not listed.
    public subscript(name: String) -> UInt64? {
        entries.first { $0.name == name }?.amount
    }

    public var cpus: UInt64? { self["cpu"] }
    /// In MB.
    public var memory: UInt64? { self["mem"] }
    public var nodes: UInt64? { self["node"] }
    public var billing: UInt64? { self["billing"] }

    /// GPUs by type; the key "" holds those without a type. `gres/gpu=4,gres/gpu:a100=4` counts four of them, not
    /// eight: the untyped entry is the total.
    public var gpus: [String: UInt64] {
        var byType: [String: UInt64] = [:]
        var total: UInt64 = 0
        for (name, amount) in entries {
            if name == "gres/gpu" {
                total = amount
            } else if name.hasPrefix("gres/gpu:") {
                byType[String(name.dropFirst("gres/gpu:".count)), default: 0] &+= amount
            }
        }
        let typed = byType.values.reduce(0, &+)
        if total > typed { byType[""] = total - typed }
        return byType
    }

    /// Reads `100`, `100M`, `1.50G`, `2T`. Slurm prints memory in MB with a suffix; without one it is MB too. Counts
    /// may carry K, M, G, T or P for powers of 1024; as sbatch takes them, in small letters too.
    static func amount(_ text: Substring.UTF8View.SubSequence, inMegabytes: Bool) -> UInt64? {
        var whole: UInt64 = 0
        var fraction = 0.0
        var scale = 0.1
        var seenPoint = false
        var seenDigit = false
        var suffix: UInt8 = 0
        for byte in text {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9") where suffix == 0:
                seenDigit = true
                let digit = UInt64(byte - UInt8(ascii: "0"))
                if seenPoint {
                    fraction += Double(digit) * scale
                    scale /= 10
                } else {
                    let (product, overflow) = whole.multipliedReportingOverflow(by: 10)
                    let (sum, carry) = product.addingReportingOverflow(digit)
                    if overflow || carry { return nil }
                    whole = sum
                }
            case UInt8(ascii: ".") where !seenPoint && suffix == 0: seenPoint = true
            case _ where suffix == 0: suffix = byte
            default: return nil
            }
        }
        guard seenDigit else { return nil }
        var power = inMegabytes ? 2 : 0
        switch suffix {
        case 0: break
        case UInt8(ascii: "K"), UInt8(ascii: "k"): power = 1
        case UInt8(ascii: "M"), UInt8(ascii: "m"): power = 2
        case UInt8(ascii: "G"), UInt8(ascii: "g"): power = 3
        case UInt8(ascii: "T"), UInt8(ascii: "t"): power = 4
        case UInt8(ascii: "P"), UInt8(ascii: "p"): power = 5
        default: return nil
        }
        if inMegabytes { power -= 2 }
        if power < 0 {
            return whole >> 10  // kilobytes, rounded down to whole MB; a fraction cannot change that
        }
        let factor = UInt64(1) << UInt64(10 * power)
        let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
        if overflow { return nil }
        let (sum, carry) = product.addingReportingOverflow(UInt64((fraction * Double(factor)).rounded()))
        return carry ? nil : sum
    }
}
