# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain over py-evm: blocks on command, a pool, and reorganisations.

py-evm runs the transactions and makes the blocks. Which of them are canonical is kept here: asked by number after a
roll-back it would give the old fork."""

import random
import time

from eth import constants
from eth.chains.base import MiningChain
from eth.consensus.noproof import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.exceptions import VMError
from eth.vm.forks import LondonVM
from eth.vm.spoof import SpoofTransaction
from eth_utils import ValidationError

GWEI = 10**9
GAS_LIMIT = 30_000_000


class Refusal(Exception):
    """What a node answers as error; its words are geth's."""

    def __init__(self, message, code=-32000, data=None):
        super().__init__(message)
        self.message, self.code, self.data = message, code, data


class Evm(MiningChain):
    """mine_all runs the transactions at another time than that of their block, unless the header has it from the start. The gas
    limit stays as it is."""

    timestamp = None

    def create_header_from_parent(self, parent_header, **fields):
        if self.timestamp is not None and self.timestamp > parent_header.timestamp:
            fields.setdefault("timestamp", self.timestamp)
        # By itself it falls with each empty block, after an hour of them to less than a transaction needs.
        fields.setdefault("gas_limit", parent_header.gas_limit)
        return super().create_header_from_parent(parent_header, **fields)


class Mined:
    """A block with what its transactions did."""

    def __init__(self, header, transactions, receipts, computations):
        self.header, self.transactions, self.receipts = header, transactions, receipts
        self.made = time.monotonic()
        self.contracts = [computation.msg.storage_address if computation.msg.is_create else None for computation in computations]
        # (transaction's index, index of the log within the block, log)
        self.logs = []
        for index, receipt in enumerate(receipts):
            for log in receipt.logs:
                self.logs.append((index, len(self.logs), log))

    @property
    def number(self):
        return self.header.block_number

    @property
    def hash(self):
        return self.header.hash


