# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios of a cluster whose job_submit plugin takes longer than anybody waits for an answer."""

from pathlib import Path

from jobs_common import Stage, check, end_states, ends, eventually, running, same

PLUGIN = """
function slurm_job_submit(job, partitions, uid)
    os.execute("sleep 3")
    return slurm.SUCCESS
end

function slurm_job_modify(job, record, partitions, uid)
    return slurm.SUCCESS
end
"""


def prepare(world):
    conf = Path(world.lab.environment["SLURM_CONF"])
    conf.with_name("job_submit.lua").write_text(PLUGIN)
    with conf.open("a") as file:
        file.write("JobSubmitPlugins=lua\n")
    world.lab.fault("stop")
    world.lab.fault("start")
    world.agent.start()
    world.join()


# Two calls of the plugin wait for each other: 6 s and more, against 2.
STAGE = Stage("late", [], prepare, LAB_NODES=2, LAB_CPUS=16, LAB_MESSAGE_TIMEOUT=2)


def phase(world, job):
    found = world.agent.query(f"SELECT order_phase FROM jobs WHERE external_id LIKE '%{job}'")
    return found[0][0] if found else None


@STAGE.scenario
def late_submissions_are_one_job_each(world):
    """Made again while slurmctld was still at it, eight jobs became fifteen."""
    jobs = [world.request("true", 10) for _ in range(8)]
    for job in jobs:
        ends(world, job, "Finished")
        same(end_states(world, job), ["COMPLETED"], "its Slurm jobs")


@STAGE.scenario
def cancel_in_the_doubt(world):
    """The customer cancels while nobody knows whether Slurm has the job: it is ended before it is let go."""
    job = world.request("sleep 600", 10)
    eventually("slurmctld was asked", lambda: phase(world, job) == "attempted", every=0.05)
    world.customers[0].cancel(job)
    found = ends(world, job, "Cancelled")
    same(found["cost"]["finalCost"], 0, "the bill")
    eventually("the doubt is over", lambda: phase(world, job) in ("released", "refused"))
    eventually("Slurm's word", lambda: [state for _, state, *_ in world.slurm_jobs(job)] == ["CANCELLED"], 30)
    number = world.slurm_jobs(job)[0][0]
    check("NodeList=(null)" in world.lab.command("scontrol", "show", "job", "-o", number), "it ran")


@STAGE.alone
def restart_in_the_doubt(world):
    """The agent is killed while nobody knows."""
    job = world.request("sleep 2", 10)
    eventually("slurmctld was asked", lambda: phase(world, job) == "attempted", every=0.05)
    world.agent.kill()
    world.agent.start()
    running(world, job)
    ends(world, job, "Finished")
    same(end_states(world, job), ["COMPLETED"], "its Slurm jobs")
