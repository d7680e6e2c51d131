// SPDX-License-Identifier: GPL-3.0-or-later

internal import ArgumentParser
internal import FoundationEssentials
internal import SpankBridge

struct PluginsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugins", abstract: "The Slurm plugins that report to the agent.",
        subcommands: [Status.self], defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tells which plugins have been heard of, and which lines load them.",
            discussion: "Exit status 69 when no agent runs; the lines to add are told all the same.")

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer: String
                do {
                    answer = try options.client.answer(to: ControlRequest("plugins"))
                } catch {
                    if !options.json { print(Self.advice(socket: nil)) }
                    throw error
                }
                if options.json {
                    print(answer)
                    return
                }
                let parsed = try ControlAnswer.decode(ControlHandlers.PluginsAnswer.self, answer)
                print(Self.text(parsed, now: Date().timeIntervalSince1970))
            }
        }

        static func text(_ answer: ControlHandlers.PluginsAnswer, now: Double) -> String {
            func ago(_ time: Double) -> String { "\(Int(max(0, now - time))) s ago" }
            var lines: [String] = []
            for plugin in answer.plugins.jobcomp {
                let hello = plugin.hello
                lines.append(
                    "jobcomp/grid_agent on \(hello.host ?? "?"), pid \(hello.pid.map(String.init) ?? "?"): heard \(ago(plugin.lastHeard)), \(plugin.events) events"
                )
                lines.append(
                    "  records    \(hello.mode ?? "no record yet")\(hello.modeReason.map { ": " + $0 } ?? "")")
                lines.append(
                    "  Slurm      \(hello.running ?? "not told") (built for \(hello.builtFor ?? "?")), plugin \(hello.pluginVersion ?? "?")"
                )
                lines.append("  socket     \(hello.socket ?? "?")  (settings from \(hello.settingsFrom ?? "?"))")
                lines.append(
                    "  spool      \(hello.spoolFolder ?? "?"): \(hello.spooled) frames\(hello.spoolRefused > 0 ? ", \(hello.spoolRefused) files refused" : "")\(hello.spoolTrouble.map { ", last trouble: " + $0 } ?? "")"
                )
                if let chain = hello.chain {
                    lines.append(
                        "  chain      \(chain): \(hello.chainState ?? "?"), \(hello.chainErrors) errors, longest call \(hello.chainMaximum ?? 0) us"
                    )
                }
                if hello.dropped > 0 { lines.append("  DROPPED    \(hello.dropped) events: ring and spool were full") }
                lines.append("  longest    \(hello.callbackMaximum ?? 0) us in slurmctld")
            }
            for node in answer.plugins.nodes {
                lines.append("spank_grid_agent on \(node.node): heard \(ago(node.lastHeard)), \(node.events) events")
            }
            let bridge = answer.bridge
            lines.append(
                "received \(bridge.events) events in \(bridge.frames) frames; refused: \(bridge.refusedFrames) frames, \(bridge.refusedPeers) peers, \(bridge.credentialsReplayed) replayed, \(bridge.credentialsWrongUser) of wrong users, \(bridge.credentialsInvalid + bridge.credentialsExpired) bad credentials, \(bridge.forged) forged"
            )
            if let latency = answer.plugins.commitLatency {
                lines.append(
                    "from slurmctld to the ledger: median \(latency.median) us, p99 \(latency.p99) us, longest \(latency.maximum) us (last \(latency.events) events)"
                )
            }
            if answer.plugins.jobcomp.isEmpty || answer.plugins.nodes.isEmpty {
                lines.append(advice(socket: answer.socket))
            }
            return lines.joined(separator: "\n")
        }

        static func advice(socket: String?) -> String {
            let path = socket ?? "/run/slurm-grid-agent/events.sock"
            return """
                A plugin that has not been heard of since the agent started is either not loaded or has had nothing to say.
                slurm.conf (then restart slurmctld):
                  JobCompType=jobcomp/grid_agent
                  JobCompParams=grid_agent_socket=\(path)
                plugstack.conf on every node, then restart slurmd (where the agent runs on the same host):
                  optional spank_grid_agent.so socket=\(path)
                plugstack.conf on other hosts (with bridge.listen in the agent's configuration):
                  optional spank_grid_agent.so controller=ADDRESS:PORT
                """
        }
    }
}
