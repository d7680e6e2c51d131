// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMunge
internal import Dispatch
internal import Glibc
internal import NIOConcurrencyHelpers

/// Opens credentials with munged. libmunge has no time-out, so it is called on threads that may hang, each with a
/// deadline after which its caller is told `unavailable`.
public final class MungeOpener: CredentialOpener {
    private let socket: String?
    private let timeout: Duration
    private let busy = NIOLockedValueBox(0)
    private let queue = DispatchQueue(label: "munge", attributes: .concurrent)
    /// Threads that may be in libmunge at once.
    private static let limit = 4

    /// - Parameters:
    ///   - socket: munged's; nil: libmunge's default.
    ///   - timeout: how long a caller waits. Default 2 s.
    public init(socket: String? = nil, timeout: Duration = .seconds(2)) {
        self.socket = socket
        self.timeout = timeout
    }

    public func open(_ credential: [UInt8]) async throws(CredentialError) -> OpenedCredential {
        let taken = busy.withLockedValue { busy in
            if busy >= Self.limit { return false }
            busy += 1
            return true
        }
        guard taken else { throw CredentialError(.unavailable, "munged does not keep up or hangs") }
        let result: Result<OpenedCredential, CredentialError> = await withCheckedContinuation { continuation in
            let once = NIOLockedValueBox<CheckedContinuation<Result<OpenedCredential, CredentialError>, Never>?>(
                continuation)
            @Sendable func answer(_ result: Result<OpenedCredential, CredentialError>) {
                let waiting = once.withLockedValue { once in
                    defer { once = nil }
                    return once
                }
                waiting?.resume(returning: result)
            }
            queue.async { [self] in
                let result = decode(credential)
                busy.withLockedValue { $0 -= 1 }
                answer(result)
            }
            let (seconds, attoseconds) = timeout.components
            let deadline = DispatchTime.now() + .milliseconds(Int(seconds * 1000 + attoseconds / 1_000_000_000_000_000))
            DispatchQueue.global().asyncAfter(deadline: deadline) {
                answer(.failure(CredentialError(.unavailable, "munged did not answer in time")))
            }
        }
        return try result.get()
    }

    private func decode(_ credential: [UInt8]) -> Result<OpenedCredential, CredentialError> {
        guard let context = munge_ctx_create() else {
            return .failure(CredentialError(.unavailable, "out of memory"))
        }
        defer { munge_ctx_destroy(context) }
        if let socket {
            let set = socket.withCString { cmunge_set_socket(context, $0) }
            guard set == EMUNGE_SUCCESS else {
                return .failure(CredentialError(.unavailable, "\(socket): \(String(cString: munge_strerror(set)))"))
            }
        }
        var payload: UnsafeMutableRawPointer?
        var length: Int32 = 0
        var uid: uid_t = 0
        var gid: gid_t = 0
        let text = credential.map { CChar(bitPattern: $0) } + [0]
        let outcome = munge_decode(text, context, &payload, &length, &uid, &gid)
        defer { free(payload) }
        let words = String(cString: munge_strerror(outcome))
        switch outcome {
        case EMUNGE_SUCCESS:
            let bytes = UnsafeRawBufferPointer(start: payload, count: Int(max(0, length)))
            return .success(OpenedCredential(payload: Array(bytes), uid: uid, gid: gid))
        case EMUNGE_CRED_REPLAYED:
            return .failure(CredentialError(.replayed, words))
        case EMUNGE_CRED_EXPIRED, EMUNGE_CRED_REWOUND:
            return .failure(CredentialError(.expired, words))
        case EMUNGE_SOCKET, EMUNGE_TIMEOUT, EMUNGE_SNAFU, EMUNGE_NO_MEMORY:
            return .failure(CredentialError(.unavailable, words))
        default:
            return .failure(CredentialError(.invalid, words))
        }
    }
}
