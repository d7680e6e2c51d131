# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that look like a node's /sys, /proc and cgroups, for what reads a job's placement there.

    machine = MACHINES["two-sockets-halves"]
    write(machine, root)                                   # root/sys and root/proc
    cgroup_v2(root, job=7, cpus=machine.of_cores([2, 3]))  # what the kernel enforces on job 7

Only what a reader may need is there. Files end in a line end, lists are written as the kernel writes them (`0-3,8`)."""

import shutil
import uuid
from pathlib import Path

from machine import GPU, Machine, gpus

MACHINES = {
    "one-socket": Machine(sockets=1, cores=4),
    # The threads of a core are neighbours.
    "two-sockets-adjacent": Machine(sockets=2, cores=4, threads=2, numbering="adjacent"),
    # They are n and n + 8: `socket × cores + core` is the first of them, and not all.
    "two-sockets-halves": Machine(sockets=2, cores=4, threads=2, numbering="halves", core_step=4),
    # Even numbers are on the first socket: `socket × cores + core` is on the wrong one.
    "two-sockets-interleaved": Machine(sockets=2, cores=4, threads=2, numbering="interleaved"),
    # Device files are not in the order of the addresses, as on machines with NVSwitch.
    "gpus": Machine(
        sockets=2, cores=8, threads=2, memory_mib=512 * 1024,
        gpus=tuple(GPU(minor, f"0000:{bus:02x}:00.0") for minor, bus in ((0, 0x47), (1, 0x4E), (2, 0x07), (3, 0x0F))),
    ),
    "mig": Machine(
        cores=8, threads=2,
        gpus=(GPU(0, "0000:07:00.0"), GPU(1, "0000:0f:00.0", instances=((1, (0,)), (2, (0,)), (7, (0, 1))))),
    ),
    "amd": Machine(cores=8, gpus=gpus(2, model="MI210", vendor="amd")),
    "intel": Machine(cores=8, gpus=gpus(4, model="Max 1550", vendor="intel")),
    "far-domain": Machine(gpus=(GPU(0, "10000:81:00.0"),)),
}

VENDORS = {"nvidia": "0x10de", "amd": "0x1002", "intel": "0x8086"}
DRIVERS = {"amd": "amdgpu", "intel": "i915"}

# What must not harm a reader of a list of numbers.
HOSTILE = (
    b"", b"\n", b"-", b"-1\n", b"0-\n", b"-3\n", b"5-3\n", b"0,,1\n", b"0-4294967295\n", b"99999999999999999999\n", b"0x1\n",
    b"1\x002\n", b"\xff\xfe\n", b"0" * 100_000, b"0," * 500_000, b"3,2,1,2\n", b"0-3:1/2\n", b" 1\n",
)


def ranges(numbers):
    """A list as the kernel writes it."""
    parts = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def mask(numbers, count):
    """A bit mask as the kernel writes it: groups of 32 bits, the highest first."""
    bits = sum(1 << number for number in set(numbers))
    digits = -(-count // 4)
    groups = [f"{bits >> shift & 0xFFFFFFFF:08x}" for shift in range(0, count, 32)][::-1]
    return ",".join([groups[0][-(digits % 8 or 8) :], *groups[1:]])


def _put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.endswith("\n") else text + "\n")


def write(machine, root, offline=()):
    """Makes root/sys and root/proc of a machine. `offline`: hardware threads that are switched off; of these the kernel tells
    no topology, and no other one has them as siblings."""
    root = Path(root)
    _cpus(machine, root, set(offline))
    _memory(machine, root, set(offline))
    for gpu in machine.gpus:
        _pci(machine, root, gpu)
        (_nvidia if gpu.vendor == "nvidia" else _render)(root, gpu)
    if any(gpu.instances for gpu in machine.gpus):
        _instances(root, machine.gpus)


def _cpus(machine, root, offline):
    cpu = root / "sys/devices/system/cpu"
    everything = set(range(machine.count))
    online = everything - offline
    for name, numbers in (("possible", everything), ("present", everything), ("online", online), ("offline", offline)):
        _put(cpu / name, ranges(numbers))
    info = []
    for number in sorted(everything):
        socket, core, _ = machine.place(number)
        if number:  # the first one cannot be switched off
            _put(cpu / f"cpu{number}/online", str(int(number in online)))
        if number not in online:
            continue
        siblings = set(machine.core(socket, core)) & online
        package = {one for one in online if machine.place(one)[0] == socket}
        topology = cpu / f"cpu{number}/topology"
        values = {"physical_package_id": str(socket), "die_id": "0", "core_id": str(core * machine.core_step)}
        for names, numbers in ((("thread_siblings", "core_cpus"), siblings), (("core_siblings", "package_cpus"), package)):
            for name in names:
                values |= {name: mask(numbers, machine.count), f"{name}_list": ranges(numbers)}
        for name, value in values.items():
            _put(topology / name, value)
        info.append(
            f"processor\t: {number}\nvendor_id\t: AuthenticAMD\nmodel name\t: fake\nphysical id\t: {socket}\n"
            f"siblings\t: {len(package)}\ncore id\t\t: {core * machine.core_step}\ncpu cores\t: {machine.cores}\n"
        )
    _put(root / "proc/cpuinfo", "\n".join(info))


def _memory(machine, root, offline):
    nodes = root / "sys/devices/system/node"
    _put(nodes / "online", ranges(range(machine.sockets)))
    _put(nodes / "possible", ranges(range(machine.sockets)))
    kib = machine.memory_mib * 1024
    for socket in range(machine.sockets):
        own = [one for one in range(machine.count) if machine.place(one)[0] == socket and one not in offline]
        _put(nodes / f"node{socket}/cpulist", ranges(own))
        _put(nodes / f"node{socket}/cpumap", mask(own, machine.count))
        _put(nodes / f"node{socket}/meminfo", f"Node {socket} MemTotal:       {kib // machine.sockets} kB")
    _put(root / "proc/meminfo", f"MemTotal:       {kib} kB\nMemFree:        {kib // 2} kB")


def _pci(machine, root, gpu):
    """The addresses are dealt out to the sockets in their order."""
    order = sorted(one.address for one in machine.gpus)
    socket = order.index(gpu.address) * machine.sockets // len(order)
    device = root / "sys/bus/pci/devices" / gpu.address
    own = [one for one in range(machine.count) if machine.place(one)[0] == socket]
    for name, value in (("vendor", VENDORS[gpu.vendor]), ("class", "0x030200"), ("numa_node", str(socket)), ("local_cpulist", ranges(own))):
        _put(device / name, value)


def _nvidia(root, gpu):
    lines = (
        ("Model:", gpu.model), ("IRQ:", "155"), ("GPU UUID:", f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, gpu.address)}"),
        ("Video BIOS:", "92.00.45.00.03"), ("Bus Type:", "PCIe"), ("DMA Size:", "47 bits"), ("DMA Mask:", "0x7fffffffffff"),
        ("Bus Location:", gpu.address), ("Device Minor:", str(gpu.minor)), ("GPU Excluded:", "No"),
    )
    text = "".join(f"{name} \t {value}\n" for name, value in lines)
    _put(root / "proc/driver/nvidia/gpus" / gpu.address / "information", text)


def _render(root, gpu):
    link = root / f"sys/class/drm/renderD{128 + gpu.minor}/device"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../../bus/pci/devices/{gpu.address}")
    driver = root / f"sys/bus/pci/drivers/{DRIVERS[gpu.vendor]}"
    driver.mkdir(parents=True, exist_ok=True)
    (link / "driver").symlink_to(f"../../drivers/{driver.name}")


def _instances(root, all_gpus):
    """Of MIG. The minor of an instance's capability follows from the three numbers; all that may be are listed."""
    minors = ["config 1", "monitor 2"]
    for gpu in range(len(all_gpus)):
        for instance in range(15):
            first = 3 + gpu * 135 + instance * 9
            minors.append(f"gpu{gpu}/gi{instance}/access {first}")
            minors += [f"gpu{gpu}/gi{instance}/ci{compute}/access {first + 1 + compute}" for compute in range(8)]
    _put(root / "proc/driver/nvidia-caps/mig-minors", "\n".join(minors))
    capabilities = root / "proc/driver/nvidia/capabilities"
    numbers = dict(line.split() for line in minors)
    _capability(capabilities / "mig/config", 1)
    _capability(capabilities / "mig/monitor", 2)
    for gpu in all_gpus:
        for instance, computes in gpu.instances:
            place = f"gpu{gpu.minor}/gi{instance}"
            for end in ("access", *(f"ci{compute}/access" for compute in computes)):
                own = capabilities / f"gpu{gpu.minor}/mig/gi{instance}/{end}"
                _capability(own, numbers[f"{place}/{end}"])


