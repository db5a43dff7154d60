/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/log.c - the log ring. Its readers (console, monitor) follow with cursors of their own.
 */
#include "kernel/log.h"

#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/lock.h"
#include "kernel/pcpu.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define RECORDS 256u

static struct spinlock log_lock = SPINLOCK(LOG);
static struct log_record ring[RECORDS]; /* [log_lock] record n is in ring[n % RECORDS] */
static atomic_ulong written;            /* [log_lock] to write; how many records there ever were */
static enum log_level shown = LOG_INFO;

static const char *const level_names[LOG_LEVEL_COUNT] = {
#define X(id, name) [LOG_##id] = name,
	LOG_LEVELS(X)
#undef X
};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_set_level(enum log_level level)
{
	shown = level;
}

enum log_level log_level(void)
{
	return shown;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	struct log_record record = {
		.tsc = tsc_read(), .cpu = (uint16_t)this_cpu()->index, .level = (uint8_t)level};
	va_list args;
	va_start(args, fmt);
	fmt_vwrite(record.text, sizeof(record.text), fmt, args);
	va_end(args);

	uint64_t flags = lock_acquire(&log_lock);
	ring[written % RECORDS] = record;
	written++;
	lock_release(&log_lock, flags);
	console_log_grew();
}

int log_trace_err(int err, const char *file, int line)
{
	log_debug("%s:%d: error %d", file, line, err);
	return err;
}

bool log_has(uint64_t cursor)
{
	return cursor < written;
}

bool log_read(uint64_t *cursor, struct log_record *record, uint64_t *lost)
{
	uint64_t flags = lock_acquire(&log_lock);
	uint64_t oldest = written > RECORDS ? written - RECORDS : 0;
	bool there = *cursor < written;
	if (*cursor < oldest) {
		*lost += oldest - *cursor;
		*cursor = oldest;
	}
	if (there) {
		*record = ring[*cursor % RECORDS];
		(*cursor)++;
	}
	lock_release(&log_lock, flags);
	return there;
}

size_t log_format(const struct log_record *record, char *out, size_t size)
{
	uint64_t us = time_from_tsc(record->tsc) / 1000;
	int len = fmt_write(out, size, "[%5lu.%06lu cpu%u] %s%s%s\n", us / 1000000, us % 1000000,
		record->cpu, record->level == LOG_INFO ? "" : level_names[record->level],
		record->level == LOG_INFO ? "" : ": ", record->text);
	return min_u64((uint64_t)len, size - 1);
}
