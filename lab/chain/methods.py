# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON-RPC methods of a node that sees the chain up to some blocks behind its head."""

from evm import GWEI, Refusal


def quantity(number):
    return hex(number)


def data(value):
    return "0x" + bytes(value).hex()


def number(text):
    return int(text, 16)


def octets(text):
    return bytes.fromhex(text[2:])


class Node:
    def __init__(self, chain):
        self.chain = chain
        self.behind = 0
        self.chain_id = chain.chain_id
        self.suggested_tip = GWEI
        self.log_range = None  # more blocks at once are refused
        self.log_refusal = None  # [code, message] of that, in place of geth's
        self.stuck = None  # the number of the last block that it has
        self.states = None  # of so many blocks, and none before
        self.no_log_hashes = False  # eth_getLogs takes no block's hash
        self.leaves_out = []  # fields of a block
        self.clock_shift = 0  # s that its blocks' times are later, or earlier
        self.nonce_shift = 0  # so much more, or less, is said of every account's transactions

    @property
    def head(self):
        newest = len(self.chain.canonical) - 1
        return self.chain.canonical[max(0, min(newest - self.behind, newest if self.stuck is None else self.stuck))]

    def find(self, tag):
        if isinstance(tag, dict):
            return self.by_hash(octets(tag["blockHash"])) if "blockHash" in tag else self.find(tag["blockNumber"])
        if tag in (None, "latest", "pending", "safe", "finalized"):
            return self.head
        if tag == "earliest":
            return self.chain.block(0)
        wanted = number(tag)
        return self.chain.block(wanted) if wanted <= self.head.number else None

    def by_hash(self, wanted):
        """Also blocks of abandoned forks, as geth does."""
        block = self.chain.by_hash.get(wanted)
        return block if block and block.number <= self.head.number else None

    def need(self, block):
        if block is None:
            raise Refusal("header not found")
        return block

    def kept(self, block):
        if self.states is not None and block.number + self.states < self.head.number:
            raise Refusal("missing trie node")
        return block

    def call(self, method, parameters):
        handler = getattr(self, method, None)
        if not method.startswith(("eth_", "net_", "web3_")) or handler is None:
            raise Refusal(f"the method {method} does not exist/is not available", -32601)
        try:
            return handler(*parameters)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise Refusal(f"invalid argument: {error}", -32602) from None

    # ---- the chain

    def web3_clientVersion(self):
        return "lab/py-evm"

    def net_version(self):
        return str(self.chain_id)

    def eth_chainId(self):
        return quantity(self.chain_id)

    def eth_blockNumber(self):
        return quantity(self.head.number)

    def eth_gasPrice(self):
        return quantity(self.chain.next_base_fee + self.suggested_tip)

    def eth_maxPriorityFeePerGas(self):
        return quantity(self.suggested_tip)

    def eth_getBlockByNumber(self, tag, full=False):
        return self.block(self.find(tag), full)

    def eth_getBlockByHash(self, wanted, full=False):
        return self.block(self.by_hash(octets(wanted)), full)

    def block(self, block, full):
        if block is None:
            return None
        header = block.header
        transactions = [self.transaction(one, block, index) if full else data(one.hash) for index, one in enumerate(block.transactions)]
        fields = {"number": quantity(block.number), "hash": data(block.hash), "parentHash": data(header.parent_hash), "timestamp": quantity(header.timestamp + self.clock_shift),
                "gasLimit": quantity(header.gas_limit), "gasUsed": quantity(header.gas_used), "baseFeePerGas": quantity(header.base_fee_per_gas),
                "miner": data(header.coinbase), "difficulty": "0x1", "extraData": data(header.extra_data), "logsBloom": data(header.bloom.to_bytes(256, "big")), "transactions": transactions}
        return {name: value for name, value in fields.items() if name not in self.leaves_out}

    # ---- accounts

    def eth_getTransactionCount(self, address, tag="latest"):
        nonce = self.chain.nonce(octets(address), self.need(self.find(tag)))
        if tag == "pending":
            while nonce in self.chain.pool.get(octets(address), {}):
                nonce += 1
        return quantity(max(0, nonce + self.nonce_shift))

    def eth_getBalance(self, address, tag="latest"):
        return quantity(self.chain.balance(octets(address), self.need(self.find(tag))))

    def eth_getCode(self, address, tag="latest"):
        return data(self.chain.code(octets(address), self.need(self.find(tag))))

    # ---- transactions

    def arguments(self, call):
        return (octets(call.get("from", "0x" + "00" * 20)), octets(call.get("to") or "0x"), octets(call.get("data") or call.get("input") or "0x"),
                number(call.get("value", "0x0")))

    def eth_call(self, call, tag="latest"):
        return data(self.chain.call(self.kept(self.need(self.find(tag))), *self.arguments(call), number(call.get("gas", hex(10_000_000))))[0])

    def eth_estimateGas(self, call, tag="latest"):
        return quantity(self.chain.estimate(self.need(self.find(tag)), *self.arguments(call)))

    def eth_sendRawTransaction(self, raw):
        return data(self.chain.add(octets(raw)))

    def place(self, wanted):
        block, index = self.chain.places.get(octets(wanted), (None, None))
        return (block, index) if block and block.number <= self.head.number else (None, None)

    def eth_getTransactionByHash(self, wanted):
        block, index = self.place(wanted)
        if block:
            return self.transaction(block.transactions[index], block, index)
        for waiting in self.chain.pool.values():
            for one in waiting.values():
                if one.hash == octets(wanted):
                    return self.transaction(one, None, None)
        return None

    def transaction(self, one, block, index):
        return {"hash": data(one.hash), "nonce": quantity(one.nonce), "from": data(one.sender), "to": data(one.to) if one.to else None,
                "value": quantity(one.value), "gas": quantity(one.gas), "input": data(one.data),
                "blockHash": data(block.hash) if block else None, "blockNumber": quantity(block.number) if block else None,
                "transactionIndex": quantity(index) if block else None}

    def eth_getTransactionReceipt(self, wanted):
        block, index = self.place(wanted)
        if block is None:
            return None
        transaction, receipt = block.transactions[index], block.receipts[index]
        before = block.receipts[index - 1].gas_used if index else 0
        tip = self.chain.tip(transaction, block.header.base_fee_per_gas)
        contract = block.contracts[index]
        return {"transactionHash": data(transaction.hash), "transactionIndex": quantity(index), "blockHash": data(block.hash),
                "blockNumber": quantity(block.number), "from": data(transaction.sender), "to": data(transaction.to) if transaction.to else None,
                "status": "0x1" if receipt.state_root == b"\x01" else "0x0", "gasUsed": quantity(receipt.gas_used - before),
                "cumulativeGasUsed": quantity(receipt.gas_used), "effectiveGasPrice": quantity(block.header.base_fee_per_gas + tip),
                "contractAddress": data(contract) if contract else None,
                "logs": [self.log(block, found) for found in self.chain.logs(block, [], []) if found[0] == index]}

    # ---- logs

    def log(self, block, found):
        index, position, log, words = found
        return {"address": data(log.address), "topics": [data(word) for word in words], "data": data(log.data), "blockNumber": quantity(block.number),
                "blockHash": data(block.hash), "transactionHash": data(block.transactions[index].hash), "transactionIndex": quantity(index),
                "logIndex": quantity(position), "removed": False}

    def eth_getLogs(self, query):
        addresses = query.get("address", [])
        addresses = {octets(one) for one in ([addresses] if isinstance(addresses, str) else addresses)}
        topics = [None if one is None else {octets(word) for word in ([one] if isinstance(one, str) else one)} for one in query.get("topics", [])]
        if "blockHash" in query and self.no_log_hashes:
            raise Refusal("invalid params", -32602)
        if "blockHash" in query:
            block = self.by_hash(octets(query["blockHash"]))
            if block is None:
                raise Refusal("unknown block")
            blocks = [block]
        else:
            first, last = self.edge(query.get("fromBlock")), self.edge(query.get("toBlock"))
            if self.log_range is not None and last - first >= self.log_range:
                if self.log_refusal:
                    raise Refusal(self.log_refusal[1], self.log_refusal[0])
                raise Refusal(f"requested too many blocks from {first} to {last}, maximum is set to {self.log_range}")
            # Beyond its head a node has nothing, and says so by an empty list.
            blocks = self.chain.canonical[first: min(last, self.head.number) + 1]
        return [self.log(block, found) for block in blocks for found in self.chain.logs(block, addresses, topics)]

    def edge(self, tag):
        return self.head.number if tag in (None, "latest", "pending") else 0 if tag == "earliest" else number(tag)
