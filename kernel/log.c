/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/log.c - the log ring. Its readers (console, monitor) follow with cursors of their own.
 */
#include "kernel/log.h"

#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/pcpu.h"
#include "kernel/time.h"

#define RECORDS 256u

static struct spinlock log_lock = SPINLOCK(LOG);
static struct log_record {
	uint64_t tsc;
	uint16_t cpu;
	uint8_t level;
	char text[LOG_TEXT_MAX];
} ring[RECORDS];        /* [log_lock] record n is in ring[n % RECORDS] */
atomic_ulong log_count; /* [log_lock] to write */
enum log_level log_level = LOG_INFO;

const char *const log_level_names[LOG_LEVEL_COUNT] = {"error", "warning", "info", "debug"};

void log_write(enum log_level level, const char *fmt, ...)
{
	struct log_record record = {
		.tsc = tsc_read(), .cpu = (uint16_t)this_cpu()->index, .level = (uint8_t)level};
	va_list args;
	va_start(args, fmt);
	fmt_vwrite(record.text, sizeof(record.text), fmt, args);
	va_end(args);

	uint64_t flags = lock_acquire(&log_lock);
	ring[log_count++ % RECORDS] = record;
	lock_release(&log_lock, flags);
	console_log_grew();
}

size_t log_next(uint64_t *cursor, enum log_level most, char *line)
{
	struct log_record record = {.level = LOG_LEVEL_COUNT};
	LOCK_HOLD(&log_lock);
	uint64_t lost = max_u64(log_count, *cursor + RECORDS) - RECORDS - *cursor;

	*cursor += lost;
	while (lost == 0 && record.level > most && *cursor < log_count) {
		record = ring[(*cursor)++ % RECORDS];
	}
	if (lost != 0) {
		return (size_t)fmt_write(line, LOG_LINE_MAX, "[... %lu lines lost]\n", lost);
	}
	if (record.level > most) {
		return 0;
	}
	uint64_t us = time_from_tsc(record.tsc) / 1000;
	return (size_t)fmt_write(line, LOG_LINE_MAX, "[%5lu.%06lu cpu%u] %s%s%s\n", us / 1000000,
		us % 1000000, record.cpu,
		record.level == LOG_INFO ? "" : log_level_names[record.level],
		record.level == LOG_INFO ? "" : ": ", record.text);
}
