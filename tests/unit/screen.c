/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/screen.c - a terminal of one row that knows little, so that all terminals know it.
 */
#include "tests/unit/fake.h"

#include "tests/unit/screen.h"

struct screen screen;

void screen_clear(void)
{
	memset(&screen, 0, sizeof(screen));
	memset(screen.row, ' ', SCREEN_COLUMNS);
}

static void screen_line_feed(void)
{
	size_t len = SCREEN_COLUMNS;
	while (len > 0 && screen.row[len - 1] == ' ') {
		len--;
	}
	assert_true(screen.above_len + len + 1 < SCREEN_ABOVE);
	memcpy(screen.above + screen.above_len, screen.row, len);
	screen.above_len += len;
	screen.above[screen.above_len++] = '\n';
	screen.above[screen.above_len] = '\0';
	memset(screen.row, ' ', SCREEN_COLUMNS);
}

static void screen_sequence(char last)
{
	size_t count = screen.parameter == 0 ? 1 : screen.parameter;
	screen.state = 0;
	switch (last) {
	case 'C':
		assert_true(screen.column + count < SCREEN_COLUMNS);
		screen.column += count;
		break;
	case 'D':
		assert_true(count <= screen.column);
		screen.column -= count;
		break;
	case 'K':
		assert_int_equal(screen.parameter, 0);
		memset(screen.row + screen.column, ' ', SCREEN_COLUMNS - screen.column);
		break;
	default:
		fail_msg("the terminal does not know ESC [ %zu %c", screen.parameter, last);
	}
}

static void screen_control(char c)
{
	switch (c) {
	case '\r':
		screen.column = 0;
		break;
	case '\n':
		screen_line_feed();
		break;
	case '\b':
		assert_true(screen.column > 0);
		screen.column--;
		break;
	case '\a':
		screen.bells++;
		break;
	case '\x1b':
		screen.state = 1;
		break;
	default:
		fail_msg("control byte 0x%x was sent to the terminal", (unsigned)c);
	}
}

void screen_put(char c)
{
	if (screen.state == 1) {
		assert_int_equal(c, '[');
		screen.state = 2;
		screen.parameter = 0;
	} else if (screen.state == 2 && c >= '0' && c <= '9') {
		screen.parameter = screen.parameter * 10 + (size_t)(c - '0');
	} else if (screen.state == 2) {
		screen_sequence(c);
	} else if (c < ' ' || c > '~') {
		screen_control(c);
	} else {
		assert_true(screen.column < SCREEN_COLUMNS - 1);
		screen.row[screen.column++] = c;
	}
}
