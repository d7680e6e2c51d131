// SPDX-License-Identifier: GPL-3.0-or-later

/// Keccak-256 as Ethereum uses it: the sponge of FIPS 202 with rate 1088 and the original padding (0x01, not SHA-3's
/// 0x06). OpenSSL 3.0 has SHA-3 only.
public enum Keccak256 {
    private static let rate = 136

    public static func hash(_ message: some Sequence<UInt8>) -> Hash32 {
        message.withContiguousStorageIfAvailable { Hash32(digest(UnsafeRawBufferPointer($0))) }
            ?? Array(message).withUnsafeBytes { Hash32(digest($0)) }
    }

    static func digest(_ message: UnsafeRawBufferPointer) -> [UInt8] {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 25) { state in
            state.initialize(repeating: 0)
            var offset = 0
            while message.count - offset >= rate {
                absorb(UnsafeRawBufferPointer(rebasing: message[offset..<offset + rate]), into: state)
                offset += rate
            }
            withUnsafeTemporaryAllocation(byteCount: rate, alignment: 8) { block in
                block.initializeMemory(as: UInt8.self, repeating: 0)
                block.copyMemory(from: UnsafeRawBufferPointer(rebasing: message[offset...]))
                block[message.count - offset] = 0x01
                block[rate - 1] |= 0x80
                absorb(UnsafeRawBufferPointer(block), into: state)
            }
            return (0..<4).flatMap { lane in (0..<8).map { UInt8(truncatingIfNeeded: state[lane] >> (8 * UInt64($0))) }
            }
        }
    }

    private static func absorb(_ block: UnsafeRawBufferPointer, into state: UnsafeMutableBufferPointer<UInt64>) {
        for lane in 0..<rate / 8 {
            state[lane] ^= UInt64(littleEndian: block.loadUnaligned(fromByteOffset: lane * 8, as: UInt64.self))
        }
        permute(state)
    }

    /// iota's constants, FIPS 202 section 3.2.5.
    private static let constants: [UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808A, 0x8000_0000_8000_8000,
        0x0000_0000_0000_808B, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
        0x0000_0000_0000_008A, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000A,
        0x0000_0000_8000_808B, 0x8000_0000_0000_008B, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
        0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800A, 0x8000_0000_8000_000A,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
    ]
    /// rho's rotations and pi's moves, along the one cycle of 24 lanes that pi is.
    private static let rotations: [UInt64] = [
        1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44,
    ]
    private static let moves: [Int] = [
        10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1,
    ]

    private static func permute(_ state: UnsafeMutableBufferPointer<UInt64>) {
        constants.withUnsafeBufferPointer { constants in
            rotations.withUnsafeBufferPointer { rotations in
                moves.withUnsafeBufferPointer { moves in
                    for round in 0..<24 {
                        mix(state)
                        var carried = state[1]
                        for step in 0..<24 {
                            let lane = moves[step]
                            let next = state[lane]
                            state[lane] = carried << rotations[step] | carried >> (64 - rotations[step])
                            carried = next
                        }
                        for row in stride(from: 0, to: 25, by: 5) { chi(state, row) }
                        state[0] ^= constants[round]
                    }
                }
            }
        }
    }

    /// theta
    @inline(__always)
    private static func mix(_ state: UnsafeMutableBufferPointer<UInt64>) {
        let a = state[0] ^ state[5] ^ state[10] ^ state[15] ^ state[20]
        let b = state[1] ^ state[6] ^ state[11] ^ state[16] ^ state[21]
        let c = state[2] ^ state[7] ^ state[12] ^ state[17] ^ state[22]
        let d = state[3] ^ state[8] ^ state[13] ^ state[18] ^ state[23]
        let e = state[4] ^ state[9] ^ state[14] ^ state[19] ^ state[24]
        func turned(_ lane: UInt64) -> UInt64 { lane << 1 | lane >> 63 }
        let (first, second, third) = (e ^ turned(b), a ^ turned(c), b ^ turned(d))
        let (fourth, fifth) = (c ^ turned(e), d ^ turned(a))
        for row in stride(from: 0, to: 25, by: 5) {
            state[row] ^= first
            state[row + 1] ^= second
            state[row + 2] ^= third
            state[row + 3] ^= fourth
            state[row + 4] ^= fifth
        }
    }

    @inline(__always)
    private static func chi(_ state: UnsafeMutableBufferPointer<UInt64>, _ row: Int) {
        let (a, b, c, d, e) = (state[row], state[row + 1], state[row + 2], state[row + 3], state[row + 4])
        state[row] = a ^ (~b & c)
        state[row + 1] = b ^ (~c & d)
        state[row + 2] = c ^ (~d & e)
        state[row + 3] = d ^ (~e & a)
        state[row + 4] = e ^ (~a & b)
    }
}
