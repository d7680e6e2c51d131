// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import SwiftProtobuf
import Testing

@testable import DeepSquare

@Suite("The worst megabyte as a message of a service")
struct WorstMessageTests {
    private typealias Script = Sbatchapi_V1alpha1_GetSBatchResponse

    private static func filled(_ part: [UInt8]) -> [UInt8] {
        Array(repeatElement(part, count: (1 << 20) / part.count).joined())
    }

    @Test("groups within groups are left at a fixed depth")
    func depth() {
        // Starts of a group of field 15, closed or not.
        let open = Self.filled([0x7b])
        let closed = Array(repeating: UInt8(0x7b), count: 1 << 19) + Array(repeating: UInt8(0x7c), count: 1 << 19)
        for bytes in [open, closed] {
            #expect(throws: BinaryDecodingError.self) { try Script(serializedBytes: bytes) }
        }
        let shallow = Array(repeating: UInt8(0x7b), count: 50) + Array(repeating: UInt8(0x7c), count: 50)
        #expect(throws: Never.self) { try Script(serializedBytes: shallow) }
    }

    @Test("fields that nobody knows are passed over, each once")
    func width() throws {
        for part in [[0x78, 0x01], [0x7a, 0x00], [0x7b, 0x7c], [0x7d, 0, 0, 0, 0]] as [[UInt8]] {
            let bytes = Self.filled(part)
            let message = try Script(serializedBytes: bytes)
            #expect(message.unknownFields.data.count == bytes.count)
        }
    }
}
