# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's hardware, and how its hardware threads are numbered: what a topology of cc-backend and a fake /sys are made of."""

from dataclasses import dataclass, field

# What a first GPU's address looks like; the others have the next buses.
FIRST_BUS = 0x01


@dataclass(frozen=True)
class GPU:
    """`minor`: N of /dev/nvidiaN. `address`: as the kernel writes it, with four digits of domain."""

    minor: int
    address: str
    model: str = "NVIDIA A100-SXM4-40GB"
    instances: tuple = ()  # of MIG: (GPU instance, compute instances of it)
    vendor: str = "nvidia"

    @property
    def long_address(self):
        """As nvidia-smi and cc-backend write it: eight digits of domain, capitals."""
        domain, rest = self.address.split(":", 1)
        return f"{int(domain, 16):08X}:{rest.upper()}"


def gpus(count, **rest):
    return tuple(GPU(i, f"0000:{FIRST_BUS + i:02x}:00.0", **rest) for i in range(count))


@dataclass(frozen=True)
class Machine:
    """`numbering` of the hardware threads of `sockets` × `cores` × `threads`:

    adjacent     0 and 1 are the threads of the first core, 2 and 3 those of the second
    halves       first one thread of each core, socket by socket, then the others: the siblings are n and n + all cores
    interleaved  as halves, but the cores are dealt out to the sockets in turn: even numbers here, odd ones there

    `core_step`: distance of core_id in a socket. Real ones have gaps, and begin at 0 in each socket."""

    sockets: int = 1
    cores: int = 4
    threads: int = 1
    numbering: str = "halves"
    core_step: int = 1
    memory_mib: int = 4096
    gpus: tuple = field(default_factory=tuple)

    @property
    def count(self):
        return self.sockets * self.cores * self.threads

    def hwthread(self, socket, core, thread):
        """The operating system's number of a thread; `core` counts in the socket."""
        if self.numbering == "adjacent":
            return (socket * self.cores + core) * self.threads + thread
        if self.numbering == "halves":
            return thread * self.sockets * self.cores + socket * self.cores + core
        if self.numbering == "interleaved":
            return thread * self.sockets * self.cores + core * self.sockets + socket
        raise ValueError(f"no such numbering: {self.numbering}")

    def core(self, socket, core):
        return sorted(self.hwthread(socket, core, thread) for thread in range(self.threads))

    def place(self, hwthread):
        """(socket, core in it, thread) of a number."""
        for socket in range(self.sockets):
            for core in range(self.cores):
                for thread in range(self.threads):
                    if self.hwthread(socket, core, thread) == hwthread:
                        return socket, core, thread
        raise ValueError(f"no hardware thread {hwthread}")

    def of_cores(self, abstract):
        """The hardware threads of Slurm's cores, which count socket by socket."""
        return sorted(one for core in abstract for one in self.core(*divmod(core, self.cores)))

    def topology(self):
        """The topology of a subcluster in cluster.json and GET /clusters/."""
        cores = [self.core(socket, core) for socket in range(self.sockets) for core in range(self.cores)]
        sockets = [sorted(sum(cores[i * self.cores : (i + 1) * self.cores], [])) for i in range(self.sockets)]
        brands = {"nvidia": "Nvidia GPU", "amd": "AMD GPU", "intel": "Intel GPU"}
        accelerators = [{"id": gpu.long_address, "type": brands[gpu.vendor], "model": gpu.model} for gpu in self.gpus]
        return {
            "node": list(range(self.count)),
            "socket": sockets,
            "memoryDomain": sockets,
            "core": cores,
            **({"accelerators": accelerators} if accelerators else {}),
        }
