#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Made fixtures/v1 once, written after docs/event-format.md alone; the files are frozen. A new version of the format gets
a folder of its own."""

import struct
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "fixtures/v1"
BOOT = bytes(range(16))


def field(tag, value, cut=False):
    if isinstance(value, int):
        value = value.to_bytes(4 if value < 1 << 32 else 8, "little")
    elif isinstance(value, str):
        value = value.encode()
    return tag, cut, value


def write(name, kind, sequence, *fields):
    body = struct.pack("<HBBQ", 0x4753, 1, kind, sequence)
    body += b"".join(struct.pack("<HH", tag | (0x8000 if cut else 0), len(value)) + value for tag, cut, value in fields)
    path = FOLDER / f"{name}.bin"
    if path.exists():
        sys.exit(f"{path} is frozen")
    path.write_bytes(struct.pack("<I", len(body)) + body)
    lines = [f"type={kind} sequence={sequence}"] + [f"{tag}{'!' if cut else ''} {value.hex()}" for tag, cut, value in fields]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


FOLDER.mkdir(parents=True, exist_ok=True)
event = [field(1, 1), field(2, BOOT), field(3, 2), field(5, 1795232535123456), field(4, 2)]
write("hello", 1, 42, field(1, 1), field(2, BOOT), field(4, 2), field(6, 3), field(70, "head"), field(71, 4321), field(72, "22.05.8"), field(73, "22.05.8"),
      field(74, "its records agree"), field(75, "/run/slurm-grid-agent/events.sock"), field(76, "/var/spool/slurmctld/grid-agent"), field(77, 8192),
      field(78, 268435456), field(79, "jobcomp/filetxt"), field(80, "loaded"), field(81, 1), field(82, 950), field(83, 12), field(84, 1), field(85, "no room"),
      field(86, 31), field(87, "0.1.0"), field(88, "slurm_conf"))
write("rich-end", 2, 7, *event, field(11, 4711), field(20, 1000), field(21, 100), field(22, 0x8005), field(23, 768), field(24, 1795232500),
      field(25, 1795232501), field(26, 1795232510), field(27, 1795232535), field(28, 1795232520), field(29, 8), field(30, 4), field(31, 2), field(32, 60),
      field(40, "job"), field(41, "main"), field(42, "n[1-4]"), field(43, "account"), field(44, "sga:1-ff,other"), field(45, "grüße"), field(46, "1=4,4=1"))
write("rich-array-task", 2, 8, *event, field(11, 9), field(12, 7), field(13, 3), field(22, 3), field(24, 1795232500))
write("rich-array-rest", 2, 9, *event, field(11, 7), field(12, 7), field(14, 48), field(15, "3-50"), field(22, 4), field(23, 0), field(24, 1795232500))
write("lean", 2, 10, field(1, 1), field(2, BOOT), field(3, 2), field(5, 1795232535123456), field(4, 1), field(10, "JobId=7_3(9)"))
write("start", 2, 11, field(1, 1), field(2, BOOT), field(3, 1), field(4, 1), field(10, "JobId=12"))
write("cut", 2, 12, *event, field(11, 1), field(40, "n" * 4096, cut=True), field(22, 1), field(24, 1795232500))
write("unknown-tags", 2, 13, field(0x7001, b"\x00\xff"), *event, field(11, 5), field(0x7fff, ""), field(22, 1), field(24, 1795232500))
write("ack", 3, 256)
write("refusal", 4, 0, field(90, "no frame begins here"))
write("sealed", 5, 0, field(60, "MUNGE:AwQDAAB:"))
write("prolog", 2, 0, field(1, 2), field(3, 3), field(5, 1795232535123456), field(11, 4711), field(20, 1000), field(21, 100), field(50, "c1"))
write("task-exit", 2, 0, field(1, 2), field(3, 6), field(11, 4711), field(50, "c1"), field(51, 0), field(52, 3), field(53, 768))
placed = [field(1, 2), field(5, 1795232535123456), field(11, 4711), field(20, 1000), field(21, 100), field(50, "c1")]
write("prolog-gpus", 2, 0, field(3, 3), *placed, field(54, "0,2-3"), field(57, "0000:47:00.0,0000:4e:00.0,0000:07:00.0,0000:0f:00.0"))
write("step-cores", 2, 0, field(3, 5), *placed, field(51, 0xfffffffb), field(55, "0-1,5"), field(56, "0,8;1,9;2,10;3,11/4,12;5,13;6,14;7,15"),
      field(57, "0000:47:00.0"), field(58, 515072))
write("node", 6, 0, field(1, 2), field(5, 1795232535123456), field(50, "c1"), field(56, "0,8;1,9;2,10;3,11/4,12;5,13;6,14;7,15"),
      field(57, "0000:47:00.0,0000:4e:00.0"), field(58, 515072))
write("node-without-gpus", 6, 0, field(1, 2), field(50, "c1"), field(56, "0;1"))
write("step-cores-late", 2, 0, field(3, 5), *placed, field(51, 0xfffffffb), field(55, "0-1,5"), field(56, "0,8;1,9;2,10;3,11/4,12;5,13;6,14;7,15"),
      field(59, 4500))
