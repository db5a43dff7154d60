/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/fmt.h - text from values. Pure: no locks, no allocation, any context.
 */
#pragma once

#include "kernel/types.h"

/*
 * Write a formatted text of at most `size` bytes, always ended by a zero byte when size is not 0.
 * Knows the flag `-` or `0`, a width, the lengths l and z, and the conversions u x p (as lx) c s
 * %. Zeros fill up to 24 columns. Of an unknown conversion the letter is shown. A null %s prints
 * "(null)". Returns the length that the whole text has, as snprintf does.
 */
int fmt_write(char *out, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
int fmt_vwrite(char *out, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);

/* The next word of *text, which is cut off there; NULL: there is none. */
char *fmt_next_word(char **text);

/* Where `word` is in a list of names; false, and *place as it was: it is not. */
bool fmt_find(const char *word, const char *const *names, unsigned count, unsigned *place);

/*
 * Read an unsigned number (decimal, or hexadecimal after 0x) that fills the whole of text[0..len).
 * Returns 0, or -EINVAL for anything else and for what is above UINT64_MAX; *value is written only
 * on 0.
 */
int fmt_parse_u64(const char *text, size_t len, uint64_t *value);

/* The same for the decimal digits at *text, which then stands behind them. False: no number. */
bool fmt_take_u64(const char **text, uint64_t *value);
