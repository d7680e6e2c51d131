// SPDX-License-Identifier: GPL-3.0-or-later

internal import Dispatch
internal import Glibc
internal import Synchronization

/// This process's memory as the kernel counts it (proc(5), `status`), in KiB.
struct Memory {
    /// RssAnon: heap and stacks, without the pages of files.
    var anonymous: Int
    /// VmHWM: the most that was ever resident, files' pages included.
    var highWater: Int

    static func read() throws -> Memory {
        guard let file = fopen("/proc/self/status", "r") else { throw BenchError("cannot read /proc/self/status") }
        defer { fclose(file) }
        var anonymous: Int?
        var highWater: Int?
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                .split { $0 == ":" || $0.isWhitespace }
            guard words.count >= 2 else { continue }
            if words[0] == "RssAnon" { anonymous = Int(words[1]) }
            if words[0] == "VmHWM" { highWater = Int(words[1]) }
        }
        guard let anonymous, let highWater else { throw BenchError("/proc/self/status tells no RssAnon or VmHWM") }
        return Memory(anonymous: anonymous, highWater: highWater)
    }
}

/// Looks at RssAnon every millisecond on a thread of its own.
final class MemorySampler: Sendable {
    private let most = Mutex(0)
    private let stopping = Atomic(false)
    private let stopped = DispatchSemaphore(value: 0)

    init() {
        DispatchQueue(label: "memory").async { [self] in
            while !stopping.load(ordering: .relaxed) {
                if let now = try? Memory.read().anonymous { most.withLock { $0 = max($0, now) } }
                usleep(1000)
            }
            stopped.signal()
        }
    }

    /// Ends the thread and returns the largest figure seen, in KiB.
    func stop() -> Int {
        stopping.store(true, ordering: .relaxed)
        stopped.wait()
        return most.withLock { $0 }
    }
}
