// SPDX-License-Identifier: GPL-3.0-or-later

internal import CZlib
internal import FoundationEssentials

extension ResultParcel {
    /// - Parameter packed: by gzip, as base64.
    static func contents(packed text: String) throws(ResultError) -> [String: String] {
        guard let packed = Data(base64Encoded: text) else { throw ResultError("a parcel that is not base64") }
        let bytes = packed.withUnsafeBytes { source in
            [UInt8](unsafeUninitializedCapacity: limit) { room, count in
                let size = czlib_gunzip(
                    source.bindMemory(to: UInt8.self).baseAddress, source.count, room.baseAddress, room.count)
                count = max(0, size)
            }
        }
        guard !bytes.isEmpty else {
            throw ResultError("a parcel that gzip cannot read, or with more than \(limit) bytes")
        }
        return try contents(bytes)
    }
}
