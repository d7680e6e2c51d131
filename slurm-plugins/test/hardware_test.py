#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read of a node's /sys and /proc: of machines of several kinds, of broken ones and of hostile ones. HARDWARE: the
program of test/hardware.c, built with sanitizers."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "lab/clustercockpit"))
from fakesys import HOSTILE, MACHINES, write  # noqa: E402
from machine import GPU, Machine, gpus  # noqa: E402

HARDWARE = os.environ.get("HARDWARE", str(HERE.parent / "build/test/hardware"))
SYS = "sys/devices/system/cpu"
NVIDIA = "proc/driver/nvidia/gpus"


def wanted(machine):
    """The cores of a machine as they are written."""
    sockets = [[machine.core(socket, core) for core in range(machine.cores)] for socket in range(machine.sockets)]
    return "/".join(";".join(",".join(map(str, core)) for core in cores) for cores in sockets)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sga-hardware."))
        self.addCleanup(shutil.rmtree, self.folder)

    def tree(self, machine, **options):
        root = Path(tempfile.mkdtemp(dir=self.folder))
        write(machine, root, **options)
        return root

    def read(self, root, *more):
        done = subprocess.run([HARDWARE, str(root), *map(str, more)], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()


class Good(Case):
    def test_each_kind_of_machine(self):
        for name, machine in MACHINES.items():
            with self.subTest(name):
                cores, addresses, memory = self.read(self.tree(machine))
                self.assertEqual((cores, int(memory)), (wanted(machine), machine.memory_mib))
                told = []
                for gpu in sorted(machine.gpus, key=lambda one: one.minor):
                    # Divided by MIG it is as many as it has compute instances.
                    told += [gpu.address] * (sum(len(computes) for _, computes in gpu.instances) if gpu.instances else 1)
                self.assertEqual(addresses, ",".join(told) if told else "-")

    def test_a_thread_that_is_switched_off(self):
        self.assertEqual(self.read(self.tree(MACHINES["two-sockets-halves"], offline=[12]))[0], "0,8;1,9;2,10;3,11/4;5,13;6,14;7,15")
        self.assertEqual(self.read(self.tree(MACHINES["one-socket"], offline=[1, 2]))[0], "0;3")

    def test_a_large_one(self):
        machine = Machine(sockets=2, cores=128, threads=2, gpus=gpus(16))
        cores, addresses, _ = self.read(self.tree(machine))
        self.assertEqual((cores, addresses.count(",")), (wanted(machine), 15))

    def test_this_one(self):
        """Whatever it is: each hardware thread that is there, once."""
        cores = self.read("")[0]
        numbers = sorted(int(one) for one in cores.replace("/", ",").replace(";", ",").split(","))
        self.assertEqual(numbers, sorted(os.sched_getaffinity(0)) if len(numbers) == len(os.sched_getaffinity(0)) else numbers)
        self.assertEqual(len(set(numbers)), os.sysconf("SC_NPROCESSORS_ONLN"))

    def test_all_or_nothing(self):
        root = self.tree(Machine(sockets=2, cores=4, threads=2, gpus=gpus(3)))
        cores, addresses, _ = self.read(root)
        for room in range(1, max(len(cores), len(addresses)) + 2):
            told = self.read(root, room)
            self.assertIn(told[0], ("-", cores) if room > len(cores) else ("-",))
            self.assertIn(told[1], ("-", addresses) if room > len(addresses) else ("-",))
        self.assertEqual(self.read(root, 4097, "late")[:2], ["-", "-"])


class Kinds(Case):
    """GPUs of other kinds than NVIDIA's, divided ones, and several kinds in one node."""

    def told(self, *devices, change=lambda root: None):
        root = self.tree(Machine(gpus=devices))
        change(root)
        return self.read(root)[1]

    @staticmethod
    def amd(minor, bus=None, vendor="amd"):
        return GPU(minor, f"0000:{bus or minor + 1:02x}:00.0", vendor=vendor)

    def test_render_nodes(self):
        """In the order of their minors, which need not begin at the first, nor be without gaps."""
        amd = self.amd
        for devices, told in (
            ((amd(1, 0x47), amd(0, 0x4E)), "0000:4e:00.0,0000:47:00.0"),
            ((amd(1), amd(3)), "0000:02:00.0,0000:04:00.0"),
            ((amd(63),), "0000:40:00.0"),
            ((amd(64),), "-"),
            # The one inside an Intel CPU is given to no job, whatever its minor.
            ((GPU(0, "0000:00:02.0", vendor="intel"), amd(1), amd(2)), "0000:02:00.0,0000:03:00.0"),
            ((GPU(0, "0000:00:02.0", vendor="intel"), amd(1)), "0000:02:00.0"),
            ((GPU(0, "0000:00:02.0", vendor="intel"),), "-"),
            ((GPU(0, "0000:00:02.0", vendor="intel"), GPU(1, "0000:0d:00.0", vendor="intel")), "0000:0d:00.0"),
        ):
            with self.subTest(devices):
                self.assertEqual(self.told(*devices), told)

    def test_several_kinds(self):
        """The agent takes as many as Slurm has; of two kinds that are equally many nobody can say which ones those are."""
        amd, nvidia = self.amd, lambda minor: GPU(minor, f"0000:{minor + 0x80:02x}:00.0")
        self.assertEqual(self.told(nvidia(0), nvidia(1), amd(0)), "0000:80:00.0,0000:81:00.0")
        self.assertEqual(self.told(nvidia(0), amd(0)), "-")
        self.assertEqual(self.told(amd(0), amd(1), amd(2, vendor="intel")), "0000:01:00.0,0000:02:00.0")
        self.assertEqual(self.told(amd(0), amd(2, vendor="intel")), "-")

    def test_drivers(self):
        def driver(name):
            def change(root):
                link = root / "sys/bus/pci/devices/0000:01:00.0/driver"
                link.unlink()
                if name:
                    link.symlink_to(f"../../drivers/{name}")
            return change

        for vendor, name, told in (
            ("intel", "xe", "0000:01:00.0"), ("intel", "i915", "0000:01:00.0"), ("amd", "radeon", "-"), ("amd", "vfio-pci", "-"), ("amd", None, "-"),
            ("amd", "xe", "-"), ("intel", "amdgpu", "-"), ("amd", "x" * 200, "-"),
        ):
            with self.subTest((vendor, name)):
                self.assertEqual(self.told(self.amd(0, vendor=vendor), change=driver(name)), told)

    def test_an_amd_gpu_that_is_divided(self):
        """Its parts are devices of their own, or several render nodes of one address: Slurm counts them, their order is not known."""
        for target in ("../../../platform/amdgpu_xcp_0", "../../../bus/pci/devices/0000:01:00.0"):
            def change(root, target=target):
                link = root / "sys/class/drm/renderD129/device"
                link.parent.mkdir()
                link.symlink_to(target)
            with self.subTest(target):
                self.assertEqual(self.told(self.amd(0), change=change), "-")

    def test_what_else_is_in_the_folder(self):
        def change(root):
            drm = root / "sys/class/drm"
            for name, target in (("card0", "../../../bus/pci/devices/0000:01:00.0"), ("renderD130", "../../../platform/vgem"), ("renderD131", "x" * 400),
                                 ("renderD", "../x"), ("renderD13x", "../x"), ("renderD12", "../../../bus/pci/devices/0000:01:00.0"), ("renderD9999999", "/")):
                (drm / name).mkdir()
                (drm / name / "device").symlink_to(target)
            (drm / "version").write_text("drm 1.1.0 20060810\n")
            (drm / "renderD132").symlink_to("renderD132")
            (drm / "renderD133").write_text("x")
            (drm / "renderD134").mkdir()

        self.assertEqual(self.told(self.amd(0), change=change), "0000:01:00.0")

    def test_a_vendor_that_is_another(self):
        for content in HOSTILE[:-6] + (b"0x1002", b"0x1002\n\n", b"0X1002\n", b"0x10021\n"):
            def change(root, content=content):
                (root / "sys/bus/pci/devices/0000:01:00.0/vendor").write_bytes(content)
            with self.subTest(content[:20]):
                self.assertEqual(self.told(self.amd(0), self.amd(1), change=change), "-")

    def test_mig(self):
        """As many as it has compute instances, where its own place is; one without any is none."""
        plain = GPU(1, "0000:0f:00.0")
        first, second = "0000:07:00.0", "0000:0f:00.0"
        for instances, told in (
            (((1, (0,)),), [first, second]), (((1, (0, 1, 2)), (2, (0,))), [first] * 4 + [second]), (((3, ()),), [second]), ((), [first, second]),
            (tuple((one, (0,)) for one in range(7)), [first] * 7 + [second]),
        ):
            with self.subTest(instances):
                self.assertEqual(self.told(GPU(0, first, instances=instances), plain).split(","), told)
        self.assertEqual(self.told(GPU(0, first, instances=((3, ()),))), "-")

    def test_mig_that_cannot_be_counted(self):
        gpu = GPU(0, "0000:07:00.0", instances=((1, (0,)),))
        folder = "proc/driver/nvidia/capabilities/gpu0/mig"

        def many(name, count):
            def change(root):
                for number in range(count):
                    (root / folder / name.format(number)).mkdir(parents=True, exist_ok=True)
            return change

        for name, count in (("gi{}", 17), ("gi1/ci{}", 9)):
            with self.subTest(name):
                self.assertEqual(self.told(gpu, change=many(name, count)), "-")
                self.assertNotEqual(self.told(gpu, change=many(name, count - 2)), "-")
        # What is no instance is not counted.
        for name in ("gi", "gi1x", "gix{}", "xgi{}", "gi-1", "gi1/ci", "gi1/cix", "gi99999999"):
            with self.subTest(name):
                self.assertEqual(self.told(gpu, change=many(name, 1)), gpu.address)

        def not_a_folder(root):
            shutil.rmtree(root / folder)
            (root / folder).write_text("x")

        self.assertEqual(self.told(gpu, change=not_a_folder), "-")


class Hostile(Case):
    def test_lists(self):
        good = {b"0": [0], b"0-3": [0, 1, 2, 3], b"0,8\n": [0, 8], b"1-1": [1], b"4095": [4095], b"0-4095": list(range(4096))}
        bad = [one for one in HOSTILE if b"\0" not in one] + [
            b"4096", b"0-4096", b"0,", b",0", b"0,0", b"0-2,2", b"0--1", b"1-0", b"+1", b"1 ", b"1\n\n", b"1\n2", b"9" * 7, b"-0", b"0-", b"a"]
        texts = list(good) + [one for one in bad if one]
        out = subprocess.run([HARDWARE, "list"], input=b"\0".join(texts) + b"\0", capture_output=True, check=True).stdout.decode()
        told = [[int(word) for word in line.split(":")[1].split()] for line in out.splitlines()]
        self.assertEqual(told, list(good.values()) + [[]] * (len(texts) - len(good)))

    def test_files(self):
        """Each file in turn holds what it should not: then nothing is told of that part, or what is told is still right."""
        machine = Machine(sockets=2, cores=2, threads=2, gpus=gpus(2))
        root = self.tree(machine)
        sound = self.read(root)
        files = [f"{SYS}/online", *(f"{SYS}/cpu{n}/topology/{name}" for n in (0, 5) for name in ("physical_package_id", "thread_siblings_list")),
                 *(f"{NVIDIA}/{gpu.address}/information" for gpu in machine.gpus), "proc/meminfo"]
        for file in files:
            kept = (root / file).read_bytes()
            for number, content in enumerate(HOSTILE):
                with self.subTest(file=file, number=number):
                    (root / file).write_bytes(content)
                    told = self.read(root)
                    part = 0 if file.startswith("sys") else 1 if file.startswith(NVIDIA) else 2
                    # Files of siblings that nobody needs are not read.
                    self.assertIn(told[part], ("-", "0", sound[part]))
                    self.assertEqual([told[i] for i in range(3) if i != part], [sound[i] for i in range(3) if i != part])
            (root / file).write_bytes(kept)

    def test_what_contradicts_itself(self):
        machine = Machine(sockets=2, cores=2, threads=2)
        for file, content in ((f"{SYS}/cpu0/topology/thread_siblings_list", "1,5\n"), (f"{SYS}/cpu0/topology/thread_siblings_list", "0-7\n"),
                              (f"{SYS}/cpu1/topology/thread_siblings_list", "0-1\n"), (f"{SYS}/cpu1/topology/thread_siblings_list", "1,9\n"),
                              (f"{SYS}/online", "0-8\n"), (f"{SYS}/cpu3/topology/physical_package_id", "-1\n")):
            with self.subTest(file=file, content=content):
                root = self.tree(machine)
                (root / file).write_text(content)
                if content == "0-7\n":  # one core of eight threads: then the others are not asked
                    self.assertEqual(self.read(root)[0], "0,1,2,3,4,5,6,7")
                else:
                    self.assertEqual(self.read(root)[0], "-")

    def test_gpus_that_cannot_be_counted(self):
        for minors in ((1, 2), (0, 2), (0, 0), (0, 64), (0, 999999)):
            with self.subTest(minors):
                devices = tuple(GPU(minor, f"0000:{bus:02x}:00.0") for bus, minor in enumerate(minors, 1))
                self.assertEqual(self.read(self.tree(Machine(gpus=devices)))[1], "-")
        for name in ("x", "0000:01:00", "0000:01:00.9", "g000:01:00.0", "000000000:01:00.0", "0000:01:00.0\n", "a" * 200, "0000:01:00.00"):
            with self.subTest(name):
                root = self.tree(Machine(gpus=gpus(1)))
                shutil.copytree(root / NVIDIA / "0000:01:00.0", root / NVIDIA / name)
                self.assertEqual(self.read(root)[1], "-")

    def test_no_files(self):
        root = self.tree(Machine(gpus=gpus(1)))
        for make in (lambda path: path.mkdir(), lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero"), lambda path: None):
            for file in (f"{SYS}/online", f"{SYS}/cpu0/topology/thread_siblings_list", f"{NVIDIA}/0000:01:00.0/information", "proc/meminfo"):
                path = root / file
                kept = path.read_bytes()
                path.unlink()
                make(path)
                told = self.read(root)
                self.assertIn("0" if file == "proc/meminfo" else "-", told)
                (path.rmdir if path.is_dir() else lambda path=path: path.unlink(missing_ok=True))()
                path.write_bytes(kept)
        self.assertEqual(self.read(self.folder / "absent"), ["-", "-", "0"])
        self.assertEqual(self.read("/" + "x" * 600), ["-", "-", "0"])

    def test_bytes_changed_at_random(self):
        machine, chance = Machine(sockets=2, cores=2, threads=2, gpus=gpus(2)), random.Random(1)
        root = self.tree(machine)
        files = [one for one in root.rglob("*") if one.is_file()]
        for _ in range(60):
            file = chance.choice(files)
            kept = file.read_bytes()
            changed = bytearray(kept)
            for _ in range(chance.randint(1, 3)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            file.write_bytes(changed)
            self.assertEqual(len(self.read(root)), 3)
            file.write_bytes(kept)


if __name__ == "__main__":
    unittest.main()
