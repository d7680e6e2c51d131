// SPDX-License-Identifier: GPL-3.0-or-later

import CSlurm
import FoundationEssentials
import Glibc
import Testing

@testable import Agent
@testable import Slurm

@Suite struct JobDocumentTests {
    /// Job 23 of a lab with slurmctld 22.05.8: task 1 of array 9, running on two GPUs.
    private func job() throws -> (Job, Placement?) {
        var texts: [UnsafeMutablePointer<CChar>?] = []
        defer { texts.forEach { free($0) } }
        func text(_ text: String) -> UnsafeMutablePointer<CChar>? {
            texts.append(strdup(text))
            return texts.last ?? nil
        }
        var record = slurm_job_info_t()
        record.job_id = 23
        record.array_job_id = 9
        record.array_task_id = 1
        record.array_max_tasks = 2
        record.name = text("arr")
        record.user_id = 1000
        record.group_id = 1001
        record.job_state = 0x1
        record.priority = 4_294_901_751
        record.nice = UInt32(NICE_OFFSET)
        record.submit_time = 1_800_000_000
        record.start_time = 1_800_000_001
        record.end_time = 1_800_003_601
        record.time_limit = 60
        record.nodes = text("n1")
        record.num_nodes = 1
        record.num_cpus = 1
        record.cpus_per_task = 1
        record.ntasks_per_node = 0
        record.num_tasks = 1
        record.shared = cs_NO_VAL16
        record.pn_min_memory = 0x8000_0000_0000_0064
        record.tres_req_str = text("cpu=1,mem=100M,node=1,billing=1,gres/gpu=2,gres/gpu:a100=2")
        record.tres_alloc_str = text("cpu=1,mem=100M,node=1,billing=1,gres/gpu=2,gres/gpu:a100=2")
        record.tres_per_node = text("gres:gpu:a100:2")
        record.batch_flag = 1
        var details = [text("gpu:a100:2(IDX:0-1)")]
        return details.withUnsafeMutableBufferPointer { details in
            record.gres_detail_cnt = 1
            record.gres_detail_str = details.baseAddress
            var decoder = JobDecoder()
            let job = decoder.decode(&record)
            return (job, Placement(&record, job: job))
        }
    }

    @Test func everyFieldOfARealJob() throws {
        let (job, placement) = try job()
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .secondsSince1970
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(JobDocument(job, placement: placement)), as: UTF8.self)
        #expect(text == Self.expected)
    }

    @Test func flagsStandBesideTheState() throws {
        var (job, _) = try job()
        job.state = JobState(.cancelled, [.completing, .requeue])
        let document = JobDocument(job)
        #expect(document.state == "CANCELLED")
        #expect(document.stateFlags == ["REQUEUED", "COMPLETING"])
        #expect(!document.hasEnded)
        #expect(document.placement == nil)
    }

    @Test func runTimes() throws {
        var (job, _) = try job()
        let start = Date(timeIntervalSince1970: 1_800_000_001)
        #expect(job.runTime(at: start + 10) == 10)
        #expect(job.runTime(at: start - 10) == nil, "an expected start")
        job.state = JobState(.pending)
        #expect(job.runTime(at: start + 10) == nil)
        job.state = JobState(.suspended)
        job.runTimeBeforeSuspension = 4
        job.suspendTime = start + 4
        #expect(job.runTime(at: start + 10) == 4)
        job.state = JobState(.running)
        job.suspendTime = start + 20
        #expect(job.runTime(at: start + 25) == 9, "resumed at 20")
        job.state = JobState(.completed)
        job.suspendTime = nil
        job.endTime = start + 7
        #expect(job.runTime(at: start + 25) == 7)
    }

    @Test("Of a job that was suspended and has ended only the running time counts")
    func runTimeAfterSuspension() throws {
        var (job, _) = try job()
        let start = Date(timeIntervalSince1970: 1_800_000_001)
        job.state = JobState(.completed)
        job.runTimeBeforeSuspension = 4
        job.suspendTime = start + 20  // ran 4 s, resumed at 20
        job.endTime = start + 25
        #expect(job.runTime(at: start + 100) == 9)
    }

    private static let expected = """
        {
          "allocated_tres" : "cpu=1,mem=100M,node=1,billing=1,gres/gpu=2,gres/gpu:a100=2",
          "array" : {
            "job_id" : 9,
            "maximum_running" : 2,
            "task_id" : 1
          },
          "batch" : true,
          "cpu_count" : 1,
          "derived_exit" : {
            "code" : 0,
            "raw" : 0,
            "signal" : 0
          },
          "display_id" : "9_1",
          "end_time" : 1800003601,
          "exit" : {
            "code" : 0,
            "raw" : 0,
            "signal" : 0
          },
          "gres_per_node" : [
            "gpu:a100:2(IDX:0-1)"
          ],
          "group_id" : 1001,
          "has_ended" : false,
          "held" : false,
          "id" : 23,
          "name" : "arr",
          "nice" : 0,
          "node_count" : 1,
          "nodes" : "n1",
          "placement" : [
            {
              "cpus" : 1,
              "cpus_source" : "allocatedTRES",
              "gres" : [
                {
                  "count" : 2,
                  "indices" : [
                    0,
                    1
                  ],
                  "name" : "gpu",
                  "type" : "a100"
                }
              ],
              "gres_source" : "gresDetail",
              "memory" : 100,
              "memory_source" : "allocatedTRES",
              "node" : "n1"
            }
          ],
          "priority" : 4294901751,
          "reason" : "None",
          "requested" : {
            "cpus_per_task" : 1,
            "exclusive" : "shared",
            "memory_per_cpu" : 100,
            "minimum_cpus_per_node" : 0,
            "minimum_nodes" : 1,
            "tasks" : 1,
            "tasks_per_node" : 0,
            "tres" : "cpu=1,mem=100M,node=1,billing=1,gres/gpu=2,gres/gpu:a100=2",
            "tres_per_node" : "gres:gpu:a100:2"
          },
          "requeue" : false,
          "restart_count" : 0,
          "run_time_before_suspension" : 0,
          "start_time" : 1800000001,
          "state" : "RUNNING",
          "state_flags" : [

          ],
          "submit_time" : 1800000000,
          "time_limit_minutes" : 60,
          "time_limit_unlimited" : false,
          "user_id" : 1000
        }
        """
}
