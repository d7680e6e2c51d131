// SPDX-License-Identifier: GPL-3.0-or-later

extension Microarchitecture {
    /// Of x86_64 (and of ppc64le the names by generation): name, whose descendant it is, vendor, and the flags of /proc/cpuinfo
    /// that it has beyond those. The table is that of the archspec project (archspec.readthedocs.io, Apache-2.0 or MIT),
    /// which a test compares with it.
    static let rows: [Row] = [
        Row("x86_64", [], "generic", ""),
        Row("x86_64_v2", ["x86_64"], "generic", "cx16 lahf_lm mmx popcnt sse sse2 sse4_1 sse4_2 ssse3"),
        Row("x86_64_v3", ["x86_64_v2"], "generic", "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"),
        Row("x86_64_v4", ["x86_64_v3"], "generic", "avx512bw avx512cd avx512dq avx512f avx512vl"),
        Row("nocona", ["x86_64"], "GenuineIntel", "mmx sse sse2 sse3"),
        Row("core2", ["nocona"], "GenuineIntel", "ssse3"),
        Row("nehalem", ["core2", "x86_64_v2"], "GenuineIntel", ""),
        Row("westmere", ["nehalem"], "GenuineIntel", "aes pclmulqdq"),
        Row("sandybridge", ["westmere"], "GenuineIntel", "avx"),
        Row("ivybridge", ["sandybridge"], "GenuineIntel", "f16c rdrand"),
        Row("haswell", ["ivybridge", "x86_64_v3"], "GenuineIntel", ""),
        Row("broadwell", ["haswell"], "GenuineIntel", "adx rdseed"),
        Row("skylake", ["broadwell"], "GenuineIntel", "clflushopt xsavec xsaveopt"),
        Row("mic_knl", ["broadwell"], "GenuineIntel", "avx512cd avx512er avx512f avx512pf"),
        Row("skylake_avx512", ["skylake", "x86_64_v4"], "GenuineIntel", "clwb"),
        Row("cannonlake", ["skylake", "x86_64_v4"], "GenuineIntel", "avx512ifma avx512vbmi sha_ni"),
        Row("cascadelake", ["skylake_avx512"], "GenuineIntel", "avx512_vnni"),
        Row(
            "icelake", ["cascadelake", "cannonlake"], "GenuineIntel",
            "avx512_bitalg avx512_vbmi2 avx512_vpopcntdq gfni rdpid vaes vpclmulqdq"),
        Row(
            "sapphirerapids", ["icelake"], "GenuineIntel",
            "amx_bf16 amx_int8 amx_tile avx512_bf16 cldemote movdir64b movdiri serialize waitpkg"),
        Row(
            "alderlake", ["skylake"], "GenuineIntel",
            "avx_vnni clwb gfni movdir64b movdiri rdpid serialize sha_ni vaes vpclmulqdq waitpkg"),
        Row("arrowlake", ["alderlake"], "GenuineIntel", "avx_ifma avx_ne_convert avx_vnni_int8 cmpccxadd"),
        Row("arrowlake_s", ["arrowlake"], "GenuineIntel", "avx_vnni_int16 sha512 sm3 sm4"),
        Row("k10", ["x86_64"], "AuthenticAMD", "3dnow 3dnowext abm cx16 mmx sse sse2 sse4a"),
        Row("bulldozer", ["x86_64_v2"], "AuthenticAMD", "abm aes avx fma4 pclmulqdq sse4a xop xsave"),
        Row("piledriver", ["bulldozer"], "AuthenticAMD", "bmi1 f16c fma tbm"),
        Row("steamroller", ["piledriver"], "AuthenticAMD", "fsgsbase"),
        Row("excavator", ["steamroller", "x86_64_v3"], "AuthenticAMD", ""),
        Row(
            "zen", ["x86_64_v3"], "AuthenticAMD",
            "aes clflushopt clzero fsgsbase pclmulqdq rdseed sse4a xsavec xsaveopt"),
        Row("zen2", ["zen"], "AuthenticAMD", "clwb"),
        Row("zen3", ["zen2"], "AuthenticAMD", "pku vaes vpclmulqdq"),
        Row(
            "zen4", ["zen3", "x86_64_v4"], "AuthenticAMD",
            "avx512_bf16 avx512_bitalg avx512_vbmi2 avx512_vnni avx512_vpopcntdq avx512ifma avx512vbmi flush_l1d gfni"),
        Row("zen5", ["zen4"], "AuthenticAMD", "avx512_vp2intersect avx_vnni movdir64b movdiri tsc_adjust"),
        Row("zen6", ["zen5"], "AuthenticAMD", "avx512_fp16"),
        Row("ppc64le", [], "generic", ""),
        Row("power8le", ["ppc64le"], "IBM", "", generation: 8),
        Row("power9le", ["power8le"], "IBM", "", generation: 9),
        Row("power10le", ["power9le"], "IBM", "", generation: 10),
        Row("aarch64", [], "generic", ""),
        Row("armv8.1a", ["aarch64"], "generic", ""),
        Row("armv8.2a", ["armv8.1a"], "generic", ""),
        Row("armv8.3a", ["armv8.2a"], "generic", ""),
        Row("armv8.4a", ["armv8.3a"], "generic", ""),
        Row("armv8.5a", ["armv8.4a"], "generic", ""),
        Row("armv8.6a", ["armv8.5a"], "generic", ""),
        Row("armv9.0a", ["armv8.5a"], "generic", ""),
        Row("armv9.2a", ["armv9.0a", "armv8.6a"], "generic", ""),
        Row(
            "thunderx2", ["armv8.1a"], "Cavium", "aes asimd asimdrdm atomics cpuid crc32 evtstrm fp pmull sha1 sha2",
            part: "0x0af"),
        Row(
            "a64fx", ["armv8.2a"], "Fujitsu",
            "asimd asimdhp asimdrdm atomics cpuid crc32 dcpop evtstrm fcma fp fphp sha1 sha2 sve", part: "0x001"),
        Row("cortex_a72", ["aarch64"], "ARM", "aes asimd cpuid crc32 evtstrm fp pmull sha1 sha2", part: "0xd08"),
        Row(
            "neoverse_n1", ["cortex_a72", "armv8.2a"], "ARM", "asimddp asimdhp asimdrdm atomics dcpop fphp lrcpc",
            part: "0xd0c"),
        Row(
            "neoverse_v1", ["neoverse_n1", "armv8.4a"], "ARM",
            "asimdfhm bf16 dcpodp dgh dit fcma flagm i8mm ilrcpc jscvt rng sha3 sha512 sve svebf16 svei8mm uscat",
            part: "0xd40"),
        Row(
            "neoverse_v2", ["neoverse_n1", "armv9.0a"], "ARM",
            "asimdfhm bf16 dcpodp fcma flagm flagm2 frint i8mm ilrcpc jscvt sb sha3 sha512 sve sve2 svebf16 svei8mm uscat",
            part: "0xd4f"),
        Row(
            "neoverse_n2", ["neoverse_n1", "armv9.0a"], "ARM",
            "asimdfhm bf16 dcpodp fcma flagm flagm2 frint i8mm ilrcpc jscvt sb sha3 sha512 sve sve2 svebf16 svei8mm uscat",
            part: "0xd49"),
        Row(
            "ampere1", ["neoverse_n1", "armv8.6a"], "Ampere",
            "asimdfhm bf16 bti dcpodp dit ecv fcma flagm flagm2 frint i8mm ilrcpc jscvt paca pacg rng sb sha3 sha512 ssbs uscat",
            part: "0xac3"),
        Row("ampere1a", ["ampere1"], "Ampere", "sm3 sm4", part: "0xac4"),
        Row(
            "neoverse_v3ae", ["neoverse_v2", "armv9.2a"], "ARM",
            "afp bti dgh dit ecv paca pacg sm3 sm4 sveaes svebitperm svepmull svesha3 svesm4 wfxt", part: "0xd83"),
        Row(
            "olympus", ["armv9.2a"], "Nvidia",
            "aes afp asimd asimddp asimdfhm asimdhp asimdrdm atomics bf16 bti cpuid crc32 dcpodp dcpop dgh dit ecv evtstrm f8cvt f8dp2 f8dp4 f8e4m3 f8e5m2 f8fma faminmax fcma flagm flagm2 fp fphp fpmr frint i8mm ilrcpc jscvt lrcpc ls64 lut paca pacg pmull rng sb sha1 sha2 sha3 sha512 sm3 sm4 ssbs sve sve2 sveaes svebf16 svebitperm svei8mm svepmull svesha3 svesm4 uscat wfxt",
            part: "0x010"),
    ]
}
