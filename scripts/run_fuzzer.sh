#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run_fuzzer.sh TARGET CORPUS [SEEDS]: runs a libFuzzer target for COPS_FUZZ_SECONDS (default 60).
# New inputs go to CORPUS (first, so libFuzzer writes there); a crashing input is kept beside it.
set -euo pipefail
target=$1 corpus=$2 seeds=${3:-}
mkdir -p "$corpus"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
folders=("$corpus")
if [ -n "$seeds" ] && [ -d "$seeds" ]; then folders+=("$seeds"); fi
# libFuzzer reports each new input by a line; the rest (start, pulse, end, findings) is what people read.
"$target" -max_total_time="${COPS_FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$corpus.crash-" "${folders[@]}" 2>&1 |
    sed -u -E '/^#[0-9]+\t(NEW|REDUCE|RELOAD) /d'
