#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# demo.sh: starts a cluster, submits a job for a user as the daemon would (user slurm, no ssh, no sbatch), follows it
# to its end and takes the cluster down. BINARY names slurm-grid-agent.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=$(readlink -f "${BINARY:?BINARY must name slurm-grid-agent}")
stage=$(mktemp -d /tmp/slurm-grid-agent-demo.XXXXXX)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
cp "$binary" "$stage/slurm-grid-agent"
cat >"$stage/job.sh" <<'END'
#!/bin/bash
echo "hello from $(hostname), job $SLURM_JOB_ID of $USER, GPUs ${CUDA_VISIBLE_DEVICES:-none}"
sleep 2
END
cat >"$stage/tour.sh" <<'END'
#!/bin/bash
set -euo pipefail
cd "$(dirname "$0")"
show() { printf '\n$ slurm-grid-agent %s\n' "$*"; ./slurm-grid-agent "$@"; }
show cluster
printf '\n$ slurm-grid-agent submit --user labu1 --ntasks 2 --gpus-per-node 1 --output /tmp/hello-%%j.out job.sh\n'
id=$(./slurm-grid-agent submit --user labu1 --ntasks 2 --gpus-per-node 1 --output "/tmp/hello-%j.out" job.sh)
echo "$id"
until ./slurm-grid-agent job "$id" | grep -q RUNNING; do sleep 0.2; done
show job "$id"
show wait "$id"
printf '\n$ cat /tmp/hello-%s.out\n' "$id"
cat "/tmp/hello-$id.out"
END
chmod +x "$stage/tour.sh"
"$here/with-slurm.sh" --user slurm -- "$stage/tour.sh"
rm -f /tmp/hello-*.out
