#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's chain and key commands against the lab's chain and a live cluster. Needs root."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from chain import ACCOUNT, KEY, ROOT, LabChain, say

sys.path.insert(0, str(ROOT / "Tests/Events"))
from cluster import Agent, Lab, eventually  # noqa: E402

DRIVER = ROOT / ".build/debug/ChainDriver"
BINARY = ROOT / ".build/debug/slurm-grid-agent"
OTHER_KEY = "11" * 32


def start_driver(chain, contract, folder, intents, confirmations=0, path="/"):
    """Returns once every intent is on the disk."""
    folder.mkdir(mode=0o700)
    secret(folder / "key", KEY)
    words = [DRIVER, folder, folder / "key", contract, intents, confirmations, chain.url("/", "ws"), chain.url(path)]
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "submitted\n"
    return process


def send_and_die(chain, contract, folder, intents):
    """Leaves so many transactions in flight, as an agent that was killed would."""
    process = start_driver(chain, contract, folder, intents)
    eventually("they are in the pool", lambda: len(chain.call("lab_waiting", ACCOUNT)) >= intents, 20)
    process.kill()
    process.wait()


def secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def give(path, user="slurm"):
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)


def key_commands(folder):
    """keys are made, imported, shown and never taken from the command line"""
    def ask(*words, text=None):
        return subprocess.run([str(BINARY), "key", *map(str, words)], capture_output=True, text=True, input=text)

    bare, sealed, password = folder / "bare", folder / "sealed", secret(folder / "password", "correct horse\n")
    made = ask("new", "--file", bare)
    assert made.returncode == 0 and made.stdout.startswith("0x"), made
    assert bare.stat().st_mode & 0o777 == 0o600
    assert ask("show", "--file", bare).stdout == made.stdout
    assert "already" in ask("new", "--file", bare).stderr
    imported = ask("import", "--file", sealed, "--password-file", password, text="0x" + KEY + "\n")
    assert imported.stdout.strip().lower() == ACCOUNT, imported
    assert KEY not in sealed.read_text() and json.loads(sealed.read_text())["version"] == 3
    signed = ask("sign", "--file", sealed, "--password-file", password, "hello")
    assert signed.stdout.strip().endswith("9008591b"), signed
    assert "password" in ask("show", "--file", sealed).stderr
    secret(folder / "wrong", "wrong")
    assert ask("show", "--file", sealed, "--password-file", folder / "wrong").returncode == 65
    bare.chmod(0o644)
    assert ask("show", "--file", bare).returncode == 66
    refused = ask("show", "--file", sealed, "--private-key", KEY)
    assert refused.returncode == 64 and "command line" in refused.stderr and KEY not in refused.stderr, refused


