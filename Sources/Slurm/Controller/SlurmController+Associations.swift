// SPDX-License-Identifier: GPL-3.0-or-later

internal import CSlurm
internal import Glibc

extension SlurmController {
    /// Those of these users who have an association with this cluster: with AccountingStorageEnforce=associations slurmctld
    /// takes jobs of nobody else (slurm.conf(5)).
    public func usersWithAssociation(among users: Set<String>) async throws(SlurmError) -> Set<String> {
        guard !users.isEmpty else { return [] }
        return try await call("slurm_load_assoc_mgr_info") { () throws(SlurmError) in
            let texts = users.compactMap { strdup($0) }
            defer { texts.forEach { free($0) } }
            guard let wanted = slurm_list_create(nil) else { throw SlurmError(.unexpected, "out of memory") }
            defer { slurm_list_destroy(wanted) }
            for text in texts { slurm_list_append(wanted, text) }
            var request = assoc_mgr_info_request_msg_t()
            request.flags = UInt32(ASSOC_MGR_INFO_FLAG_ASSOC)
            request.user_list = wanted
            var answer: UnsafeMutablePointer<assoc_mgr_info_msg_t>?
            try SlurmCall.check("slurm_load_assoc_mgr_info") { slurm_load_assoc_mgr_info(&request, &answer) }
            guard let answer else { throw SlurmError(.unexpected, "empty answer", call: "slurm_load_assoc_mgr_info") }
            defer { slurm_free_assoc_mgr_info_msg(answer) }
            var found: Set<String> = []
            guard let list = answer.pointee.assoc_list, let iterator = slurm_list_iterator_create(list) else {
                return found
            }
            defer { slurm_list_iterator_destroy(iterator) }
            while let raw = slurm_list_next(iterator) {
                let record = raw.assumingMemoryBound(to: slurmdb_assoc_rec_t.self).pointee
                if let user = optionalText(record.user) { found.insert(user) }
            }
            // sacctmgr writes names in small letters unless it is told to keep them.
            let lower = Set(found.map { $0.lowercased() })
            return users.filter { lower.contains($0.lowercased()) }
        }
    }
}
