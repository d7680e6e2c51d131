# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of the double: JSON Web Tokens signed with Ed25519, and who may call."""

import base64
import binascii
import json
import os
from dataclasses import dataclass

import ed25519
from answers import Answer, document, error, text

LOGIN_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="UTF-8"/><title>Authentication failed - ClusterCockpit</title></head>
<body><div class="alert alert-danger">unauthorized (please login first)</div>
<form method="post" action="/login"><input name="username"/><input name="password" type="password"/></form></body>
</html>
"""


@dataclass
class Caller:
    name: str
    roles: list

    @property
    def is_admin(self):
        return "admin" in self.roles

    @property
    def is_api_only(self):
        return self.roles == ["api"]


class TokenError(Exception):
    pass


def _encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text_):
    if set(text_) & set("+/="):
        raise ValueError("not base64url")
    return base64.b64decode(text_ + "=" * (-len(text_) % 4), altchars=b"-_", validate=True)


def make(seed, claims, algorithm="EdDSA"):
    """A token. Any algorithm's name may stand in it; the signature is always Ed25519's."""
    parts = [_encode(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims)]
    return ".".join([*parts, _encode(ed25519.sign(seed, ".".join(parts).encode()))])


class Keys:
    """The key pair of a backend, in FOLDER/jwt.env as cc-backend reads it: base64 of the public key, and of seed and public key."""

    def __init__(self, folder):
        self.file, self.token_file = folder / "jwt.env", folder / "token"
        if self.file.exists():
            values = dict(line.split("=", 1) for line in self.file.read_text().splitlines())
            self.seed = base64.b64decode(values["JWT_PRIVATE_KEY"])[:32]
            self._use()
        else:
            self.renew(1)

    def _use(self):
        self.public = ed25519.public_key(self.seed)
        self.verified = {}

    def renew(self, now):
        """A new key pair: no token from before is good any more. A good one is in FOLDER/token."""
        self.seed = os.urandom(32)
        self._use()
        values = {"JWT_PUBLIC_KEY": self.public, "JWT_PRIVATE_KEY": self.seed + self.public}
        _write(self.file, "".join(f"{name}={base64.b64encode(value).decode()}\n" for name, value in values.items()))
        self.token = make(self.seed, {"sub": "slurm", "roles": ["api"], "iat": int(now)})
        _write(self.token_file, self.token + "\n")
        return self.token

    def has_signed(self, message, signature):
        """Checks each token only once: that takes milliseconds here, and nothing in the real one."""
        key = (message, signature)
        if key not in self.verified:
            if len(self.verified) > 1000:
                self.verified.clear()
            self.verified[key] = ed25519.verify(self.public, message.encode(), signature)
        return self.verified[key]


def _write(path, content):
    fresh = path.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_text(content)
    fresh.replace(path)


def _claims(token, keys, release, now):
    """What is in a token, if it is a good one. TokenError with the text of the library that the release uses."""

    def fail(kind, reason):
        raise TokenError(f"{kind}: {reason}" if release.named_jwt_errors else reason)

    parts = token.split(".")
    if len(parts) != 3:
        fail("token is malformed", "token contains an invalid number of segments")
    values = []
    for name, part in zip(("header", "claims"), parts):
        try:
            values.append(json.loads(_decode(part)))
        except (ValueError, binascii.Error):
            fail("token is malformed", f"could not JSON decode {name}")
    header, claims = values
    if not isinstance(header, dict) or not isinstance(claims, dict):
        fail("token is malformed", "could not JSON decode claims")
    if header.get("alg") != "EdDSA":
        # A keyed hash is known to the library, but not what cc-backend wants; a name that nobody knows is not even that.
        known = str(header.get("alg"))[:2] in ("HS", "RS", "ES", "PS") or header.get("alg") == "none"
        if not known:
            fail("token is unverifiable", "signing method (alg) is unavailable")
        reason = "only Ed25519/EdDSA supported"
        fail("token is unverifiable", f"error while executing keyfunc: {reason}" if release.named_jwt_errors else reason)
    try:
        signature = _decode(parts[2])
    except (ValueError, binascii.Error):
        fail("token is malformed", "could not base64 decode signature")
    if not keys.has_signed(f"{parts[0]}.{parts[1]}", signature):
        fail("token signature is invalid", "ed25519: verification error")
    if claims.get("exp") is not None and now >= claims["exp"]:
        fail("token has invalid claims", "token is expired" if release.named_jwt_errors else "Token is expired")
    if release.checks_issued_at and claims.get("iat") is not None and now < claims["iat"]:
        fail("", "Token used before issued")
    if claims.get("nbf") is not None and now < claims["nbf"]:
        fail("token has invalid claims", "token is not valid yet" if release.named_jwt_errors else "Token is not valid yet")
    return claims


def _unauthorized(reason, times=1):
    one = document(401, {"error": reason, "status": "Unauthorized"})
    return Answer(401, one.headers, one.body * times)


def _caller(headers, keys, release, now):
    """Who calls, None without a token; TokenError."""
    token = headers.get("X-Auth-Token") or headers.get("Authorization", "").removeprefix("Bearer ")
    if not token:
        return None
    claims = _claims(token, keys, release, now)
    name = claims["sub"] if isinstance(claims.get("sub"), str) else ""
    if release.minor >= 5 and not name:
        raise TokenError("missing 'sub' claim in JWT")
    roles = claims.get("roles")
    return Caller(name, [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else [])


def _address(headers, peer):
    """The caller's address as cc-backend sees it: whoever sits before it is believed."""
    address = headers.get("X-Real-Ip") or headers.get("X-Forwarded-For") or peer
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def admit(headers, peer, keys, release, allowed, now):
    """Whether a call may go on: (Caller, None), or (None, the answer that ends it). `allowed`: addresses, None for no such key."""
    try:
        caller = _caller(headers, keys, release, now)
    except TokenError as refusal:
        return None, _unauthorized(str(refusal)) if release.strict_roles else text(401, str(refusal))
    if not release.strict_roles:
        if caller is None:
            return None, Answer(401, [("Content-Type", "text/html; charset=utf-8")], LOGIN_PAGE.encode())
        return (caller, None) if "api" in caller.roles else (None, error(403, "missing role: api"))
    if caller is None:
        return None, _unauthorized("no user for secured check")
    if not allowed and release.minor < 5:
        return None, _unauthorized("missing configuration key ApiAllowedIPs")
    if allowed and allowed[0] != "*" and _address(headers, peer) not in allowed:
        return None, _unauthorized(f"unknown ip: {_address(headers, peer)}")
    if caller.is_api_only or (len(caller.roles) >= 2 and {"admin", "api"} <= set(caller.roles)):
        return caller, None
    # Without any role the refusal is written twice, one document after the other.
    return None, _unauthorized("unauthorized", times=1 if caller.roles else 2)
