# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's grid for Python: the chain, its contracts, and what each party does with them.

    grid = Grid.read("grid.json")
    customer = Customer(grid)
    job = customer.request(definition(cpus=2, hash=customer.store(b"#!/bin/sh\\n")), 100)
    grid.job(job)["statusName"]

Values are as eth_abi has them, but: bytes are "0x…" text, structs are dicts by name. A job's id may be given as a number."""

import hashlib
import json
import os
import time
import urllib.request
from pathlib import Path

import rlp
from eth_abi import decode, encode
from eth_keys import keys
from eth_utils import keccak

import artifacts

GWEI = 10**9
CREDIT = 10**18
STATUSES = ("Pending", "MetaScheduled", "Scheduled", "Running", "Cancelled", "Finished", "Failed", "OutOfCredits", "Panicked")
PRICES = (8_500_000_000_000_000_000, 950_000_000_000_000_000, 80_000_000_000_000)  # wei a minute of a GPU, a CPU, a MB
FAR = 2**256 - 1

# Vyper's ABI does not have them.
ERRORS = (
    "AlreadyDone()",
    "ArrayLengthMismatch()",
    "Banned()",
    "CustomerMetaSchedulerProviderOnly()",
    "CustomerOnly(address,address)",
    "Empty()",
    "InsufficientFunds(uint256,uint256)",
    "InvalidJob()",
    "InvalidJobDefinition()",
    "InvalidNodesCount()",
    "InvalidTotalCpus()",
    "InvalidTotalMem()",
    "InvalidTransition(uint8,uint8)",
    "JobHotStatusOnly(uint8)",
    "JobProviderOnly(address,address)",
    "MetaScheduledScheduledStatusOnly(uint8)",
    "NewJobRequestDisabled()",
    "NoJob()",
    "NoProvider()",
    "NoSpendingAuthority()",
    "OutOfBounds()",
    "ProviderNotJoined()",
    "RemainingTimeAboveLimit(uint256,uint256)",
    "RunningColdStatusOnly(uint8)",
    "RunningScheduledStatusOnly(uint8)",
    "SameStatusError()",
    "WaitingApprovalOnly()",
    "Error(string)",
    "Panic(uint256)",
)
BY_SELECTOR = {keccak(text=signature)[:4]: signature for signature in ERRORS}


class GridError(Exception):
    """What went wrong, for a person."""


class Reverted(GridError):
    """name: of the error, "" when there is no data; arguments: a tuple."""

    def __init__(self, payload, what=""):
        signature = BY_SELECTOR.get(payload[:4])
        self.payload, self.name, self.arguments = payload, "0x" + payload.hex() if payload else "", ()
        if signature:
            self.name, types = signature[:-1].split("(")
            self.arguments = tuple(map(plain, decode([one for one in types.split(",") if one], payload[4:])))
        words = f"{self.name}({', '.join(map(str, self.arguments))})" if payload else "without a reason"
        super().__init__(f"{what + ': ' if what else ''}reverted: {words}")


# ---- values


