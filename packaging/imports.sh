#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# imports.sh [FOLDER]: who imports the modules of one gateway. In Sources/Agent only the list of gateways and the gateway's own
# folder do: what all of them need belongs to the core. Prints each line that breaks it; exit status 1 when there is one.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# own MODULES FOLDER: these modules are imported in that folder of Sources/Agent/Gateways alone.
own() {
    local kinds='typealias|struct|class|enum|protocol|actor|let|var|func'
    grep -rnE --include='*.swift' "^ *(@[A-Za-z_]+(\([^)]*\))? +)*((public|package|internal|fileprivate|private) +)?import +(($kinds) +)?($1)\b" \
        Sources/Agent | grep -vE "^Sources/Agent/Gateways/(Gateways\.swift|$2/[^:]*):"
}

# below FOLDER…: no gateway is known there.
below() {
    grep -rnE --include='*.swift' "^ *(@[A-Za-z_]+(\([^)]*\))? +)*((public|package|internal|fileprivate|private) +)?import .*\b(Agent|$gateways)\b" "$@"
}

gateways='ClusterBenchmarks|ClusterCockpit|DeepSquare|Ethereum|Jarvice|JarviceAnswers'
broken=0
# Each module but the agent and the gateways' own.
for folder in Sources/*/; do
    [[ $folder =~ ^Sources/(Agent|$gateways)/$ ]] || ! below "$folder" || broken=1
done
if own 'DeepSquare|Ethereum' DeepSquare; then broken=1; fi
if own ClusterBenchmarks Benchmark; then broken=1; fi
if own ClusterCockpit ClusterCockpit; then broken=1; fi
if own 'Jarvice|JarviceAnswers' Jarvice; then broken=1; fi
[ "$broken" = 0 ] || echo "imports: put this into the gateway's own folder, or into the core what every gateway needs (docs/gateways.md)" >&2
exit "$broken"
