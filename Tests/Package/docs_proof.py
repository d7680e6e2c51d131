# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of the documents finds what it is there to find."""

import docs
import docs_static

# What must be found: a document, and words of the complaint.
BROKEN = [
    ("```sh\nls\n```\n", "has no comment before it"),
    ("<!-- run -->\n```sh\nls\n```\n", "run: of what?"),
    ("<!-- type: root -->\n```sh\nls\n```\n", "a block is none of"),
    ("<!-- run: root; until: 3 -->\n```sh\nls\n```\n", "no such option"),
    ("<!-- run: root; with: JOB -->\n```sh\nls\n```\n", "JOB does not occur"),
    ("<!-- run: root -->\n```sh\nls\n", "the block has no end"),
    ("<!-- run: root -->\n```sh\nfor a in b; do\n```\n", "syntax error"),
    ("<!-- shown -->\n```\nsystemctl start it\n```\n", "nobody runs them"),
    ("<!-- config -->\n```yaml\nbridge.sockt: /run/x\n```\n", "bridge.sock"),
    ("`slurm-grid-agent ledger lst`", "there is no command ledger lst"),
    ("`slurm-grid-agent ledger list --opened`", "ledger list takes no --opened"),
    ("`slurm-grid-agent run --bridge.sockt=/x`", "run takes no --bridge.sockt"),
    ("`grid status|jobbs` and `chain acknowledg`", "there is no command chain acknowledg"),
    ("`runuser -u slurm -- slurm-grid-agent chek`", "there is no command chek"),
    ("    make && make demoo KEEP=1\n", "no target demoo"),
    ("`policy.alow`", "is no key of the configuration"),
    ("`SLURM_GRID_AGENT_BRIDGE_SOCKT`", "is the variable of no key"),
    ("[x](nowhere.md)", "there is no nowhere.md"),
    ("[x](docs/plugins.md#nothing)", "has no heading for #nothing"),
    ("`Sources/Agent/Nothing.swift`", "there is no Sources/Agent/Nothing.swift"),
    ("| message | b |\n|---|---|\n| `nobody ever says … this` | c |\n", "says `nobody ever says … this`"),
    ("| message | b |\n|---|---|\n| nobody | c |\n", "begins with the message in backticks"),
]


# What must be found in a machine: a page, what its command gives, and words of the complaint.
BROKEN_RUNS = [
    ("<!-- run: root -->\n```sh\nls\n```\n", (2, "no"), "exit status 2, not 0"),
    ("<!-- run: root; exits: 1 -->\n```sh\nls\n```\n", (0, ""), "exit status 0, not 1"),
    ("<!-- run: root; says: here -->\n```sh\nls\n```\n", (0, "nothing"), "does not say 'here'"),
    ("<!-- run: root; for: 1 -->\n```sh\nls\n```\n", (1, ""), "exit status 1, not 0 or 124"),
    ("<!-- run: root; with: USER -->\n```sh\nid USER\n```\n", (0, ""), "nothing is known for USER"),
]


def prove_runs():
    for text, answer, words in BROKEN_RUNS:
        found = ""
        try:
            docs.run_block(lambda command, user, answer=answer: answer, docs.blocks("broken.md", text)[0], {})
        except docs.Wrong as error:
            found = str(error)
        if words not in found:
            yield f"docs.py does not find {words!r} in {text!r}, but: {found!r}"


def prove(world):
    """Every kind of fault is found."""
    yield from prove_runs()
    for text, words in BROKEN:
        found = "\n".join(docs_static.all_troubles("broken.md", text, {}, world, True))
        if words not in found:
            yield f"docs_static.py does not find {words!r} in {text!r}, but: {found!r}"
