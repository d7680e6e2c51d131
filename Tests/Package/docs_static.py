# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents say, held against the program ($BINARY), the configuration's keys, the Makefile, the sources and each other."""

import itertools
import json
import os
import re
import subprocess
import tempfile

import docs

TOP = docs.TOP
BINARY = os.environ.get("BINARY", TOP / ".build/debug/slurm-grid-agent")
# Where an administrator's messages come from.
SOURCES = ["Sources", "slurm-plugins", "packaging"]
# The words behind these are read by `FlagParser`: a name is a key of the configuration.
PASSED_ON = {("run",), ("check",), ("config", "show")}
SHELL = {"&&", "||", "|", ";", ">", ">>", "<", "then", "do", ")", "2>&1", "&"}


def documents():
    files = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md"))]
    return {str(file.relative_to(TOP)): file.read_text() for file in files}


def spans(text):
    """Inline code, and each line of fenced and indented code, with its line number."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*(```|~~~)", line):
            fenced = not fenced
        elif fenced or re.match(r" {4}\S", line):
            yield number, line.strip(), True
        else:
            for code in re.findall(r"`([^`\n]+)`", line):
                yield number, code.replace("\\|", "|"), False


# Commands


def command_tree():
    done = subprocess.run([str(BINARY), "--experimental-dump-help"], capture_output=True, check=True)

    def node(entry):
        names = {("-" if name["kind"] == "short" else "--") + name["name"] for argument in entry.get("arguments", []) for name in argument.get("names", [])}
        children = {child["commandName"]: node(child) for child in entry.get("subcommands", []) if child["commandName"] != "help"}
        return {"options": names | {"--help", "-h", "--version"}, "children": children}
    return node(json.loads(done.stdout)["command"])


def configuration_keys():
    """Names, and variables of today's supervisor, of every key; also those that lost their meaning."""
    files = [file for room in ("Agent", "AgentSettings") for file in sorted((TOP / "Sources" / room).rglob("*.swift"))]
    text = "\n".join(file.read_text() for file in files)
    names = set(re.findall(r'ConfigurationKey\(\s*(?:gone: |secret: )?"([a-z][a-z.-]*)"', text))
    for line in re.findall(r"aliases: \[([^\]]*)\]", text):
        names |= set(re.findall(r'"([a-z.-]+)"', line))
    return names | set(re.findall(r'keyName = "([a-z.-]+)"', text))


def words_of(command):
    """The words up to the end of the simple command."""
    for word in command.split():
        bare = word.rstrip(";")
        if word in SHELL or word.startswith(("#", ">", "2>")):
            return
        yield bare.strip("'\"()[],")
        if word.endswith((";", ")")) and not word.startswith("["):
            return


def check_command(words, tree, keys):
    """The trouble with the words behind `slurm-grid-agent`, or None."""
    node, path, isfree = tree, (), False
    for word in words:
        if re.match(r"--?[a-z]", word):
            name = word.split("=")[0].split("|")[0]
            if path in PASSED_ON:
                if name not in node["options"] and name.lstrip("-") not in keys:
                    return f"{' '.join(path)} takes no {name}"
            elif name not in node["options"]:
                return f"{' '.join(path) or 'the program'} takes no {name}"
        elif not isfree and re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", word) and node["children"]:
            for choice in word.split("|"):
                if choice not in node["children"]:
                    return f"there is no command {' '.join((*path, choice))}"
            path = (*path, word.split("|")[-1])
            node = node["children"][path[-1]]
        else:
            isfree = True
    return None


def commands(name, text, tree, keys):
    hidden, prose = {"slurm-helper"}, {"key pairs"}
    for number, code, _ in spans(text):
        for match in re.finditer(r"(?:^|[\s(/;&$])slurm-grid-agent (?=[a-z-])", code):
            before = re.split(r"&&|\|\||[|;(]", code[:match.start() + 1])[-1].split()
            if before and re.fullmatch(r"journalctl|systemctl|systemd-analyze|apt|apt-get|dpkg", before[0]):
                continue  # there it is a unit, or a package
            words = list(words_of(code[match.end():]))
            if words and words[0] not in hidden and (trouble := check_command(words, tree, keys)):
                yield f"{name}:{number}: `{code}`: {trouble}"
        first, *rest = code.split()[:2] if code.split() else [""]
        # Also without the program's name, as in `chain acknowledge`.
        group = tree["children"].get(first, {}).get("children")
        if group and code not in prose and rest and re.fullmatch(r"[a-z-]+", rest[0]) and rest[0] not in group:
            yield f"{name}:{number}: `{code}`: there is no command {first} {rest[0]}"


