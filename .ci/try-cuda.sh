#!/usr/bin/env bash
# Builds the backend for CUDA as a user would, and runs all that is known of it: parity, killed trainings, the packed package, the bench. Not a
# part of .ci/run: it downloads 2 GB and keeps 4 GB. Without a GPU it computes on the CPU, and says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
npx orchestrate doctor --install tensorflow-gpu --dir "$(mktemp -d)"
npx node test/trainer/native.ts --backend tensorflow-gpu --kills 3
npx node bench/gpu.ts --backend tensorflow-gpu "$@"
