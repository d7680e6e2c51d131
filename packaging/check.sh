#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What can be said of the packages before they are built: the unit, the maintainer scripts, the written manual pages, the
# dependency on a Slurm series, and how Slurm's configuration is read. Quick; needs no root.
set -euo pipefail
cd "$(dirname "$0")"
debian=$PWD/deb/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
    echo "check: $*" >&2
    exit 1
}

# shellcheck source=silent.sh
. ./silent.sh

shellcheck -S warning "$debian"/*.{postinst,postrm,prerm}

# A program of that name is not here.
sed 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' "$debian/slurm-grid-agent.service" >"$work/slurm-grid-agent.service"
silent "the unit" systemd-analyze verify --man=no "$work/slurm-grid-agent.service"
silent "the unit's sandbox" systemd-analyze security --offline=true --threshold=16 "$work/slurm-grid-agent.service"
echo 'Restrat=no' >>"$work/slurm-grid-agent.service"
systemd-analyze verify --man=no "$work/slurm-grid-agent.service" 2>&1 | grep -q Restrat || die "systemd-analyze finds no misspelt key any more"

for page in manual/*.[1-9] manual/*.in; do
    silent "$page" env LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page"
done

while IFS='|' read -r version wanted; do
    [ "$("$debian/slurm-series.sh" "$version")" = "$wanted" ] || die "slurm-series.sh $version says $("$debian/slurm-series.sh" "$version")"
done <<'END'
22.05.8-4+deb12u3|slurm-wlm-basic-plugins (>= 22.05), slurm-wlm-basic-plugins (<< 22.06)
24.11.5-4|slurm-wlm-basic-plugins (>= 24.11), slurm-wlm-basic-plugins (<< 24.12)
1:23.02.0~rc1-1|slurm-wlm-basic-plugins (>= 1:23.02), slurm-wlm-basic-plugins (<< 1:23.03)
END
! "$debian/slurm-series.sh" 2205 2>/dev/null || die "slurm-series.sh takes 2205 for a version"

# reads WANTED WORDS...: what slurm-conf.sh answers.
reads() {
    local wanted=$1
    shift
    [ "$("$debian/slurm-conf.sh" "$@" | paste -sd,)" = "$wanted" ] || die "slurm-conf.sh $*: $("$debian/slurm-conf.sh" "$@")"
}
mkdir "$work/more"
cat >"$work/slurm.conf" <<'END'
ClusterName=x JOBCOMPTYPE = jobcomp/grid_agent # in the middle of a line
#JobCompType=jobcomp/none
JobCompTypeOfMine=1
include more/users.conf
PlugStackConfig="/etc/my plugstack.conf"
END
printf 'SlurmUser=\\\n  hpc\r\n' >"$work/more/users.conf"
reads jobcomp/grid_agent setting "$work/slurm.conf" JobCompType
reads hpc setting "$work/slurm.conf" slurmuser
reads "/etc/my plugstack.conf" setting "$work/slurm.conf" PlugStackConfig
reads "" setting "$work/slurm.conf" AuthType
reads "" setting "$work/nowhere.conf" AuthType
printf '#required spank_grid_agent.so\noptional spank_grid_agent.so\nrequired other.so\ninclude more/*.conf\n' >"$work/plugstack.conf"
reads "" required "$work/plugstack.conf"
echo 'required /usr/lib/slurm/spank_grid_agent.so socket=/run/x' >"$work/more/spank.conf"
reads "$work/more/spank.conf" required "$work/plugstack.conf"
SLURM_CONF=$work/slurm.conf "$debian/slurm-conf.sh" files | grep -qx "$work/slurm.conf" || die "slurm-conf.sh files leaves SLURM_CONF out"