# Makefile, keys, links, files


def makefile_targets(name, text):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (TOP / "Makefile").read_text(), re.MULTILINE))
    for number, code, _ in spans(text):
        for match in re.finditer(r"(?:^|&& |sudo )make((?: +[^ #&;|`]+)+)", code):
            for word in match[1].split():
                if re.fullmatch(r"[a-z][a-z-]*", word) and word not in targets:
                    yield f"{name}:{number}: the Makefile has no target {word}"


def key_names(name, text, keys):
    firsts = {key.split(".")[0] for key in keys if "." in key}
    files = re.compile(r"\.(md|conf|sqlite|sock|service|jsonl?|py|sh|swift|env|yaml|so|log|spool|token|pem|key|txt)$")
    for number, code, isblock in spans(text):
        if isblock:
            continue
        for word in re.findall(r"^([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+)(?=[:=]|$)", code):
            if word.split(".")[0] in firsts and word not in keys and not files.search(word):
                yield f"{name}:{number}: `{word}` is no key of the configuration"
    known = {"SLURM_GRID_AGENT_" + re.sub("[.-]", "_", key).upper() for key in keys}
    for number, line in enumerate(text.split("\n"), 1):
        for word in re.findall(r"\bSLURM_GRID_AGENT_[A-Z_]+\b", line):
            if word not in known and not word.endswith("_") and not used_by_a_script(word):
                yield f"{name}:{number}: {word} is the variable of no key"


def used_by_a_script(word):
    return subprocess.run(["git", "-C", str(TOP), "grep", "-qF", word, "--", "packaging", "Tests", "lab", ":!Tests/Package/docs*"], check=False).returncode == 0


def anchors(text):
    names = set()
    for line in re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).split("\n"):
        if heading := re.match(r"#+ +(.*)", line):
            words = re.sub(r"[`*]", "", heading[1]).lower()
            names.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return names


def links(name, text, texts):
    for number, line in enumerate(text.split("\n"), 1):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = ((TOP / name).parent / path).resolve() if path else TOP / name
            if not file.exists():
                yield f"{name}:{number}: there is no {target}"
            elif anchor and anchor not in anchors(texts.get(str(file.relative_to(TOP))) or file.read_text()):
                yield f"{name}:{number}: {path or name} has no heading for #{anchor}"
        for path in re.findall(r"`((?:Sources|Tests|docs|lab|packaging|slurm-plugins|Benchmarks|FuzzTesting)/[\w./-]+)`", line):
            if not (TOP / path.rstrip("/")).exists() and not list(TOP.glob(path + "*")) and "/build/" not in path:
                yield f"{name}:{number}: there is no {path}"


# Messages


def source_texts():
    """Each source file with its texts put together: what is concatenated is one, and any white space is one blank."""
    files = itertools.chain.from_iterable((TOP / folder).rglob("*") for folder in SOURCES)
    for file in sorted(files):
        if not file.is_file() or "/build" in str(file) or "/." in str(file.relative_to(TOP)) or file.suffix in (".so", ".o", ".bin", ".md"):
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        text = re.sub(r'"\s*\+\s*"', "", text)          # Swift: "one " + "two"
        text = re.sub(r'"\s*\n\s*"', "", text)          # C: "one " "two"
        text = re.sub(r"\\\n\s*", "", text)             # a line that goes on
        yield file, re.sub(r"\s+", " ", text.replace('\\"', '"').replace("\\`", "`"))


