# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# A grid's rules for tests: who may do what with a job, what it costs, and where the money goes.

import Roles
import Types

initializes: Roles
exports: Roles.__interface__

event NewJobRequestEvent:
    jobId: bytes32
    customerAddr: address

event ClaimJobEvent:
    customerAddr: address
    providerAddr: address
    jobId: bytes32
    maxDurationMinute: uint64
    jobDefinition: Types.JobDefinition

event ClaimNextCancellingJobEvent:
    customerAddr: address
    providerAddr: address
    jobId: bytes32

event ClaimNextTopUpJobEvent:
    jobId: bytes32
    providerAddr: address
    maxDurationMinute: uint64

event JobRefusedEvent:
    jobId: bytes32
    providerAddr: address
    customerAddr: address

event BilledTooMuchEvent:
    jobId: bytes32
    providerAddr: address
    billingAmount: uint256

# A job without its strings and lists.
struct Summary:
    jobId: bytes32
    status: uint8
    customerAddr: address
    providerAddr: address
    needs: Needs
    cost: Types.JobCost
    time: Types.JobTime

# What a job is billed for. GPUs are the whole job's.
struct Needs:
    gpus: uint64
    cpus: uint256
    memPerCpu: uint64

credit: public(immutable(Types.Credit))
constants: public(immutable(Types.Constants))
providerManager: public(immutable(Types.ProviderManager))
providerJobQueues: public(immutable(Types.ProviderJobQueues))
jobs: public(immutable(Types.JobRepository))

enableRequestNewJob: public(bool)


@deploy
def __init__(_credit: address, _constants: address, _providerManager: address, _providerJobQueues: address, _jobs: address):
    Roles.__init__()
    credit = Types.Credit(_credit)
    constants = Types.Constants(_constants)
    providerManager = Types.ProviderManager(_providerManager)
    providerJobQueues = Types.ProviderJobQueues(_providerJobQueues)
    jobs = Types.JobRepository(_jobs)
    self.enableRequestNewJob = True


# ---- customers

@external
def requestNewJob(definition: Types.JobDefinition, lockedCredits: uint256, jobName: bytes32,
                  delegateSpendingAuthority: bool) -> bytes32:
    assert definition.storageType < 5
    if not self.enableRequestNewJob:
        raw_revert(method_id("NewJobRequestDisabled()"))
    if definition.memPerCpu == 0 or definition.cpusPerTask == 0 or definition.ntasks == 0:
        raw_revert(method_id("InvalidJobDefinition()"))
    minimum: uint256 = staticcall constants.minimumAmount()
    if lockedCredits < minimum:
        raw_revert(abi_encode(lockedCredits, minimum, method_id=method_id("InsufficientFunds(uint256,uint256)")))
    job: Types.Job = empty(Types.Job)
    job.customerAddr = msg.sender
    job.definition = definition
    job.cost.maxCost = lockedCredits
    job.cost.delegateSpendingAuthority = delegateSpendingAuthority
    job.time.submit = block.timestamp
    # The real one sets this too: it tells nothing of a cancel.
    job.time.cancelRequestTimestamp = block.timestamp
    job.time.blockNumberStateChange = block.number
    job.jobName = jobName
    jobId: bytes32 = extcall jobs.create(job)
    extcall credit.transferFrom(msg.sender, self, lockedCredits)
    log NewJobRequestEvent(jobId=jobId, customerAddr=msg.sender)
    return jobId


@external
def cancelJob(jobId: bytes32):
    job: Summary = self._read(jobId)
    self._onlyCustomer(job.customerAddr)
    self._onlyHot(job.status)
    extcall jobs.setHasCancelRequest(jobId, True)
    job.time.cancelRequestTimestamp = block.timestamp
    if job.status == Types.RUNNING:
        extcall jobs.setTime(jobId, job.time)
        extcall providerJobQueues.pushCancellingJob(job.providerAddr, jobId)
    else:
        # No word to the provider, in a queue or an event of this contract.
        self._end(job, job.cost.maxCost, Types.CANCELLED)


