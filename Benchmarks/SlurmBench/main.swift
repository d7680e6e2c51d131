// SPDX-License-Identifier: GPL-3.0-or-later

internal import Glibc
internal import Slurm

// The Swift side of the benchmarks: the same server as ../c/slurm_baseline.c (which lists the commands), over the
// public API. Its own commands:
//
//   gres N       reads every GRES and TRES text of the snapshot, N x    ok T1 … TN
//   memory N     loads all jobs N times                                 ok FIRST STEADY PEAK HIGH-WATER (KiB)
//   poll N       reads the list as the agent does, N x          ok T1 … TN
//   change 1     changes what the agent keeps of one job        ok
//   placement N  loads one job with its placement N times               ok T1 … TN
let arguments = CommandLine.arguments.dropFirst()
if arguments.first == SlurmHelper.argument {
    exit(SlurmHelper.main(Array(arguments.dropFirst())))
}

guard arguments.count == 1, let name = arguments.first, let owner = try? UserAccount.find(name: name) else {
    complain("usage: SlurmBench USER (an existing one)")
    exit(64)
}
do {
    let controller = try await SlurmController.connect()
    let server = Server(Workload(controller: controller, owner: owner))
    while let line = readLine() {
        let words = line.split(separator: " ").map(String.init)
        if words == ["quit"] { break }
        let answer: String
        do {
            answer = "ok " + (try await server.answer(words)).map(String.init).joined(separator: " ")
        } catch {
            answer = "error \(line): \(error)"
        }
        print(answer)
        fflush(nil)
    }
    controller.close()
} catch {
    complain("SlurmBench: \(error)")
    exit(1)
}

func complain(_ text: String) {
    _ = (text + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) }
}
