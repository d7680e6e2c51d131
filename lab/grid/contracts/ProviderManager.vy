# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# Who may be given jobs. A registration waits for approval; until then the former one counts.

import Roles
import Types

initializes: Roles
exports: Roles.__interface__

event ProviderWaitingForApproval:
    addr: address

event ProviderApproved:
    addr: address

event ProviderBanChanged:
    addr: address
    status: bool

event ProviderRemoved:
    addr: address

METASCHEDULER_CONTRACT_ROLE: public(constant(bytes32)) = keccak256("METASCHEDULER_CONTRACT_ROLE")

# What is said of an unknown address: NoProvider, or an empty struct. Which of them the real contract does is not known.
REVERTS: immutable(bool)

jobCountByProvider: public(HashMap[address, uint64])
_approved: HashMap[address, Types.Provider]
_waiting: HashMap[address, Types.Provider]


@deploy
def __init__(revertsForUnknown: bool):
    Roles.__init__()
    REVERTS = revertsForUnknown


@external
def register(hardware: Types.Hardware, prices: Types.Prices, labels: DynArray[Types.Label, 64]):
    if self._approved[msg.sender].isBanned:
        raw_revert(method_id("Banned()"))
    if hardware.nodes == 0:
        raw_revert(method_id("InvalidNodesCount()"))
    nodes: uint256 = convert(hardware.nodes, uint256)
    if len(hardware.gpusPerNode) != nodes or len(hardware.cpusPerNode) != nodes or len(hardware.memPerNode) != nodes:
        raw_revert(method_id("ArrayLengthMismatch()"))
    cpus: uint256 = 0
    for amount: uint64 in hardware.cpusPerNode:
        cpus += convert(amount, uint256)
    if cpus == 0:
        raw_revert(method_id("InvalidTotalCpus()"))
    mem: uint256 = 0
    for amount: uint64 in hardware.memPerNode:
        mem += convert(amount, uint256)
    if mem == 0:
        raw_revert(method_id("InvalidTotalMem()"))
    self._waiting[msg.sender].addr = msg.sender
    self._waiting[msg.sender].providerHardware = hardware
    self._waiting[msg.sender].providerPrices = prices
    self._waiting[msg.sender].labels = labels
    log ProviderWaitingForApproval(addr=msg.sender)


@external
def approve(providerAddr: address):
    Roles._only(Roles.METASCHEDULER_ROLE)
    if self._waiting[providerAddr].addr == empty(address):
        raw_revert(method_id("WaitingApprovalOnly()"))
    banned: bool = self._approved[providerAddr].isBanned
    self._approved[providerAddr] = self._waiting[providerAddr]
    self._approved[providerAddr].isBanned = banned
    self._waiting[providerAddr].addr = empty(address)
    log ProviderApproved(addr=providerAddr)


@external
def ban(providerAddr: address):
    self._setBanned(providerAddr, True)


@external
def unban(providerAddr: address):
    self._setBanned(providerAddr, False)


@internal
def _setBanned(providerAddr: address, banned: bool):
    Roles._only(Roles.METASCHEDULER_ROLE)
    if self._approved[providerAddr].addr == empty(address):
        raw_revert(method_id("NoProvider()"))
    if self._approved[providerAddr].isBanned == banned:
        raw_revert(method_id("AlreadyDone()"))
    self._approved[providerAddr].isBanned = banned
    log ProviderBanChanged(addr=providerAddr, status=banned)


@external
def remove(providerAddr: address):
    Roles._only(Roles.METASCHEDULER_ROLE)
    if self._approved[providerAddr].addr == empty(address) and self._waiting[providerAddr].addr == empty(address):
        raw_revert(method_id("NoProvider()"))
    self._approved[providerAddr].addr = empty(address)
    self._approved[providerAddr].isBanned = False
    self._waiting[providerAddr].addr = empty(address)
    log ProviderRemoved(addr=providerAddr)


@external
def incJobCount(providerAddr: address):
    Roles._only(METASCHEDULER_CONTRACT_ROLE)
    self.jobCountByProvider[providerAddr] += 1


@external
@view
def getJobCount(providerAddr: address) -> uint64:
    return self.jobCountByProvider[providerAddr]


@external
@view
def isBanned(providerAddr: address) -> bool:
    return self._approved[providerAddr].isBanned


@external
@view
def isValidForScheduling(providerAddr: address) -> bool:
    return self._approved[providerAddr].addr != empty(address) and not self._approved[providerAddr].isBanned


@external
@view
def isWaitingForApproval(providerAddr: address) -> bool:
    return self._waiting[providerAddr].addr != empty(address)


@external
@view
def getProvider(providerAddr: address) -> Types.Provider:
    if self._isKnown(self._approved[providerAddr].addr):
        return self._approved[providerAddr]
    return empty(Types.Provider)


@external
@view
def getWaitingForApprovalProvider(providerAddr: address) -> Types.Provider:
    if self._isKnown(self._waiting[providerAddr].addr):
        return self._waiting[providerAddr]
    return empty(Types.Provider)


@external
@view
def getProviderHardware(providerAddr: address) -> Types.Hardware:
    if self._isKnown(self._approved[providerAddr].addr):
        return self._approved[providerAddr].providerHardware
    return empty(Types.Hardware)


@external
@view
def getProviderPrices(providerAddr: address) -> Types.Prices:
    if self._isKnown(self._approved[providerAddr].addr):
        return self._approved[providerAddr].providerPrices
    return empty(Types.Prices)


@external
@view
def getLabels(providerAddr: address) -> DynArray[Types.Label, 64]:
    if self._isKnown(self._approved[providerAddr].addr):
        return self._approved[providerAddr].labels
    return empty(DynArray[Types.Label, 64])


@internal
@view
def _isKnown(stored: address) -> bool:
    if REVERTS and stored == empty(address):
        raw_revert(method_id("NoProvider()"))
    return stored != empty(address)
