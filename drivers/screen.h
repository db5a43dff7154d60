/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/screen.h - the EGA text screen that a BIOS leaves, for machines without a serial port.
 */
#pragma once

#include "kernel/types.h"

/* Use the text screen of `width` x `height` characters at `base`, if it makes sense. */
void screen_open(hpa_t base, uint32_t width, uint32_t height);

/* Write at the bottom, scrolling; knows newlines. Nothing happens without screen_open. Caller holds
 * console.lock. */
void screen_write(const char *text, size_t len);
