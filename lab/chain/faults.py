# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong between a client and a node, each with a probability from 0 to 1 unless said otherwise."""

import random

from evm import Refusal

KNOWN = {
    "drop_request": 0.0,  # closes the connection instead of doing anything
    "drop_answer": 0.0,  # does what was asked, then closes the connection
    "delay": 0.0,  # seconds at most, of an answer
    "double": 0.0,  # does what was asked twice, and answers the second time
    "double_answer": 0.0,  # answers one call of a batch twice
    "null_receipt": 0.0,  # says that there is no receipt
    "falling_nonce": 0.0,  # counts some transactions less than there are
    "refused_broadcast": 0.0,  # refuses a transaction, for a reason that passes
    "lost_broadcast": 0.0,  # takes a transaction, and forgets it
    "html": 0.0,  # answers with a web page
    "huge": 0.0,  # answers with 64 MiB
    "truncate": 0.0,  # answers with half of it
    "wrong_id": 0.0,  # answers with another id
}


class Faults:
    def __init__(self, seed=0):
        self.random = random.Random(seed)
        self.rates = dict(KNOWN)

    def set(self, rates):
        unknown = set(rates) - set(KNOWN)
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(KNOWN)}")
        self.rates.update(rates)

    def happens(self, name):
        rate = self.rates[name]
        return rate > 0 and self.random.random() < rate

    def delay(self):
        return self.random.random() * self.rates["delay"] if self.rates["delay"] else 0

    def answer(self, node, method, parameters):
        """What a call gives, after the faults that change it."""
        if method == "eth_getTransactionReceipt" and self.happens("null_receipt"):
            return None
        if method == "eth_sendRawTransaction" and self.happens("lost_broadcast"):
            return "0x" + node.chain.decode(bytes.fromhex(parameters[0][2:])).hash.hex()
        if method == "eth_sendRawTransaction" and self.happens("refused_broadcast"):
            raise Refusal("txpool is full")
        result = node.call(method, parameters)
        if method == "eth_getTransactionCount" and self.happens("falling_nonce"):
            return hex(max(0, int(result, 16) - self.random.randrange(1, 6)))
        return result
