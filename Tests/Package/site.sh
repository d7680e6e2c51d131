#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A Slurm that the site built itself: the plugins are built against a prefix of its own, and packaging/install.sh puts all where
# it belongs. The prefix is made of Debian's files; the program is that of `make deb`. Installs below a folder that is
# forgotten.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
    echo "site: $*" >&2
    exit 1
}

site=$work/slurm
mkdir -p "$site"/{include,lib/slurm,etc}
cp -r /usr/include/slurm "$site/include"
cp "$(dpkg-query -L slurm-wlm-basic-plugins | grep '/auth_munge\.so$')" "$site/lib/slurm"
printf 'ClusterName=x\nSlurmctldHost=localhost\nSlurmUser=%s\n' "$(id -un 1)" >"$site/etc/slurm.conf"

source=$("$top/slurm-plugins/fetch-slurm-headers.sh" "$top/slurm-plugins/.headers")
! SLURM_PREFIX=$site "$top/slurm-plugins/fetch-slurm-headers.sh" "$work/none" 2>"$work/said" || die "Debian's source was taken for the site's"
grep -q SLURM_SOURCE "$work/said" || die "$(cat "$work/said")"
# A release of its own, to see whose headers are read: without its source there are no rich records.
sed -i 's/^\(#define SLURM_VERSION_NUMBER\).*/\1 0x1605ff/' "$site/include/slurm/slurm_version.h"
! SLURM_PREFIX=$site SLURM_SOURCE=$source "$top/slurm-plugins/fetch-slurm-headers.sh" "$work/none" 2>"$work/said" || die "the source of another release was taken"
cp /usr/include/slurm/slurm_version.h "$site/include/slurm"

make -s -C "$top/slurm-plugins" OUT="$work/build" SLURM_PREFIX="$site" SLURM_SOURCE="$source" all >/dev/null
! grep -q "built without Slurm's private headers" "$work/build/jobcomp_grid_agent.so" || die "the plugin is lean"

dpkg-deb -x "$(ls "$top"/.build/deb/slurm-grid-agent_*.deb)" "$work/deb"
install() {
    DESTDIR=$work/root BINARY=$work/deb/usr/bin/slurm-grid-agent PLUGINS=$work/build "$top/packaging/install.sh" "$site" /opt/agent
}
install >/dev/null
cd "$work/root"
for file in opt/agent/bin/slurm-grid-agent opt/agent/share/man/man{1/slurm-grid-agent.1,5/slurm-grid-agent.yaml.5,8/spank_grid_agent.8} \
    opt/agent/share/bash-completion/completions/slurm-grid-agent etc/slurm-grid-agent/config.yaml etc/default/slurm-grid-agent \
    ".$site/lib/slurm/jobcomp_grid_agent.so" ".$site/lib/slurm/spank_grid_agent.so"; do
    [ -s "$file" ] || die "no $file"
done
[ "$(stat -c %a etc/slurm-grid-agent/credentials etc/default/slurm-grid-agent | paste -sd ' ')" = "700 600" ] || die "others can read secrets"
unit=etc/systemd/system/slurm-grid-agent.service
grep -qx "ExecStart=/opt/agent/bin/slurm-grid-agent run \$DAEMON_OPTS" "$unit" && grep -qx "User=$(id -un 1)" "$unit" && grep -qx "Group=$(id -gn 1)" "$unit" || die "$(cat "$unit")"

# What the administrator has written stays.
echo 'log-level: debug' >etc/slurm-grid-agent/config.yaml
install >/dev/null
[ "$(cat etc/slurm-grid-agent/config.yaml)" = 'log-level: debug' ] || die "the configuration was overwritten"
sed -i /SlurmUser/d "$site/etc/slurm.conf"
! install >/dev/null 2>"$work/said" || die "installed for a SlurmUser of root"
grep -q "does not run as root" "$work/said" || die "$(cat "$work/said")"
echo "site: a Slurm in a prefix of its own is built against and installed beside"