@external
def setDelegateSpendingAuthority(jobId: bytes32, delegateSpendingAuthority: bool):
    job: Summary = self._read(jobId)
    self._onlyCustomer(job.customerAddr)
    self._onlyHot(job.status)
    job.cost.delegateSpendingAuthority = delegateSpendingAuthority
    extcall jobs.setCost(jobId, job.cost)


@external
def topUpJob(jobId: bytes32, amount: uint256):
    job: Summary = self._read(jobId)
    self._topUp(job, msg.sender, amount)


@external
def topUpJobDelegate(jobId: bytes32):
    job: Summary = self._read(jobId)
    if msg.sender not in [job.customerAddr, job.providerAddr] and not Roles.hasRole[Roles.METASCHEDULER_ROLE][msg.sender]:
        raw_revert(method_id("CustomerMetaSchedulerProviderOnly()"))
    if not job.cost.delegateSpendingAuthority:
        raw_revert(method_id("NoSpendingAuthority()"))
    self._onlyScheduledOrRunning(job.status)
    perMinute: uint256 = self._costPerMinute(job.needs, job.providerAddr)
    paid: uint256 = job.cost.maxCost // perMinute
    used: uint256 = (block.timestamp - job.time.start) // 60 if job.status == Types.RUNNING else 0
    if used > paid:
        # Solidity's word for an underflow.
        raw_revert(abi_encode(convert(0x11, uint256), method_id=method_id("Panic(uint256)")))
    minutes: uint256 = convert(staticcall constants.topUpSliceDurationMin(), uint256)
    if paid - used > minutes:
        raw_revert(abi_encode(paid - used, minutes, method_id=method_id("RemainingTimeAboveLimit(uint256,uint256)")))
    self._topUp(job, job.customerAddr, minutes * perMinute)


@internal
def _topUp(job: Summary, payer: address, amount: uint256):
    self._onlyScheduledOrRunning(job.status)
    cost: Types.JobCost = job.cost
    cost.maxCost += amount
    cost.pendingTopUp += amount
    extcall jobs.setCost(job.jobId, cost)
    extcall providerJobQueues.pushTopUpJob(job.providerAddr, job.jobId)
    extcall credit.transferFrom(payer, self, amount)


# ---- the meta-scheduler's bot

@external
def metaSchedule(jobId: bytes32, providerAddr: address):
    Roles._only(Roles.METASCHEDULER_ROLE)
    self._onlyJoined(providerAddr)
    extcall jobs.setProviderAddr(jobId, providerAddr)
    job: Summary = self._read(jobId)
    self._mayBecome(job.status, Types.META_SCHEDULED)
    extcall providerJobQueues.pushClaimableJob(providerAddr, jobId)
    self._become(jobId, Types.META_SCHEDULED, job.time)


@external
def timeoutJob(jobId: bytes32):
    Roles._only(Roles.METASCHEDULER_ROLE)
    job: Summary = self._read(jobId)
    self._mayBecome(job.status, Types.PENDING)
    self._takeBack(job)


@external
def panicJob(jobId: bytes32, lastError: String[1024]):
    Roles._only(Roles.METASCHEDULER_ROLE)
    job: Summary = self._read(jobId)
    self._mayBecome(job.status, Types.PANICKED)
    extcall jobs.setLastError(jobId, lastError)
    self._end(job, job.cost.maxCost, Types.PANICKED)


# ---- providers

@external
def claimNextJob():
    self._onlyJoined(msg.sender)
    jobId: bytes32 = extcall providerJobQueues.popNextClaimableJob(msg.sender)
    job: Types.Job = staticcall jobs.get(jobId)
    # As in the real one, that it is the caller's job is the queue's affair.
    self._mayBecome(job.status, Types.SCHEDULED)
    minutes: uint256 = job.cost.maxCost // self._costPerMinute(self._needs(job.definition), job.providerAddr)
    self._become(jobId, Types.SCHEDULED, job.time)
    log ClaimJobEvent(customerAddr=job.customerAddr, providerAddr=job.providerAddr, jobId=jobId,
                      maxDurationMinute=convert(minutes, uint64), jobDefinition=job.definition)