def _capability(path, minor):
    _put(path, f"DeviceFileMinor: {minor}\nDeviceFileMode: 256\nDeviceFileModify: 1")


def cgroup_v1(root, job, cpus, uid=1000, node=None, step="batch", step_cpus=None, pid=None):
    """The job's cpuset. `node`: the name in `slurm_NODE`, where several slurmds are on a host. -> the job's folder"""
    top = Path(root) / "sys/fs/cgroup"
    hierarchy = f"slurm_{node}" if node else "slurm"
    folder = top / "cpuset" / hierarchy / f"uid_{uid}/job_{job}"
    own = folder / f"step_{step}"
    for place, numbers in ((folder, cpus), (own, cpus if step_cpus is None else step_cpus)):
        _put(place / "cpuset.cpus", ranges(numbers))
        _put(place / "cpuset.effective_cpus", ranges(numbers))
    _put(own / "cgroup.procs", str(pid or ""))
    _mounts(root, [f"cgroup /sys/fs/cgroup/{name} cgroup rw,relatime,{name} 0 0" for name in ("cpuset", "memory", "freezer")])
    if pid:
        path = f"/{hierarchy}/uid_{uid}/job_{job}/step_{step}"
        _put(Path(root) / f"proc/{pid}/cgroup", f"5:cpuset:{path}\n4:memory:{path}/task_0\n3:freezer:{path}\n0::/")
    return folder


