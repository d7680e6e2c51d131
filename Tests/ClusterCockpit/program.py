#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of cc-backend as a program: options, TLS, what asks and breaks it from outside, and its end."""

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from caller import JOBS, LAB, START, DoubleTest, job

from control import ask


def authority(folder):
    """Makes an authority, FOLDER/ca.pem. -> certificate and key of a server"""
    subprocess.run([LAB.parent / "grid/services/ca.sh", folder, "cockpit"], check=True)
    return folder / "cockpit.pem", folder / "cockpit.key"


class CommandLine(DoubleTest):
    def program(self, folder, *options):
        program = subprocess.Popen(
            [sys.executable, "-B", LAB / "backend.py", "--folder", folder, *options], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        line = program.stdout.readline()
        self.assertIn("cc-backend's double", line)
        return program

    def test_tls_control_and_end(self):
        with tempfile.TemporaryDirectory(prefix="cockpit") as name:
            folder = Path(name)
            certificate, key = authority(folder / "ca")
            program = self.program(folder / "b", "--release", "1.4.4", "--tls-cert", certificate, "--tls-key", key)
            backend = type("Running", (), {})()
            url = (folder / "b/url").read_text().strip()
            self.assertTrue(url.startswith("https://127.0.0.1:"))
            backend.listen, backend.token = ("127.0.0.1", int(url.rpartition(":")[2])), (folder / "b/token").read_text().strip()
            with self.assertRaises(ssl.SSLCertVerificationError):
                authority(folder / "other")
                self.call(backend, "GET", JOBS, trust=folder / "other/ca.pem")
            trust = folder / "ca/ca.pem"
            self.assertEqual(self.call(backend, "POST", START, job(7), trust=trust).status, 201)
            self._control(folder / "b", "fault", "kind=html", "times=1")
            self.assertEqual(json.loads(self._control(folder / "b", "rows"))["jobId"], 7)
            self.assertEqual(self.call(backend, "GET", JOBS, trust=trust).status, 502)
            self._control(folder / "b", "restart", "release=1.5.4")
            probe = {"cluster": "lab", "nodes": []}
            self.assertEqual(self.call(backend, "POST", "/api/nodestate/", probe, trust=trust).status, 200)
            with self.assertRaises(RuntimeError):
                ask(folder / "b", "fault", kind="nonsense")
            program.send_signal(signal.SIGTERM)
            self.assertEqual(program.wait(20), 0)
            with self.assertRaises(OSError), socket.create_connection(backend.listen, 1):
                pass

    @staticmethod
    def _control(folder, *words):
        command = [sys.executable, "-B", LAB / "control.py", folder, *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def test_nats(self):
        with tempfile.TemporaryDirectory(prefix="cockpit") as name:
            self.program(name, "--nats", "127.0.0.1:0", "--nats-user", "u:p:q", "--nats-subjects", "a,b", "--commit-seconds", "0")
            port = int((Path(name) / "nats").read_text().rpartition(":")[2])
            text = json.dumps(job(7)).replace('"', '\\"')
            line = f'job,function=start_job event="{text}" 1\n'.encode()
            with socket.create_connection(("127.0.0.1", port), 20) as broker, broker.makefile("rb") as answers:
                login = b'CONNECT {"verbose":false,"user":"u","pass":"p:q"}\r\n'
                broker.sendall(login + b"PUB a %d\r\n" % len(line) + line + b"\r\nPING\r\n")
                self.assertEqual([answers.readline()[:4] for _ in range(2)], [b"INFO", b"PONG"])
            self.eventually(lambda: [one["jobId"] for one in ask(name, "rows")] == [7])

    def test_help_and_bad_options(self):
        run = lambda *words: subprocess.run([sys.executable, "-B", *words], capture_output=True, text=True)
        for program in ("backend.py", "control.py"):
            self.assertEqual(run(LAB / program, "--help").returncode, 0)
        with tempfile.TemporaryDirectory(prefix="cockpit") as folder:
            self.assertEqual(run(LAB / "backend.py", "--folder", folder, "--release", "1.0.0").returncode, 2)
            self.assertEqual(run(LAB / "backend.py", "--folder", folder, "--tls-key", "x").returncode, 2)
            nats = run(LAB / "backend.py", "--folder", folder, "--release", "1.4.4", "--nats", "127.0.0.1:0")
            self.assertEqual(nats.returncode, 2)
            bad = Path(folder) / "cluster.json"
            bad.write_text('{"name":"c","metricConfig":[],"subClusters":[{"name":"m","nodes":"n1.site"}]}')
            answer = run(LAB / "backend.py", "--folder", folder, "--cluster", bad)
            self.assertEqual((answer.returncode, answer.stderr.count("\n")), (1, 1))
            self.assertIn("invalid character", answer.stderr)


class Encrypted(DoubleTest):
    def test_away_and_cut_end_encrypted_connections(self):
        with tempfile.TemporaryDirectory(prefix="cockpit") as name:
            folder = Path(name)
            backend = self.double(tls=authority(folder))
            trust = ssl.create_default_context(cafile=folder / "ca.pem")
            kept = http.client.HTTPSConnection(*backend.listen, timeout=20, context=trust)
            kept.request("GET", JOBS, headers={"X-Auth-Token": backend.token})
            self.assertEqual(kept.getresponse().read()[:8], b'{"jobs":')
            backend.away()
            with self.assertRaises((ssl.SSLEOFError, ConnectionError)):
                if kept.sock.recv(1) == b"":
                    raise ConnectionResetError
            kept.close()
            backend.back()
            backend.fault("cut")
            with self.assertRaises((http.client.HTTPException, ssl.SSLError, ConnectionError)):
                self.call(backend, "POST", START, job(1), trust=folder / "ca.pem")
            self.assertEqual(self.call(backend, "POST", START, job(1), trust=folder / "ca.pem").status, 500)


if __name__ == "__main__":
    unittest.main()
