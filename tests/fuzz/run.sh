#!/usr/bin/env bash
# Puts each fuzz target through so many seconds (60) of coverage-guided random input, beginning with its corpus:
#   bash tests/fuzz/run.sh [SECONDS] [TARGET…]
# Works with a stable compiler and a C++ compiler; the build takes some minutes, nothing is written into the corpus. Ends with 1
# at the first finding, whose input is kept in tests/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:-60}
shift || true
targets=("$@")
((${#targets[@]})) || targets=(decoder config)

# What cargo-fuzz gives the compiler, without the sanitizers that only a nightly has.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flags are for the targets alone and not for build scripts.
cargo build --quiet --release --target "$host"
mkdir -p artifacts
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
for target in "${targets[@]}"; do
    printf '== %s, %s s\n' "$target" "$seconds"
    mkdir -p "$found/$target"
    # How it ended tells whether there is a finding; of what it says only what matters then is shown.
    ended=0
    "target/$host/release/$target" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=512 -timeout=10 \
        -artifact_prefix=artifacts/ -print_final_stats=1 "$found/$target" "corpus/$target" >"$found/said" 2>&1 || ended=$?
    grep -E '^(stat::|SUMMARY|thread |==[0-9]+==|artifact_prefix|.*panicked)' "$found/said" || tail -20 "$found/said"
    [ "$ended" = 0 ] || exit 1
done
