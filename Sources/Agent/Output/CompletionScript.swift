// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser

/// The completion for bash: the parser's, with what it cannot know.
enum CompletionScript {
    /// The words of `--generate-completion-script bash`, in either form.
    static func isAskedFor(_ words: [String]) -> Bool {
        words == ["--generate-completion-script", "bash"] || words == ["--generate-completion-script=bash"]
    }

    /// Of these the keys of the configuration are options.
    static let passingOn = ["run", "check", "config_show"]

    static var bash: String {
        var script = SlurmGridAgent.completionScript(for: .bash)
        let flags = keys(where: { $0 == .boolean })
        let options = keys(where: { $0 != .boolean && $0 != .secret && $0 != .gone })
        for command in passingOn {
            let begin = "_slurm-grid-agent_\(command)() {\n    repeating_flags=("
            script = script.replacing(begin, with: begin + flags)
            guard let function = script.range(of: begin),
                let empty = script[function.upperBound...].range(of: "    repeating_options=(")
            else { continue }
            script.replaceSubrange(empty, with: "    repeating_options=(" + options)
        }
        // A word that is an option may be the beginning of another one while the cursor stands at its end: --mem, --mem-per-cpu.
        return script.replacing(exact, with: exactBeforeTheLast)
    }

    static let exact = #"[[ "${word}" = "${option}" ]] && is_parsing_option_value=true && break"#
    private static let exactBeforeTheLast = #"""
        [[ "${word}" = "${option}" && "${word_index}" -ne "${unparsed_word_indices[${#unparsed_word_indices[@]} - 1]}" ]] && is_parsing_option_value=true && break
        """#

    private static func keys(where isWanted: (ConfigurationKey.Form) -> Bool) -> String {
        Gateways.schema.keys.filter { isWanted($0.form) }.map { "--" + $0.name }.joined(separator: " ")
    }
}
