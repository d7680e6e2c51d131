// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

/// The one way into libslurm: runs a call on the current thread, reads the error number before anything else can
/// change it, and turns a failure into a ``SlurmError``.
enum SlurmCall {
    /// - Parameters:
    ///   - name: the libslurm function, for messages.
    ///   - changes: true for a call that changes something, whose effect is unknown when the connection breaks.
    ///   - call: makes the call and returns its code. libslurm is not uniform: some calls return -1 with errno, some
    ///     the number itself, and which differs between releases; anything but 0 is a failure.
    static func check(_ name: String, changes: Bool = false, _ call: () -> CInt) throws(SlurmError) {
        let outcome = observe(call)
        if outcome.result != 0 { throw failure(name, changes: changes, number: outcome.number) }
    }

    /// Runs a call and reports its code and error number; throws nothing.
    static func observe(_ call: () -> CInt) -> (result: CInt, number: Int32) {
        errno = 0
        let result = call()
        if result == 0 { return (0, 0) }
        let number = errno
        return (result, number != 0 ? number : max(result, 0))
    }

    /// - Parameter detail: what else is known, for instance of which array task this is the answer.
    static func failure(_ name: String, changes: Bool, number: Int32, detail: String? = nil) -> SlurmError {
        var meaning = SlurmErrno.meaning(of: number)
        // A job_submit plugin that just says no: SLURM_ERROR, which is no number of slurm_errno.h.
        if changes && number == -1 { meaning = .init(code: .rejected, advice: nil) }
        var words = number == 0 ? "no reason given" : String(cString: slurm_strerror(number))
        if let detail { words = "\(detail): \(words)" }
        // A connection that never came about cannot have carried the request; any later break may have.
        let broken =
            meaning.code == .unavailable && ![SlurmErrno.connectionFailed, SlurmErrno.writingFailed].contains(number)
        return SlurmError(
            meaning.code, words, advice: meaning.advice, number: number, call: name, mayHaveHappened: changes && broken)
    }

    /// Joins libslurm's log lines (`program: error: …`) into one, without their prefixes.
    static func tidy(_ text: String) -> String {
        var lines: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            var rest = Substring(line)
            while let colon = rest.firstIndex(of: ":"), prefixes.contains(String(rest[..<colon])) {
                rest = rest[rest.index(after: colon)...].drop { $0 == " " }
            }
            if !rest.isEmpty && lines.last != String(rest) { lines.append(String(rest)) }
        }
        return lines.joined(separator: "; ")
    }

    private static let prefixes: Set<String> = ["error", "fatal", "info", "slurm-grid-agent", "exe"]
}
