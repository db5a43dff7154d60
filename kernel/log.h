/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/log.h - the log: lines with a level, a time and a CPU, kept in a ring.
 */
#pragma once

#include "kernel/types.h"

#define LOG_LEVELS(X) X(ERROR, "error") X(WARNING, "warning") X(INFO, "info") X(DEBUG, "debug")

enum log_level {
#define X(id, name) LOG_##id,
	LOG_LEVELS(X)
#undef X
	LOG_LEVEL_COUNT
};

/*
 * Add one line (no newline at its end) to the log; the console shows it when `level` is at most the
 * log level. Any context but NMI and machine check; takes log.lock; never waits for the serial
 * line.
 */
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...)   log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, __VA_ARGS__)

/* Say where an error is born (in the log, at debug level), and give it back. */
#define trace_err(err) log_trace_err((err), __FILE__, __LINE__)
int log_trace_err(int err, const char *file, int line);

/* One line, as the ring keeps it. */
#define LOG_TEXT_MAX 148u
struct log_record {
	uint64_t tsc;
	uint16_t cpu;
	uint8_t level;
	char text[LOG_TEXT_MAX]; /* cut to fit, zero ended */
};

/*
 * Copy the record that *cursor stands on and move on; a cursor starts at 0. Records that were
 * overwritten before they were read are skipped and counted in *lost. False when there is none yet.
 * Any context but NMI; takes log.lock.
 */
bool log_read(uint64_t *cursor, struct log_record *record, uint64_t *lost);

/* True when a record stands at `cursor`; without the lock, as a hint. */
bool log_has(uint64_t cursor);

/* "[    1.234567 cpu0] warning: text" and a newline, cut to `size`; returns its length. Pure. */
#define LOG_LINE_MAX (LOG_TEXT_MAX + 48u)
size_t log_format(const struct log_record *record, char *out, size_t size);

/* What the console shows: this level and more urgent ones. */
void log_set_level(enum log_level level);
enum log_level log_level(void);
const char *log_level_name(enum log_level level);
