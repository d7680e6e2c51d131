// SPDX-License-Identifier: GPL-3.0-or-later

internal import AgentSettings
internal import ArgumentParser
internal import FoundationEssentials
internal import Slurm
internal import SpankBridge

struct PluginsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plugins", abstract: "Show the Slurm plugins that report to the agent.",
        subcommands: [Status.self], defaultSubcommand: Status.self)

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which plugins have been heard of, and which lines load them.",
            discussion: """
                The lines leave in place what slurm.conf and plugstack.conf have already, as far as slurmctld tells it. Exit \
                status 69 when no agent runs; the lines to add are told all the same.
                """)

        @OptionGroup var options: ControlOptions

        func run() async throws {
            try await reportingControl {
                let answer: String
                do {
                    answer = try options.client.answer(to: ControlRequest("plugins"))
                } catch {
                    if !options.json {
                        let advice = await Self.advice(socket: AgentConfiguration().bridgeSocket, nil)
                        print(([Self.preface] + advice.silentController + advice.silentNodes).joined(separator: "\n"))
                    }
                    throw error
                }
                if options.json {
                    print(answer)
                    return
                }
                let parsed = try ControlAnswer.decode(ControlHandlers.PluginsAnswer.self, answer)
                let isMissing = parsed.plugins.jobcomp.isEmpty || parsed.plugins.nodes.isEmpty
                let advice = isMissing ? await Self.advice(socket: parsed.socket, parsed) : nil
                print(Self.text(parsed, advice, now: Date().timeIntervalSince1970))
            }
        }

        private static let preface =
            "A plugin that has not been heard of since the agent started is either not loaded or has had nothing to say."

        /// With what slurmctld says of the site, if it does within seconds.
        private static func advice(socket: String, _ answer: ControlHandlers.PluginsAnswer?) async -> PluginAdvice {
            var settings = SlurmController.Configuration()
            settings.configurationFile = answer?.slurmConf
            settings.callTimeout = .seconds(5)
            var cluster: Cluster?
            if let controller = try? await SlurmController.connect(settings) {
                cluster = try? await controller.cluster()
                controller.close()
            }
            return PluginAdvice(
                socket: socket, listen: answer?.listen,
                site: cluster.map { PluginAdvice.Site($0, slurmConfFile: answer?.slurmConf ?? Self.usualSlurmConf) })
        }

        private static var usualSlurmConf: String {
            ProcessInfo.processInfo.environment["SLURM_CONF"] ?? "/etc/slurm/slurm.conf"
        }

        static func text(
            _ answer: ControlHandlers.PluginsAnswer, _ advice: PluginAdvice?, now: Double
        ) -> String {
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
            if let advice {
                lines.append(preface)
                if answer.plugins.jobcomp.isEmpty { lines += advice.silentController }
                if answer.plugins.nodes.isEmpty { lines += advice.silentNodes }
            }
            return lines.joined(separator: "\n")
        }
    }
}
