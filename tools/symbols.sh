#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/symbols.sh NM [ELF] - the symbol table for kernel/panic.c as assembly; without ELF an empty one, for the first link.
set -eu
nm=$1
elf=${2:-}
if [ -n "$elf" ]; then
	"$nm" -n "$elf"
fi | awk '
	($2 == "T" || $2 == "t") {
		sub(/\..*/, "", $3) # what the compiler adds to the parts of a function
		name[n] = $3
		at[n++] = substr($1, 9)
	}
	BEGIN { n = 0 }
	END {
		print "\t.section .rodata.symbols, \"a\"\n\t.globl symbol_count, symbol_addresses, symbol_names"
		printf "symbol_count:\n\t.long %d\nsymbol_addresses:\n", n
		for (i = 0; i < n; i++) { print "\t.long 0x" at[i] }
		print "symbol_names:"
		for (i = 0; i < n; i++) { print "\t.asciz \"" name[i] "\"" }
		print "\t.section .note.GNU-stack, \"\", @progbits"
	}'
