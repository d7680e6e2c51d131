# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the key, the chain's node, the contract, the grid and its services."""

import os
import subprocess

from sites import Site
from table import Fault, together
from waiting import eventually
from world import TOP, Process

NOTHING = (lambda site: None)


def node(**ways):
    return lambda site: site.world.chain.call("lab_node", site.path, ways)


def rate(**rates):
    return lambda site: site.world.chain.call("lab_fault", site.path, rates)


def set_keys(more):
    return lambda site: site.configure(more=more)


def settings_then_restart(more):
    def act(site):
        site.stop()
        site.configure(more=more)
        site.start()
    return act


def one(world, name, fault, before=False, **settings):
    """A site of its own for one fault."""
    def body(table):
        site = Site(world, name, **settings)
        if not before:
            site.join()
        together(table, site, [fault], before=before)
        site.stop()
    return body


# MARK: nodes


def nodes(world):
    yield one(world, "node-cut", Fault(
        "daemon", "the chain's node is stopped", "chain", "does the node run", lambda it: it.node.cut(), ("metascheduler.endpoint.rpc", lambda it: it.node.mend())))
    yield one(world, "node-hung", Fault(
        "daemon", "the chain's node hangs", "chain", "no answer within", lambda it: it.node.hang(), ("metascheduler.endpoint.rpc", lambda it: it.node.mend())))
    yield one(world, "node-page", Fault(
        "daemon", "a web page answers in the node's place", "chain", "metascheduler.endpoint.rpc", rate(html=1), ("metascheduler.endpoint.rpc", rate(html=0))))
    yield one(world, "node-other", Fault(
        "contract", "the node went over to another chain", "chain", "serves chain", node(chain_id=4242), ("metascheduler.endpoint.rpc", node(chain_id=1337))))
    yield one(world, "node-denies", Fault(
        "key", "the node wants a key that the address does not have", "chain", "401", node(authorization="Bearer x"), ("metascheduler.endpoint.rpc", node(authorization=None))))
    yield one(world, "node-ahead", Fault(
        "clock", "this host's clock is two minutes behind the chain's", "clock", "ahead of this host", node(clock_shift=120), ("set the clock", node(clock_shift=0)), level="warning"))


# MARK: keys


def key_files(world):
    def content(text):
        return lambda it: it.secret("key", text)

    def right(name="key"):
        return lambda it: it.secret("key", it.kept)

    def keeping(make):
        def act(it):
            it.kept = it.key.read_text()
            make(it)
        return act

    def keystore(password):
        def act(it):
            it.kept = it.key.read_text()
            it.secret("password", "right\n")
            it.key.unlink()
            words = [it.program, "key", "import", "--file", it.key, "--password-file", it.base / "password"]
            words = ["setpriv", f"--reuid={it.slurm.pw_uid}", f"--regid={it.slurm.pw_gid}", "--clear-groups", *words]
            os.chown(it.base, it.slurm.pw_uid, it.slurm.pw_gid)
            done = subprocess.run(list(map(str, words)), input=it.kept, text=True, capture_output=True)
            os.chown(it.base, 0, 0)
            if done.returncode:
                raise RuntimeError(done.stderr)
            it.secret("password", password + "\n")
        return act

    yield one(world, "key-garbage", Fault(
        "key", "the key's file holds something else", "key", "64 hexadecimal digits", keeping(content("not a key\n")), ("64 hexadecimal digits", right()), part="chain"), before=True)
    yield one(world, "key-locked", Fault(
        "key", "a keystore without its password's file", "key", "chain.key-password-file", keystore("right"),
        ("chain.key-password-file", lambda it: settings_then_restart({"chain.key-password-file": it.base / "password"})(it)), part="chain"), before=True)
    yield one(world, "key-password", Fault(
        "key", "a wrong password", "key", "wrong password", lambda it: (keystore("wrong")(it), it.configure(more={"chain.key-password-file": it.base / "password"})),
        ("wrong password", lambda it: it.secret("password", "right\n")), part="chain"), before=True)
    yield one(world, "key-poor", Fault(
        "key", "the account has no coins", "balance", "has no coins for gas", NOTHING, ("send it some", lambda it: it.world.admin.fund(it.account, 10))), before=True, funded=False)


# MARK: contracts


