// SPDX-License-Identifier: GPL-3.0-or-later

internal import CMunge
internal import Glibc

/// Opens credentials with munged. libmunge has no time-out, so it is called on threads that may hang, each with a
/// deadline after which its caller is told `unavailable`.
public final class MungeOpener: CredentialOpener {
    private let socket: String?
    private let timeout: Duration
    private let threads = DecodingThreads()

    /// - Parameters:
    ///   - socket: munged's; nil: libmunge's default.
    ///   - timeout: how long a caller waits. Default 2 s.
    public init(socket: String? = nil, timeout: Duration = .seconds(2)) {
        self.socket = socket
        self.timeout = timeout
    }

    public func open(_ credential: [UInt8]) async throws(CredentialError) -> OpenedCredential {
        try await threads.run(timeout: timeout) { [socket] in Self.decode(credential, socket: socket) }
    }

    private static func decode(_ credential: [UInt8], socket: String?) -> Result<OpenedCredential, CredentialError> {
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
        let words = words(outcome, context)
        switch outcome {
        case EMUNGE_SUCCESS:
            let bytes = UnsafeRawBufferPointer(start: payload, count: payload == nil ? 0 : Int(max(0, length)))
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
    /// The context knows more than the number: which socket, and why not.
    private static func words(_ outcome: munge_err_t, _ context: munge_ctx_t) -> String {
        let words = munge_ctx_strerror(context) ?? munge_strerror(outcome)
        return words.map { String(cString: $0) } ?? "munge error \(outcome.rawValue)"
    }
}
