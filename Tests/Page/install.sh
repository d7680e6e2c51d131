#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what the tests of the status page need: Chromium and a font from Debian, Python modules from PyPI into a folder
# of its own, and Debian's promtool beside them (taken out of its package, so that no Prometheus is started here).
# Prints that folder's Python.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${PAGE_VENV:-$here/.venv}
export DEBIAN_FRONTEND=noninteractive

declare -A why=(
    [chromium]="shows the status page"
    [fonts-dejavu-core]="letters for it"
    [python3-venv]="a folder for Python modules"
    [dpkg]="takes promtool out of its package"
)
missing=()
for package in "${!why[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    for package in "${missing[@]}"; do echo "page: installing $package: ${why[$package]}" >&2; done
    apt-get update -qq >&2
    apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

stamp=$folder/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    echo "page: installing $(tr '\n' ' ' <"$here/requirements.txt")from PyPI into $folder" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$stamp"
fi

if [ ! -x "$folder/bin/promtool" ]; then
    echo "page: taking promtool out of Debian's prometheus: checks the example rules" >&2
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    if ! (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus >&2); then
        apt-get update -qq >&2
        (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus >&2)
    fi
    dpkg-deb -x "$work"/prometheus_*.deb "$work/tree"
    install -m 0755 "$work/tree/usr/bin/promtool" "$folder/bin/promtool"
fi
echo "$folder/bin/python"
