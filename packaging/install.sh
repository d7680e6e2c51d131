#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what `make release plugins` has built, without a package: for a Slurm that the site built itself. Needs root.
#
#   packaging/install.sh SLURM_PREFIX [PREFIX]       SLURM_PREFIX: where Slurm is installed, as /opt/slurm
#                                                    PREFIX: where the program goes; default /usr/local
#
# BINARY: the program; default .build-release/release/slurm-grid-agent. PLUGINS: the folder of the plugins; default
# slurm-plugins/build-site. DESTDIR: a folder to install below, for packagers.
# Configuration that is there stays as it is. Nothing of Slurm's is changed but that its plugin folder gets two plugins; no
# daemon is started, stopped or restarted. SlurmUser is found in slurm.conf.
set -euo pipefail

die() {
    echo "install: $*" >&2
    exit 1
}

[ $# -ge 1 ] || {
    sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 64
}
top=$(cd "$(dirname "$0")/.." && pwd)
slurm=$1
prefix=${2:-/usr/local}
to=${DESTDIR:-}
binary=${BINARY:-$top/.build-release/release/slurm-grid-agent}
plugins=${PLUGINS:-$top/slurm-plugins/build-site}
debian=$top/packaging/deb/debian

[ -x "$binary" ] || die "there is no $binary: make release SLURM_PREFIX=$slurm"
[ -r "$plugins/jobcomp_grid_agent.so" ] || die "there are no plugins: make plugins SLURM_PREFIX=$slurm SLURM_SOURCE=…"
folder=$(dirname "$(find "$slurm" -name auth_munge.so -print -quit)")
[ "$folder" != . ] || die "there are no plugins of Slurm's below $slurm"

# SlurmUser, as the site's slurm.conf has it; its group; root when there is none (slurm.conf(5)).
conf=${SLURM_CONF:-$slurm/etc/slurm.conf}
[ -e "$conf" ] || conf=/etc/slurm/slurm.conf
user=slurm
if [ -e "$conf" ]; then
    users=$("$debian/slurm-conf.sh" setting "$conf" SlurmUser) || die "$conf cannot be read: see above"
    user=$(tail -n 1 <<<"$users")
    [ -n "$user" ] && [ "$user" != root ] || die "$conf has no SlurmUser but root, and the agent does not run as root: set SlurmUser"
fi
group=$(id -gn "$user") || die "there is no user $user, SlurmUser of $conf"

install -D -m 755 "$binary" "$to$prefix/bin/slurm-grid-agent"
install -D -m 644 -t "$to$folder" "$plugins"/{jobcomp,spank}_grid_agent.so

unit=$to/etc/systemd/system/slurm-grid-agent.service
mkdir -p "$(dirname "$unit")"
sed -e "s,/usr/bin/slurm-grid-agent,$prefix/bin/slurm-grid-agent," -e "s,^User=.*,User=$user," -e "s,^Group=.*,Group=$group," \
    "$debian/slurm-grid-agent.service" >"$unit"
# For JARVICE: systemctl enable --now slurm-grid-agent-files.socket
for name in slurm-grid-agent-files.socket slurm-grid-agent-files@.service; do
    sed -e "s,/usr/bin/slurm-grid-agent,$prefix/bin/slurm-grid-agent," -e "s,^SocketUser=.*,SocketUser=$user," \
        -e "s,--peer slurm\$,--peer $user," "$debian/$name" >"$(dirname "$unit")/$name"
done
install -D -m 644 "$debian/slurm-grid-agent.tmpfiles" "$to/etc/tmpfiles.d/slurm-grid-agent.conf"
install -d -m 755 "$to/etc/slurm-grid-agent"
install -d -m 700 "$to/etc/slurm-grid-agent/credentials"
if [ ! -e "$to/etc/slurm-grid-agent/config.yaml" ]; then
    "$binary" config reference --format yaml >"$to/etc/slurm-grid-agent/config.yaml"
fi
if [ ! -e "$to/etc/default/slurm-grid-agent" ]; then
    install -D -m 600 "$debian/slurm-grid-agent.default" "$to/etc/default/slurm-grid-agent"
fi

"$top/packaging/manual/build.sh" "$binary" "$(date -u +%Y-%m-%d)" "$to$prefix/share/man"
install -d -m 755 "$to$prefix/share/bash-completion/completions"
"$binary" --generate-completion-script bash >"$to$prefix/share/bash-completion/completions/slurm-grid-agent"

cat <<END
Installed in $to$prefix, the plugins in $to$folder; the service runs as $user. Next:
  systemctl daemon-reload
  systemctl enable --now slurm-grid-agent
  systemctl status slurm-grid-agent
END
