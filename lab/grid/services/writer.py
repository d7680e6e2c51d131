#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the lines of its input to a grid logger, as batch scripts do with their output:

    exec > >(writer.py --logger HOST:PORT --ca FILE) 2>&1

A logger that fails never holds up the job: the rest of the input is then read and forgotten, and the exit status is 1."""

import argparse
import os
import queue
import signal
import sys
import time
from pathlib import Path

import grpc
import logger_pb2
import logger_pb2_grpc

AHEAD = 1000  # lines
ANSWER_TIMEOUT = 30  # s


def hand_over(lines, line, call):
    """Queues a line, unless the call is over."""
    while not call.done():
        try:
            return lines.put(line, timeout=0.2)
        except queue.Full:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logger", required=True, metavar="HOST:PORT")
    parser.add_argument("--ca", help="the authority of the logger's certificate; default: the system's")
    parser.add_argument("--plaintext", action="store_true", help="no TLS")
    parser.add_argument("--log-name", default=os.environ.get("SLURM_JOB_NAME"), help="default: $SLURM_JOB_NAME")
    parser.add_argument("--user", default=os.environ.get("USER"), help="default: $USER")
    arguments = parser.parse_args()
    if not arguments.log_name or not arguments.user:
        parser.error("--log-name and --user, or $SLURM_JOB_NAME and $USER")
    # A job that is cancelled has last words too: only the end of the input ends this.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if arguments.plaintext:
        channel = grpc.insecure_channel(arguments.logger)
    else:
        authority = Path(arguments.ca).read_bytes() if arguments.ca else None
        channel = grpc.secure_channel(arguments.logger, grpc.ssl_channel_credentials(authority))
    lines = queue.Queue(AHEAD)
    call = logger_pb2_grpc.LoggerAPIStub(channel).Write.future(iter(lines.get, None))
    for line in sys.stdin.buffer:
        request = logger_pb2.WriteRequest(
            log_name=arguments.log_name, user=arguments.user, data=line.rstrip(b"\r\n"), timestamp=time.time_ns())
        hand_over(lines, request, call)
    hand_over(lines, None, call)
    try:
        call.result(timeout=ANSWER_TIMEOUT)
    except (grpc.RpcError, grpc.FutureTimeoutError) as error:
        text = error.details() if isinstance(error, grpc.RpcError) else "no answer"
        print(f"writer: the grid logger {arguments.logger}: {text}", file=sys.stderr, flush=True)
        # The thread that waits for lines would keep the process.
        os._exit(1)


if __name__ == "__main__":
    main()
