# SPDX-License-Identifier: GPL-3.0-or-later
"""Ed25519 after RFC 8032, for the tokens of the double: Python's standard library has none. Slow (some milliseconds a
signature) and not in constant time: for keys of a lab only."""

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1


def _number(data):
    return int.from_bytes(data, "little")


def _x(y, sign):
    """The x that belongs to y, or None when the point is not on the curve (5.1.3)."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def _point(x, y):
    return x, y, 1, x * y % P


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = _point(_x(BASE_Y, 0), BASE_Y)


def _add(first, second):
    """In extended coordinates (5.1.4)."""
    a = (first[1] - first[0]) * (second[1] - second[0]) % P
    b = (first[1] + first[0]) * (second[1] + second[0]) % P
    c = 2 * first[3] * second[3] * D % P
    d = 2 * first[2] * second[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _pack(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _unpack(data):
    y = _number(data)
    x = _x(y & ~(1 << 255), y >> 255)
    return None if x is None else _point(x, y & ~(1 << 255))


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    return _number(digest[:32]) & ~7 & ~(1 << 255) | 1 << 254, digest[32:]


def _challenge(*parts):
    return _number(hashlib.sha512(b"".join(parts)).digest()) % ORDER


def public_key(seed):
    """The public key (32 bytes) of a private one, its seed (32 bytes)."""
    return _pack(_times(_expand(seed)[0], BASE))


def sign(seed, message):
    scalar, prefix = _expand(seed)
    public = _pack(_times(scalar, BASE))
    nonce = _challenge(prefix, message)
    point = _pack(_times(nonce, BASE))
    return point + ((nonce + _challenge(point, public, message) * scalar) % ORDER).to_bytes(32, "little")


def verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point, scalar = _unpack(public), _unpack(signature[:32]), _number(signature[32:])
    if key is None or point is None or scalar >= ORDER:
        return False
    wanted = _add(point, _times(_challenge(signature[:32], public, message), key))
    return _pack(_times(scalar, BASE)) == _pack(wanted)
