// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Jarvice
internal import Slurm
internal import Support

/// The JARVICE gateway's part of `check`.
extension Checks {
    func jarvice() async -> [Finding] {
        let jarvice = configuration.jarvice
        guard jarvice.isOn else { return [] }
        var findings = jarvice.dialogueFile.map { [dialogue($0)] } ?? []
        guard jarvice.connector == .slurm else {
            return findings
                + [warning("jarvice", "jarvice.connector is dummy: it answers by the clock, and submits no job")]
        }
        do {
            let files = try JarviceFiles(jarvice)
            if case .mapping(let mapping) = files.settings.users {
                findings.append(
                    files.mapHasKeys
                        ? warning(
                            "jarvice users",
                            "\(mapping.count) in \(jarvice.mapFile ?? ""), with private ssh keys: remove them")
                        : ok("jarvice users", "\(mapping.count) in \(jarvice.mapFile ?? "")"))
            } else {
                findings.append(ok("jarvice users", "by the token's claim \(jarvice.claim)"))
            }
            findings.append(await tokens(jarvice, files.settings.tokens))
            if let socket = jarvice.filesSocket { findings.append(reader(socket)) }
        } catch {
            findings.append(failure("jarvice", "\(error)"))
        }
        return findings
    }

    private func dialogue(_ path: String) -> Finding {
        let subject = "jarvice dialogue"
        if let advice = FileFault.advice(writing: path) { return failure(subject, advice) }
        return warning(subject, "calls are recorded in \(path): remove jarvice.dialogue-file when they need not be")
    }

    private func reader(_ socket: String) -> Finding {
        let subject = "jarvice files"
        var status = stat()
        guard lstat(socket, &status) == 0 else {
            return failure(
                subject,
                "\(socket): \(String(cString: strerror(errno))): systemctl enable --now slurm-grid-agent-files.socket, or "
                    + "correct jarvice.files-socket")
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            return failure(subject, "\(socket) is no socket: correct jarvice.files-socket")
        }
        return ok(subject, socket)
    }

    private func tokens(_ jarvice: JarviceConfiguration, _ settings: TokenSettings) async -> Finding {
        let subject = "jarvice tokens"
        guard !settings.isInsecure else {
            return warning(
                subject,
                "are believed unverified (jarvice.insecure-tokens): whoever may call can run jobs as any user; set "
                    + "jarvice.token.keys, issuer and audience")
        }
        guard let keys = settings.keys else { return failure(subject, "no keys: set jarvice.token.keys") }
        do throws(JarviceError) {
            let count = try await TokenKeyCheck.count(keys, authority: settings.authority)
            return ok(subject, "\(count) keys of \(settings.issuer ?? "?") in \(jarvice.keys ?? "?")")
        } catch {
            return failure(subject, "\(jarvice.keys ?? "?"): \(error)")
        }
    }

    /// Cores, memory and GPUs are to be consumable.
    func jarviceSelection(_ cluster: Cluster) -> [Finding] {
        guard configuration.jarvice.isOn, configuration.jarvice.connector == .slurm else { return [] }
        return cluster.selectType == "select/cons_tres"
            ? [ok("jarvice resources", "SelectType=\(cluster.selectType)")]
            : [
                warning(
                    "jarvice resources",
                    "SelectType=\(cluster.selectType): JARVICE counts cores, memory and GPUs; set SelectType=select/cons_tres"
                )
            ]
    }
}
