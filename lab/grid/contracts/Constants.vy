# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# The grid's settings. MetaScheduler reads neither cancellationFeeMinute nor claimJobTimeout.

import Owned

initializes: Owned
exports: Owned.__interface__

minimumAmount: public(uint256)
cancellationFeeMinute: public(uint256)
billDurationDeltaMinute: public(uint256)
claimJobTimeout: public(uint64)
topUpSliceDurationMin: public(uint64)
deepsquareCut: public(uint256)


@deploy
def __init__(minimumAmount: uint256, cancellationFeeMinute: uint256, billDurationDeltaMinute: uint256, claimJobTimeout: uint64,
             topUpSliceDurationMin: uint64, deepsquareCut: uint256):
    Owned.__init__()
    self.minimumAmount = minimumAmount
    self.cancellationFeeMinute = cancellationFeeMinute
    self.billDurationDeltaMinute = billDurationDeltaMinute
    self.claimJobTimeout = claimJobTimeout
    self.topUpSliceDurationMin = topUpSliceDurationMin
    self.deepsquareCut = deepsquareCut


@external
def setMinimumAmount(amount: uint256):
    Owned._only()
    self.minimumAmount = amount


@external
def setCancellationFeeMinute(minutes: uint256):
    Owned._only()
    self.cancellationFeeMinute = minutes


@external
def setBillDurationDeltaMinute(minutes: uint256):
    Owned._only()
    self.billDurationDeltaMinute = minutes


@external
def setClaimJobTimeout(timeout: uint64):
    Owned._only()
    self.claimJobTimeout = timeout


@external
def setTopUpSliceDurationMin(minutes: uint64):
    Owned._only()
    self.topUpSliceDurationMin = minutes


@external
def setDeepsquareCut(percent: uint256):
    Owned._only()
    self.deepsquareCut = percent
