#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS and WSS: a certificate that nobody trusts is refused, one of the configured authority is taken."""

import os
import subprocess
import sys
import time

from chain import KEY, ROOT, LabChain, say

DRIVER = ROOT / ".build/debug/ChainDriver"


REFUSED = "its TLS certificate cannot be verified"


def drive(chain, contract, name, authority):
    """-> what the driver said, and its log. Without an authority it goes on for some tries more when its log has told of both nodes"""
    state = chain.folder / name
    state.mkdir(mode=0o700)
    key = state / "key"
    key.touch(mode=0o600)
    key.write_text(KEY)
    words = [DRIVER, state, key, contract, 2, 0, chain.url("/", "wss"), chain.url("/", "https")]
    environment = dict(os.environ, DRIVER_LOG="debug", **({"DRIVER_CA": str(authority)} if authority else {}))
    log = chain.folder / f"{name}.log"
    process = subprocess.Popen([str(word) for word in words], env=environment, stdout=(chain.folder / f"{name}.out").open("w"), stderr=log.open("w"))
    end, told = time.monotonic() + 120, False
    while time.monotonic() < end and "done" not in (chain.folder / f"{name}.out").read_text():
        if not authority and not told and REFUSED in log.read_text() and "wss://" in log.read_text():
            end, told = time.monotonic() + 3, True
        time.sleep(0.1)
    process.kill()
    process.wait()
    return (chain.folder / f"{name}.out").read_text(), log.read_text()


def main():
    with LabChain(tls=True) as chain:
        contract = chain.call("lab_deploy")
        output, log = drive(chain, contract, "untrusted", None)
        assert "done" not in output and REFUSED in log, log[-2000:]
        assert "wss://" in log, "the socket too"
        output, log = drive(chain, contract, "trusted", chain.certificate)
        assert "done" in output, log[-2000:]
        assert "no wake-ups" not in log, log[-2000:]
    say("TLS is verified")


if __name__ == "__main__":
    sys.exit(main())
