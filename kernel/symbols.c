/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/symbols.c - names for code addresses.
 */
#include "kernel/symbols.h"

/* Made by tools/symbols.sh: the low halves of ascending addresses, and their names in the same
 * order. */
extern const uint32_t symbol_count;
extern const uint32_t symbol_addresses[];
extern const char symbol_names[];
extern const char text_start[], text_end[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
	uint32_t low = (uint32_t)address;
	if (address < (uint64_t)(uintptr_t)text_start || address >= (uint64_t)(uintptr_t)text_end) {
		return NULL;
	}
	/* Linear: only reports of faults come here, and names without an index take less room. */
	const char *name = symbol_names;
	const char *found = NULL;
	for (uint32_t i = 0; i < symbol_count && symbol_addresses[i] <= low; i++) {
		found = name;
		*offset = low - symbol_addresses[i];
		while (*name++ != '\0') {
		}
	}
	return found;
}
