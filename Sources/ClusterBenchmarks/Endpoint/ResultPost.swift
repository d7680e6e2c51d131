// SPDX-License-Identifier: GPL-3.0-or-later

internal import Support

/// What a job posts, and what it is answered. No I/O.
///
///     POST /benchmark/RUN/NUMBER      Authorization: Bearer SECRET
///
/// The body is result blocks and lines of progress, as another job prints them. SECRET is the run's; NUMBER is the job's place in
/// the run, from 1.
enum ResultPost {
    struct Target: Sendable, Hashable {
        var run: Int64
        var number: Int64

        /// - Returns: nil: nothing is posted there.
        init?(_ path: String) {
            let words = path.prefix(100).split(separator: "/", omittingEmptySubsequences: false)
            guard words.count == 4, words[0].isEmpty, words[1] == "benchmark", let run = Self.number(words[2]),
                let number = Self.number(words[3])
            else { return nil }
            (self.run, self.number) = (run, number)
        }

        private static func number(_ word: Substring) -> Int64? {
            guard !word.isEmpty, word.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return Int64(word)
        }

        static func path(run: Int64, number: Int64) -> String { "/benchmark/\(run)/\(number)" }
    }

    /// Bytes of one body: the largest block as base64, with its lines' marks.
    static let bodyLimit = 2 << 20

    /// - Parameter secret: of the open run; nil: there is none, and nobody may post.
    static func allows(_ authorization: String?, secret: String?) -> Bool {
        let scheme = "Bearer "
        guard let secret, let authorization, authorization.hasPrefix(scheme) else { return false }
        return ConstantTime.equal(authorization.dropFirst(scheme.count).utf8, Array(secret.utf8))
    }

    struct Answer: Sendable, Hashable {
        var status: Int
        var text: String
        var count: PostCounts.Kind
        /// Somebody may be guessing.
        var isGuess = false

        static let notHere = Answer(status: 404, text: "nothing is posted here", count: .malformed)
        static let notPosted = Answer(status: 405, text: "post it", count: .malformed)
        static let wrongSecret = Answer(
            status: 401, text: "another secret, or no run is under way", count: .refused, isGuess: true)
        static let tooLarge = Answer(status: 413, text: "at most \(bodyLimit) bytes", count: .tooLarge)
        static let over = Answer(status: 409, text: "this part is over, or it posts nothing", count: .late)
        static let full = Answer(status: 507, text: "this part has posted enough", count: .tooLarge)

        /// - Parameter broken: what is wrong with blocks.
        static func taken(_ new: Int, known: Int, broken: [String: String]) -> Answer {
            guard broken.isEmpty else {
                let reasons = broken.sorted { $0.key < $1.key }.prefix(5).map { "\($0.key): \($0.value)" }
                return Answer(status: 400, text: reasons.joined(separator: "; "), count: .malformed)
            }
            return Answer(
                status: 200, text: "\(new) taken, \(known) known", count: new == 0 && known > 0 ? .repeated : .taken)
        }
    }
}

/// What has been posted since the start of the agent.
public struct PostCounts: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case taken
        /// It was there already.
        case repeated
        /// With another secret, or without one.
        case refused
        case tooLarge = "too_large"
        case malformed
        /// Of a part that is over.
        case late
        /// The file of the benchmarks could not be written.
        case failed
    }

    public private(set) var counts: [String: Int] = [:]

    public init() {}

    public subscript(_ kind: Kind) -> Int { counts[kind.rawValue] ?? 0 }

    mutating func add(_ kind: Kind) { counts[kind.rawValue, default: 0] += 1 }
}
