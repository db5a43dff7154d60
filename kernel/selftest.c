/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/selftest.c - the commands that check Pintle itself: what unit tests on the host cannot
 * show. Runs: on the monitor's stack on CPU 0. Each check leaves everything as it was.
 */
#include "drivers/lapic.h"
#include "kernel/console.h"
#include "kernel/frame.h"
#include "kernel/monitor.h"
#include "kernel/paging.h"
#include "kernel/panic.h"
#include "kernel/pcpu.h"
#include "kernel/time.h"

#define TIMER_NS     2000000ull
#define TIMER_MAX_NS 1000000000ull /* an emulator may be late, but not that late */

static void show_run(void *context, const struct paging_run *run)
{
	console_printf("%016lx-%016lx %8lu KiB  r%c%c%c\n", run->va, run->va + run->size - 1,
		run->size / KIB, run->flags & PAGING_WRITE ? 'w' : '-',
		run->flags & PAGING_EXECUTE ? 'x' : '-', run->flags & PAGING_UNCACHED ? 'u' : '-');
}

static void count_bad(void *bad, const struct paging_run *run)
{
	*(unsigned *)bad += (run->flags & PAGING_WRITE) && (run->flags & PAGING_EXECUTE);
}

static bool nothing_is_writable_and_executable(void)
{
	unsigned bad = 0;
	paging_walk(count_bad, &bad);
	return bad == 0;
}

void command_map(const char *argument)
{
	paging_walk(show_run, NULL);
	console_printf("%s is both writable and executable\n",
		nothing_is_writable_and_executable() ? "nothing" : "SOMETHING");
}

static void count_call(void *count)
{
	atomic_fetch_add((atomic_uint *)count, 1);
}

/* All but the first asker ask at once, so that each waits for the others while they wait for it. */
static void call_all(void *count)
{
	if (this_cpu()->index != 0) {
		smp_call_all(count_call, count);
	}
}

static bool every_cpu_answers_every_other(void)
{
	atomic_uint answers = 0;
	smp_call_all(count_call, &answers);
	smp_call_all(call_all, &answers);
	return answers == smp_online_count() * smp_online_count();
}

/* What peek_call looks at, expects and found wrong. */
static const volatile uint64_t *peek_at;
static uint64_t peek_expected;
static atomic_uint peek_wrong;

static void peek_call(void *argument)
{
	peek_wrong += *peek_at != peek_expected;
}

/* Two frames seen through one window, one after the other, by all CPUs. */
static bool every_cpu_forgets_old_mappings(void)
{
	const volatile uint64_t *last;

	for (peek_expected = 1; peek_expected <= 2; peek_expected++) {
		uint64_t *frame = frame_alloc(1, FRAME_TEST);
		if (frame == NULL) {
			return false;
		}
		*frame = peek_expected;
		last = peek_at;
		peek_at = window_map(virt_to_phys(frame), PAGE_SIZE, 0);
		if (peek_at != NULL) {
			smp_call_all(peek_call, NULL);
			window_unmap(peek_at, PAGE_SIZE);
		}
		frame_free(frame, 1, FRAME_TEST);
	}
	return peek_wrong == 0 && peek_at != NULL && peek_at == last;
}

static bool the_timer_fires_on_time(void)
{
	atomic_ulong *count = &this_cpu()->interrupts[VECTOR_TIMER - VECTOR_OWN_FIRST];
	uint64_t before = *count;
	uint64_t start = time_ns();
	lapic_timer_arm(time_to_tsc(TIMER_NS));
	while (*count == before && time_ns() - start < TIMER_MAX_NS) {
		cpu_pause();
	}
	return *count != before && time_ns() - start >= TIMER_NS * 9 / 10;
}

static bool symbols_are_found(void)
{
	uint64_t offset;
	const char *name = symbol_find((uint64_t)(uintptr_t)command_selftest, &offset);
	return strcmp(name, "command_selftest") == 0 && offset == 0;
}

static void report(unsigned results[2], bool good, const char *what)
{
	results[good]++;
	console_printf("%-6s  %s\n", good ? "ok" : "FAILED", what);
}

void command_selftest(const char *argument)
{
	unsigned results[2] = {0};
	size_t free_before = frame_count(FRAME_FREE);

	report(results, nothing_is_writable_and_executable(), "nothing is writable and executable");
	report(results, every_cpu_answers_every_other(), "every CPU answers every other");
	report(results, every_cpu_forgets_old_mappings(), "every CPU forgets old mappings");
	report(results, the_timer_fires_on_time(), "the timer fires on time");
	report(results, symbols_are_found(), "symbols are found");
	report(results, frame_count(FRAME_FREE) == free_before, "all memory came back");
	console_printf("selftest: %u passed, %u failed\n", results[true], results[false]);
}
