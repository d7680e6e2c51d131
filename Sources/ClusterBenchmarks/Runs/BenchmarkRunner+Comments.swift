// SPDX-License-Identifier: GPL-3.0-or-later

extension BenchmarkRunner {
    /// Looks at the comment of a part's job, and answers what the job has put there.
    ///
    /// - Returns: whether there was something new: the next may follow soon.
    func receive(_ part: BenchmarkFile.OpenPart) async throws(BenchmarkError) -> Bool {
        guard let job = part.jobID, let comment = try await cluster.comment(of: job),
            let chunk = CommentChunk(comment, job: job, secret: part.token)
        else { return false }
        let (answer, problem) = try await file.take(chunk, of: part.id)
        if let problem {
            logger.warning(
                "benchmark: a result that came by a job's comment is not read",
                metadata: ["run": "\(part.run)", "slurm": "\(job)", "why": "\(problem)"])
        }
        guard let answer else { return false }
        // A job that is over needs none.
        guard part.state == .submitted else { return true }
        return try await cluster.setComment(of: job, answer)
    }
}