def quoted_messages(text):
    """The first cells of the tables whose first column is called message."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith("|"):
            inside = False
        elif re.match(r"\| *message *\|", line):
            inside = True
        elif inside and not re.match(r"\|[-| ]+$", line):
            cell = re.match(r"\| *`([^`]+)`", line)
            yield number, cell[1].replace("\\|", "|") if cell else None


def messages(name, text, sources):
    for number, message in quoted_messages(text):
        if message is None:
            yield f"{name}:{number}: a row of messages begins with the message in backticks"
            continue
        parts = [part.strip() for part in message.split("…") if len(part.strip(" :;,.()")) > 2]
        if not parts:
            yield f"{name}:{number}: nothing is left of `{message}` to look for"
        elif not any(all(part in source for part in parts) for _, source in sources):
            yield f"{name}:{number}: nothing in {', '.join(SOURCES)} says `{message}`"


# Blocks


def block_troubles(page, text):
    try:
        found = docs.blocks(page, text)
    except docs.Wrong as error:
        yield str(error)
        return
    for block in found:
        if block.kind in ("run", "build", "elsewhere"):
            done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
            if done.returncode != 0:
                yield f"{block.place}: {done.stderr.strip()}"
        if block.kind == "shown" and re.search(r"^\s*(slurm-grid-agent|apt-get|systemctl|make|curl) ", block.text, re.MULTILINE):
            yield f"{block.place}: these are commands, and nobody runs them"
        for word in block.words:
            if not re.search(rf"\b{word}\b", block.text):
                yield f"{block.place}: {word} does not occur in the block"


def config_troubles(page, text):
    """Without a machine, when this binary has the command: the agent takes each configuration."""
    for block in docs.blocks(page, text):
        if block.kind != "config":
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(block.text)
            file.flush()
            done = subprocess.run([str(BINARY), "config", "show", "--config", file.name], text=True, capture_output=True, env={"PATH": os.environ["PATH"]})
        if done.returncode != 0:
            yield f"{block.place}: {done.stderr.strip()}"


def all_troubles(name, text, texts, world, isrun):
    tree, keys, sources = world
    yield from commands(name, text, tree, keys)
    yield from makefile_targets(name, text)
    yield from key_names(name, text, keys)
    yield from links(name, text, texts)
    if isrun:
        found = list(block_troubles(name, text))
        yield from found or config_troubles(name, text)
        yield from messages(name, text, sources)


def installed_troubles():
    """The pages as the packages have them, all in one folder: nothing for the tests in them, and no link to what is not there."""
    script = TOP / "packaging/deb/debian/documents.pl"
    pages = [TOP / "README.md", TOP / "CHANGELOG.md", *sorted((TOP / "docs").glob("*.md"))]
    with tempfile.TemporaryDirectory() as folder:
        for these in (pages, [TOP / "docs/plugins.md", TOP / "docs/event-format.md"]):
            out = os.path.join(folder, str(len(these)))
            subprocess.run([script, out, *these], check=True)
            texts = {page.name: open(os.path.join(out, page.name)).read() for page in these}
            for name, text in texts.items():
                if "<!--" in text:
                    yield f"{name}, as installed: has what is for the tests only"
                for target in re.findall(r"\]\(([^)\s]+)\)", text):
                    path, _, anchor = target.partition("#")
                    if not re.match(r"[a-z]+:", target) and (path or name) not in texts:
                        yield f"{name}, as installed: there is no {target}"
                    elif anchor and not re.match(r"[a-z]+:", target) and anchor not in anchors(texts[path or name]):
                        yield f"{name}, as installed: {path or name} has no heading for #{anchor}"
                source = next(page for page in these if page.name == name).read_text()
                # Pictures are not installed, with the blank line after each.
                wanted = re.sub(r"(?m)^ *<!--.*-->\n|^!\[.*\]\(.*\)\n\n?", "", source)
                if len(text.split("\n")) < len(wanted.split("\n")):
                    yield f"{name}, as installed: lines are missing"


def troubles():
    import docs_proof
    texts, world = documents(), (command_tree(), configuration_keys(), list(source_texts()))
    yield from docs_proof.prove(world)
    yield from installed_troubles()
    for name, text in texts.items():
        isrun = name in (f"docs/{page}.md" for page in docs.PAGES)
        yield from all_troubles(name, text, texts, world, isrun)


def main():
    found = list(troubles())
    for trouble in found:
        print(trouble)
    if not found:
        print("ok: what the documents say is there")
    return 1 if found else 0
