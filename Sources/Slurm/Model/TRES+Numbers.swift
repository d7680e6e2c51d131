// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm

extension TRES {
    /// Resources by their numbers, as Slurm stores them (`1=4,2=100,3=18446744073709551614,4=1`), as slurmctld prints them:
    /// `cpu=4,mem=100M,node=1`. What has no amount (NO_VAL64, INFINITE64) is left out. A text that has names already stays.
    ///
    /// Numbers above the static ones (generic resources, licences) are each cluster's own: nil when the text has one, since
    /// half of a job's resources would be a wrong answer.
    public init?(numbered text: String) {
        guard let first = text.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            self.init(text)
            return
        }
        var entries: [String] = []
        for entry in text.split(separator: ",") {
            let pair = entry.split(separator: "=", omittingEmptySubsequences: false)
            guard pair.count == 2, let number = Int(pair[0]), let amount = UInt64(pair[1]) else { return nil }
            if amount == cs_NO_VAL64 || amount == cs_INFINITE64 { continue }
            guard number > 0, number <= Self.staticNames.count else { return nil }
            let name = Self.staticNames[number - 1]
            entries.append("\(name)=\(name == "mem" ? Self.memoryText(amount) : String(amount))")
        }
        self.init(entries.joined(separator: ","))
    }

    /// In the order of their numbers (slurmdb.h, tres_types_t), the same in every release.
    private static let staticNames = ["cpu", "mem", "energy", "node", "billing", "fs/disk", "vmem", "pages"]

    /// MB in the largest unit that has no fraction, as slurmctld does.
    private static func memoryText(_ megabytes: UInt64) -> String {
        var (amount, unit) = (megabytes, 0)
        let units = ["M", "G", "T", "P"]
        while amount > 0, amount % 1024 == 0, unit < units.count - 1 {
            amount /= 1024
            unit += 1
        }
        return amount == 0 ? "0" : "\(amount)\(units[unit])"
    }
}
