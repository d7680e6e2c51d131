// SPDX-License-Identifier: GPL-3.0-or-later

internal import COpenSSL
internal import Support

/// A piece of what a job measured, as it stands in the job's comment. Everybody may read that, and the job's user may write
/// anything there:
///
///     @sga chunk ATTEMPT NUMBER MORE MAC DATA
///
/// ATTEMPT is random, of each start of the script: Slurm may start a job again, and forget that it has started it. NUMBER counts
/// from 1; MORE is `+`, or `.` with the last chunk of a parcel; DATA is base64. MAC is the half of an HMAC-SHA256 (RFC 2104), in hexadecimal, of `JOB ATTEMPT NUMBER MORE DATA`; its
/// key is the run's secret. The answer takes the chunk's place, NUMBER being the last one that is on the agent's disk:
///
///     @sga taken ATTEMPT NUMBER
struct CommentChunk: Sendable, Hashable {
    var attempt: Int64
    var number: Int64
    var isLast: Bool
    var data: String

    /// Letters of base64 in one: with the rest they are no more than the 1,024 bytes that a comment may have.
    static let dataLimit = 960
    /// Chunks of one job. At one a second it is at this for some minutes.
    static let countLimit: Int64 = 256

    /// - Returns: nil: it is something else, or another one's.
    init?(_ comment: String, job: UInt32, secret: String) {
        guard comment.utf8.count <= 1024 else { return nil }
        let words = comment.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 7, words[0] == "@sga", words[1] == "chunk", words[4] == "+" || words[4] == ".",
            let attempt = Self.number(words[2]), let number = Self.number(words[3]),
            (1...Self.countLimit).contains(number),
            !words[6].isEmpty, words[6].utf8.count <= Self.dataLimit
        else { return nil }
        let (isLast, data) = (words[4] == ".", String(words[6]))
        let code = Self.code(job: job, attempt, number, isLast: isLast, data, secret: secret)
        guard ConstantTime.equal(words[5].utf8, Array(code.utf8)) else { return nil }
        (self.attempt, self.number, self.isLast, self.data) = (attempt, number, isLast, data)
    }

    private static func number(_ word: Substring) -> Int64? {
        guard (1...10).contains(word.utf8.count), word.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int64(word)
    }

    static func code(
        job: UInt32, _ attempt: Int64, _ number: Int64, isLast: Bool, _ data: String, secret: String
    ) -> String {
        let text = Array("\(job) \(attempt) \(number) \(isLast ? "." : "+") \(data)".utf8)
        var code = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var size: UInt32 = 0
        let key = Array(secret.utf8)
        guard HMAC(EVP_sha256(), key, Int32(key.count), text, text.count, &code, &size) != nil else { return "" }
        return code.prefix(16).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    static func answer(_ attempt: Int64, _ number: Int64) -> String { "@sga taken \(attempt) \(number)" }
}

/// What has come of a job by its comment so far. No I/O.
struct CommentTransfer: Sendable, Hashable {
    var attempt: Int64 = 0
    /// The last one that has come.
    var number: Int64 = 0
    /// Base64 of the parcel that is not whole yet.
    var text = ""

    enum Step: Sendable, Hashable {
        /// It was there, or one before it is missing: the answer says from where to go on.
        case repeated
        case taken
        /// With it a parcel is whole: gzip, as base64.
        case whole(String)
    }

    mutating func take(_ chunk: CommentChunk) -> Step {
        if chunk.attempt != attempt { self = CommentTransfer(attempt: chunk.attempt) }
        guard chunk.number == number + 1 else { return .repeated }
        number = chunk.number
        text += chunk.data
        guard chunk.isLast else { return .taken }
        defer { text = "" }
        return .whole(text)
    }
}
