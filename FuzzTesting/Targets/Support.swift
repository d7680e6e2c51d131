// SPDX-License-Identifier: GPL-3.0-or-later

/// The bytes of one run as text; nil when they are none. What comes from Slurm is text by then.
func text(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> String? {
    String(validating: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
}

/// A property that does not hold ends the run like a trap: libFuzzer keeps the input.
func hold(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}