def plain(value):
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return [plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def kind(entry):
    """An ABI entry's type, with tuples written out."""
    if not entry["type"].startswith("tuple"):
        return entry["type"]
    return f"({','.join(map(kind, entry['components']))}){entry['type'][5:]}"


def signature(entry):
    return f"{entry['name']}({','.join(map(kind, entry['inputs']))})"


def to_wire(entry, value):
    """What eth_abi encodes, of dicts, "0x…" texts and numbers."""
    if entry["type"].endswith("]"):
        inner = dict(entry, type=entry["type"][: entry["type"].rindex("[")])
        return [to_wire(inner, one) for one in value]
    if entry["type"] == "tuple":
        members = [value[part["name"]] for part in entry["components"]] if isinstance(value, dict) else value
        return tuple(to_wire(part, one) for part, one in zip(entry["components"], members, strict=True))
    if entry["type"].startswith("bytes"):
        size = int(entry["type"][5:] or 0)
        if isinstance(value, int):
            return value.to_bytes(size, "big")
        if isinstance(value, str):
            value = bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode()
        return value.ljust(size, b"\0")
    return value


def from_wire(entry, value):
    if entry["type"].endswith("]"):
        inner = dict(entry, type=entry["type"][: entry["type"].rindex("[")])
        return [from_wire(inner, one) for one in value]
    if entry["type"] == "tuple":
        return {part["name"]: from_wire(part, one) for part, one in zip(entry["components"], value)}
    return "0x" + value.hex() if isinstance(value, bytes) else value


def job_id(value):
    """Of a number, its text, or an id."""
    if isinstance(value, str):
        value = int(value, 16 if value.startswith("0x") else 10)
    return "0x" + value.to_bytes(32, "big").hex()


# ---- the chain


class Chain:
    def __init__(self, url):
        self.url = url
        self.chain_id = int(self.rpc("eth_chainId"), 16)

    def rpc(self, method, *parameters):
        """Raises Reverted, or GridError with what the node says."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        # A question may be asked twice: a busy node closes a connection now and then before it has read it.
        for tries_left in range(0 if method.startswith("eth_send") else 3, -1, -1):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    document = json.load(answer)
                break
            except (OSError, ValueError) as error:
                if not tries_left or not isinstance(error, ConnectionError):
                    raise GridError(f"{self.url}: {method}: {error}") from None
                time.sleep(0.2)
        if error := document.get("error"):
            if error["message"].startswith("execution reverted"):
                raise Reverted(bytes.fromhex(error.get("data", "0x")[2:]))
            raise GridError(f"{method}: {error['message']}")
        return document["result"]

    def receipt(self, transaction, seconds=60):
        end = time.monotonic() + seconds
        while (receipt := self.rpc("eth_getTransactionReceipt", transaction)) is None:
            if time.monotonic() > end:
                raise GridError(f"the transaction {transaction} is in no block after {seconds} s")
            time.sleep(0.005)
        return receipt

    @property
    def height(self):
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def time(self):
        """seconds; of the head, which an idle chain leaves in the past"""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def balance(self, address):
        """wei of the native coin"""
        return int(self.rpc("eth_getBalance", address, "latest"), 16)


class Account:
    """A key that sends transactions of type 2, and waits for each."""

    def __init__(self, chain, key):
        self.chain = chain
        self.key = keys.PrivateKey(key if isinstance(key, bytes) else bytes.fromhex(key.removeprefix("0x")))
        self.address = self.key.public_key.to_address()

    @property
    def document(self):
        return {"address": self.address, "key": self.key.to_hex()}

    def send(self, to, payload=b"", value=0, gas=3_000_000):
        """to: an address, or None for a new contract. -> the receipt; raises Reverted"""
        nonce = int(self.chain.rpc("eth_getTransactionCount", self.address, "pending"), 16)
        target = bytes.fromhex(to[2:]) if to else b""
        price = int(self.chain.rpc("eth_gasPrice"), 16)
        fields = [self.chain.chain_id, nonce, 2 * GWEI, 2 * price + 2 * GWEI, gas, target, value, payload, []]
        mark = self.key.sign_msg_hash(keccak(b"\x02" + rlp.encode(fields)))
        raw = b"\x02" + rlp.encode(fields + [mark.v, mark.r, mark.s])
        receipt = self.chain.receipt(self.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex()))
        if receipt["status"] != "0x1":
            self.explain(receipt, to, payload, value, gas)
        return receipt

    def explain(self, receipt, to, payload, value, gas):
        """A receipt does not say why: it is asked again, at the state before."""
        call = {"from": self.address, "data": "0x" + payload.hex(), "value": hex(value), "gas": hex(gas)}
        before = hex(int(receipt["blockNumber"], 16) - 1)
        self.chain.rpc("eth_call", dict(call, to=to) if to else call, before)
        raise GridError(f"the transaction {receipt['transactionHash']} failed; at the block before it does not")


class Contract:
    def __init__(self, chain, name, address, abi=None):
        self.chain, self.name, self.address = chain, name, address
        self.abi = abi or artifacts.load(name)[0]
        self.functions = {entry["name"]: entry for entry in self.abi if entry["type"] == "function"}
        self.by_topic = {"0x" + keccak(text=signature(entry)).hex(): entry for entry in self.abi if entry["type"] == "event"}

    def encode(self, function, *arguments):
        """-> calldata"""
        entry = self.functions[function]
        values = [to_wire(one, value) for one, value in zip(entry["inputs"], arguments, strict=True)]
        return keccak(text=signature(entry))[:4] + encode([kind(one) for one in entry["inputs"]], values)

    def call(self, function, *arguments, sender=None, block="latest"):
        """eth_call. -> the value, or a list of them; raises Reverted"""
        call = {"to": self.address, "data": "0x" + self.encode(function, *arguments).hex()}
        if sender:
            call["from"] = sender
        try:
            answer = self.chain.rpc("eth_call", call, block)
        except Reverted as error:
            raise Reverted(error.payload, f"{self.name}.{function}") from None
        outputs = self.functions[function]["outputs"]
        values = decode([kind(one) for one in outputs], bytes.fromhex(answer[2:]))
        found = [from_wire(one, value) for one, value in zip(outputs, values)]
        return found[0] if len(found) == 1 else found

    def send(self, account, function, *arguments, gas=3_000_000):
        """-> the receipt; raises Reverted"""
        try:
            return account.send(self.address, self.encode(function, *arguments), gas=gas)
        except Reverted as error:
            raise Reverted(error.payload, f"{self.name}.{function}") from None

    def decode_log(self, log):
        """-> dict: event, arguments by name, contract, block, transaction, index; None when it is another contract's"""
        entry = self.by_topic.get(log["topics"][0]) if log["topics"] else None
        if entry is None or log["address"].lower() != self.address.lower():
            return None
        topics, found = [bytes.fromhex(topic[2:]) for topic in log["topics"][1:]], {}
        inline = [one for one in entry["inputs"] if not one["indexed"]]
        values = dict(zip((one["name"] for one in inline), decode([kind(one) for one in inline], bytes.fromhex(log["data"][2:]))))
        for one in entry["inputs"]:
            value = decode([kind(one)], topics.pop(0))[0] if one["indexed"] else values[one["name"]]
            found[one["name"]] = from_wire(one, value)
        return {
            "event": entry["name"],
            "arguments": found,
            "contract": self.name,
            "block": int(log["blockNumber"], 16),
            "transaction": log["transactionHash"],
            "index": int(log["logIndex"], 16),
        }


# ---- the grid


class Grid:
    """The contracts of the JSON that deploy.py writes."""

    def __init__(self, document):
        self.document = document
        self.chain = Chain(document["chain"])
        self.meta, self.jobs, self.providers, self.queues, self.credit, self.constants = self.contracts = [
            Contract(self.chain, name, document["contracts"][name])
            for name in ("MetaScheduler", "JobRepository", "ProviderManager", "ProviderJobQueues", "Credit", "Constants")
        ]

    @classmethod
    def read(cls, path=None):
        """path: default LAB_GRID"""
        path = path or os.environ.get("LAB_GRID")
        if not path:
            raise GridError("which grid? Give --grid FILE or set LAB_GRID to the JSON that deploy.py wrote")
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    def job(self, job):
        """JobRepository.get as a dict, with statusName and name."""
        found = self.jobs.call("get", job_id(job))
        found["statusName"] = STATUSES[found["status"]]
        found["name"] = bytes.fromhex(found["jobName"][2:]).rstrip(b"\0").decode(errors="replace")
        return found

    def job_ids(self):
        return [job_id(number) for number in range(1, self.jobs.call("jobIdCounter") + 1)]

    def list(self):
        return [self.job(job) for job in self.job_ids()]

    def cost_per_minute(self, job):
        """wei of credits, at the provider's prices of now; None without a provider"""
        if int(job["providerAddr"], 16) == 0:
            return None
        prices, needs = self.providers.call("getProviderPrices", job["providerAddr"]), job["definition"]
        cpus = needs["ntasks"] * needs["cpusPerTask"]
        return needs["gpus"] * prices["gpuPricePerMin"] + cpus * (
            prices["cpuPricePerMin"] + needs["memPerCpu"] * prices["memPricePerMin"]
        )

    def balance(self, address):
        """wei of credits"""
        return self.credit.call("balanceOf", address)

    def events(self, first=0, last=None, name=None):
        """What the contracts logged in blocks from `first` on, in order, as Contract.decode_log has it."""
        query = {
            "fromBlock": hex(first),
            "toBlock": hex(last) if last is not None else "latest",
            "address": [one.address for one in self.contracts],
        }
        return self.decode_logs(self.chain.rpc("eth_getLogs", query), name)

    def decode_logs(self, logs, name=None):
        """Also of a receipt's logs."""
        found = [decoded for log in logs for contract in self.contracts if (decoded := contract.decode_log(log))]
        return [one for one in found if name in (None, one["event"])]

    def wait(self, job, statuses, seconds=180):
        """Until the job has one of these statuses, by name. -> the job"""
        wanted, end = {statuses} if isinstance(statuses, str) else set(statuses), time.monotonic() + seconds
        while (found := self.job(job))["statusName"] not in wanted:
            if time.monotonic() > end:
                raise GridError(f"the job {job} is {found['statusName']} after {seconds} s")
            time.sleep(0.05)
        return found


def definition(gpus=0, cpus=1, tasks=1, mem=100, hash="", storage=0, uses=(), affinity=()):
    """mem: MB of each CPU; cpus: of each task; gpus: of the whole job; uses: pairs; affinity: (key, operator, value)"""
    return {
        "gpus": gpus,
        "memPerCpu": mem,
        "cpusPerTask": cpus,
        "ntasks": tasks,
        "batchLocationHash": hash,
        "storageType": storage,
        "uses": [{"key": key, "value": value} for key, value in uses],
        "affinity": [{"label": {"key": key, "value": value}, "op": operator} for key, operator, value in affinity],
    }


class Party:
    """Somebody with a key."""

    def __init__(self, grid, key):
        self.grid = grid
        self.account = Account(grid.chain, key)
        self.address = self.account.address

    def meta(self, function, *arguments):
        return self.grid.meta.send(self.account, function, *arguments)


class Customer(Party):
    def __init__(self, grid, which=0):
        """which: of the grid's customers, or a key"""
        super().__init__(grid, grid.document["customers"][which]["key"] if isinstance(which, int) else which)

    def store(self, script):
        """Puts a script where the sbatch service finds it. -> its hash"""
        found = hashlib.sha256(script).hexdigest()
        folder = Path(self.grid.document["scripts"])
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{found}.{os.getpid()}"
        new.write_bytes(script)
        new.rename(folder / found)
        return found

    def allow(self, amount):
        if self.grid.credit.call("allowance", self.address, self.grid.meta.address) < amount:
            self.grid.credit.send(self.account, "approve", self.grid.meta.address, FAR)

    def request(self, needs, credits, name="", delegate=False):
        """needs: of definition(). -> the job's id"""
        amount = int(credits * CREDIT)
        self.allow(amount)
        receipt = self.meta("requestNewJob", needs, amount, name.encode()[:32], delegate)
        return self.grid.decode_logs(receipt["logs"], "NewJobRequestEvent")[0]["arguments"]["jobId"]

    def cancel(self, job):
        return self.meta("cancelJob", job_id(job))

    def top_up(self, job, credits):
        amount = int(credits * CREDIT)
        self.allow(amount)
        return self.meta("topUpJob", job_id(job), amount)

    def top_up_delegate(self, job):
        self.allow(FAR // 2)
        return self.meta("topUpJobDelegate", job_id(job))


class Provider(Party):
    """What an agent does, by hand."""

    def register(self, nodes, prices=PRICES, labels=()):
        """nodes: (GPUs, CPUs, MB) of each"""
        gpus, cpus, mem = ([node[place] for node in nodes] for place in range(3))
        return self.grid.providers.send(self.account, "register", (len(nodes), gpus, cpus, mem), prices, labels, gas=10_000_000)

    def claim(self):
        """-> the arguments of ClaimJobEvent"""
        return self.grid.decode_logs(self.meta("claimNextJob")["logs"], "ClaimJobEvent")[0]["arguments"]

    def claim_cancel(self):
        return self.grid.decode_logs(self.meta("claimNextCancellingJob")["logs"], "ClaimNextCancellingJobEvent")[0]["arguments"]

    def claim_top_up(self):
        return self.grid.decode_logs(self.meta("claimNextTopUpJob")["logs"], "ClaimNextTopUpJobEvent")[0]["arguments"]

    def refuse(self, job):
        return self.meta("refuseJob", job_id(job))

    def report(self, job, status, minutes=0, error="", exit_code=0):
        """status: a name or number"""
        number = STATUSES.index(status) if isinstance(status, str) else status
        return self.meta("providerSetJobStatus", job_id(job), number, minutes, error, exit_code)


class Bot(Party):
    """The meta-scheduler's."""

    def __init__(self, grid):
        super().__init__(grid, grid.document["bot"]["key"])

    def schedule(self, job, provider):
        return self.meta("metaSchedule", job_id(job), provider)

    def timeout(self, job):
        return self.meta("timeoutJob", job_id(job))

    def panic(self, job, text=""):
        return self.meta("panicJob", job_id(job), text)

    def provider(self, verb, address):
        """verb: approve, ban, unban, remove"""
        return self.grid.providers.send(self.account, verb, address, gas=10_000_000)


class Admin(Party):
    def __init__(self, grid):
        super().__init__(grid, grid.document["admin"]["key"])

    def enable(self, on):
        return self.meta("setEnableRequestNewJob", on)

    def set_constant(self, name, value):
        """name: as of its getter"""
        return self.grid.constants.send(self.account, f"set{name[0].upper()}{name[1:]}", value)

    def mint(self, address, credits):
        return self.grid.credit.send(self.account, "mint", address, int(credits * CREDIT))

    def fund(self, address, coins):
        """Of the native coin, that transactions are paid with."""
        return self.account.send(address, value=int(coins * 10**18))

    def withdraw(self, credits):
        return self.meta("withdrawAdmin", int(credits * CREDIT))
