#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What can be said of the packages before they are built: the unit, the maintainer scripts, the written manual pages, the
# dependency on a Slurm series, and how Slurm's configuration is read; and which file imports whose modules. Quick; needs no root.
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

# What an agent has to report, as it says it itself.
open_work() {
    printf '#!/bin/sh\ncase $* in *nagios*) echo "%s" ;; *) echo "{ \\"is_ready\\" : %s }" ;; esac\n' "$1" "$2" >"$work/program"
    chmod +x "$work/program"
    PROGRAM=$work/program STATE=$work "$debian/open-work.sh" 2>"$work/why" || echo "unknown: $(cat "$work/why")"
}
figures='grid_jobs=2 not_in_slurm_yet=0 waiting=3 parked=0 credits=1.5'
touch "$work/deepsquare.sqlite"
[ "$(open_work "GRID-AGENT OK - x | $figures" true | tr '\n' ,)" = "2 open jobs of the grid,3 reports that are not sent yet," ] || die "open-work.sh misses what is open"
[ -z "$(open_work "GRID-AGENT OK - x | grid_jobs=0 not_in_slurm_yet=0 waiting=0 parked=0" true)" ] || die "open-work.sh finds what is not there"
[[ $(open_work "GRID-AGENT WARNING - idle | $figures" false) = unknown:*waits* ]] || die "open-work.sh believes an agent that has not looked"
[[ $(open_work "GRID-AGENT CRITICAL - no agent listens" true) = unknown:*"no agent listens"* ]] || die "open-work.sh takes silence for an answer"
rm "$work/deepsquare.sqlite"
[ -z "$(open_work "GRID-AGENT CRITICAL - no agent listens" true)" ] || die "open-work.sh keeps an agent that never had a grid"

# A program of that name is not here.
sed 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' "$debian/slurm-grid-agent.service" >"$work/slurm-grid-agent.service"
silent "the unit" systemd-analyze verify --man=no "$work/slurm-grid-agent.service"
silent "the unit's sandbox" systemd-analyze security --offline=true --threshold=16 "$work/slurm-grid-agent.service"
for name in slurm-grid-agent-files.socket slurm-grid-agent-files@.service; do
    sed 's,^ExecStart=[^ ]*,ExecStart=/bin/true,' "$debian/$name" >"$work/$name"
done
silent "the reader of files" systemd-analyze verify --man=no "$work/slurm-grid-agent-files.socket"
silent "its sandbox" systemd-analyze security --offline=true --threshold=32 "$work/slurm-grid-agent-files@.service"
echo 'Restrat=no' >>"$work/slurm-grid-agent.service"
systemd-analyze verify --man=no "$work/slurm-grid-agent.service" 2>&1 | grep -q Restrat || die "systemd-analyze finds no misspelt key any more"

