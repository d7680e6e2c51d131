# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# The ERC-20 that jobs are paid with; its texts are OpenZeppelin's.

import Owned

initializes: Owned
exports: Owned.__interface__

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

name: public(constant(String[16])) = "Credit"
symbol: public(constant(String[8])) = "CRED"
decimals: public(constant(uint8)) = 18

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(amountWei: uint256):
    Owned.__init__()
    self._mint(msg.sender, amountWei)


@external
def mint(account: address, amountWei: uint256):
    Owned._only()
    self._mint(account, amountWei)


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "ERC20: insufficient allowance"
        self._allow(owner, msg.sender, allowed - amount)
    self._move(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._allow(msg.sender, spender, amount)
    return True


@external
def increaseAllowance(spender: address, addedValue: uint256) -> bool:
    self._allow(msg.sender, spender, self.allowance[msg.sender][spender] + addedValue)
    return True


@external
def decreaseAllowance(spender: address, subtractedValue: uint256) -> bool:
    allowed: uint256 = self.allowance[msg.sender][spender]
    assert allowed >= subtractedValue, "ERC20: decreased allowance below zero"
    self._allow(msg.sender, spender, allowed - subtractedValue)
    return True


@internal
def _mint(account: address, amount: uint256):
    assert account != empty(address), "ERC20: mint to the zero address"
    self.totalSupply += amount
    self.balanceOf[account] += amount
    log Transfer(sender=empty(address), receiver=account, value=amount)


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert receiver != empty(address), "ERC20: transfer to the zero address"
    assert self.balanceOf[sender] >= amount, "ERC20: transfer amount exceeds balance"
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=sender, receiver=receiver, value=amount)


@internal
def _allow(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, value=amount)
