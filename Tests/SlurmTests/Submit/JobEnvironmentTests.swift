// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import Slurm

@Suite struct JobEnvironmentTests {
    private func make(account: UserAccount = .tester, _ change: (inout JobRequest) -> Void = { _ in }) -> [String] {
        JobEnvironment.make(
            for: .made(change), account: account, workDirectory: "/scratch", submitHost: "ctl")
    }

    @Test func loginModeLeavesPathAndLanguageToTheLogin() {
        let environment = make()
        #expect(
            environment == [
                "HOME=/home/labu1", "LOGNAME=labu1", "SHELL=/bin/bash", "SLURM_GET_USER_ENV=1", "SLURM_JOB_NAME=job",
                "SLURM_PRIO_PROCESS=0", "SLURM_SUBMIT_DIR=/scratch", "SLURM_SUBMIT_HOST=ctl", "SLURM_UMASK=0022",
                "USER=labu1",
            ])
    }

    @Test func minimalModeBringsItsOwnAndLimits() {
        let environment = make { $0.environmentMode = .minimal(limits: ["NOFILE": 1024, "CORE": 0]) }
        #expect(
            environment == [
                "HOME=/home/labu1", "LANG=C.UTF-8", "LOGNAME=labu1",
                "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games", "SHELL=/bin/bash",
                "SLURM_JOB_NAME=job", "SLURM_PRIO_PROCESS=0", "SLURM_RLIMIT_CORE=0", "SLURM_RLIMIT_NOFILE=1024",
                "SLURM_SUBMIT_DIR=/scratch", "SLURM_SUBMIT_HOST=ctl", "SLURM_UMASK=0022", "USER=labu1",
            ])
    }

    @Test func tellsWhatWasAskedFor() {
        let environment = make {
            $0.name = "a b"
            $0.tasks = 4
            $0.tasksPerNode = 2
            $0.cpusPerTask = 3
            $0.memory = .perNode(512)
            $0.gpusPerJob = .init(4)
            $0.gpusPerNode = .init(2, type: "a100")
            $0.gpusPerTask = .init(1)
            $0.umask = 0o7
            $0.environment = ["A": "1\n2", "PATH": "/opt/bin", "LANG": "de_DE", "HOME": "/elsewhere"]
        }
        #expect(
            environment == [
                "A=1\n2", "HOME=/elsewhere", "LANG=de_DE", "LOGNAME=labu1", "PATH=/opt/bin", "SHELL=/bin/bash",
                "SLURM_CPUS_PER_TASK=3", "SLURM_GET_USER_ENV=1", "SLURM_GPUS=4", "SLURM_GPUS_PER_NODE=a100:2",
                "SLURM_GPUS_PER_TASK=1", "SLURM_JOB_NAME=a b", "SLURM_MEM_PER_NODE=512", "SLURM_NPROCS=4",
                "SLURM_NTASKS=4", "SLURM_NTASKS_PER_NODE=2", "SLURM_PRIO_PROCESS=0", "SLURM_SUBMIT_DIR=/scratch",
                "SLURM_SUBMIT_HOST=ctl", "SLURM_UMASK=0007", "USER=labu1",
            ])
    }

    @Test func memoryByCPU() {
        let environment = make { $0.memory = .perCPU(100) }
        #expect(environment.contains("SLURM_MEM_PER_CPU=100"))
        #expect(!environment.contains { $0.hasPrefix("SLURM_MEM_PER_NODE") })
    }

    @Test func aUserWithoutShellGetsTheUsualOne() {
        var account = UserAccount.tester
        account.shell = ""
        let environment = make(account: account)
        #expect(environment.contains("SHELL=/bin/sh"))
    }

    @Test("A request cannot change what the agent sets")
    func ownValuesWin() {
        let environment = make { $0.environment = ["SLURM_JOB_NAME": "other", "SLURM_SUBMIT_HOST": "x"] }
        #expect(environment.contains("SLURM_JOB_NAME=job"))
        #expect(environment.contains("SLURM_SUBMIT_HOST=ctl"))
    }

    @Test(
        arguments: [(0, "0000"), (0o22, "0022"), (0o7, "0007"), (0o777, "0777"), (0o1022, "0022")] as [(UInt16, String)]
    )
    func writesTheMask(_ mask: UInt16, _ text: String) {
        #expect(JobEnvironment.umask(mask) == text)
    }
}
