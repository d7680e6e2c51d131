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
    static func start(name: String, _ body: @escaping @Sendable () -> Void) {
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
        // Out of threads at start: nothing can work without them, and nothing from outside leads here.
        precondition(result == 0, "cannot start a thread: error \(result)")
        pthread_detach(thread)
    }
}
