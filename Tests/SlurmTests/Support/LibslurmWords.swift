// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Testing

@testable import Slurm

/// Functions of libslurm that put numbers into words; exported by the library, declared in no public header.
enum LibslurmWords {
    private typealias OfInteger = @convention(c) (UInt32) -> UnsafePointer<CChar>?

    static func jobState(_ number: UInt32) throws -> String {
        try words(number, "slurm_job_state_string")
    }

    static func nodeState(_ number: UInt32) throws -> String {
        try words(number, "slurm_node_state_string")
    }

    static func reason(_ number: UInt32) throws -> String {
        // The second name is that of 24.11 and newer.
        try words(number, "slurm_job_reason_string", "slurm_job_state_reason_string")
    }

    private static func words(_ number: UInt32, _ functions: String...) throws -> String {
        _ = Cluster.libraryVersion  // keeps libslurm linked
        let symbol = try #require(
            functions.lazy.compactMap { dlsym(nil, $0) }.first, "libslurm exports no \(functions)")
        return String(cString: try #require(unsafeBitCast(symbol, to: OfInteger.self)(number)))
    }
}
