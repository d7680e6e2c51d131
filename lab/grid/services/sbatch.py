#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid's sbatch service: gives a job's batch script to the provider that claimed it. It checks what the grid's own service
checks, in the same order. The script of a job is the file of its batch location hash in FOLDER. Where the grid's service dies
of a request (a short signature, a job id that is none) the client gets UNAVAILABLE, as it would then."""

import argparse
import base64
import json
import os
import re
import threading
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path

import grpc
import sbatch_pb2
import sbatch_pb2_grpc
from eth_abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils import function_signature_to_4byte_selector

from common import Faults, Refusal, add_options, recover, refusing, serve

NONCE_LIFE = 600  # s
CHAIN_TIMEOUT = 5  # s
GET = function_signature_to_4byte_selector("get(bytes32)")
DEFINITION = "(uint64,uint64,uint64,uint64,string,uint8,(string,string)[],((string,string),bytes2)[])"
COST, TIME = "(uint256,uint256,uint256,bool)", "(uint256,uint256,uint256,uint256,uint256,uint256)"
JOB = f"(bytes32,uint8,address,address,{DEFINITION},{COST},{TIME},bytes32,bool,string,int64)"
Code = grpc.StatusCode


class Challenges(sbatch_pb2_grpc.AuthAPIServicer):
    def __init__(self, faults):
        self.faults, self.nonces, self.lock = faults, {}, threading.Lock()

    @refusing
    def Challenge(self, _request, context):
        self.faults.meet("Challenge", context)
        nonce = base64.b64encode(os.urandom(16)).decode()
        now = time.monotonic()
        with self.lock:
            # The oldest come first.
            for old in [old for old, end in self.nonces.items() if end <= now]:
                del self.nonces[old]
            self.nonces[nonce] = now + NONCE_LIFE
        challenge = json.dumps({"message": "login", "nonce": nonce}, separators=(",", ":")).encode()
        return sbatch_pb2.ChallengeResponse(challenge=challenge)

    def check(self, challenge, signature, address):
        """Whether it is a challenge of ours, signed by an address. A nonce may be used again."""
        try:
            if recover(challenge, signature) != address:
                raise ValueError("the signature is not the provider's")
            document = json.loads(challenge)
            nonce = document.get("nonce") if isinstance(document, dict) else None
            with self.lock:
                if not isinstance(nonce, str) or self.nonces.get(nonce, 0) <= time.monotonic():
                    raise ValueError("the nonce is unknown")
        except ValueError as error:
            raise Refusal(Code.UNAUTHENTICATED, f"authentication error: {error}") from None


class Scripts(sbatch_pb2_grpc.SBatchAPIServicer):
    def __init__(self, challenges, faults, arguments):
        self.challenges, self.faults = challenges, faults
        self.chain, self.jobs, self.logger = arguments.chain, arguments.jobs, arguments.logger
        self.folder = Path(arguments.scripts)

    @refusing
    def GetSBatch(self, request, context):
        extra = self.faults.meet("GetSBatch", context)
        self.challenges.check(request.challenge, request.signed_challenge, request.provider_address)
        customer, provider = self.parties(request.job_id)
        if customer != request.customer_address:
            raise Refusal(Code.UNAUTHENTICATED, "customer is not the same")
        if provider != request.provider_address:
            raise Refusal(Code.UNAUTHENTICATED, "provider is not the same")
        script = self.script(request.batch_location_hash)
        if extra:
            script += "\n" + "#" * extra
        return sbatch_pb2.GetSBatchResponse(sbatch=script, grid_logger_url=self.logger)

    def parties(self, job):
        """Customer and provider of a job, by the chain as this service's node sees it."""
        if not re.fullmatch("0x[0-9a-fA-F]{64}", job):
            raise Refusal(Code.UNAVAILABLE, "index out of range: a job id has 32 bytes")
        call = {"to": self.jobs, "data": "0x" + GET.hex() + job[2:]}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]}).encode()
        request = urllib.request.Request(self.chain, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=CHAIN_TIMEOUT) as answer:
                document = json.load(answer)
            if "error" in document:
                raise ValueError(document["error"].get("message"))
            identity, _, customer, provider, *_ = decode([JOB], bytes.fromhex(document["result"][2:]))[0]
            if not any(identity):
                raise ValueError("no such job")
        except (OSError, HTTPException, ValueError, TypeError, KeyError, DecodingError) as error:
            raise Refusal(Code.INTERNAL, f"failed to read the job: {error}") from None
        return bytes.fromhex(customer[2:]), bytes.fromhex(provider[2:])

    def script(self, name):
        if not re.fullmatch("[A-Za-z0-9_=-]+", name) or not (self.folder / name).is_file():
            raise Refusal(Code.NOT_FOUND, f"no batch script {name!r}")
        return (self.folder / name).read_text(encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--chain", required=True, help="the URL of this service's node")
    parser.add_argument("--jobs", required=True, help="the address of the JobRepository")
    parser.add_argument("--scripts", required=True, metavar="FOLDER", help="the batch scripts")
    parser.add_argument("--logger", required=True, metavar="HOST:PORT", help="the grid logger that jobs are told of")
    arguments = parser.parse_args()
    faults = Faults(arguments.faults)
    challenges = Challenges(faults)

    def register(server):
        sbatch_pb2_grpc.add_AuthAPIServicer_to_server(challenges, server)
        sbatch_pb2_grpc.add_SBatchAPIServicer_to_server(Scripts(challenges, faults, arguments), server)

    serve(arguments, "sbatch service", 128, register)


if __name__ == "__main__":
    main()
