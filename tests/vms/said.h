/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/said.h - the lines that a guest says, as its VMM finds them in its memory: the last of
 * them, each announced by a write of its address, 32 bits, to SAID_PORT.
 */
#pragma once

#include <stdint.h>

#define SAID_PORT 0xe9u
#define SAID_AT   0x6000u
#define SAID_MAX  16u
#define LINE_MAX  96u

struct said {
	uint32_t count; /* ever; that many modulo SAID_MAX is the next */
	char line[SAID_MAX][LINE_MAX];
};