def transactions(lab, chain, contract):
    """what a killed agent left is taken up; bump, cancel, foreign nonces, another key"""
    send_and_die(chain, contract, chain.folder / "left", 3)
    for name in ("chain.sqlite", "chain.sqlite-wal", "chain.sqlite-shm"):
        if (chain.folder / "left" / name).exists():
            shutil.copy(chain.folder / "left" / name, lab.state / name)
            give(lab.state / name)
    # Each beside the state folder, where user slurm may read it.
    key, other = secret(lab.run / "key", KEY), secret(lab.run / "other", OTHER_KEY)
    give(key)
    give(other)
    node = {"metascheduler.endpoint.rpc": f"{chain.url('/')},{chain.url('/behind')}", "metascheduler.endpoint.ws": chain.url("/", "ws")}

    agent = Agent(lab, **node, **{"chain.key-file": other})
    agent.start(wait=False)
    assert agent.process.wait(60) == 78
    assert "3 open transactions" in agent.log.read_text(), agent.log.read_text()[-500:]

    agent = Agent(lab, **node, **{"chain.key-file": key, "metascheduler.smart-contract": contract})
    agent.start()
    eventually("it says that there is no such contract", lambda: "is no MetaScheduler contract" in agent.log.read_text(), 30)
    assert agent.process.poll() is None, "jobs are followed all the same"
    agent.stop()

    agent = Agent(lab, **node, **{"chain.key-file": key})
    agent.start()
    control = ("--control", lab.run / "control.sock")
    folder = ("--state-folder", lab.state)

    def status():
        return json.loads(agent.ask("chain", "status", "--json", *control))["account"]

    def states():
        return {one["key"]: one["state"] for one in json.loads(agent.ask("chain", "tx", "list", "--json", *folder))}

    eventually("it has seen the chain", lambda: status().get("head") is not None, 20)
    # The one that was killed may not have sent all of them.
    eventually("all are in the pool", lambda: len(chain.call("lab_waiting", ACCOUNT)) == 3 and status()["in_flight"] == 3, 30)
    assert status()["address"].lower() == ACCOUNT, status()
    print(agent.ask("chain", "status", *control))
    before = chain.call("lab_waiting", ACCOUNT)
    agent.ask("chain", "tx", "bump", "0", *control)
    agent.ask("chain", "tx", "cancel", "1", *control)
    eventually("both are replaced", lambda: sum(a != b for a, b in zip(before, chain.call("lab_waiting", ACCOUNT))) >= 2, 20)
    assert "no transaction" in subprocess.run(
        [lab.stage / "slurm-grid-agent", "chain", "tx", "bump", "nonsense", *map(str, control)], capture_output=True, text=True).stderr
    chain.call("lab_mode", 0.2)
    eventually("all are over", lambda: set(states().values()) == {"succeeded", "cancelled"}, 60)
    assert states() == {"0": "succeeded", "1": "cancelled", "2": "succeeded"}, states()
    print(agent.ask("chain", "tx", "list", *folder))
    print(agent.ask("chain", "tx", "show", "0", *folder))

    # Somebody else uses the key.
    chain.call("lab_mode", None)
    send_and_die(chain, contract, chain.folder / "foreign", 1)
    chain.call("lab_mine", 1)
    eventually("it is noticed", lambda: "foreignNonce" in status()["alarms"], 40)
    agent.stop()
    agent.start()
    eventually("it is not forgotten", lambda: "foreignNonce" in status()["alarms"], 40)
    agent.ask("chain", "acknowledge", *control)
    assert status()["alarms"] == {}
    assert agent.stop() == 0

    # A chain that is away keeps nothing else from its work.
    alone = Agent(lab, **{"metascheduler.endpoint.rpc": "http://127.0.0.1:1", "chain.key-file": key})
    alone.start()
    assert status().get("head") is None
    assert alone.stop() == 0
    text = agent.log.read_text()
    assert KEY not in text and OTHER_KEY not in text, "a key is in the log"


def lagging_node(chain):
    """a node that does not see the contract yet is not believed when it says what a call of it costs"""
    contract = chain.call("lab_deploy")
    chain.call("lab_mode", None)
    assert chain.call("eth_getCode", contract, path="/behind") == "0x"
    process = start_driver(chain, contract, chain.folder / "lagging", 40, confirmations=6, path="/behind")
    try:
        eventually("the first are in the pool", lambda: chain.call("lab_waiting", ACCOUNT), 20)
        chain.call("lab_mode", 0.2, True)
        eventually("all are mined", lambda: all(int(chain.call("lab_count", contract, number), 16) == 1 for number in range(40)), 120)
    finally:
        process.kill()
        process.wait()
    failed = [nonce for nonce, _, succeeded, _ in chain.call("lab_history", ACCOUNT) if not succeeded]
    assert not failed, f"had too little gas: {failed}"


def environment_key(lab, chain):
    """a key in the environment works, with a warning, and is gone from there"""
    for name in ("chain.sqlite", "chain.sqlite-wal", "chain.sqlite-shm"):
        (lab.state / name).unlink(missing_ok=True)
    agent = Agent(lab)
    before = agent.log.read_text().count("on the chain")
    lab.environment.update({"ETH_PRIVATE_KEY": KEY, "METASCHEDULER_ENDPOINT_RPC": chain.url()})
    try:
        agent.start()
        assert "chain.key-file" in agent.log.read_text()
        # The key is read after the doors are opened.
        eventually("it has read the key", lambda: agent.log.read_text().count("on the chain") > before, 30)
        os.kill(agent.process.pid, signal.SIGHUP)
        eventually("it reads its configuration again without the key", lambda: "the configuration was read again" in agent.log.read_text(), 30)
        assert KEY.encode() not in Path(f"/proc/{agent.process.pid}/environ").read_bytes()
        agent.stop()
    finally:
        for name in ("ETH_PRIVATE_KEY", "METASCHEDULER_ENDPOINT_RPC"):
            lab.environment.pop(name)


def main():
    with LabChain() as chain:
        say(key_commands.__doc__)
        key_commands(chain.folder)
        contract = chain.call("lab_deploy")
        chain.call("lab_mode", None)
        with Lab(LAB_NODES=1) as lab:
            say(transactions.__doc__)
            transactions(lab, chain, contract)
            say(environment_key.__doc__)
            environment_key(lab, chain)
    with LabChain() as chain:
        say(lagging_node.__doc__)
        lagging_node(chain)
    say("all as it must be")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("agent.py: needs root, for the lab")
    main()
