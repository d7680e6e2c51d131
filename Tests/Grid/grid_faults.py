# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong while the soak's jobs run."""

import random
import signal
import subprocess
import threading
import time
from http.client import HTTPException

import grid as contracts
from damage import Damage
from unix_users import hidden
from world import PROVIDER, eventually, say

NODES, CPUS = 4, 16
TROUBLE = (contracts.GridError, OSError, ValueError, RuntimeError, HTTPException)
GWEI = 10**9
# The agent's two nodes.
PATHS = ("/", "/second")
# An agent that ends by itself later than that has not refused a file.
TIME_TO_REFUSE = 20
RATES = {"drop_request": 0.05, "drop_answer": 0.05, "delay": 0.5, "double": 0.05, "null_receipt": 0.2, "falling_nonce": 0.1,
         "lost_broadcast": 0.1, "html": 0.02, "truncate": 0.02, "wrong_id": 0.02}


class Killer(threading.Thread):
    """Kills the agent, evenly over the time, or asks it to end; damages a state file now and then while it is dead."""

    def __init__(self, world, kills, seconds, seed, damages=0):
        """damages: how many of the ends are followed by one"""
        super().__init__(daemon=True)
        self.world, self.kills, self.seconds, self.random = world, kills, seconds, random.Random(seed + 1)
        self.killed, self.terminated, self.died, self.refused = 0, 0, 0, 0
        self.bad_ends, self.started = [], 0.0
        self.damage, self.damages = Damage(world.lab.state, self.random), damages
        self.lock = threading.Lock()

    def run(self):
        start = time.monotonic()
        for number in range(self.kills):
            due = start + self.seconds * (number + self.random.random()) / self.kills
            while time.monotonic() < due:
                self.check()
                time.sleep(0.2)
            with self.lock:
                self.end(number)
                # The first one makes the copy that is put back later.
                is_due = number * self.damages // self.kills < (number + 1) * self.damages // self.kills
                if self.damages and (is_due or number == 0) and (done := self.damage.strike()):
                    say(f"while the agent is dead: {done}")
                time.sleep(self.random.choice([0, 0, 1, 3, 5]))
                self.world.agent.start(wait=False)
                self.started = time.monotonic()

    def end(self, number):
        self.damage.spare = {}
        if self.world.agent.process.poll() is not None:
            self.died += 1
            say(f"the agent ended by itself with {self.world.agent.process.returncode}")
            return
        if number % 2 == 0:
            self.world.agent.kill()
            self.killed += 1
            return
        self.terminated += 1
        try:
            code = self.world.agent.stop()
        except subprocess.TimeoutExpired:
            code = "none within 60 s"
            self.world.agent.kill()
        # A process that has only just been started dies of it, as any would.
        if code not in (0, -signal.SIGTERM):
            self.bad_ends.append(code)
            say(f"the agent was sent SIGTERM and ended with {code}")

    def check(self):
        """An agent that ended by itself is a fault; it is started again as systemd would. One that refuses a damaged file has said
        why, and gets the right one back."""
        with self.lock:
            agent = self.world.agent
            if agent.process.poll() is None:
                if time.monotonic() - self.started > TIME_TO_REFUSE:
                    self.damage.spare = {}
                return
            if self.damage.spare:
                self.refused += 1
                say(f"the agent refuses {self.damage.done[-1]}: {agent.log.read_text(errors='replace').splitlines()[-1]}")
                self.damage.repair()
            else:
                self.died += 1
                say(f"the agent ended by itself with {agent.process.returncode}")
            time.sleep(1)
            agent.start(wait=False)


