# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests jobs of the lab's grid, and says how they are."""

import argparse
import sys
import time
from pathlib import Path

from grid import CREDIT, Customer, Grid, GridError, definition


def request(customer, options):
    found = customer.store(options.script.read_bytes()) if options.script else options.hash
    needs = definition(options.gpus, options.cpus, options.tasks, options.mem, found, uses=options.use)
    name = options.name or (options.script.name if options.script else "")
    print(int(customer.request(needs, options.credits, name, options.delegate), 16))


def cancel(customer, options):
    customer.cancel(options.job)


def top_up(customer, options):
    customer.top_up(options.job, options.credits)


def show(credits):
    return f"{credits / CREDIT:.2f}"


def row(grid, job, now):
    """Minutes: since the start, of those that were paid; credits: billed, of those locked."""
    times, cost = job["time"], job["cost"]
    used = f"{max(0, (times['end'] or now) - times['start']) // 60}" if times["start"] else "-"
    try:
        each = grid.cost_per_minute(job)
    except GridError:  # a provider that is gone
        each = None
    paid = str(cost["maxCost"] // each) if each else "-"
    ended = times["end"] != 0
    status = job["statusName"] + (", to be cancelled" if job["hasCancelRequest"] and not ended else "")
    provider = job["providerAddr"] if int(job["providerAddr"], 16) else "-"
    return [
        str(int(job["jobId"], 16)),
        job["name"],
        status,
        f"{used}/{paid}",
        f"{show(cost['finalCost']) if ended else '-'}/{show(cost['maxCost'])}",
        str(job["exitCode"]) if ended else "-",
        provider,
        job["lastError"],
    ]


def status(customer, options):
    grid = customer.grid
    now = max(int(time.time()), grid.chain.time)
    jobs = [grid.job(options.job)] if options.job else grid.list()
    rows = [["JOB", "NAME", "STATUS", "MINUTES", "CREDITS", "EXIT", "PROVIDER", "ERROR"]] + [row(grid, job, now) for job in jobs]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for one in rows:
        print("  ".join(text.ljust(width) for text, width in zip(one, widths)).rstrip())
    if not options.job:
        print(f"{customer.address} has {show(grid.balance(customer.address))} credits")


def common(**default):
    """Options that may stand before the verb as well as behind it."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--grid", help="the JSON that deploy.py wrote; default: LAB_GRID", **default)
    options.add_argument(
        "--as", type=int, dest="which", metavar="N", help="which of the grid's customers, from 0; default: 0", **(default or {"default": 0})
    )
    return options


def parse(words=None):
    parser = argparse.ArgumentParser(prog="customer", description=__doc__, parents=[common()])
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    behind = [common(default=argparse.SUPPRESS)]

    verb = verbs.add_parser("request", help="a job; prints its number", parents=behind)
    verb.set_defaults(run=request)
    verb.add_argument("--gpus", type=int, default=0, help="of the whole job; default: 0")
    verb.add_argument("--cpus", type=int, default=1, help="of each task; default: 1")
    verb.add_argument("--tasks", type=int, default=1, help="default: 1")
    verb.add_argument("--mem", type=int, default=100, help="MB of each CPU; default: 100")
    verb.add_argument("--credits", type=float, required=True, help="that the job may cost")
    verb.add_argument("--name", help="default: the script's")
    verb.add_argument(
        "--use",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        type=lambda text: tuple(text.split("=", 1)),
        help="a label of the provider",
    )
    verb.add_argument("--delegate", action="store_true", help="the grid may top up the job by itself")
    script = verb.add_mutually_exclusive_group(required=True)
    script.add_argument("--script", type=Path, help="a file, stored for the sbatch service")
    script.add_argument("--hash", help="of a script that is there")

    verb = verbs.add_parser("cancel", help="a job", parents=behind)
    verb.set_defaults(run=cancel)
    verb.add_argument("job")

    verb = verbs.add_parser("topup", help="a job that is scheduled or runs", parents=behind)
    verb.set_defaults(run=top_up)
    verb.add_argument("job")
    verb.add_argument("credits", type=float)

    verb = verbs.add_parser("status", help="of one job or all", parents=behind)
    verb.set_defaults(run=status)
    verb.add_argument("job", nargs="?")
    return parser.parse_args(words)


if __name__ == "__main__":
    arguments = parse()
    try:
        arguments.run(Customer(Grid.read(arguments.grid), arguments.which), arguments)
    except (GridError, OSError) as error:
        sys.exit(f"customer: {error}")
