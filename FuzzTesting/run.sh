#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh [SECONDS [TARGET…]]: fuzzes each decoder for SECONDS (default 20). Prints runs and result for each; exit
# status 1 when one crashed. README.md tells what to do then.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
seconds=${1:-20}
shift || true
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { sed -n '3,4s/^# //p' "$0"; exit 64; }
targets=("$@")
[ $# -gt 0 ] || targets=(
  Hostlist GRES TRES States AccountingLine Tidy Frames RLP ABI Answers Backend Forms Template Devices Tokens Pages Results
  HPLMxP HPL HPCC OSU IOR Fio Ookla SpeedtestCLI
)
export SWIFT_BACKTRACE=enable=no # libFuzzer reports crashes itself; both at once hang

model=../Sources/Slurm/Model
calls=../Sources/Slurm/Calls
bridge=../Sources/SpankBridge
ethereum=../Sources/Ethereum
benchmarks=../Sources/ClusterBenchmarks
cockpit=../Sources/ClusterCockpit
jarvice=../Sources/Jarvice
declare -A sources=(
  [Frames]="$bridge/Frame/Frame.swift $bridge/Frame/FrameDecoder.swift $bridge/Events/PluginEvent.swift
    $bridge/Events/JobText.swift $bridge/Events/PluginPlacement.swift"
  [RLP]="$ethereum/Encoding/*.swift $ethereum/ABI/ABI.swift $ethereum/ABI/ABIType.swift $ethereum/ABI/ABIValue.swift
    $ethereum/Keys/Signature.swift $ethereum/Keys/Secp256k1.swift $ethereum/Transactions/Transaction.swift"
  [ABI]="$ethereum/Encoding/*.swift $ethereum/ABI/*.swift"
  [Answers]="$ethereum/Encoding/*.swift $ethereum/ABI/ABI.swift $ethereum/ABI/ABIType.swift $ethereum/ABI/ABIValue.swift
    $ethereum/RPC/JSONValue.swift $ethereum/RPC/RPCError.swift $ethereum/RPC/RPCCodec.swift $ethereum/RPC/ChainTypes.swift"
  [Results]="$benchmarks/Results/*.swift $benchmarks/Labels/*.swift $benchmarks/Hardware/*.swift"
  [HPLMxP]="$benchmarks/Results/*.swift"
  [HPL]="$benchmarks/Results/*.swift"
  [HPCC]="$benchmarks/Results/*.swift"
  [OSU]="$benchmarks/Results/*.swift"
  [IOR]="$benchmarks/Results/*.swift"
  [Fio]="$benchmarks/Results/*.swift"
  [Ookla]="$benchmarks/Results/*.swift"
  [SpeedtestCLI]="$benchmarks/Results/*.swift"
  [Backend]="$cockpit/Protocol/BackendAnswer.swift $cockpit/Protocol/BackendDocuments.swift
    $cockpit/Protocol/BackendRelease.swift $cockpit/Protocol/ReleaseProbe.swift $cockpit/Placement/Topology.swift
    $cockpit/NATS/NATSMessages.swift $cockpit/CockpitError.swift"
  [Forms]="$jarvice/Text/*.swift"
  [Template]="$jarvice/Text/*.swift"
  [Devices]="$jarvice/Text/*.swift $jarvice/JarviceError.swift $jarvice/Script/DeviceList.swift
    $jarvice/Script/SbatchOption.swift"
  [Tokens]="$jarvice/Text/*.swift $jarvice/JarviceError.swift $jarvice/Identity/TokenSettings.swift
    $jarvice/Identity/TokenHeader.swift"
  [Pages]="$jarvice/Pages/JobsDomain.swift $jarvice/Pages/ForwardedFields.swift"
  [Hostlist]="$model/Hostlist.swift"
  [GRES]="$model/GRES.swift $model/TRES.swift"
  [TRES]="$model/TRES.swift"
  [States]="$model/JobState.swift $model/Node.swift $model/ExitStatus.swift $model/JobReason.swift $model/JobID.swift
    $model/TimeLimit.swift $model/GRES.swift $model/TRES.swift $model/Values.swift"
  [AccountingLine]="../Sources/Slurm/Accounting/AccountingQuery.swift ../Sources/Slurm/Accounting/AccountingJob.swift
    $model/JobState.swift $model/ExitStatus.swift"
  [Tidy]="$calls/SlurmCall.swift $calls/SlurmErrno.swift ../Sources/Slurm/SlurmError.swift"
)

# build TARGET
build() {
  local file list=()
  for file in ${sources[$1]}; do
    [ ! -e "$file" ] || list+=("$file")
  done
  [ "$1" != States ] || list+=("$(values)")
  swiftc -swift-version 6 -O -parse-as-library -sanitize=fuzzer,address -module-name "Fuzz$1" \
    -enable-upcoming-feature InternalImportsByDefault -suppress-warnings \
    -I ../Sources/CSlurm/include -Xcc -fmodule-map-file="$PWD/CSlurm.modulemap" \
    -I .build -L .build -I ../Sources/CSecp256k1 -I ../Sources/COpenSSL \
    "${list[@]}" Targets/Support.swift "Targets/Fuzz$1.swift" -lslurm -lBigInt -o ".build/$1"
}

# values: the few free functions of Job+Decode.swift that Node.swift uses, without the rest of that file
values() {
  {
    echo 'import CSlurm'
    echo 'import FoundationEssentials'
    echo 'import Glibc'
    sed -n '/^\/\/\/ 0, NO_VAL and INFINITE are no times/,$p' "$model/Job+Decode.swift"
  } >.build/Values.swift
  echo .build/Values.swift
}

# big_int: the library of large numbers as a module of its own, from where the package manager has put it
big_int() {
  [ ! -e .build/libBigInt.a ] || return 0
  [ -d ../.build/checkouts/BigInt ] || swift package --package-path .. resolve
  swiftc -O -parse-as-library -emit-module -emit-library -static -module-name BigInt \
    -emit-module-path .build/BigInt.swiftmodule -o .build/libBigInt.a ../.build/checkouts/BigInt/Sources/*.swift
}

mkdir -p .build
big_int || exit 1
crashed=0
for target in "${targets[@]}"; do
  [ -n "${sources[$target]:-}" ] || { echo "there is no target $target" >&2; exit 64; }
  build "$target" >".build/$target.log" 2>&1 || { cat ".build/$target.log"; exit 1; }
  found=.build/found/$target
  rm -rf "$found"
  mkdir -p ".build/corpus/$target" "$found" "FailCases/$target"
  ".build/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$found/" ".build/corpus/$target" "Corpus/$target" "FailCases/$target" >".build/$target.log" 2>&1
  status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' ".build/$target.log")
  if [ $status = 0 ]; then
    echo "$target: ${runs:-?} runs, no crash"
  else
    crashed=1
    why=$(grep -m1 -E 'Fatal error|ERROR: (libFuzzer|AddressSanitizer)' ".build/$target.log")
    echo "$target: CRASH after ${runs:-?} runs: ${why:-status $status}"
    for file in "$found"/*; do
      [ ! -e "$file" ] || echo "  $PWD/$file"
    done
  fi
done
exit $crashed