@external
def claimNextCancellingJob():
    self._onlyJoined(msg.sender)
    jobId: bytes32 = extcall providerJobQueues.popNextCancellingJob(msg.sender)
    job: Summary = self._read(jobId)
    log ClaimNextCancellingJobEvent(customerAddr=job.customerAddr, providerAddr=job.providerAddr, jobId=jobId)


@external
def claimNextTopUpJob():
    self._onlyJoined(msg.sender)
    jobId: bytes32 = extcall providerJobQueues.popNextTopUpJob(msg.sender)
    job: Summary = self._read(jobId)
    minutes: uint256 = job.cost.pendingTopUp // self._costPerMinute(job.needs, job.providerAddr)
    job.cost.pendingTopUp = 0
    extcall jobs.setCost(jobId, job.cost)
    log ClaimNextTopUpJobEvent(jobId=jobId, providerAddr=job.providerAddr, maxDurationMinute=convert(minutes, uint64))


@external
def refuseJob(jobId: bytes32):
    self._onlyJoined(msg.sender)
    job: Summary = self._read(jobId)
    self._onlyProvider(job.providerAddr)
    if job.status not in [Types.META_SCHEDULED, Types.SCHEDULED]:
        raw_revert(abi_encode(job.status, method_id=method_id("MetaScheduledScheduledStatusOnly(uint8)")))
    self._takeBack(job)


