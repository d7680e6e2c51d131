// SPDX-License-Identifier: GPL-3.0-or-later

public import ArgumentParser
internal import FoundationEssentials
internal import Glibc
public import Slurm

/// `2` or `2-4`; `k` and `m` mean 1024 and 1024² nodes, as for sbatch.
struct NodeRange: ExpressibleByArgument {
    var minimum: UInt32
    var maximum: UInt32

    init?(argument: String) {
        let ends = argument.split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(ends.count), let first = Self.count(ends[0]), let last = Self.count(ends[ends.count - 1])
        else { return nil }
        // As with sbatch, a single number is both: exactly that many.
        (minimum, maximum) = (first, last)
    }

    private static func count(_ text: Substring) -> UInt32? {
        let factor: UInt32 =
            switch text.last {
            case "k", "K": 1 << 10
            case "m", "M": 1 << 20
            default: 1
            }
        guard let number = UInt32(factor == 1 ? text : text.dropLast()) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }
}

/// `512`, `512M`, `4G`, `1T`; whole megabytes.
struct MemorySize: ExpressibleByArgument {
    var megabytes: UInt64

    init?(argument: String) {
        let text = argument.uppercased()
        let digits = text.prefix { $0.isNumber }
        guard let number = UInt64(digits) else { return nil }
        let factor: UInt64
        switch text.dropFirst(digits.count) {
        case "", "M", "MB": factor = 1
        case "G", "GB": factor = 1 << 10
        case "T", "TB": factor = 1 << 20
        case "K", "KB":
            megabytes = number / 1024 + (number % 1024 == 0 ? 0 : 1)
            return
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        megabytes = product
    }
}

/// `2`, `a100:2`, `a100:2,v100:1`
struct GPUCount: ExpressibleByArgument {
    var gpus: JobRequest.GPUs

    init?(argument: String) {
        var counts: [JobRequest.GPUs] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard (1...2).contains(fields.count), let count = UInt32(fields[fields.count - 1]) else { return nil }
            counts.append(JobRequest.GPUs(count, type: fields.count == 2 ? String(fields[0]) : nil))
        }
        guard var first = counts.first else { return nil }
        if counts.count > 1 { first.others = Array(counts.dropFirst()) }
        gpus = first
    }
}

struct GRESList: ExpressibleByArgument {
    var list: [GRES]

    init?(argument: String) {
        if argument.lowercased() == "none" {
            list = []
            return
        }
        // sbatch takes "gres:gpu:2" too.
        let text = argument.split(separator: ",").map { $0.hasPrefix("gres:") ? String($0.dropFirst(5)) : String($0) }
        guard let list = GRES.list(text.joined(separator: ",")), !list.isEmpty else { return nil }
        self.list = list
    }
}

/// `--begin`: sbatch's forms, and Unix seconds.
struct BeginOption: ExpressibleByArgument {
    var date: Date

    init?(argument: String) {
        guard let date = BeginTime.date(argument, now: Date()) else { return nil }
        self.date = date
    }
}

struct EnvironmentVariable: ExpressibleByArgument {
    var name: String
    var value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        name = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

struct MailEvents: ExpressibleByArgument {
    var events: Set<JobRequest.Mail.Event>

    init?(argument: String) {
        let names: [String: JobRequest.Mail.Event] = [
            "begin": .begin, "end": .end, "fail": .fail, "requeue": .requeue, "stage_out": .stageOut,
            "time_limit": .timeLimit, "time_limit_90": .timeLimit90, "time_limit_80": .timeLimit80,
            "time_limit_50": .timeLimit50, "array_tasks": .arrayTasks, "invalid_depend": .invalidDependency,
        ]
        var events: Set<JobRequest.Mail.Event> = []
        for word in argument.lowercased().split(separator: ",") {
            if word == "none" {
                // As sbatch has it: whatever else is named.
                self.events = []
                return
            } else if word == "all" {
                events.formUnion([.begin, .end, .fail, .requeue, .stageOut, .invalidDependency])
            } else if let event = names[String(word)] {
                events.insert(event)
            } else {
                return nil
            }
        }
        guard !events.isEmpty else { return nil }
        self.events = events
    }
}

extension TimeLimit: ExpressibleByArgument {
    public init?(argument: String) {
        self.init(argument)
    }
}

enum ScriptFile {
    /// More than any slurmctld takes; the exact limit is the cluster's.
    static let limit = 64 << 20

    /// The file's text, or standard input's for nil.
    static func read(_ path: String?) throws(SlurmError) -> String {
        let descriptor = path.map { open($0, O_RDONLY | O_CLOEXEC) } ?? STDIN_FILENO
        guard descriptor >= 0 else {
            throw SlurmError(.invalidRequest, "script: cannot open \(path ?? "standard input"): \(reason())")
        }
        defer { if path != nil { close(descriptor) } }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw SlurmError(.invalidRequest, "script: cannot read \(path ?? "standard input"): \(reason())")
            }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw SlurmError(.invalidRequest, "script: has more than \(limit) bytes")
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SlurmError(.invalidRequest, "script: is not UTF-8 text")
        }
        return text
    }

    /// As sbatch makes it of `--wrap`.
    static func wrapping(_ command: String) -> String { "#!/bin/sh\n\n\(command)\n" }

    private static func reason() -> String {
        String(cString: strerror(errno))
    }
}
