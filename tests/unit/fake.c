/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake.c - log, panic and locks for pure modules on the host. Linked into every unit
 * test and fuzz target.
 */
#include "tests/unit/fake.h"

#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"

#define FAKE_LOG_MAX 65536u
char fake_log[FAKE_LOG_MAX];
static size_t fake_log_len;

jmp_buf fake_panic_jump;
bool fake_panic_expected;
char fake_panic_text[256];
int fake_locks_held;

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (fake_log_len + 1 >= FAKE_LOG_MAX) {
		return;
	}
	int n = snprintf(fake_log + fake_log_len, FAKE_LOG_MAX - fake_log_len, "%s: %s\n",
		names[level], line);
	fake_log_len += (size_t)n;
	if (fake_log_len >= FAKE_LOG_MAX) {
		fake_log_len = FAKE_LOG_MAX - 1;
	}
}

void fake_log_clear(void)
{
	fake_log_len = 0;
	fake_log[0] = '\0';
}

void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(fake_panic_text, sizeof(fake_panic_text), fmt, args);
	va_end(args);
	if (!fake_panic_expected) {
		fprintf(stderr, "unexpected panic: %s\n", fake_panic_text);
		abort();
	}
	longjmp(fake_panic_jump, 1);
}

/* Weak: the lock test links the real ones. */
__attribute__((weak)) uint64_t lock_acquire(struct spinlock *lock)
{
	(void)lock;
	fake_locks_held++;
	return 0;
}

__attribute__((weak)) void lock_release(struct spinlock *lock, uint64_t flags)
{
	(void)lock;
	(void)flags;
	fake_locks_held--;
}

void fake_locks_forget(void)
{
	fake_locks_held = 0;
}

int fake_setup(void **state)
{
	(void)state;
	fake_log_clear();
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	return fake_locks_held == 0 ? 0 : -1;
}
