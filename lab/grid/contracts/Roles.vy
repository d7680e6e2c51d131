# pragma version ==0.4.3
# SPDX-License-Identifier: GPL-3.0-or-later
# Roles, with the functions, events and texts of OpenZeppelin's AccessControl. Every role's admin is DEFAULT_ADMIN_ROLE.

event RoleGranted:
    role: indexed(bytes32)
    account: indexed(address)
    sender: indexed(address)

event RoleRevoked:
    role: indexed(bytes32)
    account: indexed(address)
    sender: indexed(address)

DEFAULT_ADMIN_ROLE: public(constant(bytes32)) = empty(bytes32)
METASCHEDULER_ROLE: public(constant(bytes32)) = keccak256("METASCHEDULER_ROLE")

hasRole: public(HashMap[bytes32, HashMap[address, bool]])


@deploy
def __init__():
    self._grant(DEFAULT_ADMIN_ROLE, msg.sender)


@external
@view
def getRoleAdmin(role: bytes32) -> bytes32:
    return DEFAULT_ADMIN_ROLE


@external
def grantRole(role: bytes32, account: address):
    self._only(DEFAULT_ADMIN_ROLE)
    self._grant(role, account)


@external
def revokeRole(role: bytes32, account: address):
    self._only(DEFAULT_ADMIN_ROLE)
    self._revoke(role, account)


@external
def renounceRole(role: bytes32, account: address):
    assert account == msg.sender, "AccessControl: can only renounce roles for self"
    self._revoke(role, account)


# ERC-165 itself, and IAccessControl.
@external
@view
def supportsInterface(interfaceId: bytes4) -> bool:
    return interfaceId in [0x01ffc9a7, 0x7965db0b]


@internal
def _grant(role: bytes32, account: address):
    if not self.hasRole[role][account]:
        self.hasRole[role][account] = True
        log RoleGranted(role=role, account=account, sender=msg.sender)


@internal
def _revoke(role: bytes32, account: address):
    if self.hasRole[role][account]:
        self.hasRole[role][account] = False
        log RoleRevoked(role=role, account=account, sender=msg.sender)


@internal
@view
def _only(role: bytes32):
    if not self.hasRole[role][msg.sender]:
        account: uint256 = convert(msg.sender, uint256)
        wanted: uint256 = convert(role, uint256)
        text: Bytes[160] = concat(
            b"AccessControl: account 0x", slice(self._digits(account >> 128), 24, 8), self._digits(account),
            b" is missing role 0x", self._digits(wanted >> 128), self._digits(wanted))
        raise convert(text, String[160])


# The last 16 bytes as 32 hexadecimal digits.
@internal
@pure
def _digits(number: uint256) -> bytes32:
    text: uint256 = 0
    for i: uint256 in range(32):
        digit: uint256 = (number >> (124 - 4 * i)) & 15
        text = (text << 8) | (digit + (48 if digit < 10 else 87))
    return convert(text, bytes32)
