# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# One owner, with the functions, event and texts of OpenZeppelin's Ownable.

event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)

owner: public(address)


@deploy
def __init__():
    self._transfer(msg.sender)


@external
def renounceOwnership():
    self._only()
    self._transfer(empty(address))


@external
def transferOwnership(newOwner: address):
    self._only()
    assert newOwner != empty(address), "Ownable: new owner is the zero address"
    self._transfer(newOwner)


@internal
@view
def _only():
    assert msg.sender == self.owner, "Ownable: caller is not the owner"


@internal
def _transfer(newOwner: address):
    log OwnershipTransferred(previousOwner=self.owner, newOwner=newOwner)
    self.owner = newOwner
