/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/screen.c - the EGA text screen: two bytes a cell, character and colour.
 */
#include "drivers/screen.h"

#include "kernel/paging.h"

#define GREY_ON_BLACK 0x0700u

static volatile uint16_t *cells; /* NULL: no screen */
static uint32_t columns, rows, column;

void screen_open(hpa_t base, uint32_t width, uint32_t height)
{
	columns = width;
	rows = height;
	if (width - 1 < 512 && height - 1 < 512) {
		cells = window_map(base, sizeof(*cells) * width * height, PAGING_DEVICE);
	}
}

static void scroll(void)
{
	uint32_t kept = columns * (rows - 1);
	for (uint32_t i = 0; i < columns * rows; i++) {
		cells[i] = i < kept ? cells[i + columns] : GREY_ON_BLACK | ' ';
	}
	column = 0;
}

void screen_write(const char *text, size_t len)
{
	for (size_t i = 0; i < len && cells != NULL; i++) {
		if (text[i] == '\n' || column == columns) {
			scroll();
		}
		if (text[i] >= ' ') {
			cells[columns * (rows - 1) + column++] =
				(uint16_t)(GREY_ON_BLACK | (uint8_t)text[i]);
		}
	}
}
