// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import ClusterBenchmarks

@Suite struct LinpackResultTests {
    static let line =
        "HPL_AI   WR01C2R4      100000   128     2     1              16.08              4.145e+04         7.52458      2          2.824e+04"

    @Test func mixedPrecision() throws {
        let text =
            "Prog= 10% \r\u{1b}[32m \(Self.line)\u{1b}[0m\nHPL_AI x 1 2\n[n1] mpi error\nsrun: error: cancelled\n"
        let result = try LinpackResult.mixedPrecision(text)
        #expect(result == LinpackResult.expected)
    }

    @Test(
        "the fastest counts; lines that are cut or no numbers do not",
        arguments: [
            "HPL_AI WR01C2R4 100000 128 2 1 16.08", "HPL_AI WR01C2R4 100000 128 2 1 16.08 nan 1 2 3",
            "HPL_AI WR01C2R4 100000 128 2 1 16.08 inf 1 2 3", "HPL_AI WR01C2R4 100000 128 2 1 16.08 -5 1 2 3",
            "HPL_AI WR01C2R4 100000 128 2 1 16.08 1e999 1 2 3", "HPL_AI",
            "HPL_AI WR01C2R4 99999999999999999999 1 1 1 1 1",
            "HPL_AI WR01C2R4 100000 128 2 1 16.08 0x1p3", "",
        ])
    func brokenLines(_ line: String) throws {
        #expect(throws: ResultError.self) { try LinpackResult.mixedPrecision(line) }
        let slower = Self.line.replacing("4.145e+04", with: "1e2")
        #expect(
            try LinpackResult.mixedPrecision([line, slower, Self.line, line, slower].joined(separator: "\n")).gigaflops
                == 41_450)
    }

    private func solution(_ speed: String, _ verdicts: String...) -> String {
        """
        T/V                N    NB     P     Q               Time                 Gflops
        WR11C2R4         256    64     2     1               1.04              \(speed)
        """
            + verdicts.map { "\n||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0111537 ...... \($0)" }
            .joined()
            + "\n"
    }

    @Test("a solution counts when all its residuals have PASSED")
    func residuals() throws {
        #expect(try LinpackResult.classic(solution("1.085e-02", "PASSED")).gigaflops == 0.01085)
        let several =
            solution("5", "PASSED", "FAILED") + solution("3", "PASSED", "PASSED") + solution("9", "FAILED")
            + solution("8")
        #expect(try LinpackResult.classic(several).gigaflops == 3)
        for (text, word) in [
            (solution("5", "FAILED"), "FAILED"), (solution("5"), "cut"), ("nothing", "no line"),
            (solution("5", "PASSED", "FAILED"), "FAILED"),
        ] {
            #expect { try LinpackResult.classic(text) } throws: { "\($0)".contains(word) }
        }
    }

    @Test("hpcc's own output, of two nodes of the lab")
    func hpcc() throws {
        let result = try HPCCResult(hpccOutput)
        #expect(result.processes == 2)
        #expect(result.gigaflops == 1.08528e-05 * 1000)
        #expect(result.pingPongLatency == 3996.42)
        #expect(result.pingPongBandwidth == 0.166786)
        #expect(result.ringLatency == 1732.28)
        let failed = try HPCCResult(hpccOutput.replacing("PASSED", with: "FAILED"))
        #expect(failed.gigaflops == nil)
        #expect(failed.pingPongLatency == 3996.42)
        #expect(throws: ResultError.self) { try HPCCResult("nothing") }
        let alone = hpccOutput.replacing("Latency_usec=3996.42", with: "Latency_usec=-1")
        #expect(try HPCCResult(alone).pingPongLatency == nil)
    }
}

extension LinpackResult {
    /// What the published line says.
    static let expected: LinpackResult? = try? LinpackResult.mixedPrecision(
        "HPL_AI WR01C2R4 100000 128 2 1 16.08 41450 7.5 2 2")
}

let hpccOutput = """
    ================================================================================
    T/V                N    NB     P     Q               Time                 Gflops
    --------------------------------------------------------------------------------
    WR11C2R4         256    64     2     1               1.04              1.085e-02
    --------------------------------------------------------------------------------
    ||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0111537 ...... PASSED
    ================================================================================
    Begin of Summary section.
    VersionMajor=1
    Success=1
    CommWorldProcs=2
    HPL_Tflops=1.08528e-05
    HPL_time=1.03641
    MaxPingPongLatency_usec=3996.42
    RandomlyOrderedRingLatency_usec=1732.28
    MinPingPongBandwidth_GBytes=0.166786
    NaturallyOrderedRingBandwidth_GBytes=0.382937
    End of Summary section.
    """

