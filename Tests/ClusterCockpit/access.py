#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may call the double of cc-backend: signatures, claims, roles and addresses, by release."""

import base64
import unittest

from caller import BEGIN, JOBS, RELEASES, DoubleTest

import ed25519
import tokens

# Seed, public key, message and signature.
VECTORS = (
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    "/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a//"
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
    "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
    "/fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025/af82/"
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
)


class Signatures(unittest.TestCase):
    def test_vectors_of_rfc_8032(self):
        for lines in VECTORS:
            seed, public, message, signature = map(bytes.fromhex, lines.split("/"))
            self.assertEqual(ed25519.public_key(seed), public)
            self.assertEqual(ed25519.sign(seed, message), signature)
            self.assertTrue(ed25519.verify(public, message, signature))
            self.assertFalse(ed25519.verify(public, message + b"x", signature))
            self.assertFalse(ed25519.verify(public, message, signature[:-1] + b"\xff"))


class Tokens(DoubleTest):
    def status(self, backend, token, **headers):
        answer = self.call(backend, "GET", JOBS, headers={"X-Auth-Token": token, **headers} if token else headers)
        return answer.status, answer

    def test_roles(self):
        backends = {release: self.double(release) for release in RELEASES}
        # (roles, status up to 1.3, status since 1.4)
        for roles, old, new in (
            (["api"], 200, 200),
            (["admin", "api"], 200, 200),
            (["user", "admin", "api"], 200, 200),
            (["user", "api"], 200, 401),
            (["api", "bogus"], 200, 401),
            (["admin"], 403, 401),
            (["API"], 403, 401),
            ("api", 403, 401),
            ([], 403, 401),
            (None, 403, 401),
        ):
            for release in RELEASES:
                with self.subTest(roles=roles, release=release):
                    token = tokens.make(backends[release].keys.seed, {"sub": "x", "roles": roles})
                    status, answer = self.status(backends[release], token)
                    self.assertEqual(status, new if release >= "1.4" else old)
                    if status == 403:
                        self.assertEqual(answer.reason, "missing role: api")
                    if status == 401:
                        one = '{"error":"unauthorized","status":"Unauthorized"}\n'
                        self.assertEqual(answer.text, one * (1 if isinstance(roles, list) and roles else 2))

    def test_claims(self):
        now, good = BEGIN + 1000, {"sub": "x", "roles": ["api"]}
        expired, early = "token has invalid claims: token is expired", "token has invalid claims: token is not valid yet"
        backends = {release: self.double(release) for release in RELEASES}
        # What 1.2.2, 1.3.1, 1.4.4 and 1.5.4 have against it.
        for change, reasons in (
            ({"exp": now + 1}, (None, None, None, None)),
            ({"exp": now}, ("Token is expired", expired, expired, expired)),
            ({"nbf": now + 1}, ("Token is not valid yet", early, early, early)),
            ({"iat": now + 9}, ("Token used before issued", None, None, None)),
            ({"sub": None}, (None, None, None, "missing 'sub' claim in JWT")),
        ):
            for release, reason in zip(RELEASES, reasons):
                with self.subTest(change=change, release=release):
                    token = tokens.make(backends[release].keys.seed, {**good, **change})
                    status, answer = self.status(backends[release], token)
                    self.assertEqual(status, 401 if reason else 200)
                    if reason:
                        self.assertEqual(answer.reason if release >= "1.4" else answer.text.rstrip("\n"), reason)

    def test_signature_algorithm_and_headers(self):
        backend = self.double()
        good = backend.token
        self.assertEqual(self.status(backend, None, Authorization=f"Bearer {good}")[0], 200)
        self.assertEqual(self.status(backend, None, Authorization=good)[0], 200)
        self.assertEqual(self.status(backend, None, Authorization=f"bearer {good}")[0], 401)
        self.assertEqual(self.status(backend, "bad", Authorization=f"Bearer {good}")[0], 401)  # the other header wins
        other = tokens.make(b"\1" * 32, {"sub": "x", "roles": ["api"]})
        self.assertEqual(self.status(backend, other)[1].reason, "token signature is invalid: ed25519: verification error")
        hashed = tokens.make(backend.keys.seed, {"sub": "x", "roles": ["api"]}, "HS256")
        wanted = "token is unverifiable: error while executing keyfunc: only Ed25519/EdDSA supported"
        self.assertEqual(self.status(backend, hashed)[1].reason, wanted)

    def test_no_token_is_a_page_in_old_releases(self):
        for release in RELEASES[:2]:
            status, answer = self.status(self.double(release), None)
            self.assertEqual((status, answer.headers["Content-Type"]), (401, "text/html; charset=utf-8"))
            self.assertIn("<!DOCTYPE html>", answer.text)

    def test_addresses(self):
        backend = self.double("1.4.4", allowed=())
        self.assertEqual(self.status(backend, backend.token)[1].reason, "missing configuration key ApiAllowedIPs")
        backend = self.double("1.5.4", allowed=("10.0.0.1",))
        self.assertEqual(self.status(backend, backend.token)[1].reason, "unknown ip: 127.0.0.1")
        self.assertEqual(self.status(backend, backend.token, **{"X-Forwarded-For": "10.0.0.1"})[0], 200)
        self.assertEqual(self.status(self.double("1.5.4", authentication=False), None)[0], 200)
        backend = self.double("1.5.4", allowed=())
        self.assertEqual(self.status(backend, backend.token)[0], 200)

    def test_new_token_and_key_file(self):
        backend = self.double()
        old = backend.token
        new = backend.new_token()
        self.assertEqual(self.status(backend, old)[0], 401)
        self.assertEqual(self.status(backend, new)[0], 200)
        lines = dict(line.split("=", 1) for line in (backend.folder / "jwt.env").read_text().splitlines())
        public, private = (base64.b64decode(lines[name]) for name in ("JWT_PUBLIC_KEY", "JWT_PRIVATE_KEY"))
        self.assertEqual((len(public), private[32:]), (32, public))
        backend.restart()
        self.assertEqual(self.status(backend, new)[0], 200)


if __name__ == "__main__":
    unittest.main()
