# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# What each provider has still to claim, first in, first out. The owner, MetaScheduler, pushes and pops.

import Owned
import Types

initializes: Owned
exports: Owned.__interface__

# Indices as the real queue's: of the first entry, and after the last.
struct Bounds:
    begin: int128
    end: int128

CLAIMABLE: constant(uint256) = 0
CANCELLING: constant(uint256) = 1
TOP_UP: constant(uint256) = 2
LONGEST: constant(uint256) = 100000

jobs: public(immutable(Types.JobRepository))

# Whether entries are passed over whose job has changed since. The naive queue keeps them: a cancelled job at the head makes
# every claim revert. Which of them the real contract does is not known.
SKIPPING: immutable(bool)

_bounds: HashMap[uint256, HashMap[address, Bounds]]
_entries: HashMap[uint256, HashMap[address, HashMap[int128, bytes32]]]


@deploy
def __init__(jobRepository: address, skipping: bool):
    Owned.__init__()
    jobs = Types.JobRepository(jobRepository)
    SKIPPING = skipping


@external
def pushClaimableJob(providerAddr: address, jobId: bytes32):
    self._push(CLAIMABLE, providerAddr, jobId)


@external
def pushCancellingJob(providerAddr: address, jobId: bytes32):
    self._push(CANCELLING, providerAddr, jobId)


@external
def pushTopUpJob(providerAddr: address, jobId: bytes32):
    self._push(TOP_UP, providerAddr, jobId)


@external
def popNextClaimableJob(providerAddr: address) -> bytes32:
    return self._pop(CLAIMABLE, providerAddr)


@external
def popNextCancellingJob(providerAddr: address) -> bytes32:
    return self._pop(CANCELLING, providerAddr)


@external
def popNextTopUpJob(providerAddr: address) -> bytes32:
    return self._pop(TOP_UP, providerAddr)


@external
@view
def hasNextClaimableJob(providerAddr: address) -> bool:
    return self._has(CLAIMABLE, providerAddr)


@external
@view
def hasCancellingJob(providerAddr: address) -> bool:
    return self._has(CANCELLING, providerAddr)


@external
@view
def hasTopUpJob(providerAddr: address) -> bool:
    return self._has(TOP_UP, providerAddr)


@external
@view
def getClaimableJobQueueSize(providerAddr: address) -> uint256:
    return self._size(CLAIMABLE, providerAddr)


@external
@view
def getCancellingJobQueueSize(providerAddr: address) -> uint256:
    return self._size(CANCELLING, providerAddr)


@external
@view
def getTopUpJobQueueSize(providerAddr: address) -> uint256:
    return self._size(TOP_UP, providerAddr)


@external
@view
def providerClaimableJobsQueues(providerAddr: address) -> Bounds:
    return self._bounds[CLAIMABLE][providerAddr]


@external
@view
def providerCancellingJobsQueues(providerAddr: address) -> Bounds:
    return self._bounds[CANCELLING][providerAddr]


@external
@view
def providerTopUpJobsQueues(providerAddr: address) -> Bounds:
    return self._bounds[TOP_UP][providerAddr]


@internal
def _push(kind: uint256, providerAddr: address, jobId: bytes32):
    Owned._only()
    end: int128 = self._bounds[kind][providerAddr].end
    self._entries[kind][providerAddr][end] = jobId
    self._bounds[kind][providerAddr].end = end + 1


@internal
def _pop(kind: uint256, providerAddr: address) -> bytes32:
    Owned._only()
    place: int128 = self._next(kind, providerAddr, self._bounds[kind][providerAddr].begin)
    if place == self._bounds[kind][providerAddr].end:
        raw_revert(method_id("NoJob()"))
    self._bounds[kind][providerAddr].begin = place + 1
    return self._entries[kind][providerAddr][place]


@internal
@view
def _has(kind: uint256, providerAddr: address) -> bool:
    bounds: Bounds = self._bounds[kind][providerAddr]
    return self._next(kind, providerAddr, bounds.begin) < bounds.end


@internal
@view
def _size(kind: uint256, providerAddr: address) -> uint256:
    size: uint256 = 0
    bounds: Bounds = self._bounds[kind][providerAddr]
    if not SKIPPING:
        return convert(bounds.end - bounds.begin, uint256)
    place: int128 = bounds.begin
    for _: uint256 in range(LONGEST):
        place = self._next(kind, providerAddr, place)
        if place == bounds.end:
            break
        size += 1
        place += 1
    return size


# The place of the first entry from there on which is not passed over; the queue's end when there is none.
@internal
@view
def _next(kind: uint256, providerAddr: address, first: int128) -> int128:
    place: int128 = first
    end: int128 = self._bounds[kind][providerAddr].end
    if SKIPPING:
        for _: uint256 in range(LONGEST):
            if place == end or self._counts(kind, providerAddr, self._entries[kind][providerAddr][place]):
                break
            place += 1
    return place


@internal
@view
def _counts(kind: uint256, providerAddr: address, jobId: bytes32) -> bool:
    job: Types.Job = staticcall jobs.get(jobId)
    if job.providerAddr != providerAddr:
        return False
    if kind == CLAIMABLE:
        return job.status == Types.META_SCHEDULED
    if kind == CANCELLING:
        return job.status == Types.RUNNING
    return job.status in [Types.SCHEDULED, Types.RUNNING]
