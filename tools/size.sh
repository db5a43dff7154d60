#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/size.sh ELF [LINES_MAX ALL_MAX BYTES_MAX] - code lines for each folder (no blanks, no comments), and the bytes of
# the image; fails above the limits. The hypervisor is what runs in VMX root or SVM host mode: all but boot/, which is
# taken out of Pintle's page tables before (kernel/service.c).
set -eu
elf=$1
lines_max=${2:-10500}
all_max=${3:-12000}
bytes_max=${4:-262144}

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

boot=$(count boot/*.c boot/*.h boot/*.S boot/*.def)
sum=0
for folder in kernel vmx svm vdev drivers abi; do
	lines=$(count "$folder"/*.c "$folder"/*.h "$folder"/*.S "$folder"/*.def)
	printf '%-10s %6d lines\n' "$folder" "$lines"
	sum=$((sum + lines))
done
printf '%-10s %6d lines, of %d\n' hypervisor "$sum" "$lines_max"
printf '%-10s %6d lines, gone before the first guest\n' boot "$boot"
all=$((sum + boot))
printf '%-10s %6d lines, of %d\n' all "$all" "$all_max"

stripped=$(mktemp)
objcopy --strip-all "$elf" "$stripped"
bytes=$(stat -c %s "$stripped")
rm -f "$stripped"
printf '%-10s %6d bytes, of %d\n' image "$bytes" "$bytes_max"
[ "$sum" -le "$lines_max" ] && [ "$all" -le "$all_max" ] && [ "$bytes" -le "$bytes_max" ]