def cgroup_v2(root, job, cpus, node=None, step="batch", step_cpus=None, pid=None, constrained=True):
    """As cgroup_v1. Not `constrained`: no core was asked to be kept, so that cpuset.cpus is empty and the effective one is the
    parent's (`cpus`)."""
    scope = f"system.slice/{node}_slurmstepd.scope" if node else "system.slice/slurmstepd.scope"
    folder = Path(root) / "sys/fs/cgroup" / scope / f"job_{job}"
    own = folder / f"step_{step}/user"
    for place, numbers in ((folder, cpus), (own, cpus if step_cpus is None else step_cpus)):
        _put(place / "cpuset.cpus", ranges(numbers) if constrained else "")
        _put(place / "cpuset.cpus.effective", ranges(numbers))
        _put(place / "cgroup.controllers", "cpuset cpu memory")
    _put(own / "task_0/cgroup.procs", str(pid or ""))
    _put(Path(root) / "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids")
    _mounts(root, ["cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0"])
    if pid:
        _put(Path(root) / f"proc/{pid}/cgroup", f"0::/{scope}/job_{job}/step_{step}/user/task_0")
    return folder


def _mounts(root, lines):
    _put(Path(root) / "proc/mounts", "\n".join(["sysfs /sys sysfs rw 0 0", "proc /proc proc rw 0 0", *lines]))


def end_job(folder):
    """The job's cgroup goes, as it does when its last process has ended."""
    shutil.rmtree(folder)
