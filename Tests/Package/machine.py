# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian that boots with systemd in a container, without a network: what an administrator installs the packages on. DEBIAN:
bookworm (Debian 12), or trixie (Debian 13)."""

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from waiting import eventually, say  # noqa: E402

ROOTS = Path(os.environ.get("SLURM_GRID_AGENT_ROOTS", "/var/tmp/slurm-grid-agent-roots"))
SUITE = os.environ.get("DEBIAN", "bookworm")
# In the root from the start: what a Debian server has anyway, and what the tests look with.
BASE = "systemd systemd-sysv dbus ca-certificates procps passwd adduser init-system-helpers python3-minimal libpython3-stdlib man-db bash-completion"
# Only downloaded: the tests install them, as an administrator does. The dependencies of our packages come in beside.
LATER = "slurm-wlm munge curl nscd sssd-common sssd-proxy libnss-sss libnss-extrausers slapd nslcd libnss-ldapd"


def quiet(*words, log=None, **options):
    done = subprocess.run([str(word) for word in words], stdout=log or subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.returncode}: {log.name if log else done.stdout.decode()[-2000:]}")


def mirror():
    """The Debian mirror of this machine; its own release, not its security archive."""
    if "SLURM_GRID_AGENT_MIRROR" in os.environ:
        return os.environ["SLURM_GRID_AGENT_MIRROR"]
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages", "Origin: Debian", "Component: main"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return next(line.split()[0] for line in lines if "-" not in line.split()[1])


def base(debs):
    """The root that all machines lie on: made once, and again when it is to hold other packages."""
    folder = ROOTS / f"{SUITE}-boot"
    stamp = folder / ".slurm-grid-agent-root"
    depends = [subprocess.run(["dpkg-deb", "-f", deb, "Depends"], capture_output=True, text=True, check=True).stdout for deb in debs]
    wanted = hashlib.sha256("\n".join([BASE, LATER, *depends]).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    ROOTS.mkdir(parents=True, exist_ok=True)
    with (ROOTS / f"{SUITE}-boot.log").open("w") as log:
        if not (folder / ".debootstrapped").exists():
            say(f"makes a Debian root in {folder}; see {log.name}")
            shutil.rmtree(folder, ignore_errors=True)
            quiet("debootstrap", "--variant=minbase", f"--include={BASE.replace(' ', ',')}", SUITE, folder, mirror(), log=log)
            (folder / ".debootstrapped").touch()
        say("downloads the packages that the tests install")
        (folder / "etc/apt/apt.conf.d/99tests").write_text('APT::Install-Recommends "false"; Acquire::Languages "none"; DPkg::Use-Pty "false";\n')
        proxy = subprocess.run("apt-config dump | grep -i '^Acquire::https\\?::Proxy '", shell=True, capture_output=True, text=True).stdout
        (folder / "etc/apt/apt.conf.d/98proxy").write_text(proxy)
        shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
        inside = folder / "debs"
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir()
        for deb in debs:
            shutil.copy(deb, inside)
        names = [f"/debs/{Path(deb).name}" for deb in debs]
        quiet("chroot", folder, "apt-get", "-q", "update", log=log)
        quiet("chroot", folder, "apt-get", "-q", "-y", "--download-only", "install", *LATER.split(), *names, log=log)
        shutil.rmtree(inside)
        (folder / "etc/resolv.conf").unlink()
    stamp.write_text(wanted)
    return folder


def name_of(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None  # it has ended


class Machine:
    """Boots on top of the root, which stays as it is. What it changes is in `top`, and goes with it unless KEEP=1."""

    def __init__(self, root):
        self.folder = Path(tempfile.mkdtemp(prefix="sga-boot.", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.top, self.root = self.folder / "top", self.folder / "root"
        self.log = self.folder / "boot.log"
        for path in (self.top, self.root, self.folder / "work"):
            path.mkdir()
        quiet("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root},upperdir={self.top},workdir={self.folder}/work", self.root)
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost head\n")
        (self.root / "etc/hostname").write_text("head\n")
        self.process = None
        self.leader = None

    def __enter__(self):
        # A label of a host name: no underscore, no hyphen at an end.
        name = f"sga-boot-{secrets.token_hex(4)}"
        words = ["systemd-nspawn", "-q", "-D", self.root, "--boot", "--machine", name,
                 "--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "--timezone=off", "--console=pipe"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.leader = eventually("the container has a process 1", self.find_leader, 30)
            # Slurm resolves no name, not even in /etc/hosts, where loopback is the only address.
            quiet("nsenter", "-t", self.leader, "-n", "ip", "address", "add", "192.0.2.1/32", "dev", "lo")
            eventually("it has booted", lambda: self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"), 120)
        except Exception:
            self.__exit__(Exception)
            raise
        return self

    def find_leader(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"systemd-nspawn cannot run here: {self.log.read_text(errors='replace').strip()}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next((child for child in children if name_of(child) == "systemd"), None)

    def __exit__(self, kind, *_):
        if kind and self.leader and self.process.poll() is None:
            say("the last lines of its journal:\n" + self.run("journalctl -b --no-pager | grep -v 'info: setting' | tail -n 60", check=False))
        if self.process.poll() is None:
            if self.leader:
                self.run("systemctl poweroff", check=False)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        quiet("umount", self.root)
        if os.environ.get("KEEP") == "1":
            say(f"what it changed is kept in {self.top}")
        else:
            shutil.rmtree(self.folder)

    def run(self, command, check=True, environment=None, within=900):
        """Runs a shell command inside as root; returns what it printed, both streams."""
        words = ["nsenter", "-t", self.leader, "-a", "env", "--chdir=/root", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
                 "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=", *(environment or []), "bash", "-c", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=within)
        text = done.stdout.decode(errors="replace")
        if check and done.returncode != 0:
            raise RuntimeError(f"{command}: {done.returncode}: {text}")
        return text

    def refused(self, command, **options):
        """Like run, of what must fail."""
        text = self.run(f"{{ {command}; }} && echo IT-WORKED", check=False, **options)
        if "IT-WORKED" in text:
            raise AssertionError(f"{command} worked: {text}")
        return text

    def write(self, path, text, mode=0o644):
        """A file of the machine; its folder is there."""
        target = f"/proc/{self.leader}/root{path}"
        with open(target, "w") as file:
            file.write(text)
        os.chmod(target, mode)

    def read(self, path):
        return Path(f"/proc/{self.leader}/root{path}").read_text()

    def unit(self, name, *properties):
        """Properties of a unit by name."""
        text = self.run(f"systemctl show {name} {' '.join(f'--property={property}' for property in properties)}")
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return [values.get(property, "") for property in properties]
