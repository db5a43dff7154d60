#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/layers.sh - compare what each folder includes with the layers of the design (docs/design in short: vmx, svm and vdev
# never meet, kernel knows no vendor, drivers know only kernel's basic headers).
set -eu

basic='basic types errno string fmt log lock panic paging time trap x86 apic layout memmap'

# "folder: folders it may include"; drivers are looked at header by header below.
allowed() {
	case $1 in
	boot) echo boot kernel drivers vmx svm vdev abi ;;
	kernel) echo kernel drivers vdev abi ;;
	vmx) echo vmx kernel abi ;;
	svm) echo svm kernel abi ;;
	vdev) echo vdev kernel abi ;;
	drivers) echo drivers kernel ;;
	abi) echo abi ;;
	esac
}

bad=0
for folder in boot kernel vmx svm vdev drivers abi; do
	for file in "$folder"/*.[chS]; do
		[ -e "$file" ] || continue
		for header in $(sed -n 's/^#include "\([^"]*\/[^"]*\)".*/\1/p' "$file"); do
			ok=0
			for a in $(allowed "$folder"); do
				[ "${header%%/*}" = "$a" ] && ok=1
			done
			if [ "$folder" = drivers ] && [ "${header%%/*}" = kernel ]; then
				ok=0
				for b in $basic; do
					[ "$header" = "kernel/$b.h" ] && ok=1
				done
			fi
			if [ $ok = 0 ]; then
				echo "$file includes $header, which its layer may not"
				bad=1
			fi
		done
	done
done
[ $bad = 0 ] && echo "includes follow the layers"
exit $bad
