# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# The jobs. MetaScheduler, which holds METASCHEDULER_ROLE here, checks what may change.

import Roles
import Types

initializes: Roles
exports: Roles.__interface__

event JobCreated:
    jobId: bytes32

event JobTransitionEvent:
    jobId: bytes32
    previous: uint8
    status: uint8

jobIdCounter: public(uint256)
jobIdByCustomer: public(HashMap[address, DynArray[bytes32, 100000]])
_jobs: HashMap[bytes32, Types.Job]


@deploy
def __init__():
    Roles.__init__()


@external
def create(job: Types.Job) -> bytes32:
    Roles._only(Roles.METASCHEDULER_ROLE)
    self.jobIdCounter += 1
    jobId: bytes32 = convert(self.jobIdCounter, bytes32)
    self._jobs[jobId] = job
    self._jobs[jobId].jobId = jobId
    self.jobIdByCustomer[job.customerAddr].append(jobId)
    log JobCreated(jobId=jobId)
    return jobId


@external
def update(job: Types.Job):
    self._mayChange(job.jobId)
    self._jobs[job.jobId] = job


@external
@view
def get(jobId: bytes32) -> Types.Job:
    self._known(jobId)
    return self._jobs[jobId]


@external
@view
def getByCustomer(customerAddr: address) -> DynArray[bytes32, 100000]:
    return self.jobIdByCustomer[customerAddr]


@external
def setJobStatus(jobId: bytes32, status: uint8):
    self._mayChange(jobId)
    assert status <= Types.PANICKED
    log JobTransitionEvent(jobId=jobId, previous=self._jobs[jobId].status, status=status)
    self._jobs[jobId].status = status


@external
def setProviderAddr(jobId: bytes32, providerAddr: address):
    self._mayChange(jobId)
    self._jobs[jobId].providerAddr = providerAddr


@external
def setCustomerAddr(jobId: bytes32, customerAddr: address):
    self._mayChange(jobId)
    self._jobs[jobId].customerAddr = customerAddr


@external
def setDefinition(jobId: bytes32, definition: Types.JobDefinition):
    self._mayChange(jobId)
    self._jobs[jobId].definition = definition


@external
def setCost(jobId: bytes32, cost: Types.JobCost):
    self._mayChange(jobId)
    self._jobs[jobId].cost = cost


@external
def setTime(jobId: bytes32, time: Types.JobTime):
    self._mayChange(jobId)
    self._jobs[jobId].time = time


@external
def setJobName(jobId: bytes32, jobName: bytes32):
    self._mayChange(jobId)
    self._jobs[jobId].jobName = jobName


@external
def setHasCancelRequest(jobId: bytes32, hasCancelRequest: bool):
    self._mayChange(jobId)
    self._jobs[jobId].hasCancelRequest = hasCancelRequest


@external
def setLastError(jobId: bytes32, lastError: String[1024]):
    self._mayChange(jobId)
    self._jobs[jobId].lastError = lastError


@external
def setExitCode(jobId: bytes32, exitCode: int64):
    self._mayChange(jobId)
    self._jobs[jobId].exitCode = exitCode


@internal
@view
def _mayChange(jobId: bytes32):
    Roles._only(Roles.METASCHEDULER_ROLE)
    self._known(jobId)


@internal
@view
def _known(jobId: bytes32):
    if self._jobs[jobId].jobId == empty(bytes32):
        raw_revert(method_id("InvalidJob()"))