class Nuisance(threading.Thread):
    """Connections are cut and, where there are confirmations, the chain forks."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.random, self.ending = world, random.Random(seed + 2), threading.Event()
        self.cuts, self.forks = 0, 0

    def run(self):
        while not self.ending.wait(self.random.uniform(2, 8)):
            try:
                if self.world.confirmations and self.random.random() < 0.6:
                    self.world.chain.call("lab_reorganise", self.random.randrange(1, 5))
                    self.forks += 1
                else:
                    self.world.chain.call("lab_cut")
                    self.cuts += 1
            except TROUBLE:
                pass  # the chain is away just now


class Faults:
    """One after the other, evenly over the time, the agent's kills among them."""

    def __init__(self, world, seconds, seed, short, outage, only=()):
        """outage: seconds for which none of the agent's nodes answers; only: names of faults in place of all"""
        self.world, self.random, self.seconds, self.short = world, random.Random(seed + 3 + world.confirmations), seconds, short
        self.outage, self.lost, self.bad = outage, [], []
        once = [self.restart, self.away, self.chain_away, self.rates, self.sbatch_away, self.sbatch_fails, self.no_accounting,
                self.ban, self.node, self.logger_away, self.stuck, self.rising_nonce, self.falling_nonce, self.nodes_away, self.refusals,
                self.no_user]
        if not world.confirmations:
            # With confirmations nothing is final that a fork can take back.
            once += [self.lost_block, self.lost_block]
        if short:
            self.plan = [self.restart, self.chain_away, self.ban, self.sbatch_fails, self.no_accounting, self.node, self.stuck, self.nodes_away,
                         self.rising_nonce, self.falling_nonce, self.no_user]
            self.plan.append(self.rates if world.confirmations else self.lost_block)
        else:
            more = [one for one in once if one != self.ban] * int(seconds / 800)
            self.plan = [self.long_chain_away, self.long_sbatch_away, *once, *more]
        if only:
            self.plan = [getattr(self, name) for name in only]
        self.random.shuffle(self.plan)
        self.done = 0

    def run(self):
        start = time.monotonic()
        for number, fault in enumerate(self.plan):
            due = start + self.seconds * (number + self.random.random() / 2) / len(self.plan)
            time.sleep(max(0, due - time.monotonic()))
            say(fault.__doc__)
            fault()
            self.done += 1

    def some(self, low, high):
        time.sleep(self.random.uniform(low, high) * (0.3 if self.short else 1))

    def restart(self):
        """slurmctld is restarted"""
        self.world.lab.fault("restart")

    def away(self):
        """slurmctld is away for some seconds"""
        self.world.lab.fault("stop")
        try:
            self.some(5, 20)
        finally:
            self.world.lab.fault("start")

    def chain_away(self, low=10, high=60):
        """the chain's node hangs for up to a minute"""
        self.world.chain.process.send_signal(signal.SIGSTOP)
        try:
            self.some(low, high)
        finally:
            self.world.chain.process.send_signal(signal.SIGCONT)

    def long_chain_away(self):
        """the chain's node hangs for two minutes"""
        self.chain_away(120, 125)

    def rates(self):
        """the chain's node loses, delays and doubles"""
        paths = self.random.choice([PATHS, PATHS[:1]])
        for path in paths:
            self.world.chain.call("lab_fault", path, RATES)
        try:
            self.some(20, 60)
        finally:
            for path in paths:
                self.world.chain.call("lab_fault", path, dict.fromkeys(RATES, 0))

    def stuck(self):
        """the agent's first node answers, and stands still"""
        self.node_way({"stuck": self.world.grid.chain.height}, {"stuck": None}, 20, 60)

    def rising_nonce(self):
        """the agent's first node counts 5 transactions more than there are"""
        self.node_way({"nonce_shift": 5}, {"nonce_shift": 0}, 5, 20)

    def falling_nonce(self):
        """the agent's first node counts 5 transactions less than there are"""
        self.node_way({"nonce_shift": -5}, {"nonce_shift": 0}, 5, 20)

    def node_way(self, new, usual, low, high):
        self.world.chain.call("lab_node", PATHS[0], new)
        try:
            self.some(low, high)
        finally:
            self.world.chain.call("lab_node", PATHS[0], usual)

    def refusals(self):
        """the agent's nodes refuse each transaction for a while"""
        self.both({"refused_broadcast": 1.0})
        try:
            self.some(10, 30)
        finally:
            self.both({"refused_broadcast": 0.0})

    def both(self, rates):
        for path in PATHS:
            self.world.chain.call("lab_fault", path, rates)

    def nodes_away(self):
        """none of the agent's nodes answers, while blocks are made; what was sent before offers too little"""
        self.ask(2)
        self.both({"drop_request": 1.0})
        self.world.chain.call("lab_cut")
        try:
            # One a second: the chain's clock stays with ours, as the money hangs on it.
            for _ in range(int(self.outage * (0.3 if self.short else 1))):
                self.world.chain.call("lab_mine")
                time.sleep(1)
        finally:
            self.both({"drop_request": 0.0})
        self.some(30, 40)
        self.ask(1)

    def ask(self, gwei):
        """What transactions have to offer from now on."""
        self.world.chain.call("lab_pool", (gwei if gwei > 1 else 0) * GWEI)
        for path in (*PATHS, "/behind"):
            self.world.chain.call("lab_node", path, {"suggested_tip": gwei * GWEI})

    def lost_block(self):
        """a block with a final status of ours is lost, and nobody has it any more"""
        selector = "0x" + self.world.grid.meta.encode("providerSetJobStatus", contracts.job_id(0), 0, 0, "", 0)[:4].hex()
        end, lost = time.monotonic() + 30, []
        while not lost and time.monotonic() < end:
            # So old that the agent has seen it; nobody else's is in it.
            lost = self.world.chain.call("lab_lose", PROVIDER, selector, 0.5, True)
            time.sleep(0.02)
        say(f"lost: {lost}")
        self.lost += lost

    def no_user(self):
        """a customer's Unix user is unknown for a while"""
        with hidden(self.random.choice(self.world.customers).address.lower()):
            self.some(15, 25)

    def sbatch_away(self, low=10, high=40):
        """the sbatch service is away for a while"""
        self.world.sbatch.stop()
        try:
            self.some(low, high)
        finally:
            self.world.sbatch.start()

    def long_sbatch_away(self):
        """the sbatch service is away for two minutes"""
        self.sbatch_away(115, 120)

    def sbatch_fails(self):
        """the sbatch service refuses or delays each request, or every second one"""
        self.world.sbatch.fault(fail=self.random.choice(["UNAVAILABLE", "INTERNAL", "UNAUTHENTICATED"]), rate=self.random.choice([0.5, 1]), delay=0.5)
        try:
            self.some(20, 40)
        finally:
            self.world.sbatch.fault()

    def logger_away(self):
        """the grid logger is away for a while"""
        self.world.logger.stop()
        try:
            self.some(10, 30)
        finally:
            self.world.logger.start()

    def no_accounting(self):
        """slurmdbd is away for a while"""
        self.world.lab.fault("stop", "slurmdbd")
        try:
            self.some(15, 60)
        finally:
            self.world.lab.fault("start", "slurmdbd")

    def ban(self):
        """the provider is banned for a while"""
        self.insist("ban")
        try:
            self.some(15, 30)
        finally:
            self.insist("unban")

    def insist(self, verb):
        """The bot's account is in use elsewhere, too."""
        def ask():
            try:
                self.world.bot.provider(verb, PROVIDER)
            except TROUBLE:
                pass
            try:
                return self.world.grid.providers.call("isBanned", PROVIDER) == (verb == "ban")
            except TROUBLE:  # the node is busy, or told to fail
                return False
        eventually(f"the provider is to be {verb}ned", ask, 120, 0.5)

    def node(self):
        """a node dies, and comes back"""
        node = f"n{self.random.randrange(1, NODES + 1)}"
        self.world.lab.fault("kill-node", node)
        try:
            self.some(10, 20)
        finally:
            self.world.lab.fault("start", node)
            self.world.lab.command("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
