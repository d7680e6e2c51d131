// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
internal import CSecp256k1

/// libsecp256k1's calls, each checked. Its context is made once; all uses of it are read-only and so free of threads.
enum Secp256k1 {
    private struct Context: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private static let context: Context = {
        guard let pointer = secp256k1_context_create(UInt32(SECP256K1_CONTEXT_NONE)) else {
            preconditionFailure("libsecp256k1 gives no context: out of memory")
        }
        // Blinds the multiplication against side channels. Without random bytes it stays unblinded, and right.
        var seed = [UInt8](repeating: 0, count: 32)
        if RAND_bytes(&seed, 32) == 1 { _ = secp256k1_context_randomize(pointer, seed) }
        return Context(pointer: pointer)
    }()

    static func isValid(secret: UnsafePointer<UInt8>) -> Bool {
        secp256k1_ec_seckey_verify(context.pointer, secret) == 1
    }

    /// 64 bytes, without the leading 4.
    static func publicKey(secret: UnsafePointer<UInt8>) -> [UInt8]? {
        var key = secp256k1_pubkey()
        guard secp256k1_ec_pubkey_create(context.pointer, &key, secret) == 1 else { return nil }
        return serialize(&key)
    }

    /// Deterministic (RFC 6979), with the lower of the two possible s.
    static func sign(_ hash: Hash32, secret: UnsafePointer<UInt8>) -> Signature? {
        var signature = secp256k1_ecdsa_recoverable_signature()
        guard secp256k1_ecdsa_sign_recoverable(context.pointer, &signature, hash.bytes, secret, nil, nil) == 1 else {
            return nil
        }
        var compact = [UInt8](repeating: 0, count: 64)
        var recovery: Int32 = 0
        guard
            secp256k1_ecdsa_recoverable_signature_serialize_compact(context.pointer, &compact, &recovery, &signature)
                == 1
        else { return nil }
        return Signature(r: Array(compact.prefix(32)), s: Array(compact.suffix(32)), parity: UInt8(recovery))
    }

    /// The public key that made a signature, 64 bytes; nil when there is none.
    static func recover(_ signature: Signature, of hash: Hash32) -> [UInt8]? {
        var parsed = secp256k1_ecdsa_recoverable_signature()
        guard signature.parity < 4,
            secp256k1_ecdsa_recoverable_signature_parse_compact(
                context.pointer, &parsed, signature.r + signature.s, Int32(signature.parity)) == 1
        else { return nil }
        var key = secp256k1_pubkey()
        guard secp256k1_ecdsa_recover(context.pointer, &key, &parsed, hash.bytes) == 1 else { return nil }
        return serialize(&key)
    }

    private static func serialize(_ key: UnsafePointer<secp256k1_pubkey>) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65)
        var count = bytes.count
        secp256k1_ec_pubkey_serialize(context.pointer, &bytes, &count, key, UInt32(SECP256K1_EC_UNCOMPRESSED))
        return Array(bytes.dropFirst())
    }
}
