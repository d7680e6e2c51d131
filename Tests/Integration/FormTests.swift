// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Slurm
import Testing

/// Every form of an option's value that Slurm's own commands take means the same to ours, and what they refuse is refused.
@Suite("Forms", .serialized, .enabled(if: Lab.runs("Plain")))
struct FormTests {
    /// What the two made of it: fields of `scontrol show job`, or `refused`.
    private static let fields =
        "TimeLimit|NumNodes|NumCPUs|NumTasks|CPUs/Task|MinCPUsNode|MinMemoryNode|MinMemoryCPU|TresPerJob|TresPerNode|TresPerTask"
        + "|Partition|EligibleTime|GroupId|ReqNodeList"

    static let submit = [
        "-t 0", "--time=-1", "-t infinite", "-t Unlimited", "-t Unlim", "-t 1-", "-t 1-2", "-t 1-2:3", "-t 1-2:3:4",
        "-t 0:30",
        "-t :30", "-t 1:", "-t 1:2:3:4", "-t +5", "-t 1.5", "-t 90:70", "-t 0-0", "-N 1-2", "-N 2-1", "-N 1k",
        "-N 1-1k",
        "-N 1-2,4", "-n 0", "-c 0", "--ntasks-per-node 0", "--mincpus 0", "--mem 0", "--mem-per-cpu 0", "--mem 1.5G",
        "--mem 1GB",
        "--mem 1P", "--mem 100k", "--mem 1000K", "--mem 3t", "-G 0", "-G tesla:1", "-G tesla:1,k80:1", "-G 1,2",
        "-G foo:",
        "--gpus-per-node 0", "--gpus-per-node tesla:1", "-n1 --gpus-per-task 0", "--gres none", "--gres gpu:0",
        "--gres gpu",
        "--gres gres:gpu:1", "--gres gres/gpu:1", "--gres gpu=1", "--gres gpu:1k", "--gres gpu:tesla:1", "-n 1k",
        "-n 2.5",
        "-n 0x2", "-p main,three", "-p main,nosuch", "-w n[1-2]", "-w n1,n3", "-x n[1-2],n30", "--gid labu1",
        "--begin tomorrow",
        "--begin 12/24", "--begin 16:00", "--begin noon", "--begin 2034-01-02T03:04", "--begin 010134",
        "--begin uts2000000000",
        "--begin elevenses", "--begin 24:00", "--begin now+1h", "--mail-type none", "--mail-type foo",
    ]

    /// Deliberately not as sbatch has it: no node at all, which slurmctld 22.05 takes.
    static let refusedByUs = ["-N 0", "-N 0-2", "--exclusive=user", "-w ./nodes"]

    @Test("submit as sbatch")
    func submitting() async throws {
        let script = """
            show() { scontrol show job "$1" | grep -oE '(\(Self.fields))=[^ ]*' | sort -u | tr '\\n' ' '; scancel "$1"; }
            printf '#!/bin/sh\\ntrue\\n' >/tmp/forms.$$
            while read -r options; do
              # shellcheck disable=SC2086
              theirs=$(sbatch --parsable -H --uid labu1 --gid labu1 -D /tmp -o /dev/null $options --wrap true 2>/dev/null </dev/null) || theirs=
              ours=$(\(Lab.binary) submit -H --user labu1 -D /tmp -o /dev/null $options /tmp/forms.$$ 2>/dev/null </dev/null) || ours=
              echo "$options|$([ -n "$theirs" ] && show "$theirs" || echo refused)|$([ -n "$ours" ] && show "$ours" || echo refused)"
            done <<'END'
            \((Self.submit + Self.refusedByUs).joined(separator: "\n"))
            END
            rm /tmp/forms.$$
            """
        let lines = try await Lab.run(as: "root", script).output.split(separator: "\n")
        #expect(lines.count == Self.submit.count + Self.refusedByUs.count)
        for line in lines {
            let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            try #require(parts.count == 3, "\(line)")
            if Self.refusedByUs.contains(parts[0]) {
                #expect(parts[2] == "refused", "\(parts[0])")
            } else {
                // We write counts out.
                let theirs = parts[1].replacing("gres:gpu ", with: "gres:gpu:1 ").replacing(":1k ", with: ":1024 ")
                #expect(parts[2] == theirs, "\(parts[0])")
            }
        }
    }

    @Test("cancel as scancel: what is left of an array, a job and a heterogeneous one")
    func cancelling() async throws {
        let forms = [
            "A_3", "A_[1-3]", "A_[1,5-6]", "A_*", "B,C", "C+0", "A_[7-12]", "B foo", "B.batch", "A_1-3", "A_[]",
            "A_[1-9:2]", "0",
            ",B", "A_3,B", "B C",
        ]
        let script = """
            make() {
              A=$(sbatch --parsable -H -D /tmp -o /dev/null --array=1-9 --wrap true)
              B=$(sbatch --parsable -H -D /tmp -o /dev/null --wrap true)
              C=$(sbatch --parsable -H -D /tmp -o /dev/null -n1 : -n1 --wrap true)
            }
            left() { squeue -h -t PD -o %i | sed "s/^$A/A/;s/^$B/B/;s/^$C/C/" | sort | tr '\\n' ' '; }
            while read -r form; do
              for command in scancel "\(Lab.binary) cancel"; do
                make
                $command $(echo "$form" | sed "s/A/$A/g;s/B/$B/g;s/C/$C/g") >/dev/null 2>&1
                echo "$form|$(left)"
                scancel "$A" "$B" "$C" 2>/dev/null
              done
            done <<'END'
            \(forms.joined(separator: "\n"))
            END
            """
        let lines = try await Lab.run(as: "labu2", script).output.split(separator: "\n").map(String.init)
        try #require(lines.count == 2 * forms.count)
        for index in forms.indices { #expect(lines[2 * index + 1] == lines[2 * index], "\(forms[index])") }
    }

    @Test("what several commands take beyond one job")
    func lists() async throws {
        let script = """
            A=$(sbatch --parsable -H -D /tmp -o /dev/null --array=1-3 -p main,three --wrap true)
            B=$(sbatch --parsable -H -D /tmp -o /dev/null -J other --wrap true)
            \(Lab.binary) jobs --json -u labu3,$(id -u labu1) -p three | grep -c '"id"'
            \(Lab.binary) jobs --json -u $(id -u) --name wrap,other -p main | grep -c '"id"'
            \(Lab.binary) job --json "$A,$B" | grep -c '"restart_count"'
            \(Lab.binary) cluster -p main,three | grep -c responding
            \(Lab.binary) job --json "${A}_2" | grep -c '"restart_count"'
            \(Lab.binary) cancel "$A,$B" | wc -l
            \(Lab.binary) wait "$A" >/dev/null; echo $?
            \(Lab.binary) wait "${A}_2" >/dev/null; echo $?
            """
        let lines = try await Lab.run(as: "labu3", script).output.split(separator: "\n").map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        #expect(lines == ["1", "2", "2", "2", "1", "2", "3", "3"], "\(lines)")
    }
}
