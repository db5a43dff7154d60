#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/fuzz.sh TARGET SECONDS - run one libFuzzer target from its seeds (tests/fuzz/seeds/NAME/*.hex) for a bounded time.
set -eu
target=$1
seconds=$2
name=$(basename "$target" | sed 's/^fuzz_//')
corpus=build/fuzz/$name
mkdir -p "$corpus"
for seed in tests/fuzz/seeds/"$name"/*.hex; do
	xxd -r -p "$seed" "$corpus/$(basename "$seed" .hex)"
done
log=build/fuzz/$name.log
if ! "$target" -max_total_time="$seconds" -timeout=10 -artifact_prefix=build/fuzz/"$name"- "$corpus" >"$log" 2>&1; then
	tail -n 40 "$log"
	exit 1
fi
echo "$name: $(sed -n 's/^Done //p' "$log")"
