# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with the chain and its nodes while the soak's intents are sent."""

import sqlite3
import time

from chain import ACCOUNT, say

PATHS = ("/", "/behind")
GWEI = 10**9
# Of the chain's clock; with blocks of 12 s so many heads are missed.
AWAY, HEADS = 1200, 100


class Faults:
    """One after the other; each is over when its function returns."""

    def __init__(self, chain, driver, chooser, forks, outage, usual):
        """forks: whether the chain forks by itself; outage: seconds in which no node answers; usual: the rates of what goes wrong
        all the time"""
        self.chain, self.driver, self.random, self.outage, self.usual = chain, driver, chooser, outage, usual
        self.lost, self.blind = [], 0
        self.plan = [self.stuck, self.rising_nonce, self.falling_nonce, self.away, self.refusals]
        # With confirmations nothing is final that a fork can take back.
        self.plan += [] if forks else [self.lost_block, self.lost_block]
        chooser.shuffle(self.plan)

    def run(self, fault):
        say(fault.__doc__)
        fault()

    def some(self, low, high):
        """For a while, in which the driver is ended half of the time."""
        seconds = self.random.uniform(low, high)
        if self.random.random() < 0.5:
            time.sleep(seconds / 2)
            self.driver.end(self.random)
            self.driver.start()
            seconds /= 2
        time.sleep(seconds)

    def stuck(self):
        """the first node answers, and stands still"""
        self.chain.call("lab_node", "/", {"stuck": int(self.chain.call("lab_mine", 1), 16)})
        self.some(6, 10)
        self.chain.call("lab_node", "/", {"stuck": None})

    def rising_nonce(self):
        """the first node counts 5 transactions more than there are"""
        self.shift(5)

    def falling_nonce(self):
        """the first node counts 5 transactions less than there are"""
        self.shift(-5)

    def shift(self, much):
        self.chain.call("lab_node", "/", {"nonce_shift": much})
        self.some(3, 6)
        self.chain.call("lab_node", "/", {"nonce_shift": 0})

    def refusals(self):
        """nodes refuse each transaction for a while"""
        for path in PATHS:
            self.chain.call("lab_fault", path, {"refused_broadcast": 1.0})
        self.some(3, 6)
        for path in PATHS:
            self.chain.call("lab_fault", path, {"refused_broadcast": 0.0})

    def lost_block(self):
        """a block with final transactions is lost, and nobody has them any more"""
        end, lost = time.monotonic() + 60, []
        while not lost and time.monotonic() < end:
            # As old as that it was seen, if the driver lives.
            lost = self.chain.call("lab_lose", ACCOUNT, "0x", 0.2)
            time.sleep(0.01)
        if not lost:
            raise RuntimeError("no block held a transaction of ours for 60 s")
        self.lost += lost
        self.some(3, 5)

    def away(self):
        """no node answers for 20 minutes of the chain's time; what was sent before offers too little"""
        self.ask(3)
        time.sleep(1)
        for path in PATHS:
            self.chain.call("lab_fault", path, {"drop_request": 1.0})
        self.chain.call("lab_cut")
        time.sleep(3.5)  # as long as a request that is under way may take
        begun = time.time()
        self.chain.call("lab_time", AWAY)
        self.chain.call("lab_mine", HEADS)
        if self.outage < 60:
            self.some(self.outage, self.outage + 2)
        else:
            time.sleep(self.outage)
        self.blind += self.made_since(begun)
        for path in PATHS:
            self.chain.call("lab_fault", path, {"drop_request": self.usual["drop_request"]})
        time.sleep(6)
        self.ask(1)

    def made_since(self, begun):
        """How many replacements were made since then that no head can have called for: one of each transaction may have been due
        by the last head before."""
        with sqlite3.connect(f"file:{self.driver.state}/chain.sqlite?mode=ro", uri=True, timeout=20) as database:
            made = database.execute("SELECT count(*) - 1 FROM transactions WHERE made_at > ? GROUP BY attempt", (begun,)).fetchall()
        return sum(more for (more,) in made)

    def outbid(self, gwei):
        """All that is left to send is signed, and then the chain asks for more. Where a block is made only when there is something
        to put into it, none comes before that is replaced."""
        self.chain.call("lab_pool", gwei * GWEI)
        (self.driver.state / "allowed").unlink()
        time.sleep(3)
        self.ask(gwei)

    def ask(self, gwei):
        """The chain asks for more, or less, than was offered before."""
        self.chain.call("lab_pool", gwei * GWEI)
        for path in PATHS:
            self.chain.call("lab_node", path, {"suggested_tip": gwei * GWEI})
