// SPDX-License-Identifier: GPL-3.0-or-later

/// What is read is written again as the same bytes: there is one encoding of everything. Transactions too.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    if let item = try? RLP(decoding: input) { hold(item.encoded == input, "written otherwise than it was read") }
    if let transaction = try? SignedTransaction(decoding: input) {
        hold(transaction.unsigned.signed(by: transaction.signature).raw == input, "another transaction than was read")
    }
    return 0
}
