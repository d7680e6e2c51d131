-- SPDX-License-Identifier: GPL-3.0-or-later
-- job_submit.lua of a cluster whose submissions are late now and then: the next one after somebody wrote a number of
-- seconds into $LAB_FAULTS/late takes that long, while slurmctld holds its locks, as a slow job_submit plugin does.

local flag = (os.getenv("LAB_FAULTS") or "/nonexistent") .. "/late"

function slurm_job_submit(job, partitions, uid)
  local file = io.open(flag)
  if file then
    local seconds = tonumber(file:read("*l") or "")
    file:close()
    if seconds and os.remove(flag) then
      os.execute("sleep " .. seconds)
    end
  end
  return slurm.SUCCESS
end

function slurm_job_modify(job, request, partitions, uid)
  return slurm.SUCCESS
end

return slurm.SUCCESS
