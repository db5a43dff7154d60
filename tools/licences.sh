#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/licences.sh - check that every source file names its licence within its first lines.
set -eu
bad=0
for file in $(git ls-files -co --exclude-standard '*.[chS]' '*.def' '*.ld' '*.sh' '*.py' '*.mk' Makefile .ci/run); do
	if ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier: '; then
		echo "$file: no SPDX-License-Identifier"
		bad=1
	fi
done
exit $bad
