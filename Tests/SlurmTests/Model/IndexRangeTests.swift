// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct IndexRangeTests {
    @Test(
        arguments: [
            ("0", [0]), ("0-3", [0, 1, 2, 3]), ("0-1,8,10-11", [0, 1, 8, 10, 11]), ("3,1", [3, 1]),
            ("5-5", [5]), ("007", [7]), ("65535", [65535]),
        ] as [(String, [UInt32])])
    func expands(_ text: String, _ numbers: [UInt32]) {
        #expect(IndexRange.expand(text) == numbers)
    }

    @Test(arguments: [
        "", ",", "1,", ",1", "-", "1-", "-1", "3-1", "1-2-3", "a", "1 ", "+1", "0x1", "65536", "0-65536", "9999999999",
        "0-65535,0", "１",
    ])
    func refuses(_ text: String) {
        #expect(IndexRange.expand(text) == nil)
    }

    @Test(
        arguments: [
            ([], ""), ([0], "0"), ([0, 1], "0-1"), ([0, 1, 2, 5, 7, 8], "0-2,5,7-8"), ([3, 2, 1], "3,2,1"),
            ([1, 1], "1,1"), ([.max - 1, .max], "4294967294-4294967295"), ([.max, .max], "4294967295,4294967295"),
        ] as [([UInt32], String)])
    func compresses(_ numbers: [UInt32], _ text: String) {
        #expect(IndexRange.compress(numbers) == text)
    }

    @Test(arguments: 1...20)
    func roundTrips(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            let numbers = (0..<random.int(1...40)).map { _ in UInt32(random.int(0...60)) }
            #expect(IndexRange.expand(IndexRange.compress(numbers)) == numbers)
        }
    }
}
