// SPDX-License-Identifier: GPL-3.0-or-later

/// How a job's script ended: the raw wait status of wait(2), as Slurm keeps it, and its two halves.
public struct ExitStatus: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The wait status: exit code in bits 8 to 15, signal in bits 0 to 6, core dump in bit 7.
    public var raw: UInt32

    public init(raw: UInt32) {
        self.raw = raw
    }

    /// 0…255; 0 when a signal ended the script.
    public var code: UInt8 { signal == 0 ? UInt8(truncatingIfNeeded: raw >> 8) : 0 }

    /// The signal that ended the script, 0 if none did.
    public var signal: UInt8 { UInt8(raw & 0x7f) }

    public var isSuccess: Bool { raw == 0 }

    /// `code:signal`, as sacct and scontrol print it.
    public var description: String { "\(code):\(signal)" }
}
