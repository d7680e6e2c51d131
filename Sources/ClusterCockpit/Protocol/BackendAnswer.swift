// SPDX-License-Identifier: GPL-3.0-or-later

/// What a backend answered, as far as it counts.
struct BackendAnswer: Sendable, Hashable {
    var status: Int
    /// The reason in its body: of JSON the member `error`, else the text, cut.
    var text: String

    init(_ status: Int, _ text: String = "") {
        self.status = status
        self.text = text
    }
}

enum BackendCall: String, Sendable, Hashable, CaseIterable {
    case start, stop, delete
}

/// What an answer means for the job that was told, or for the backend as a whole.
enum AnswerMeaning: Sendable, Hashable {
    /// It is so, now or since an earlier try.
    case done
    /// A row of this job id is there. Whether it is this run's has to be looked up.
    case exists
    /// It knows no such row: the start has to be sent again.
    case startMissing
    /// Another release than before answers: probe it again, then send again.
    case otherRelease
    /// Not now, this job.
    case wait(String)
    /// Not now, no job: the backend is away, wrongly addressed, or refuses the token.
    case backendWaits(String)
    /// Never.
    case refused(String)
}

/// The table of release × call × status × text. No I/O. cc-backend has one status for several meanings, so its texts count where
/// nothing else tells them apart.
enum AnswerTable {
    static func meaning(of answer: BackendAnswer, to call: BackendCall, release: BackendRelease) -> AnswerMeaning {
        let said = answer.text.isEmpty ? "HTTP \(answer.status)" : "HTTP \(answer.status): \(answer.text)"
        if isDone(answer.status, call) { return .done }
        switch answer.status {
        case 300..<400:
            return .backendWaits("\(said): it redirects, which is not followed: set the address that it leads to")
        case 401, 403, 407:
            return .backendWaits("\(said): the token or this host is refused")
        case 404, 405:
            return notFound(answer, call, said)
        case 408, 425, 429, 502, 503, 504:
            return .backendWaits(said)
        case 400, 422:
            return refusal(answer, call, release, said)
        case 500..<600:
            return failure(answer, call, said)
        case 413:
            return .refused(said)
        default:
            return .backendWaits("\(said): not an answer of cc-backend")
        }
    }

    private static func isDone(_ status: Int, _ call: BackendCall) -> Bool {
        call == .start ? status == 201 : status == 200
    }

    private static let missing = "finding job failed"

    private static func notFound(_ answer: BackendAnswer, _ call: BackendCall, _ said: String) -> AnswerMeaning {
        if answer.status == 404, answer.text.contains(missing) || answer.text.contains("no rows in result set") {
            return call == .delete ? .done : .startMissing
        }
        return .backendWaits(
            "\(said): there is no such call: is the address right, and are jobs taken by HTTP? "
                + "By NATS: clustercockpit.nats")
    }

    private static func refusal(
        _ answer: BackendAnswer, _ call: BackendCall, _ release: BackendRelease, _ said: String
    ) -> AnswerMeaning {
        let text = answer.text
        if text.contains("unknown field") { return .otherRelease }
        switch call {
        case .start:
            return answer.status == 422 && text.contains("already exists") ? .exists : .refused(said)
        case .stop:
            if text.contains(missing) { return .startMissing }
            if text.contains("already been stopped") { return .done }
            // Up to 1.4.2 both have this text. The end that is sent is always later than the start.
            if text.contains("only running jobs can be stopped") { return .done }
            if text.contains("job state"), release == .v15 { return .otherRelease }
            return .refused(said)
        case .delete:
            return text.contains(missing) ? .done : .refused(said)
        }
    }

    private static func failure(_ answer: BackendAnswer, _ call: BackendCall, _ said: String) -> AnswerMeaning {
        // The same job id, cluster and start wait in the cache already.
        if call == .start, answer.text.contains("UNIQUE constraint failed") { return .done }
        if answer.text.contains("CHECK constraint failed") { return .refused(said) }
        // The job is in, its tag is not.
        if call == .start, answer.text.contains("adding tag to new job") { return .done }
        return .wait(said)
    }
}
