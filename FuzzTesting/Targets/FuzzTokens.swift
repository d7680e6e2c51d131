// SPDX-License-Identifier: GPL-3.0-or-later

/// What is no algorithm of a private key never comes out as one.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let text = text(bytes, count), let parts = try? TokenParts(text) else { return 0 }
    hold(parts.algorithm == nil || parts.algorithm?.rawValue == parts.algorithmName, "another algorithm")
    hold(!parts.algorithmName.hasPrefix("HS") || parts.algorithm == nil, "a shared secret")
    _ = parts.claims["exp"]
    return 0
}
