/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/screen.h - a terminal of one row that fails the test on any byte it does not know.
 */
#pragma once

#include <stddef.h>

#define SCREEN_COLUMNS 200u
#define SCREEN_ABOVE   4096u

/* One row of a VT100 without automatic line wrap, and what has scrolled off above it. */
struct screen {
	char row[SCREEN_COLUMNS];
	size_t column;
	unsigned state; /* 0 text, 1 after ESC, 2 in a control sequence */
	size_t parameter;
	unsigned bells;
	char above[SCREEN_ABOVE]; /* each row ended by a newline */
	size_t above_len;
};

extern struct screen screen;
void screen_clear(void);
void screen_put(char c);
