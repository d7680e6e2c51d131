#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake hardware: what lscpu and a plain reader see in the trees is what the machine says of itself."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from caller import RELEASES, DoubleTest

from clusters import configuration
from fakesys import HOSTILE, MACHINES, cgroup_v1, cgroup_v2, end_job, mask, ranges, write
from machine import GPU, Machine


def numbers(text):
    """The numbers of a kernel's list."""
    found = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def cores(root):
    """Slurm's cores of a node: sorted by package, core id and lowest number; of each its hardware threads."""
    found = set()
    for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology"):
        package, core = (int((folder / name).read_text()) for name in ("physical_package_id", "core_id"))
        found.add((package, core, tuple(numbers((folder / "thread_siblings_list").read_text()))))
    return [list(threads) for _, _, threads in sorted(found)]


class Trees(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cockpit")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def tree(self, machine, name="x", **options):
        root = self.root / name
        write(machine, root, **options)
        return root

    def test_lists_and_masks(self):
        for given, text in (([], ""), ([3], "3"), ([1, 0, 2], "0-2"), ([0, 2, 3, 9], "0,2-3,9")):
            self.assertEqual(ranges(given), text)
            self.assertEqual(numbers(text), sorted(given))
        self.assertEqual([mask([0], 2), mask([0, 5], 16), mask([0, 33], 40)], ["1", "0021", "02,00000001"])

    def test_numberings(self):
        halves, interleaved, adjacent = (MACHINES[f"two-sockets-{name}"] for name in ("halves", "interleaved", "adjacent"))
        self.assertEqual([halves.core(1, 0), interleaved.core(1, 0), adjacent.core(1, 0)], [[4, 12], [1, 9], [8, 9]])
        # Core 5 of the node, by Slurm's count, is the second one of the second socket.
        self.assertEqual([one.of_cores([5]) for one in (halves, interleaved, adjacent)], [[5, 13], [3, 11], [10, 11]])
        for machine in MACHINES.values():
            everything = [machine.place(number) for number in range(machine.count)]
            self.assertEqual(len(set(everything)), machine.count)
            self.assertEqual([machine.hwthread(*place) for place in everything], list(range(machine.count)))
        with self.assertRaises(ValueError):
            Machine(numbering="odd").core(0, 0)

    def test_a_reader_finds_the_cores(self):
        for name, machine in MACHINES.items():
            with self.subTest(machine=name):
                root = self.tree(machine, name)
                wanted = [machine.of_cores([core]) for core in range(machine.sockets * machine.cores)]
                self.assertEqual(cores(root), wanted)
                self.assertEqual(machine.topology()["core"], wanted)

    def test_lscpu_sees_the_same(self):
        for name, machine in MACHINES.items():
            with self.subTest(machine=name):
                command = ["lscpu", "--sysroot", self.tree(machine, name), "--parse=CPU,SOCKET,NODE"]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                seen = [tuple(map(int, line.split(","))) for line in output.splitlines() if line[0] != "#"]
                self.assertEqual(seen, [(one, machine.place(one)[0], machine.place(one)[0]) for one in range(machine.count)])
                command[-1] = "--parse=CORE"
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                self.assertEqual(len({line for line in output.splitlines() if line[0] != "#"}), machine.sockets * machine.cores)

    def test_a_thread_that_is_switched_off(self):
        machine = MACHINES["two-sockets-halves"]
        root = self.tree(machine, offline=[12])
        self.assertEqual(cores(root)[4], [4])
        cpu = root / "sys/devices/system/cpu"
        self.assertFalse((cpu / "cpu12/topology").exists())
        found = [(cpu / name).read_text() for name in ("online", "offline", "cpu12/online")]
        self.assertEqual(found, ["0-11,13-15\n", "12\n", "0\n"])
        self.assertFalse((cpu / "cpu0/online").exists())

    def test_memory(self):
        root = self.tree(MACHINES["gpus"])
        self.assertEqual(re.search(r"MemTotal: +(\d+) kB", (root / "proc/meminfo").read_text())[1], str(512 << 20))
        self.assertEqual((root / "sys/devices/system/node/node1/cpulist").read_text(), "8-15,24-31\n")

    def test_gpus(self):
        machine = MACHINES["gpus"]
        root = self.tree(machine)
        found = {}
        for file in (root / "proc/driver/nvidia/gpus").glob("*/information"):
            values = dict(re.split(r":\s+", line, maxsplit=1) for line in file.read_text().splitlines())
            self.assertEqual(values["Bus Location"], file.parent.name)
            found[int(values["Device Minor"])] = file.parent.name
        self.assertEqual(found, {gpu.minor: gpu.address for gpu in machine.gpus})
        self.assertNotEqual(list(dict(sorted(found.items())).values()), sorted(found.values()))
        self.assertEqual((root / "sys/bus/pci/devices/0000:47:00.0/numa_node").read_text(), "1\n")
        self.assertEqual(GPU(0, "0000:0f:00.0").long_address, "00000000:0F:00.0")
        self.assertEqual(MACHINES["far-domain"].gpus[0].long_address, "00010000:81:00.0")

    def test_instances(self):
        root = self.tree(MACHINES["mig"])
        access = [str(one.relative_to(root / "proc/driver/nvidia/capabilities")) for one in (root / "proc").rglob("access")]
        own = {"gi1": ("ci0",), "gi2": ("ci0",), "gi7": ("ci0", "ci1")}
        wanted = {f"gpu1/mig/{instance}/access" for instance in own}
        wanted |= {f"gpu1/mig/{instance}/{compute}/access" for instance, computes in own.items() for compute in computes}
        self.assertEqual(set(access), wanted)
        minors = dict(line.split() for line in (root / "proc/driver/nvidia-caps/mig-minors").read_text().splitlines())
        self.assertEqual([minors[f"gpu{place}/access"] for place in ("0/gi0", "0/gi14/ci7", "1/gi0")], ["3", "137", "138"])
        self.assertEqual(len(set(minors.values())), len(minors))
        text = (root / "proc/driver/nvidia/capabilities/gpu1/mig/gi7/ci1/access").read_text()
        self.assertTrue(text.startswith(f"DeviceFileMinor: {minors['gpu1/gi7/ci1/access']}\n"))

    def test_amd(self):
        root = self.tree(MACHINES["amd"])
        device = (root / "sys/class/drm/renderD129/device").resolve(strict=True)
        self.assertEqual((device.name, (device / "vendor").read_text()), ("0000:02:00.0", "0x1002\n"))

    def test_cgroups(self):
        machine = MACHINES["two-sockets-interleaved"]
        cpus, step = machine.of_cores([2, 3]), machine.of_cores([3])
        self.assertEqual(cpus, [4, 6, 12, 14])
        for node in (None, "n1"):
            first = cgroup_v1(self.root / "v1", 7, cpus, uid=1001, node=node, step_cpus=step, pid=4321)
            wanted = Path(f"sys/fs/cgroup/cpuset/slurm{'_n1' if node else ''}/uid_1001/job_7")
            self.assertEqual(first.relative_to(self.root / "v1"), wanted)
            self.assertEqual(numbers((first / "cpuset.cpus").read_text()), cpus)
            self.assertEqual(numbers((first / "step_batch/cpuset.cpus").read_text()), step)
            second = cgroup_v2(self.root / "v2", 7, cpus, node=node, pid=4321)
            scope = f"{'n1_' if node else ''}slurmstepd.scope"
            self.assertEqual(second.relative_to(self.root / "v2"), Path(f"sys/fs/cgroup/system.slice/{scope}/job_7"))
            self.assertEqual(numbers((second / "cpuset.cpus.effective").read_text()), cpus)
        # The way from a process to its cgroup.
        v1, v2 = ((self.root / version / "proc/4321/cgroup").read_text() for version in ("v1", "v2"))
        place = re.search(r"cpuset:(.*)", v1)[1]
        self.assertTrue((self.root / f"v1/sys/fs/cgroup/cpuset{place}/cpuset.cpus").is_file())
        self.assertTrue((self.root / f"v2/sys/fs/cgroup{v2.strip().removeprefix('0::')}/cgroup.procs").is_file())
        self.assertIn(" cgroup2 ", (self.root / "v2/proc/mounts").read_text())
        self.assertNotIn(" cgroup2 ", (self.root / "v1/proc/mounts").read_text())
        end_job(second)
        self.assertFalse(second.exists())

    def test_a_cgroup_that_keeps_nothing(self):
        folder = cgroup_v2(self.root, 7, range(16), constrained=False)
        self.assertEqual([(folder / name).read_text() for name in ("cpuset.cpus", "cpuset.cpus.effective")], ["\n", "0-15\n"])

    def test_hostile_lists_are_no_lists(self):
        plain = re.compile(rb"(\d{1,5}(-\d{1,5})?)(,\d{1,5}(-\d{1,5})?)*\n")
        self.assertEqual([one for one in HOSTILE if plain.fullmatch(one)], [b"5-3\n", b"3,2,1,2\n"])


class Topologies(DoubleTest):
    def test_the_backend_tells_the_topology_of_a_machine(self):
        machine = MACHINES["gpus"]
        for release in RELEASES[1:]:
            backend = self.double(release, clusters=[configuration("c", [("gpu", "g[01-04]", machine)])])
            topology = self.call(backend, "GET", "/api/clusters/?cluster=c").json["clusters"][0]["subClusters"][0]["topology"]
            self.assertEqual(topology, json.loads(json.dumps(machine.topology())))
            self.assertEqual([one["id"] for one in topology["accelerators"]], [gpu.long_address for gpu in machine.gpus])


if __name__ == "__main__":
    unittest.main()
