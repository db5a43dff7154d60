#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/size.sh ELF [LINES_MAX BYTES_MAX] - code lines of the hypervisor for each folder (no blanks, no comments), and the
# bytes of its image; fails above the limits.
set -eu
elf=$1
lines_max=${2:-12000}
bytes_max=${3:-262144}

count() {
	# Comments are cut by the compiler's own reading of them; empty lines and # markers go.
	total=0
	for file in "$@"; do
		[ -e "$file" ] || continue
		lines=$(gcc -fpreprocessed -dD -E -P -x c "$file" 2>/dev/null | grep -c '[^[:space:]]' || true)
		total=$((total + lines))
	done
	echo "$total"
}

sum=0
for folder in boot kernel vmx svm vdev drivers abi; do
	lines=$(count "$folder"/*.c "$folder"/*.h "$folder"/*.S "$folder"/*.def)
	printf '%-8s %6d lines\n' "$folder" "$lines"
	sum=$((sum + lines))
done
printf '%-8s %6d lines, of %d\n' all "$sum" "$lines_max"

stripped=$(mktemp)
objcopy --strip-all "$elf" "$stripped"
bytes=$(stat -c %s "$stripped")
rm -f "$stripped"
printf '%-8s %6d bytes, of %d\n' image "$bytes" "$bytes_max"
[ "$sum" -le "$lines_max" ] && [ "$bytes" -le "$bytes_max" ]
