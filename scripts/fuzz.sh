#!/usr/bin/env bash
# Fuzzes targets, one after the other: `scripts/fuzz.sh SECONDS [TARGET...]`,
# all of them unless named. Needs a nightly toolchain and cargo-fuzz. What is
# found lands in fuzz/artifacts/TARGET; the stored corpus is only read, and new
# inputs are kept in fuzz/grown/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:?fuzz.sh: for how many seconds a target?}
shift
if (($# > 0)); then
    targets=("$@")
else
    mapfile -t targets < <(cargo +nightly fuzz list)
fi

# One build for all.
cargo +nightly fuzz build

binaries=fuzz/target/x86_64-unknown-linux-gnu/release
found=()
for target in "${targets[@]}"; do
    mkdir -p "fuzz/grown/$target" "fuzz/artifacts/$target" "fuzz/regressions/$target"
    echo "fuzz.sh: $target, $seconds s"
    # The last lines have the number of runs and the rate.
    if ! "$binaries/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -dict=fuzz/http.dict -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="fuzz/artifacts/$target/" \
        "fuzz/grown/$target" "fuzz/corpus/$target" "fuzz/regressions/$target"; then
        found+=("$target")
    fi
done
if ((${#found[@]} > 0)); then
    echo "fuzz.sh: found something: ${found[*]}; see fuzz/artifacts" >&2
    exit 1
fi
