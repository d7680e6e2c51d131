# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's grid itself does: approves providers, and gives them jobs."""

import argparse
import sys
import time

from grid import Admin, Bot, Grid, GridError


def provider(grid, options):
    Bot(grid).provider(options.verb, options.provider)


def schedule(grid, options):
    Bot(grid).schedule(options.job, options.provider)


def timeout(grid, options):
    Bot(grid).timeout(options.job)


def panic(grid, options):
    Bot(grid).panic(options.job, options.text)


def enable(grid, options):
    Admin(grid).enable(options.verb == "open")


def fund(grid, options):
    Admin(grid).fund(options.address, options.coins)


def loop(grid, options):
    """Gives each Pending job to the provider, also one that came back."""
    bot, ended = Bot(grid), set()
    while True:
        try:
            for job in grid.job_ids():
                if job in ended:
                    continue
                found = grid.job(job)
                if found["status"] > 3:
                    ended.add(job)
                elif found["statusName"] == "Pending":
                    bot.schedule(job, options.provider)
                    print(f"{int(job, 16)} goes to {options.provider}", flush=True)
        except GridError as error:  # a job that was cancelled meanwhile, a provider that is not approved now, a node that is away
            print(error, file=sys.stderr, flush=True)
            time.sleep(1)
        time.sleep(0.2)


def parse():
    parser = argparse.ArgumentParser(prog="admin", description=__doc__)
    parser.add_argument("--grid", help="the JSON that deploy.py wrote; default: LAB_GRID")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")

    def add(name, run, text, *words):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(run=run)
        for word in words:
            verb.add_argument(word)
        return verb

    add("approve", provider, "a provider's last registration", "provider")
    add("ban", provider, "a provider", "provider")
    add("unban", provider, "a provider", "provider")
    add("remove", provider, "a provider", "provider")
    add("schedule", schedule, "gives a Pending job to a provider", "job", "provider")
    add("bot", loop, "gives every Pending job to a provider, until it is ended", "provider")
    add("timeout", timeout, "takes a job back from its provider", "job")
    add("panic", panic, "ends a job and pays it back", "job").add_argument("text", nargs="?", default="")
    add("close", enable, "no new jobs")
    add("open", enable, "new jobs again")
    add("fund", fund, "gives an account coins for its transactions", "address").add_argument(
        "coins", nargs="?", type=float, default=1000
    )
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    try:
        arguments.run(Grid.read(arguments.grid), arguments)
    except GridError as error:
        sys.exit(f"admin: {error}")
    except KeyboardInterrupt:
        pass
