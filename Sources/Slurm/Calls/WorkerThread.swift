// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

/// A detached POSIX thread that runs a closure, with all signals blocked (they belong to the main program).
enum WorkerThread {
    private final class Box {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// - Parameter name: shown by `top -H` and debuggers; the first 15 bytes count.
    /// - Throws: `unavailable`: the process may have no more threads now.
    static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(SlurmError) {
        let box = Unmanaged.passRetained(Box(name: name, body: body))
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { raw in
                let box = raw.map { Unmanaged<Box>.fromOpaque($0).takeRetainedValue() }
                if let box {
                    cs_name_thread(box.name)
                    box.body()
                }
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw refusal(result)
        }
        pthread_detach(thread)
    }

    /// - Parameter number: of pthread_create(3).
    static func refusal(_ number: Int32) -> SlurmError {
        SlurmError(
            .unavailable,
            "no thread can be started for calls to Slurm (\(String(cString: strerror(number)))): raise TasksMax= of the unit, "
                + "or the user's limit (ulimit -u), or add memory",
            number: number, call: "pthread_create")
    }
}
