# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong on purpose between a caller and the backend."""

import threading
from dataclasses import dataclass, field

# Each request that a fault meets uses up one of its `times`; 0 is for ever.
KINDS = {
    "hang": "takes the request, does nothing, and never answers: closes after `seconds`",
    "drop": "closes the connection instead of doing anything",
    "cut": "does what was asked, and closes the connection after `bytes` of the answer's body (half of it without)",
    "silent": "does what was asked, and closes the connection before a byte of the answer",
    "late": "does what was asked after `seconds`, whether the caller still waits or not",
    "slow": "does what was asked at once, and answers after `seconds`",
    "error": "does nothing, and answers `status` (500) as the backend does when its database is locked",
    "html": "does nothing, and answers `status` (502) with a web page, as a proxy before it does",
    "redirect": "does nothing, and answers `status` (302) to `location`",
    "garbage": "does what was asked, and answers with bytes that are no document",
}
DEFAULTS = {"error": 500, "html": 502, "redirect": 302}
PAGE = b"""<html>\r
<head><title>502 Bad Gateway</title></head>\r
<body>\r
<center><h1>502 Bad Gateway</h1></center>\r
<hr><center>nginx/1.22.1</center>\r
</body>\r
</html>\r
"""


@dataclass
class Fault:
    kind: str
    path: str = ""  # a part of the paths that it meets; all without
    method: str = ""
    skip: int = 0  # so many of them pass first
    times: int = 1
    seconds: float = 0.0
    status: int = 0
    location: str = "http://127.0.0.1:9/login"
    bytes: int = -1
    met: int = field(default=0, init=False)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}; there are {', '.join(KINDS)}")
        self.status = self.status or DEFAULTS.get(self.kind, 0)

    def meets(self, method, target):
        return self.path in target and self.method in ("", method)


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.faults = []
        self.cleared = threading.Event()  # ends the waits of those that are cleared

    def add(self, kind, **options):
        fault = Fault(kind, **options)
        with self.lock:
            self.faults.append(fault)
        return fault

    def clear(self):
        """No request meets a fault any more, and none that met one waits on."""
        with self.lock:
            self.faults = []
            self.cleared.set()
            self.cleared = threading.Event()

    def take(self, method, target):
        """The fault that a request meets, the oldest one first; None when it meets none."""
        with self.lock:
            for fault in self.faults:
                if not fault.meets(method, target):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.met += 1
                if fault.met == fault.times:
                    self.faults.remove(fault)
                return fault, self.cleared
        return None, self.cleared
