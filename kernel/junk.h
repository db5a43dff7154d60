/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/junk.h - what debug builds leave in freed memory, so that a later write to it shows.
 */
#pragma once

#include "kernel/string.h"

/* Eight of these are no canonical address (SDM vol. 1, ch. 3): a pointer read from junk faults. */
#define JUNK_BYTE 0x6b

static inline void junk_fill(void *memory, size_t len)
{
	if (DEBUG_BUILD) {
		memset(memory, JUNK_BYTE, len);
	}
}

/* True when `memory` holds what junk_fill left (len at least 1); always true in a release. */
static inline bool junk_intact(const void *memory, size_t len)
{
	const uint8_t *bytes = memory;

	return !DEBUG_BUILD || (bytes[0] == JUNK_BYTE && memcmp(bytes, bytes + 1, len - 1) == 0);
}