@external
def providerSetJobStatus(jobId: bytes32, nextJobStatus: uint8, jobDurationMinute: uint64, lastError: String[1024],
                         exitCode: int64):
    assert nextJobStatus <= Types.PANICKED
    self._onlyJoined(msg.sender)
    job: Summary = self._read(jobId)
    self._onlyProvider(job.providerAddr)
    if nextJobStatus < Types.RUNNING:
        raw_revert(abi_encode(nextJobStatus, method_id=method_id("RunningColdStatusOnly(uint8)")))
    self._mayBecome(job.status, nextJobStatus)
    if lastError != "":
        extcall jobs.setLastError(jobId, lastError)
    extcall jobs.setExitCode(jobId, exitCode)
    if nextJobStatus == Types.RUNNING:
        extcall providerManager.incJobCount(job.providerAddr)
        job.time.start = block.timestamp
        self._become(jobId, Types.RUNNING, job.time)
    elif job.status == Types.RUNNING:
        minutes: uint256 = self._billedMinutes(jobId, job.time.start, convert(jobDurationMinute, uint256))
        job.cost.finalCost = min(minutes * self._costPerMinute(job.needs, job.providerAddr), job.cost.maxCost)
        extcall jobs.setCost(jobId, job.cost)
        cut: uint256 = staticcall constants.deepsquareCut()
        extcall credit.transfer(job.providerAddr, job.cost.finalCost * (100 - cut) // 100)
        self._end(job, job.cost.maxCost - job.cost.finalCost, nextJobStatus)
    else:
        self._end(job, job.cost.maxCost, nextJobStatus)


# A report which exceeds the time on the chain by more than the allowance counts for nothing: the time on the chain is billed,
# which is 0 minutes for a job whose start came late.
@internal
def _billedMinutes(jobId: bytes32, start: uint256, reported: uint256) -> uint256:
    wall: uint256 = (block.timestamp - start) // 60
    if reported > wall + staticcall constants.billDurationDeltaMinute():
        log BilledTooMuchEvent(jobId=jobId, providerAddr=msg.sender, billingAmount=reported)
        return wall
    return max(1, reported)


# ---- admins

@external
def setEnableRequestNewJob(enable: bool):
    Roles._only(Roles.DEFAULT_ADMIN_ROLE)
    self.enableRequestNewJob = enable


@external
def withdrawAdmin(amount: uint256):
    Roles._only(Roles.DEFAULT_ADMIN_ROLE)
    extcall credit.transfer(msg.sender, amount)


# ---- what changes

@internal
def _become(jobId: bytes32, status: uint8, time: Types.JobTime):
    extcall jobs.setJobStatus(jobId, status)
    changed: Types.JobTime = time
    changed.blockNumberStateChange = block.number
    extcall jobs.setTime(jobId, changed)


@internal
def _takeBack(job: Summary):
    extcall jobs.setProviderAddr(job.jobId, empty(address))
    self._become(job.jobId, Types.PENDING, job.time)
    log JobRefusedEvent(jobId=job.jobId, providerAddr=job.providerAddr, customerAddr=job.customerAddr)


@internal
def _end(job: Summary, refund: uint256, status: uint8):
    extcall credit.transfer(job.customerAddr, refund)
    time: Types.JobTime = job.time
    time.end = block.timestamp
    if status == Types.PANICKED:
        time.panicTimestamp = block.timestamp
    self._become(job.jobId, status, time)


# ---- what is read

@internal
@view
def _read(jobId: bytes32) -> Summary:
    job: Types.Job = staticcall jobs.get(jobId)
    return Summary(jobId=jobId, status=job.status, customerAddr=job.customerAddr, providerAddr=job.providerAddr,
                   needs=self._needs(job.definition),
                   cost=job.cost, time=job.time)


@internal
@pure
def _needs(definition: Types.JobDefinition) -> Needs:
    cpus: uint256 = convert(definition.ntasks, uint256) * convert(definition.cpusPerTask, uint256)
    return Needs(gpus=definition.gpus, cpus=cpus, memPerCpu=definition.memPerCpu)


# The prices are those of now, also for a job that was claimed with others.
@internal
@view
def _costPerMinute(needs: Needs, providerAddr: address) -> uint256:
    prices: Types.Prices = staticcall providerManager.getProviderPrices(providerAddr)
    perCpu: uint256 = prices.cpuPricePerMin + convert(needs.memPerCpu, uint256) * prices.memPricePerMin
    return convert(needs.gpus, uint256) * prices.gpuPricePerMin + needs.cpus * perCpu


# ---- checks

@internal
@pure
def _mayBecome(current: uint8, status: uint8):
    if current == status:
        raw_revert(method_id("SameStatusError()"))
    self._onlyHot(current)
    allowed: bool = status in [Types.CANCELLED, Types.PANICKED]
    if status == Types.META_SCHEDULED or status == Types.SCHEDULED or status == Types.RUNNING:
        allowed = current == status - 1
    elif status == Types.PENDING:
        allowed = current in [Types.META_SCHEDULED, Types.SCHEDULED]
    elif status == Types.FAILED:
        allowed = current in [Types.SCHEDULED, Types.RUNNING]
    elif status in [Types.FINISHED, Types.OUT_OF_CREDITS]:
        allowed = current == Types.RUNNING
    if not allowed:
        raw_revert(abi_encode(current, status, method_id=method_id("InvalidTransition(uint8,uint8)")))


@internal
@pure
def _onlyHot(current: uint8):
    if current > Types.RUNNING:
        raw_revert(abi_encode(current, method_id=method_id("JobHotStatusOnly(uint8)")))


@internal
@pure
def _onlyScheduledOrRunning(current: uint8):
    if current not in [Types.SCHEDULED, Types.RUNNING]:
        raw_revert(abi_encode(current, method_id=method_id("RunningScheduledStatusOnly(uint8)")))


@internal
@view
def _onlyJoined(providerAddr: address):
    if not staticcall providerManager.isValidForScheduling(providerAddr):
        raw_revert(method_id("ProviderNotJoined()"))


@internal
@view
def _onlyProvider(providerAddr: address):
    if msg.sender != providerAddr:
        raw_revert(abi_encode(msg.sender, providerAddr, method_id=method_id("JobProviderOnly(address,address)")))


@internal
@view
def _onlyCustomer(customerAddr: address):
    if msg.sender != customerAddr:
        raw_revert(abi_encode(msg.sender, customerAddr, method_id=method_id("CustomerOnly(address,address)")))
