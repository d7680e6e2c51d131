// SPDX-License-Identifier: GPL-3.0-or-later

/// What one job measured: labels, and what of it is missing and why.
public struct PartResult: Sendable, Hashable {
    public var labels: [String: String] = [:]
    /// Why a label is missing; the others count.
    public var problems: [String] = []
    /// Blocks came, and each of them whole.
    public var isWhole = false
    /// What programs printed, by the name of the result.
    public var raw: [String: String] = [:]

    public init() {}

    /// - Parameters:
    ///   - output: of the job, as far as it was written.
    ///   - part: which it was.
    public init(_ part: BenchmarkPart, output: String, token: String, units: BenchmarkLabels.Units) {
        self.init(part, ResultBlocks(output, token: token), units: units)
    }

    /// - Parameter blocks: what came of it.
    init(_ part: BenchmarkPart, _ blocks: ResultBlocks, units: BenchmarkLabels.Units) {
        isWhole = !blocks.contents.isEmpty && blocks.broken.isEmpty
        raw = blocks.contents
        problems = blocks.broken.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        switch part {
        case .machine: machine(blocks)
        case .compute: compute(blocks)
        case .network: network(blocks, units)
        case .storage: storage(blocks)
        case .internet: internet(blocks, units)
        }
        if let why = blocks.contents["problem"] {
            problems += why.split(separator: "\n").prefix(20).map { String($0.prefix(200)) }
        }
        if labels.isEmpty, problems.isEmpty { problems = ["the job's output has no result"] }
    }

    private mutating func read(_ what: String, _ body: () throws(ResultError) -> [String: String?]) {
        do throws(ResultError) {
            for (key, value) in try body() { labels[key] = value }
        } catch {
            problems.append("\(what): \(error)")
        }
    }

    private mutating func machine(_ blocks: ResultBlocks) {
        guard let text = blocks.contents["machine"] else { return }
        read("machine") { () throws(ResultError) in
            let facts = try MachineFacts(text)
            return [
                "cpu": facts.cpu.map(BenchmarkLabels.cleaned), "gpu": facts.gpu.map(BenchmarkLabels.cleaned),
                "cpu.microarch": facts.microarchitecture, "os": facts.os, "arch": facts.architecture,
            ]
        }
    }

    private mutating func compute(_ blocks: ResultBlocks) {
        let key = "compute.gflops"
        // HPL on each node by itself: their sum, of those that came.
        for (name, text) in blocks.contents.sorted(by: { $0.key < $1.key }) {
            let speed: Double
            do throws(ResultError) {
                switch name.split(separator: ".").first {
                case "hpl-ai": speed = try LinpackResult.mixedPrecision(text).gigaflops
                case "hpl": speed = try LinpackResult.classic(text).gigaflops
                case "hpcc":
                    guard let found = try HPCCResult(text).gigaflops else {
                        // It says why.
                        _ = try LinpackResult.classic(text)
                        throw ResultError("no line of Linpack with a result")
                    }
                    speed = found
                default: continue
                }
            } catch {
                problems.append("\(name): \(error)")
                continue
            }
            labels[key] = BenchmarkLabels.text(speed + (labels[key].flatMap { decimal($0) } ?? 0))
        }
    }

    private mutating func network(_ blocks: ResultBlocks, _ units: BenchmarkLabels.Units) {
        let bits: Double = units == .compat ? 1 : 8
        func number(_ value: Double?) -> String? { value.flatMap(BenchmarkLabels.text) }
        for (name, text) in blocks.contents {
            read(name) { () throws(ResultError) in
                switch name {
                case "osu-latency": return ["network.p2p.latency.us": number(try OSUResult(text).last)]
                case "osu-bibw": return ["network.p2p.bw.mbps": number(try OSUResult(text).last * bits)]
                case "osu-alltoall": return ["network.all-to-all.latency.us": number(try OSUResult(text).last)]
                case "hpcc":
                    let result = try HPCCResult(text)
                    guard let latency = result.pingPongLatency, let bandwidth = result.pingPongBandwidth else {
                        throw ResultError("there was one process, and nobody to talk to")
                    }
                    return [
                        "network.p2p.latency.us": number(latency),
                        "network.p2p.bw.mbps": number(bandwidth * 1000 * bits),
                        "network.all-to-all.latency.us": number(result.ringLatency),
                    ]
                default: return [:]
                }
            }
        }
    }

    private mutating func storage(_ blocks: ResultBlocks) {
        for storage in BenchmarkLabels.storages {
            // NAME.fio.NODE, NAME.ior: of several nodes the sum.
            var all: [StorageResult] = []
            for (name, text) in blocks.contents.sorted(by: { $0.key < $1.key }) where name.hasPrefix(storage + ".") {
                do throws(ResultError) {
                    let kind = name.dropFirst(storage.count + 1).split(separator: ".").first
                    all.append(kind == "ior" ? try StorageResult(ior: text) : try StorageResult(fio: text))
                } catch {
                    problems.append("\(name): \(error)")
                }
            }
            guard let sum = StorageResult.sum(all) else { continue }
            for (side, value) in [("read", sum.read), ("write", sum.write)] {
                labels["storage.\(storage).\(side).bw.mibps"] = BenchmarkLabels.text(value.bandwidth)
                labels["storage.\(storage).\(side).iops"] = BenchmarkLabels.text(value.iops)
            }
        }
    }

    private mutating func internet(_ blocks: ResultBlocks, _ units: BenchmarkLabels.Units) {
        guard let text = blocks.contents["internet"] else { return }
        let divisor: Double = units == .compat ? 8e6 : 1e6
        read("internet") { () throws(ResultError) in
            let result = try InternetResult(text)
            return [
                "network.upload.bw.mbps": BenchmarkLabels.text(result.upload / divisor),
                "network.download.bw.mbps": BenchmarkLabels.text(result.download / divisor),
            ]
        }
    }
}
