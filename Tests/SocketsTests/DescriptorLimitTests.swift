// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import Testing

@testable import Sockets

@Suite("Descriptors that are kept from clients")
struct DescriptorLimitTests {
    @Test(
        "some of many, most of few", arguments: [(256, 64), (1024, 64), (4096, 256), (65_536, 1024), (1 << 30, 1024)])
    func reserve(limit: Int, reserve: Int) {
        #expect(DescriptorLimit(limit: limit).reserve == reserve)
    }

    @Test("whoever would get one of them has to wait")
    func room() throws {
        let next = open("/dev/null", O_RDONLY | O_CLOEXEC)
        try #require(next >= 0)
        close(next)
        // Other tests open files meanwhile: far below, far above.
        #expect(DescriptorLimit(limit: Int(next) + 4096).room() == .enough)
        #expect(DescriptorLimit(limit: 36).room() == .none)
    }

    @Test("the soft limit is raised as far as it may be")
    func raise() {
        var limits = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        let raised = DescriptorLimit.raise()
        #expect(raised.limit >= Int(clamping: min(limits.rlim_max, rlim_t(DescriptorLimit.wanted))))
        #expect(raised == .current)
    }
}