for page in manual/*.[1-9] manual/*.in; do
    silent "$page" env LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page"
done

./imports.sh || die "a file of the agent imports a gateway's module"
mkdir -p "$work/tree/Sources/Agent/Gateways/DeepSquare" "$work/tree/Sources/Agent/Status"
for line in 'internal import DeepSquare' 'import Ethereum' '@testable import struct Ethereum.Address'; do
    echo "$line" | tee "$work/tree/Sources/Agent/Gateways/Gateways.swift" >"$work/tree/Sources/Agent/Gateways/DeepSquare/A.swift"
    ./imports.sh "$work/tree" || die "imports.sh forbids \"$line\" where it belongs"
    for place in Status/A.swift Gateways/A.swift Gateways/DeepSquareElse.swift; do
        echo "$line" >"$work/tree/Sources/Agent/$place"
        ! ./imports.sh "$work/tree" >/dev/null 2>&1 || die "imports.sh allows \"$line\" in $place"
        rm "$work/tree/Sources/Agent/$place"
    done
done
for module in SlurmAdapter AgentSettings StatusViews AdminHTTP; do
    for line in 'package import ClusterCockpit' 'internal import Agent'; do
        mkdir -p "$work/tree/Sources/$module"
        echo "$line" >"$work/tree/Sources/$module/A.swift"
        ! ./imports.sh "$work/tree" >/dev/null 2>&1 || die "imports.sh allows \"$line\" in $module, below the agent"
        rm "$work/tree/Sources/$module/A.swift"
    done
done
mkdir -p "$work/tree/Sources/Agent/Gateways/Jarvice"
echo 'internal import Jarvice' >"$work/tree/Sources/Agent/Gateways/Jarvice/A.swift"
./imports.sh "$work/tree" || die "imports.sh forbids Jarvice where it belongs"
cp "$work/tree/Sources/Agent/Gateways/Jarvice/A.swift" "$work/tree/Sources/Agent/Gateways/DeepSquare/B.swift"
! ./imports.sh "$work/tree" >/dev/null 2>&1 || die "imports.sh allows Jarvice in another gateway's folder"
echo 'internal import ClusterCockpit' >"$work/tree/Sources/Agent/Gateways/DeepSquare/C.swift"
! ./imports.sh "$work/tree" >/dev/null 2>&1 || die "imports.sh allows one gateway another's module"

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
reads "$work/plugstack.conf:2: optional spank_grid_agent.so" spank "$work/plugstack.conf"
sed -i '/^optional/d' "$work/plugstack.conf"
reads "" spank "$work/plugstack.conf"
echo 'required /usr/lib/slurm/spank_grid_agent.so socket=/run/x' >"$work/more/spank.conf"
reads "$work/more/spank.conf:1: required /usr/lib/slurm/spank_grid_agent.so socket=/run/x" spank "$work/plugstack.conf"
SLURM_CONF=$work/slurm.conf "$debian/slurm-conf.sh" files | grep -qx "$work/slurm.conf" || die "slurm-conf.sh files leaves SLURM_CONF out"

# asked STATUS WANTED WORDS...: what it answers, and how it ends, when something is wrong. None of it may hang.
asked() {
    local status=$1 wanted=$2 got=0
    shift 2
    timeout 120 "$debian/slurm-conf.sh" "$@" >"$work/out" 2>"$work/err" || got=$?
    [ "$got" = "$status" ] || die "slurm-conf.sh $*: ended with $got: $(cat "$work/err")"
    [ "$(paste -sd, "$work/out")" = "$wanted" ] || die "slurm-conf.sh $*: $(cat "$work/out")"
    [ "$status" != 3 ] || [ -s "$work/err" ] || die "slurm-conf.sh $*: does not say what it could not read"
}
strange=$work/strange
mkdir -p "$strange/many"
mkfifo "$strange/fifo" "$strange/many/fifo.conf"
# Each of these includes itself and all the others, more than once.
for number in 1 2 3 4 5 6 7 8 9; do
    {
        echo "SlurmUser=u$number"
        for other in 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9; do echo "Include $strange/loop$other.conf"; done
        echo "AuthType=a$number"
    } >"$strange/loop$number.conf"
    for other in 1 2 3 4 5 6 7 8 9 '*'; do echo "include loop$other.conf"; done >"$strange/loop$number.plugstack"
    cat "$strange/loop$number.plugstack" >>"$strange/loop$number.conf"
done
asked 0 u1,u2,u3,u4,u5,u6,u7,u8,u9 setting "$strange/loop1.conf" SlurmUser
asked 0 a9,a8,a7,a6,a5,a4,a3,a2,a1 setting "$strange/loop1.conf" AuthType
echo 'required spank_grid_agent.so' >>"$strange/loop7.conf"
asked 0 "$strange/loop7.conf:$(wc -l <"$strange/loop7.conf"): required spank_grid_agent.so" spank "$strange/loop1.plugstack"
ln -s loop1.conf "$strange/again.conf"
printf 'SlurmUser=u\nInclude again.conf\nInclude loop1.conf\n' >"$strange/links.conf"
asked 0 u,u1,u2,u3,u4,u5,u6,u7,u8,u9 setting "$strange/links.conf" SlurmUser
# What is no file, and what has no end.
for what in "$strange/fifo" "$strange" /dev/zero; do
    printf 'SlurmUser=before\nInclude %s\nSlurmUser=after\n' "$what" >"$strange/slurm.conf"
    asked 3 before,after setting "$strange/slurm.conf" SlurmUser
    asked 3 "" setting "$what" SlurmUser
    asked 3 "" spank "$what"
done
asked 3 "" spank <(true)
printf 'include many/*\nrequired spank_grid_agent.so\n' >"$strange/plugstack.conf"
asked 3 "$strange/plugstack.conf:2: required spank_grid_agent.so" spank "$strange/plugstack.conf"
truncate -s 1T "$strange/huge.conf"
asked 3 "" setting "$strange/huge.conf" SlurmUser
for number in $(seq 400); do printf 'include chain%s.conf\n' $((number + 1)) >"$strange/chain$number.conf"; done
asked 3 "" setting "$strange/chain1.conf" SlurmUser
# A reader that hangs, as on a server that is away.
mkdir "$work/bin"
printf '#!/bin/sh\nexec sleep 1000\n' >"$work/bin/awk"
chmod +x "$work/bin/awk"
PATH=$work/bin:$PATH SLURM_CONF_SECONDS=1 asked 124 "" setting "$work/slurm.conf" SlurmUser

# remove STATUS SAID CONF: what removing the plugins says when the cluster's slurm.conf is CONF.
remove() {
    local status=0
    sed -e "s,^helper=.*,helper=$debian/slurm-conf.sh," -e "s,^allowed=.*,allowed=$work/allowed," "$debian/slurm-grid-agent-plugins.prerm" >"$work/prerm"
    SLURM_CONF=$3 timeout 120 sh "$work/prerm" remove >"$work/out" 2>&1 || status=$?
    [ "$status" = "$1" ] || die "removal with $3 ends with $status: $(cat "$work/out")"
    [ -z "$2" ] || grep -q "$2" "$work/out" || die "removal with $3: $(cat "$work/out")"
}
remove 1 "JobCompType=jobcomp/grid_agent" "$work/slurm.conf"
remove 1 "cannot be told" "$strange/fifo"
echo "PlugStackConfig=$strange/fifo" >"$strange/slurm.conf"
remove 1 "cannot be told" "$strange/slurm.conf"
echo "PlugStackConfig=$work/plugstack.conf" >"$strange/slurm.conf"
remove 1 "  $work/more/spank.conf:1: required /usr/lib/slurm/spank_grid_agent.so socket=/run/x" "$strange/slurm.conf"
# As plugins status says it where plugstack.conf includes a folder; what is named there to type is enough.
mkdir "$work/plugstack.conf.d"
printf '# the agent\noptional spank_grid_agent.so socket=/run/y\n' >"$work/plugstack.conf.d/slurm-grid-agent.conf"
printf 'include plugstack.conf.d/*\n' >"$work/plugstack.conf"
remove 1 "  $work/plugstack.conf.d/slurm-grid-agent.conf:2: optional spank_grid_agent.so socket=/run/y" "$strange/slurm.conf"
sh -c "$(grep '^  sed ' "$work/out")"
remove 0 "" "$strange/slurm.conf"
touch "$work/allowed"
remove 0 "" "$strange/fifo"

# configure SAID CONF: what installing the agent says; it works, whatever there is.
configure() {
    sed -e "s,^helper=.*,helper=$debian/slurm-conf.sh," -e "s,^units=.*,units=$work/units," "$debian/slurm-grid-agent.postinst" >"$work/postinst"
    SLURM_CONF=$2 timeout 120 sh "$work/postinst" configure >"$work/out" 2>&1 || die "installing with $2: $(cat "$work/out")"
    grep -q "$1" "$work/out" || die "installing with $2: $(cat "$work/out")"
}
mkdir -p "$work/units/slurm-grid-agent.service.d"
mkfifo "$work/units/slurm-grid-agent.service" "$work/units/slurm-grid-agent.service.d/a.conf"
printf '[Service]\nUser=nobody\n' >"$work/units/slurm-grid-agent.service.d/b.conf"
configure "says SlurmUser=hpc, and the service runs as nobody" "$work/slurm.conf"
configure "was not compared" "$strange/fifo"
configure "says SlurmUser=u9" "$strange/loop1.conf"
