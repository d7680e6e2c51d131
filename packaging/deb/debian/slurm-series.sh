#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the dependency on the Slurm series that VERSION, a Debian version of Slurm, belongs to.
#
#   slurm-series.sh VERSION      22.05.8-4 → slurm-wlm-basic-plugins (>= 22.05), slurm-wlm-basic-plugins (<< 22.06)
#
# slurm-wlm-basic-plugins is what slurmctld, slurmd and the commands all depend on, each on exactly its own release; it
# holds the authentication plugin that libslurm loads. Never one exact release: that would hold back Slurm's security
# updates, or remove the plugins, without which a slurmctld whose slurm.conf names them may not start.
set -eu
version=${1:?a Debian version of Slurm}
epoch=''
case $version in *:*) epoch=${version%%:*}: ;; esac
series=$(expr "${version#*:}" : '\([0-9]\{2\}\.[0-9]\{2\}\)[.~+-]') || {
    echo "slurm-series: $version is no version of Slurm" >&2
    exit 1
}
year=${series%.*}
month=${series#*.}
next=$(printf '%s.%02d' "$year" $((${month#0} + 1)))
package=slurm-wlm-basic-plugins
echo "$package (>= $epoch$series), $package (<< $epoch$next)"
