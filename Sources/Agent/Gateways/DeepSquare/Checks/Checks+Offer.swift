// SPDX-License-Identifier: GPL-3.0-or-later

internal import CommandOutput
internal import Slurm

/// What the grid gets of this cluster.
extension Checks {
    func partition(_ controller: SlurmController) async -> [Finding] {
        do throws(SlurmError) {
            let inventory = try await controller.inventory(partition: configuration.grid.partition)
            guard !inventory.nodes.isEmpty else {
                return [
                    failure("partition", "\(inventory.partition) has no nodes: give it some, or set slurm.partition")
                ]
            }
            let words =
                "\(inventory.partition): \(inventory.nodes.count) nodes, \(inventory.total.cpus) CPUs, \(inventory.total.gpus) GPUs"
            var findings = [
                inventory.state == .up
                    ? ok("partition", words)
                    : warning(
                        "partition",
                        "\(words); it is \(inventory.state), jobs wait: "
                            + "scontrol update PartitionName=\(inventory.partition) State=UP")
            ]
            // What slurmctld has not heard since its start, or what is powered down, comes by itself.
            if inventory.nodes.allSatisfy({ $0.state.base == .down || $0.state.flags.contains(.drain) }) {
                findings.append(
                    warning(
                        "partition",
                        "none of the nodes of \(inventory.partition) can take a job (`sinfo -R` says why), jobs wait: "
                            + "scontrol update NodeName=\(Hostlist.compress(inventory.nodes.map(\.name))) State=RESUME")
                )
            }
            if let hidden = inventory.hidden {
                findings.append(warning("partition", "\(inventory.partition): \(hidden.note)"))
            }
            return findings
        } catch {
            let advice = error.code == .partition ? ": correct slurm.partition" : ""
            return [failure("partition", error.description + advice)]
        }
    }

    /// Today's supervisor marks its jobs so.
    func supervisorJobs(_ controller: SlurmController) async -> [Finding] {
        let jobs: [Job]
        do throws(SlurmError) {
            jobs = try await controller.findJobs(commentPrefix: "supervisor ")
        } catch {
            return [unknown("supervisor", because: "whether one still runs cannot be seen: \(error)")]
        }
        let its = jobs.filter { !$0.state.hasEnded }
        guard let newest = its.compactMap(\.submitTime).max() else { return [] }
        return [
            warning(
                "supervisor",
                "\(its.count) jobs in the queue are a supervisor's, the newest submitted \(LocalTime.text(newest)): stop the supervisor "
                    + "before the agent starts; its jobs are taken over")
        ]
    }
}