class Chain:
    def __init__(self, chain_id, funded, seed=0):
        vm = LondonVM.configure(consensus_class=NoProofConsensus)
        kind = Evm.configure(__name__="LabChain", vm_configuration=((constants.GENESIS_BLOCK_NUMBER, vm),), chain_id=chain_id)
        genesis = {"difficulty": 1, "extra_data": b"", "gas_limit": GAS_LIMIT, "timestamp": int(time.time()) - 1000, "coinbase": b"\0" * 20,
                   "nonce": b"\0" * 8, "mix_hash": b"\0" * 32}
        state = {address: {"balance": 10**24, "nonce": 0, "code": b"", "storage": {}} for address in funded}
        self.evm = kind.from_genesis(AtomicDB(), genesis, state)
        self.chain_id = chain_id
        self.random = random.Random(seed)
        head = self.evm.get_canonical_head()
        self.canonical = [Mined(head, [], [], [])]
        self.by_hash = {head.hash: self.canonical[0]}
        self.places = {}  # transaction hash -> (block, index), canonical ones only
        self.pool = {}  # sender -> {nonce: transaction}
        self.minimum_tip = 0  # what is mined must give this much
        self.lose = False  # broadcasts are accepted and forgotten
        self.watchers = []  # called with each new head
        self.forks = 0
        self.ahead = 0  # seconds, of the clock before this machine's

    # ---- reading

    @property
    def head(self):
        return self.canonical[-1]

    def block(self, number):
        return self.canonical[number] if 0 <= number < len(self.canonical) else None

    def state(self, block):
        return self.evm.get_vm(self.evm.create_header_from_parent(block.header)).state

    def nonce(self, address, block):
        return self.state(block).get_nonce(address)

    def balance(self, address, block):
        return self.state(block).get_balance(address)

    def code(self, address, block):
        return self.state(block).get_code(address)

    def decode(self, raw):
        try:
            transaction = self.evm.get_vm(self.head.header).get_transaction_builder().decode(raw)
            transaction.sender
        except Exception as error:  # py-evm raises many kinds for what is no transaction
            raise Refusal(f"rlp: {error}") from None
        return transaction

    def call(self, block, sender, to, data, value, gas):
        """-> (output, gas used); raises Refusal when it reverts."""
        # The time is the head's, as at geth.
        head = block.header
        header = self.evm.create_header_from_parent(head, timestamp=head.timestamp, difficulty=head.difficulty)
        vm = self.evm.get_vm(header)
        plain = vm.get_transaction_builder().create_unsigned_transaction(nonce=vm.state.get_nonce(sender), gas_price=header.base_fee_per_gas, gas=gas, to=to, value=value, data=data)
        spoof = SpoofTransaction(plain, from_=sender)
        snapshot = vm.state.snapshot()
        vm.state.set_balance(sender, 10**30)
        computation = vm.state.apply_transaction(spoof)
        vm.state.revert(snapshot)
        if computation.is_error:
            if isinstance(computation.error, VMError) and computation.output:
                raise Refusal("execution reverted", 3, "0x" + computation.output.hex())
            raise Refusal("out of gas" if "OutOfGas" in type(computation.error).__name__ else "execution reverted")
        return computation.output, gas - computation.get_gas_remaining()

    def estimate(self, block, sender, to, data, value):
        low, high = 20_999, GAS_LIMIT
        self.attempt(block, sender, to, data, value, high)
        while low + 1 < high:
            middle = (low + high) // 2
            try:
                self.attempt(block, sender, to, data, value, middle)
                high = middle
            except Refusal:
                low = middle
            if high - low < 1_000:
                break
        return high

    def attempt(self, block, sender, to, data, value, gas):
        intrinsic = 21_000 + sum(4 if byte == 0 else 16 for byte in data) + (32_000 if to == b"" else 0)
        if gas < intrinsic:
            raise Refusal("intrinsic gas too low")
        return self.call(block, sender, to, data, value, gas)

    # ---- pool

    @staticmethod
    def tip(transaction, base_fee):
        return min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - base_fee)

    @property
    def next_base_fee(self):
        return self.evm.create_header_from_parent(self.head.header).base_fee_per_gas

    def add(self, raw):
        transaction = self.decode(raw)
        if transaction.chain_id not in (None, self.chain_id):
            raise Refusal("invalid sender")
        sender, state = transaction.sender, self.state(self.head)
        if transaction.hash in self.places:
            raise Refusal("nonce too low" if transaction.nonce < state.get_nonce(sender) else "already known")
        if transaction.nonce < state.get_nonce(sender):
            raise Refusal(f"nonce too low: next nonce {state.get_nonce(sender)}, tx nonce {transaction.nonce}")
        if transaction.gas > GAS_LIMIT:
            raise Refusal("exceeds block gas limit")
        if transaction.gas < transaction.intrinsic_gas:
            raise Refusal("intrinsic gas too low")
        if state.get_balance(sender) < transaction.value + transaction.gas * transaction.max_fee_per_gas:
            raise Refusal("insufficient funds for gas * price + value")
        waiting = self.pool.setdefault(sender, {})
        old = waiting.get(transaction.nonce)
        if old is not None:
            if old.hash == transaction.hash:
                raise Refusal("already known")
            enough = all(getattr(transaction, field) * 10 >= getattr(old, field) * 11 for field in ("max_fee_per_gas", "max_priority_fee_per_gas"))
            if not enough:
                raise Refusal("replacement transaction underpriced")
        if not self.lose:
            waiting[transaction.nonce] = transaction
        return transaction.hash

    def send(self, key, to, payload, gas):
        """A transaction of one of the lab's own keys."""
        sender = key.public_key.to_canonical_address()
        waiting = self.pool.get(sender, {})
        nonce = max([self.state(self.head).get_nonce(sender)] + [one + 1 for one in waiting])
        builder = self.evm.get_vm(self.head.header).get_transaction_builder()
        plain = builder.new_unsigned_dynamic_fee_transaction(chain_id=self.chain_id, nonce=nonce, max_priority_fee_per_gas=20 * GWEI, max_fee_per_gas=100 * GWEI,
                                                             gas=gas, to=to, value=0, data=payload, access_list=[])
        self.pool.setdefault(sender, {})[nonce] = plain.as_signed_transaction(key)

    def executable(self):
        """What can be mined now, each sender's in the order of its nonces."""
        state, chosen, gas = self.state(self.head), [], 0
        for sender, waiting in list(self.pool.items()):
            nonce, balance = state.get_nonce(sender), state.get_balance(sender)
            for old in [n for n in waiting if n < nonce]:
                del waiting[old]
            while nonce in waiting:
                transaction = waiting[nonce]
                cost = transaction.value + transaction.gas * transaction.max_fee_per_gas
                if self.tip(transaction, self.next_base_fee) < self.minimum_tip or balance < cost or gas + transaction.gas > GAS_LIMIT:
                    break
                chosen.append(transaction)
                balance -= cost
                gas += transaction.gas
                nonce += 1
        return chosen

    # ---- mining

    def advance(self, seconds):
        """The next block is at least so many seconds after the head, which may itself be before the clock."""
        now = int(time.time())
        self.ahead = max(self.ahead, self.head.header.timestamp - now) + seconds

    def mine(self, transactions=None):
        chosen = self.executable() if transactions is None else transactions
        parent = self.head.header
        timestamp = max(parent.timestamp + 1, int(time.time()) + self.ahead)
        extra = self.forks.to_bytes(4, "big")
        self.evm.timestamp = timestamp
        while True:
            try:
                result, receipts, computations = self.evm.mine_all(chosen, parent_header=parent, timestamp=timestamp, extra_data=extra)
                break
            except ValidationError as problem:  # one that became invalid, through its sender's other transactions
                if not chosen:
                    raise
                if len(chosen) == 1:  # by itself: nobody would ever mine it
                    print(f"a transaction is thrown away: {problem}", flush=True)
                    self.pool.get(chosen[0].sender, {}).pop(chosen[0].nonce, None)
                chosen = chosen[:-1]
        self.evm.timestamp = None
        block = Mined(result.imported_block.header, chosen, receipts, computations)
        self.append(block)
        return block

    def append(self, block):
        self.canonical.append(block)
        self.by_hash[block.hash] = block
        for index, transaction in enumerate(block.transactions):
            self.places[transaction.hash] = (block, index)
            self.pool.get(transaction.sender, {}).pop(transaction.nonce, None)
        for watcher in self.watchers:
            watcher(block)

    def reorganise(self, depth):
        """Takes the last blocks back and makes one more than these on the block before them. Their transactions are mined
        again, in other blocks, and some only later."""
        depth = min(depth, len(self.canonical) - 1)
        self.take_back(depth)
        for _ in range(depth + 1):
            ready = self.executable()
            self.mine(ready[: self.random.randrange(len(ready) + 1)])
        return depth

    def take_back(self, depth, forgotten=None):
        """The transactions of the last blocks wait again, but for those of the forgotten sender. -> the hashes of these"""
        orphans = self.canonical[-depth:] if depth else []
        del self.canonical[len(self.canonical) - depth:]
        self.forks += 1
        lost = []
        for transaction in (one for block in orphans for one in block.transactions):
            self.places.pop(transaction.hash, None)
            if transaction.sender == forgotten:
                lost.append(transaction.hash)
            else:
                self.pool.setdefault(transaction.sender, {}).setdefault(transaction.nonce, transaction)
        return lost

    def lose_head(self, sender):
        """The head, and what the sender has in it, never was: two other blocks stand in its place. -> the lost hashes"""
        lost = self.take_back(1, sender)
        self.mine([])
        self.mine([])
        return lost

    def logs(self, block, addresses, topics):
        found = []
        for index, position, log in block.logs:
            if addresses and log.address not in addresses:
                continue
            words = [word.to_bytes(32, "big") for word in log.topics]
            if all(wanted is None or (place < len(words) and words[place] in wanted) for place, wanted in enumerate(topics)):
                found.append((index, position, log, words))
        return found
