# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# What the tests call: counts each number it is told, and says so in a log.

event Recorded:
    number: indexed(uint256)
    sender: indexed(address)
    text: String[1024]

count: public(HashMap[uint256, uint256])
total: public(uint256)


@external
def record(number: uint256, text: String[1024]):
    self.count[number] += 1
    self.total += 1
    log Recorded(number=number, sender=msg.sender, text=text)


# Logs of the numbers from `first` on.
@external
def announce(first: uint256, amount: uint256):
    for i: uint256 in range(amount, bound=500):
        log Recorded(number=first + i, sender=msg.sender, text="")


# Uses more gas each time that it is asked for more.
@external
def burn(rounds: uint256):
    for i: uint256 in range(rounds, bound=10000):
        self.count[max_value(uint256) - i] += 1


@external
def refuse(code: uint256):
    raw_revert(abi_encode(code, method_id=method_id("Refused(uint256)")))
