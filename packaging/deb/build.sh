#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the Debian package from the files that git tracks, in .build/deb, and prints where it is.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$top/.build/deb
tree=$work/tree
rm -rf "$work"
mkdir -p "$tree"
cd "$top"
git ls-files -z | grep -zv '^lab/\|^Tests/\|^Benchmarks/\|^FuzzTesting/' | xargs -0 cp --parents -t "$tree"
# Package.swift names the folders of tests and benchmarks; they must be there, not be full.
git ls-files 'Tests/*.swift' 'Benchmarks/*.swift' | xargs -n 1 dirname | sort -u | while read -r folder; do
    mkdir -p "$tree/$folder"
    echo '// SPDX-License-Identifier: GPL-3.0-or-later' >"$tree/$folder/Empty.swift"
done
cp -r "$tree/packaging/deb/debian" "$tree/debian"
cd "$tree"
SCRATCH=$top/.build-deb dpkg-buildpackage --build=binary --no-sign >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    echo "deb: failed; the whole log is in $work/log" >&2
    exit 1
}
lintian --fail-on error "$work"/*.changes >&2 || exit 1
ls "$work"/*.deb
