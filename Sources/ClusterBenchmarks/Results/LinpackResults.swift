// SPDX-License-Identifier: GPL-3.0-or-later

/// What Linpack printed: the fastest of its solutions.
public struct LinpackResult: Sendable, Hashable, Codable {
    public var gigaflops: Double
    /// N
    public var order: Int
    public var grid: [Int]
    public var seconds: Double

    /// Of HPL-MxP (`hpl.sh --xhpl-ai`): the words of a line are HPL_AI, variant, N, NB, P, Q, seconds, Gflops, and of the
    /// refinement seconds, iterations and Gflops. What comes after the line, such as errors of the MPI library, does not matter.
    public static func mixedPrecision(_ text: String) throws(ResultError) -> LinpackResult {
        var best: LinpackResult?
        for line in OutputLines(text) {
            let words = line.words
            guard words.first == "HPL_AI", let result = LinpackResult(words.dropFirst(2)) else { continue }
            if result.gigaflops > best?.gigaflops ?? 0 { best = result }
        }
        guard let best else { throw ResultError("no line of HPL_AI with a result") }
        return best
    }

    /// Of HPL, also as hpcc has it: variant (`WR11C2R4`), N, NB, P, Q, seconds, Gflops. It counts when its residual, some lines
    /// below, has PASSED.
    public static func classic(_ text: String) throws(ResultError) -> LinpackResult {
        var best: LinpackResult?
        var open: (result: LinpackResult, passed: Bool, failed: Bool)?
        var (failed, lines) = (false, 0)
        // A solution may have several residuals, all of which must do.
        func close() {
            guard let one = open else { return }
            if one.failed { failed = true }
            if one.passed, !one.failed, one.result.gigaflops > best?.gigaflops ?? 0 { best = one.result }
            open = nil
        }
        for line in OutputLines(text) {
            if line.contains("||Ax-b||") {
                if line.contains("PASSED") { open?.passed = true }
                if line.contains("FAILED") { open?.failed = true }
                continue
            }
            let words = line.words
            guard words.count == 7, isVariant(words[0]), let result = LinpackResult(words.dropFirst(1)) else {
                continue
            }
            close()
            lines += 1
            open = (result, false, false)
        }
        close()
        if let best { return best }
        throw ResultError(
            failed
                ? "Linpack's residual FAILED: the numbers of this machine are wrong"
                : lines > 0 ? "Linpack's residual is missing: the output is cut" : "no line of Linpack with a result")
    }

    /// `WR11C2R4`: W, the mapping, and letters and digits of the variant.
    private static func isVariant(_ word: Substring) -> Bool {
        let bytes = Array(word.utf8)
        return bytes.count >= 6 && bytes[0] == UInt8(ascii: "W")
            && (bytes[1] == UInt8(ascii: "R") || bytes[1] == UInt8(ascii: "C"))
            && bytes[2...].allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) }
            && bytes[2...].contains { (0x30...0x39).contains($0) }
    }

    /// N, NB, P, Q, seconds, Gflops.
    private init?(_ words: ArraySlice<Substring>) {
        let words = Array(words)
        guard words.count >= 6, let order = Int(words[0]), order > 0, let rows = Int(words[2]), rows > 0,
            let columns = Int(words[3]), columns > 0, let seconds = decimal(words[4]), seconds >= 0,
            let speed = decimal(words[5]), speed > 0
        else { return nil }
        (gigaflops, self.order, grid, self.seconds) = (speed, order, [rows, columns], seconds)
    }
}

/// The summary of hpcc (`hpccoutf.txt`).
public struct HPCCResult: Sendable, Hashable, Codable {
    /// nil: of a run without a valid solution.
    public var gigaflops: Double?
    /// Of a few bytes between the slowest pair of processes, µs; nil: there was one process.
    public var pingPongLatency: Double?
    /// Between the slowest pair, GB/s.
    public var pingPongBandwidth: Double?
    /// All processes at once, in a ring of random order, µs.
    public var ringLatency: Double?
    public var processes: Int?

    public init(_ text: String) throws(ResultError) {
        var values: [Substring: Double] = [:]
        var isInside = false
        for line in OutputLines(text) {
            if line.hasPrefix("Begin of Summary section") { isInside = true }
            if line.hasPrefix("End of Summary section") { isInside = false }
            guard isInside, let equals = line.firstIndex(of: "=") else { continue }
            values[line[..<equals]] = decimal(line[line.index(after: equals)...])
        }
        guard !values.isEmpty else { throw ResultError("hpcc has no summary: it did not come to its end") }
        func positive(_ name: Substring) -> Double? { values[name].flatMap { $0 > 0 ? $0 : nil } }
        pingPongLatency = positive("MaxPingPongLatency_usec")
        pingPongBandwidth = positive("MinPingPongBandwidth_GBytes")
        ringLatency = positive("RandomlyOrderedRingLatency_usec")
        processes = positive("CommWorldProcs").flatMap { $0 < 1e9 ? Int($0) : nil }
        // With more digits than in Linpack's own line, which says whether they are right.
        let solution = try? LinpackResult.classic(text)
        gigaflops = solution == nil ? nil : positive("HPL_Tflops").map { $0 * 1000 } ?? solution?.gigaflops
    }
}
