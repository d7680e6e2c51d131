#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid's logger: appends what anybody writes to FOLDER/USER/LOG.log, a JSON object a line:

    {"timestamp": NANOSECONDS, "data": "a line without its end"}

A byte of data that is no UTF-8 is a lone surrogate (Python's surrogateescape), so that all comes back as it was. Who signs as
USER can read the logs, as they are and as they grow, and the list of them, as often as it changes."""

import argparse
import json
import re
from pathlib import Path

import grpc
import logger_pb2
import logger_pb2_grpc

from common import Faults, Refusal, add_options, recover, refusing, refusing_stream, serve, wait

POLL = 0.1  # s
Code = grpc.StatusCode


class Logs(logger_pb2_grpc.LoggerAPIServicer):
    def __init__(self, folder, faults):
        self.folder, self.faults = Path(folder), faults

    def path(self, user, log):
        for name in (user, log):
            if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", name):
                raise Refusal(Code.INVALID_ARGUMENT, f"no name of a user or log: {name!r}")
        return self.folder / user.lower() / f"{log}.log"

    @refusing
    def Write(self, requests, context):
        self.faults.meet("Write", context)
        for request in requests:
            path = self.path(request.user, request.log_name)
            text = request.data.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            record = json.dumps({"timestamp": request.timestamp, "data": text}) + "\n"
            path.parent.mkdir(parents=True, exist_ok=True)
            # One write at the end of the file: writers of the same log do not mix their lines.
            with path.open("ab", buffering=0) as file:
                file.write(record.encode("ascii"))
        return logger_pb2.WriteResponse()

    @refusing_stream
    def Read(self, request, context):
        self.faults.meet("Read", context)
        address = self.check(request, f"read:{request.address.lower()}/{request.log_name}/{request.timestamp}")
        path = self.path(address, request.log_name)
        if not path.is_file():
            raise Refusal(Code.NOT_FOUND, f"no log {request.log_name!r}")
        with path.open("rb") as file:
            while context.is_active():
                start = file.tell()
                line = file.readline()
                if not line.endswith(b"\n"):
                    file.seek(start)
                    wait(context, POLL)
                    continue
                record = json.loads(line)
                data = record["data"].encode("utf-8", "surrogateescape")
                yield logger_pb2.ReadResponse(data=data, timestamp=record["timestamp"])

    @refusing_stream
    def WatchList(self, request, context):
        self.faults.meet("WatchList", context)
        address = self.check(request, f"watchList:{request.address.lower()}/{request.timestamp}")
        folder = self.path(address, "all").parent
        last = None
        while context.is_active():
            names = sorted(path.stem for path in folder.glob("*.log"))
            if names != last:
                yield logger_pb2.WatchListResponse(log_names=names)
                last = names
            wait(context, POLL)

    def check(self, request, text):
        """Whether the request's address signed a text. -> that address in lower case"""
        address = request.address.lower()
        try:
            if "0x" + recover(text.encode(), request.signed_hash).hex() != address:
                raise ValueError("the signature is not the address's")
        except ValueError as error:
            raise Refusal(Code.UNAUTHENTICATED, f"authentication error: {error}") from None
        return address


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--folder", required=True, help="of the logs; made if missing")
    arguments = parser.parse_args()
    Path(arguments.folder).mkdir(parents=True, exist_ok=True)
    logs = Logs(arguments.folder, Faults(arguments.faults))
    # A stream keeps its thread, and each running job has a stream.
    serve(arguments, "grid logger", 1024, lambda server: logger_pb2_grpc.add_LoggerAPIServicer_to_server(logs, server))


if __name__ == "__main__":
    main()
