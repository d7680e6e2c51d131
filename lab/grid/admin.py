# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's grid itself does: approves providers, and gives them jobs."""

import argparse
import sys
import time

from grid import CREDIT, Admin, Bot, Grid, GridError


def provider(grid, options):
    Bot(grid).provider(options.verb, options.provider)


def schedule(grid, options):
    Bot(grid).schedule(options.job, options.provider)


def timeout(grid, options):
    Bot(grid).timeout(options.job)


def panic(grid, options):
    Bot(grid).panic(options.job, options.text)


def show(grid, options):
    names = dict.fromkeys(event["arguments"]["addr"] for event in grid.events() if event["event"].startswith("Provider"))
    for name in names:
        def says(question, name=name):
            try:
                return grid.providers.call(question, name)
            except GridError:  # of one that was removed
                return False
        states = {"isBanned": "banned", "isValidForScheduling": "approved", "isWaitingForApproval": "waits for approval"}
        said = [word for question, word in states.items() if says(question)]
        print(f"{name}  {', '.join(said) or 'not registered'}  {grid.balance(name) / CREDIT:.3f} credits  {grid.chain.balance(name) / 10**18:.3f} coins")


def enable(grid, options):
    Admin(grid).enable(options.verb == "open")


def fund(grid, options):
    Admin(grid).fund(options.address, options.coins)


def approved(grid):
    """The providers that may be given jobs, in the order of their approval."""
    names = dict.fromkeys(event["arguments"]["addr"] for event in grid.events(name="ProviderApproved"))
    return [name for name in names if grid.providers.call("isValidForScheduling", name)]


def loop(grid, options):
    """Gives each Pending job to the provider, or to the approved ones in turn; also one that came back."""
    bot, ended, turn = Bot(grid), set(), 0
    while True:
        try:
            providers = [options.provider] if options.provider else approved(grid)
            for job in grid.job_ids():
                if job in ended:
                    continue
                found = grid.job(job)
                if found["status"] > 3:
                    ended.add(job)
                elif found["statusName"] == "Pending" and providers:
                    provider, turn = providers[turn % len(providers)], turn + 1
                    bot.schedule(job, provider)
                    print(f"{int(job, 16)} goes to {provider}", flush=True)
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
    add("bot", loop, "gives every Pending job to a provider, or to the approved ones in turn, until it is ended").add_argument("provider", nargs="?")
    add("providers", show, "who is registered, and how that stands")
    add("timeout", timeout, "takes a job back from its provider", "job")
    add("panic", panic, "ends a job and pays it back", "job").add_argument("text", nargs="?", default="")
    add("close", enable, "no new jobs")
    add("open", enable, "new jobs again")
    add("fund", fund, "gives an account coins for its transactions", "address").add_argument(
        "coins", nargs="?", type=float, default=1
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