def contracts(world):
    def wrong(address):
        return {"metascheduler.smart-contract": address}

    def right(it):
        return settings_then_restart(wrong(world.grid.meta.address))(it)

    yield one(world, "contract-other", Fault(
        "contract", "another contract's address", "contract", "is no MetaScheduler contract of this chain", set_keys(wrong(world.grid.credit.address)),
        ("correct metascheduler.smart-contract", right), part="chain"), before=True)
    yield one(world, "contract-none", Fault(
        "contract", "an address without code", "contract", "is no MetaScheduler contract of this chain", set_keys(wrong("0x" + "12" * 20)),
        ("correct metascheduler.smart-contract", right), part="chain"), before=True)
    yield one(world, "contract-chain", Fault(
        "contract", "chain.id of another chain", "chain", "not 4242", set_keys({"chain.id": 4242}), ("chain.id", settings_then_restart({"chain.id": 1337}))), before=True)

    def waits(it):
        return eventually("it registers", lambda: world.grid.providers.call("isWaitingForApproval", it.account), 60)

    def approve(it):
        waits(it)
        world.bot.provider("approve", it.account)

    yield one(world, "provider-new", Fault(
        "contract", "the grid has not approved the provider", "provider", "until the grid approves it", NOTHING, ("the grid approves it", approve), level="warning"), before=True)
    yield one(world, "provider-banned", Fault(
        "contract", "the grid has banned the provider", "provider", "banned", lambda it: world.bot.provider("ban", it.account),
        ("until the grid", lambda it: world.bot.provider("unban", it.account)), level="warning"))
    yield one(world, "provider-removed", Fault(
        "contract", "the grid has removed the provider", "provider", "not registered", lambda it: world.bot.provider("remove", it.account),
        ("provider register", lambda it: (it.spawn("provider", "register", "--control", it.run / "control.sock", root=True, stdout=subprocess.DEVNULL).wait(60), approve(it))),
        level="warning"))


# MARK: the grid's services


def services(world):
    yield one(world, "sbatch-cut", Fault(
        "daemon", "the sbatch service is stopped", "sbatch service", "the sbatch service at", lambda it: it.sbatch.cut(), ("sbatch.endpoint", lambda it: it.sbatch.mend())), before=True)
    yield one(world, "sbatch-hung", Fault(
        "daemon", "the sbatch service hangs", "sbatch service", "the sbatch service at", lambda it: it.sbatch.hang(), ("sbatch.endpoint", lambda it: it.sbatch.mend())), before=True)

    def other_authority(it):
        folder = it.base / "tls"
        subprocess.run([TOP / "lab/grid/services/ca.sh", folder, "nobody"], check=True, stdout=subprocess.DEVNULL)
        folder.chmod(0o755)
        (folder / "ca.pem").chmod(0o644)
        it.configure(more={"sbatch.tls.ca": folder / "ca.pem"})

    authority = world.lab.stage / "grid-ca.pem"
    yield one(world, "sbatch-ca", Fault(
        "key", "another authority than the sbatch service's", "sbatch service", "certificate cannot be verified", other_authority,
        ("sbatch.tls.ca", settings_then_restart({"sbatch.tls.ca": authority}))), before=True)

    def other_name(it):
        # Whose certificate has 127.0.0.1 and localhost.
        it.sbatch.cut()
        it.sbatch.host = "0.0.0.0"
        it.sbatch.mend()
        it.configure(more={"sbatch.endpoint": f"127.0.0.2:{it.sbatch.port}"})

    yield one(world, "sbatch-name", Fault(
        "key", "the sbatch service's certificate has another name", "sbatch service", "does not name the host", other_name,
        ("configure a name that it has", lambda it: settings_then_restart({"sbatch.endpoint": f"localhost:{it.sbatch.port}"})(it))), before=True)

    def refusing(it):
        folder = world.chain.folder / "refusing"
        folder.mkdir(exist_ok=True)
        tls = world.chain.folder / "tls"
        it.service = Process(folder, "sbatch.py", "--chain", world.chain.url(), "--jobs", world.grid.jobs.address, "--scripts", world.chain.folder / "scripts",
                             "--logger", f"localhost:{world.logger.port}", "--tls-cert", tls / "sbatch.pem", "--tls-key", tls / "sbatch.key")
        it.service.start()
        it.service.fault(fail="UNAUTHENTICATED", rate=1)
        it.configure(more={"sbatch.endpoint": f"localhost:{it.service.port}"})

    def taking(it):
        it.service.fault()

    def body(table):
        site = Site(world, "sbatch-refuses")
        try:
            together(table, site, [Fault(
                "daemon", "the sbatch service refuses the provider", "sbatch service", "the sbatch service at", refusing, ("ask the grid's administrators", taking))], before=True)
        finally:
            site.service.stop()
            site.stop()

    yield body


ALL = [nodes, key_files, contracts, services]
