# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine as the head node of a cluster of one node, and what its administrator does there."""

import json

from machine import Machine, eventually

SLURM_CONF = """ClusterName=boot
SlurmctldHost=head
SlurmUser=slurm
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=head CPUs=16 RealMemory=200 State=UNKNOWN
PartitionName=main Nodes=head Default=YES MaxTime=60 State=UP
"""
# As slurm-grid-agent-plugins(8) has them.
PLUGIN_LINES = """JobCompType=jobcomp/grid_agent
JobCompParams=grid_agent_socket=/run/slurm-grid-agent/events.sock
"""
PLUGSTACK = "optional spank_grid_agent.so socket=/run/slurm-grid-agent/events.sock\n"
JOURNAL = "/var/log/slurm-grid-agent/journal.jsonl"
DAEMONS = ("munge", "slurmd", "slurmctld")


class Head(Machine):
    def status(self):
        """The status text as `systemctl status agent` shows it."""
        text = self.run("systemctl status agent", check=False)
        lines = [line.split("Status:", 1)[1].strip().strip('"') for line in text.splitlines() if line.strip().startswith("Status:")]
        return lines[0] if lines else ""

    def is_active(self):
        return self.unit("agent", "ActiveState")[0] == "active"

    def pid(self, unit="agent"):
        return int(self.unit(unit, "MainPID")[0])

    def pids(self):
        """Of Slurm's daemons: to see that nobody has restarted them."""
        return {name: (self.pid(name), self.unit(name, "ExecMainStartTimestampMonotonic")[0]) for name in DAEMONS}

    def start_slurm(self):
        self.run("apt-get -q -y install slurm-wlm munge")
        self.run("useradd -m alice")
        self.write("/etc/slurm/slurm.conf", SLURM_CONF + PLUGIN_LINES)
        self.write("/etc/slurm/plugstack.conf", PLUGSTACK)
        self.run(f"systemctl restart {' '.join(DAEMONS)}")
        eventually("the node is idle", lambda: self.run("sinfo -h -o %t", check=False).strip() == "idle")

    def submit(self, name, script):
        """A job of alice; the script is one line of shell."""
        return int(self.run(f"runuser -u alice -- sbatch --parsable -D /tmp -o /dev/null -J {name} --wrap '{script}'"))

    def told(self, job):
        """Every transition of the job that the agent has told: lines of its journal."""
        lines = [json.loads(line) for line in self.run(f"cat {JOURNAL}", check=False).splitlines() if line.startswith("{")]
        return [line for line in lines if line["job"] == str(job)]

    def ended(self, job, within=120):
        """The one end of the job that was told. That there is only one is to be asked again when all is over."""
        finals = eventually(f"job {job} is told to be over", lambda: [line for line in self.told(job) if line["final"]], within)
        if len(finals) != 1:
            raise AssertionError(f"job {job} was told to be over {len(finals)} times: {finals}")
        return finals[0]

    def plugins(self):
        return json.loads(self.run("slurm-grid-agent plugins status --json"))["plugins"]
