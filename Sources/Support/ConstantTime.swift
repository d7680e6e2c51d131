// SPDX-License-Identifier: GPL-3.0-or-later

public enum ConstantTime {
    /// Takes as long whatever is wrong with what was given. Nothing equals an empty secret.
    public static func equal(_ given: some Collection<UInt8>, _ secret: [UInt8]) -> Bool {
        guard !secret.isEmpty else { return false }
        var difference: UInt8 = given.count == secret.count ? 0 : 1
        for (index, byte) in given.enumerated() { difference |= byte ^ secret[index % secret.count] }
        return difference == 0
    }
}
