#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of benchmarks with a real apptainer, that of Debian unstable, as a user who is not root: the agent of a lab prints them, they are run in
the root of that release that lab/check-slurm-versions.sh makes (what is written there stays in memory), and what comes out is read. The
image is a folder with stand-ins at the places of the real programs; srun is one too, and starts what it is given. Needs root, and
Debian's mirror."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fixture import TOP, Fixture, Lab, blocks, check, say

ROOT = Path(os.environ.get("SLURM_GRID_AGENT_ROOTS", "/var/tmp/slurm-grid-agent-roots")) / "sid"
HPL = "WR11C2R4  256 64 2 1 1.04 1.085e-02\n||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)= 0.01 ...... PASSED"
IOR = "access,bw(MiB/s),IOPS,Latency,block(KiB),xfer(KiB),open(s),wr/rd(s),close(s),total(s),numTasks,iter\nwrite,49.5,24.75,1,1,1,1,1,1,1,2,0\nread,99,49.5,1,1,1,1,1,1,1,2,0"
PROGRAMS = {
    "/usr/local/bin/speedtest": "echo '{\"type\":\"result\",\"download\":{\"bandwidth\":12500000},\"upload\":{\"bandwidth\":2500000}}'",
    "/osu-micro-benchmarks/mpi/pt2pt/osu_latency": "echo '8 2.5'", "/osu-micro-benchmarks/mpi/pt2pt/osu_bibw": "echo '8 100'",
    "/osu-micro-benchmarks/mpi/collective/osu_alltoall": "echo '8 9.25'",
    # They read and write where the job works, and where it measures.
    "/bin/hpl.sh": f"for file; do :; done\ncat \"$file\" >/dev/null || exit 1\ncat <<'END'\n{HPL}\nEND",
    "/usr/local/bin/ior": "for word; do case $word in summaryFile=*) file=${word#*=} ;; */file) : >\"$word\" || exit 1 ;; esac; done\n"
                          f"cat >\"$file\" <<'END'\n{IOR}\nEND",
}
WANTED = {"internet": {"internet"}, "network": {"osu-latency", "osu-bibw", "osu-alltoall"}, "compute": {"hpl"}, "storage": {"scratch.ior", "disk-tmp.ior"}}

# From chroot apptainer refuses to start.
ENTER = r"""
place=$0 root=$1
mount -t tmpfs tmpfs "$place/memory"
mkdir "$place/memory/upper" "$place/memory/work" "$place/memory/root"
mount -t overlay -o "lowerdir=$root,upperdir=$place/memory/upper,workdir=$place/memory/work" overlay "$place/memory/root"
cd "$place/memory/root"
[ ! -e /etc/resolv.conf ] || cat /etc/resolv.conf >etc/resolv.conf
mkdir -p old shared
mount --bind "$place/shared" shared
pivot_root . old
mount -t proc proc /proc
mount --rbind /old/dev /dev
mount --rbind /old/sys /sys
mount -t tmpfs -o mode=1777 tmpfs /tmp
umount -l /old
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive bash -eu /shared/run.sh
"""
RUN = r"""
{ apt-get -q update; apt-get -q install -y --no-install-recommends apptainer; } >/shared/apt.log 2>&1
useradd -m tester
# What the stand-ins in the image need.
image=/shared/image
mkdir -p $image/bin $image/etc $image/proc $image/sys $image/dev $image/tmp $image/var/tmp $image/root $image/home
cp -L /bin/bash /bin/cat $image/bin/
for file in $(ldd /bin/bash /bin/cat | grep -o '/[^ )]*' | grep /lib | sort -u); do mkdir -p "$image$(dirname "$file")"; cp -L "$file" "$image$file"; done
for name in resolv.conf passwd group hosts localtime; do : >"$image/etc/$name"; done
while read -r folder; do mkdir -p "$folder"; chown tester "$folder"; done </shared/folders
apptainer --version >/shared/version
for script in /shared/*.script; do
    su tester -c "cd /tmp; PATH=/shared/bin:\$PATH bash $script" >"${script%.script}.out" 2>"${script%.script}.errors" || echo "exit status $?" >>"${script%.script}.errors"
done
"""


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def scripts(fixture):
    """-> by part, what a job's script would be; and the folders that it wants"""
    image = "/shared/image"
    fixture.configure(**{
        "slurm.partition": "main", "benchmark.executor": "apptainer", "benchmark.osu.image": image, "benchmark.hpl.image": image,
        "benchmark.ior.image": image, "benchmark.speedtest.image": image, "benchmark.storage": f"scratch={fixture.disk},disk-tmp={fixture.disk}"})
    fixture.agent.start()
    plan = fixture.ask("run", "--dry-run", *(word for part in WANTED for word in ("--part", part)))
    fixture.agent.stop()
    return {job["part"]: job["script"] for job in plan["jobs"]}, [fixture.results, fixture.disk]


def main():
    if not ROOT.exists():
        subprocess.run([TOP / "lab/check-slurm-versions.sh", "sid"], check=True)
    place = Path(tempfile.mkdtemp(prefix="sga-apptainer.", dir="/var/tmp"))
    place.chmod(0o755)
    shared = place / "shared"
    for folder in (place / "memory", shared):
        folder.mkdir(mode=0o755)
    with Lab(LAB_NODES=2, LAB_CPUS=1, LAB_GPUS=0) as lab:
        found, folders = scripts(Fixture(lab))
    check(set(found) == set(WANTED), found.keys())
    for part, text in found.items():
        (shared / f"{part}.script").write_text(text)
    (shared / "folders").write_text("".join(f"{folder}\n" for folder in folders))
    (shared / "run.sh").write_text(RUN)
    executable(shared / "bin/srun", '#!/bin/bash\nuntil [ "$1" = apptainer ]; do shift; done\nexec "$@"\n')
    for path, body in PROGRAMS.items():
        executable(Path(f"{shared}/image{path}"), f"#!/bin/bash\n{body}\n")
    subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation", "private", "bash", "-euc", ENTER, place, ROOT], check=True)
    for part, names in WANTED.items():
        printed = blocks(shared / f"{part}.out")
        check(set(printed) == names, part, printed, (shared / f"{part}.errors").read_text())
    say(f"{(shared / 'version').read_text().strip()}: {len(WANTED)} parts: right")
    shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main())