@Suite struct NetworkResultTests {
    @Test func osu() throws {
        let text = """
            # OSU MPI Latency Test v7.0.1
            # Datatype: MPI_CHAR.
            # Size          Latency (us)
            0                       1.62
            1                       1.63
            4194304               202.53
            """
        #expect(try OSUResult(text).last == 202.53)
        #expect(try OSUResult(text).rows.count == 3)
        #expect(try OSUResult(text + "\n8388608  nan\n16777216  \nend of it\n").last == 202.53)
        // The second of two runs.
        #expect(try OSUResult(text + "\n" + text.replacing("202.53", with: "99.5")).last == 99.5)
        for broken in ["", "# Size Latency", "1 0", "1 -3", "x 5", "1"] {
            #expect(throws: ResultError.self) { try OSUResult(broken) }
        }
    }

    static let ookla = """
        [info] a line of text
        {"type":"log","message":"a { in it"}
        {
          "type": "result", "packetLoss": 0.27,
          "download": {"bandwidth": 1135906059, "bytes": 1},
          "upload": {"bandwidth": 500000000}
        }
        """

    @Test("W23: a loss of packets that is a fraction, or absent, and a log line before")
    func w23_ookla() throws {
        let result = try InternetResult(Self.ookla)
        #expect(result.download == 9_087_248_472)
        #expect(result.upload == 4_000_000_000)
        #expect(try InternetResult(Self.ookla.replacing("\"packetLoss\": 0.27,", with: "")) == result)
    }

    @Test func client() throws {
        let text = #"{"download": 93654321.5, "upload": 12345678.9, "ping": 12.5, "server": {"id": "1"}}"#
        #expect(try InternetResult(text) == InternetResult("x\n" + text + "\n"))
        #expect(try InternetResult(text).download == 93_654_321.5)
        for broken in [
            "", "{", "{}", #"{"download": 0, "upload": 1}"#, #"{"download": "5", "upload": 1}"#,
            #"{"download": 1e999, "upload": 1}"#, String(repeating: "{\"a\":", count: 100_000),
            #"{"type":"log","message":"only that"}"#, #"{"type":"result","download":{},"upload":{}}"#,
        ] {
            #expect(throws: ResultError.self) { try InternetResult(broken) }
        }
    }
}

@Suite struct StorageResultTests {
    static let header =
        "access,bw(MiB/s),IOPS,Latency,block(KiB),xfer(KiB),open(s),wr/rd(s),close(s),total(s),numTasks,iter\n"
    static let write =
        "write,49.8360,49.8361,0.8696,1048576.0000,1024.0000,1.5176,986.2731,247.6521,986.2759,48,0\n"

    @Test("W23: other kinds of access, blank, cut and wrong lines")
    func w23_ior() throws {
        let read = Self.write.replacing("write,49.8360", with: "read,100.0")
        let text =
            Self.header + Self.write + Self.write.replacing("49.8360", with: "50.1640")
            + "\nremove,-,-,-,-,-,-,-,-,0.1,48,0\n"
            + read + read.replacing("read,100.0", with: "read,nan") + "read,200.0,1\n" + "read,200.0"
        let result = try StorageResult(ior: text)
        #expect(result.write.bandwidth == 50)
        #expect(result.read == .init(bandwidth: 100, iops: 49.8361))
        for broken in ["", Self.header, Self.header + Self.write, Self.write + read, Self.header + read] {
            #expect(throws: ResultError.self) { try StorageResult(ior: broken) }
        }
    }

    @Test func fio() throws {
        let text = """
            fio: this platform does not support process shared mutexes
            {
              "fio version": "fio-3.33",
              "jobs": [
                {"jobname": "write", "error": 0, "read": {"bw_bytes": 0, "iops": 0.0}, "write": {"bw_bytes": 104857600, "iops": 50.5}},
                {"jobname": "read", "error": 0, "read": {"bw_bytes": 209715200, "iops": 100.25}, "write": {"bw_bytes": 0, "iops": 0}}
              ]
            }
            """
        let result = try StorageResult(fio: text)
        #expect(
            result == StorageResult(read: .init(bandwidth: 200, iops: 100.25), write: .init(bandwidth: 100, iops: 50.5))
        )
        #expect(StorageResult.sum([result, result])?.read == .init(bandwidth: 400, iops: 200.5))
        for broken in [
            "", "{}", #"{"jobs": []}"#, text.replacing("209715200", with: "0"), String(text.dropLast(5)),
            text.replacing("\"error\": 0", with: "\"error\": 28"),
        ] {
            #expect(throws: ResultError.self) { try StorageResult(fio: broken) }
        }
    }
}
