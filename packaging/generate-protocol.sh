#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Generates the Swift code of the grid's gRPC services from their protocol files. The result is committed, so that building
# needs no protoc.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v protoc >/dev/null || apt-get install -y --no-install-recommends protobuf-compiler
swift build --product protoc-gen-swift
swift build --product protoc-gen-grpc-swift-2
bin=$(swift build --show-bin-path)
cd Sources/DeepSquare/Services
options=Visibility=Internal,UseAccessLevelOnImports=true
protoc -I Protocol --plugin="$bin/protoc-gen-swift" --plugin="$bin/protoc-gen-grpc-swift-2" \
    --swift_opt="$options" --swift_out=Generated \
    --grpc-swift-2_opt="Server=false,Client=true,$options" --grpc-swift-2_out=Generated sbatch.proto logger.proto
