#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the private headers of exactly the installed Slurm available: fetches Debian's source package of that version
# and unpacks it. Prints the folder. Nothing of it is kept in the repository.
#
#   fetch-slurm-headers.sh FOLDER     FOLDER: where to unpack (a cache)
#
# For a Slurm that the site built itself: SLURM_PREFIX=DIR, where it is installed, and SLURM_SOURCE=DIR, its source.
# Exit status 3: the source cannot be had; the plugin can still be built lean.
set -euo pipefail

die() {
    echo "fetch-slurm-headers: $*" >&2
    exit 3
}

cache=$(mkdir -p "${1:?the folder to unpack into}" && cd "$1" && pwd)
header=${SLURM_PREFIX:-/usr}/include/slurm/slurm_version.h
[ -r "$header" ] || die "no $header: install libslurm-dev, or name with SLURM_PREFIX where Slurm is installed"
number=$(awk '$2 == "SLURM_VERSION_NUMBER" { print $3 }' "$header")
wanted=$(printf '%d.%02d.%d' $((number >> 16 & 255)) $((number >> 8 & 255)) $((number & 255)))

check() { # is DIR the source of the wanted version?
    local found
    found=$(awk '$1 == "Version:" { print $2 }' "$1/META" 2>/dev/null) || true
    [ "$found" = "$wanted" ] && { [ -r "$1/src/common/job_record.h" ] || [ -r "$1/src/slurmctld/slurmctld.h" ]; }
}

if [ -n "${SLURM_SOURCE:-}" ]; then
    check "$SLURM_SOURCE" || die "$SLURM_SOURCE is not the source of Slurm $wanted"
    echo "$SLURM_SOURCE"
    exit 0
fi

[ -z "${SLURM_PREFIX:-}" ] || die "SLURM_PREFIX without SLURM_SOURCE: name the source of Slurm $wanted too"
package=$(dpkg-query -W -f '${source:Version}' libslurm-dev 2>/dev/null) || die "libslurm-dev is not Debian's: set SLURM_SOURCE"
source=$(dpkg-query -W -f '${source:Package}' libslurm-dev)
tree=$cache/$package
if ! check "$tree"; then
    rm -rf "$tree" "$tree.new"
    mkdir -p "$tree.new"
    # apt's own places, as source entries, in a folder of ours: the machine's configuration stays as it is.
    apt=$tree.new/apt
    mkdir -p "$apt/parts" "$apt/lists/partial"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -r "$file" ] || sed -n 's/^deb /deb-src /p' "$file" >"$apt/parts/$(basename "$file" .list).list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -r "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/$(basename "$file")"
    done
    options=(-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" -o Dir::State::lists="$apt/lists"
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
    echo "fetch-slurm-headers: fetching the source package $source $package" >&2
    { apt-get "${options[@]}" update && (cd "$tree.new" && apt-get "${options[@]}" source --download-only "$source=$package"); } >&2 ||
        die "the source package $source $package cannot be had: set SLURM_SOURCE to its unpacked source"
    (cd "$tree.new" && dpkg-source --no-check -x ./*.dsc source >&2) || die "the source package cannot be unpacked"
    mv "$tree.new/source" "$tree"
    rm -rf "$tree.new"
    check "$tree" || die "$source $package is not Slurm $wanted"
fi
echo "$tree"
