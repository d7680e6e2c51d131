# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# What the contracts tell each other. The real ones have no bounds; calldata beyond these reverts.

PENDING: constant(uint8) = 0
META_SCHEDULED: constant(uint8) = 1
SCHEDULED: constant(uint8) = 2
RUNNING: constant(uint8) = 3
CANCELLED: constant(uint8) = 4
FINISHED: constant(uint8) = 5
FAILED: constant(uint8) = 6
OUT_OF_CREDITS: constant(uint8) = 7
PANICKED: constant(uint8) = 8

struct Label:
    key: String[128]
    value: String[512]

struct Affinity:
    label: Label
    op: bytes2

struct JobDefinition:
    gpus: uint64
    memPerCpu: uint64
    cpusPerTask: uint64
    ntasks: uint64
    batchLocationHash: String[256]
    storageType: uint8
    uses: DynArray[Label, 16]
    affinity: DynArray[Affinity, 16]

struct JobCost:
    maxCost: uint256
    finalCost: uint256
    pendingTopUp: uint256
    delegateSpendingAuthority: bool

struct JobTime:
    submit: uint256
    start: uint256
    end: uint256
    cancelRequestTimestamp: uint256
    blockNumberStateChange: uint256
    panicTimestamp: uint256

struct Job:
    jobId: bytes32
    status: uint8
    customerAddr: address
    providerAddr: address
    definition: JobDefinition
    cost: JobCost
    time: JobTime
    jobName: bytes32
    hasCancelRequest: bool
    lastError: String[1024]
    exitCode: int64

struct Hardware:
    nodes: uint64
    gpusPerNode: DynArray[uint64, 64]
    cpusPerNode: DynArray[uint64, 64]
    memPerNode: DynArray[uint64, 64]

struct Prices:
    gpuPricePerMin: uint256
    cpuPricePerMin: uint256
    memPricePerMin: uint256

struct Provider:
    addr: address
    providerHardware: Hardware
    providerPrices: Prices
    labels: DynArray[Label, 64]
    isBanned: bool

interface JobRepository:
    def create(job: Job) -> bytes32: nonpayable
    def get(jobId: bytes32) -> Job: view
    def setJobStatus(jobId: bytes32, status: uint8): nonpayable
    def setProviderAddr(jobId: bytes32, provider: address): nonpayable
    def setCost(jobId: bytes32, cost: JobCost): nonpayable
    def setTime(jobId: bytes32, time: JobTime): nonpayable
    def setHasCancelRequest(jobId: bytes32, requested: bool): nonpayable
    def setLastError(jobId: bytes32, text: String[1024]): nonpayable
    def setExitCode(jobId: bytes32, code: int64): nonpayable

interface ProviderManager:
    def isValidForScheduling(provider: address) -> bool: view
    def getProviderPrices(provider: address) -> Prices: view
    def incJobCount(provider: address): nonpayable

interface ProviderJobQueues:
    def pushClaimableJob(provider: address, jobId: bytes32): nonpayable
    def pushCancellingJob(provider: address, jobId: bytes32): nonpayable
    def pushTopUpJob(provider: address, jobId: bytes32): nonpayable
    def popNextClaimableJob(provider: address) -> bytes32: nonpayable
    def popNextCancellingJob(provider: address) -> bytes32: nonpayable
    def popNextTopUpJob(provider: address) -> bytes32: nonpayable

interface Credit:
    def transfer(to: address, amount: uint256) -> bool: nonpayable
    def transferFrom(owner: address, to: address, amount: uint256) -> bool: nonpayable

interface Constants:
    def minimumAmount() -> uint256: view
    def billDurationDeltaMinute() -> uint256: view
    def topUpSliceDurationMin() -> uint64: view
    def deepsquareCut() -> uint256: view
