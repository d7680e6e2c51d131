#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs the integration tests: each suite in a process of its own, as user slurm, against a cluster that the lab
# starts for it. Needs root (for the lab) and built tests: `swift build --build-tests`.
#
#   Tests/run-integration.sh [SUITE…]        Plain Faults Accounting Site Stress (all of these by default) Soak
#
# BUILD: folder of the build products (default .build/debug). KEEP_GOING=1: run all suites although one fails. FILTER: the tests of
# a suite, as a regular expression.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/.build/debug}
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(Plain Faults Accounting Site Stress)

die() {
    echo "run-integration: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "the lab needs root; run it with sudo"
bundle=$(ls "$build"/*.xctest 2>/dev/null | head -n 1) || true
[ -n "$bundle" ] || die "no tests in $build; build them with: swift build --build-tests"

# User slurm may not be able to enter the folder of the sources: run from a copy that it can.
stage=$(mktemp -d /tmp/slurm-grid-agent-test.XXXXXX)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
cp "$bundle" "$stage/tests.xctest"
cp "$build/slurm-grid-agent" "$stage/slurm-grid-agent"
export SLURM_GRID_AGENT=$stage/slurm-grid-agent

run() { # run SUITE KNOB=VALUE…
    local suite=$1
    shift
    echo "== integration: $suite, Slurm $(slurmctld -V | awk '{print $2}')," \
        "$(case " $* " in *" LAB_DBD=1 "*) echo "with slurmdbd" ;; *) echo "without slurmdbd" ;; esac), as user slurm"
    (
        cd "$stage"
        export LAB_SUITE=$suite
        env "$@" "$top/lab/with-slurm.sh" --user slurm -- \
            "$stage/tests.xctest" --testing-library swift-testing --no-parallel --filter "${FILTER:-IntegrationTests}"
    ) 2>&1 | tee "$stage/$suite.log" || return 1
    # A suite that is not there, or that its condition skipped, is no success.
    grep -q "^✔ Suite\|Suite .* passed" "$stage/$suite.log" && return 0
    echo "run-integration: $suite: no test was run" >&2
    return 1
}

nodes='NodeName=n1 CPUs=4 RealMemory=4000 Gres=gpu:tesla:2\n'
nodes+='NodeName=n2 CPUs=4 RealMemory=4000 Gres=gpu:tesla:2\n'
nodes+='NodeName=n3 Sockets=2 CoresPerSocket=2 ThreadsPerCore=2 RealMemory=8000 Gres=gpu:k80:4\n'
nodes+='NodeName=n30 CPUs=2 RealMemory=1000'
partitions='PartitionName=main Nodes=n[1-3],n30 Default=YES MaxTime=7-0 DefaultTime=60\n'
partitions+='PartitionName=three Nodes=n3 MaxTime=1-0 DefaultTime=10'

failed=()
for suite in "${suites[@]}"; do
    case $suite in
    Plain)
        run Plain LAB_NODE_LINES="$nodes" LAB_PARTITION_LINES="$partitions" \
            LAB_CONF_EXTRA='SchedulerParameters=batch_sched_delay=0,sched_min_interval=0' ;;
    Faults)
        run Faults LAB_NODES=1 LAB_SLURMD_TIMEOUT=5 ;;
    Accounting)
        run Accounting LAB_DBD=1 LAB_NODES=2 LAB_MIN_JOB_AGE=2 \
            LAB_CONF_EXTRA='AccountingStorageEnforce=associations,limits,qos\nTrackWCKey=no' \
            LAB_DBD_CONF_EXTRA='PrivateData=jobs' ;;
    Site)
        run Site LAB_NODES=2 LAB_PARTITION_LINES='PartitionName=main Nodes=n[1-2] Default=YES DefaultTime=60\nPartitionName=group Nodes=n[1-2] AllowGroups=labu3\nPartitionName=hosts Nodes=n[1-2] AllocNodes=elsewhere' \
            LAB_CONF_EXTRA='Licenses=matlab:2\nPrivateData=jobs\nMCSPlugin=mcs/user\nMCSParameters=enforced' ;;
    Soak)
        run Soak LAB_NODES=1 LAB_CONF_EXTRA='MaxJobCount=100000' ;;
    Stress)
        run Stress LAB_NODES=2 LAB_CONF_EXTRA='MaxJobCount=60000' ;;
    *) die "no suite \"$suite\"; there are Plain Faults Accounting Site Stress Soak" ;;
    esac || {
        failed+=("$suite")
        [ "${KEEP_GOING:-0}" = 1 ] || break
    }
done
[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
