/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/log.h - the log: lines with a level, a time and a CPU, kept in a ring.
 */
#pragma once

#include <stdatomic.h>

#include "kernel/types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };

/*
 * Add one line (no newline at its end) to the log; the console shows it when `level` is at most the
 * log level. Any context but NMI and machine check; takes log.lock; never waits for the serial
 * line.
 */
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...)   log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)

/* Say where an error is born (in the log, at debug level), and give it back. */
#define trace_err(err) (log_write(LOG_DEBUG, "%s:%u: error %u", __FILE__, __LINE__, -(err)), (err))

/* Bytes of a line's text with its zero, more is cut; and of a line as it is shown. */
#define LOG_TEXT_MAX 148u
#define LOG_LINE_MAX (LOG_TEXT_MAX + 48u)

/*
 * The next line for a reader that shows `most` and more urgent ones and whose *cursor begins at 0:
 * "[    1.234567 cpu0] warning: text" and a newline, in `line` of LOG_LINE_MAX bytes, or a word
 * about lines that were overwritten before they were read. Returns its length, 0: there is none
 * yet. Any context but NMI; takes log.lock.
 */
size_t log_next(uint64_t *cursor, enum log_level most, char *line);

extern atomic_ulong log_count;   /* lines there ever were: a reader's cursor when it has read all */
extern enum log_level log_level; /* what the console shows: this level and more urgent ones */
extern const char *const log_level_names[LOG_LEVEL_COUNT];
