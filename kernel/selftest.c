/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/selftest.c - the command that checks what unit tests on the host cannot show.
 * Runs: on the monitor's stack on CPU 0. Each check leaves everything as it was.
 */
#include "drivers/lapic.h"
#include "kernel/console.h"
#include "kernel/frame.h"
#include "kernel/monitor.h"
#include "kernel/paging.h"
#include "kernel/panic.h"
#include "kernel/pcpu.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define TIMER_NS     2000000ull
#define TIMER_MAX_NS 1000000000ull /* an emulator may be late, but not that late */

static void count_writable_and_executable(void *count, const struct paging_run *run)
{
	*(unsigned *)count += (run->flags & PAGING_WRITE) && (run->flags & PAGING_EXECUTE);
}

static bool no_page_is_writable_and_executable(void)
{
	unsigned bad = 0;
	paging_walk(count_writable_and_executable, &bad);
	return bad == 0;
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

struct peek {
	const volatile uint64_t *at[2];
	unsigned round;
	atomic_uint wrong;
};

static void peek_call(void *argument)
{
	struct peek *peek = argument;
	atomic_fetch_add(&peek->wrong, *peek->at[peek->round] != peek->round);
}

/* Two frames seen through one window, one after the other, by all CPUs. */
static bool memory_comes_back_and_old_mappings_are_forgotten(void)
{
	struct peek peek = {0};
	struct frame_stats before, after;

	frame_stats_get(&before);
	uint64_t *frames = frame_alloc(2, FRAME_TEST);
	for (; frames != NULL && peek.round < 2; peek.round++) {
		uint64_t *frame = frames + peek.round * PAGE_SIZE / sizeof(*frames);
		*frame = peek.round;
		peek.at[peek.round] = window_map(virt_to_phys(frame), PAGE_SIZE, 0);
		if (peek.at[peek.round] != NULL) {
			smp_call_all(peek_call, &peek);
			window_unmap(peek.at[peek.round], PAGE_SIZE);
		}
	}
	if (frames != NULL) {
		frame_free(frames, 2, FRAME_TEST);
	}
	frame_stats_get(&after);
	return peek.wrong == 0 && peek.at[0] != NULL && peek.at[0] == peek.at[1] &&
		memcmp(&before, &after, sizeof(before)) == 0;
}

static bool the_timer_fires_on_time(void)
{
	atomic_ulong *count = &this_cpu()->interrupts[VECTOR_TIMER - VECTOR_OWN_FIRST];
	uint64_t before = *count;
	uint64_t start = time_ns();
	lapic_timer_arm(TIMER_NS);
	while (*count == before && time_ns() - start < TIMER_MAX_NS) {
		cpu_pause();
	}
	return *count != before && time_ns() - start >= TIMER_NS * 9 / 10;
}

static bool symbols_are_found(void)
{
	uint64_t offset;
	const char *name = symbol_find((uint64_t)(uintptr_t)command_selftest, &offset);
	return name != NULL && strcmp(name, "command_selftest") == 0 && offset == 0;
}

void command_selftest(const char *argument)
{
	static const struct {
		const char *name;
		bool (*check)(void);
	} checks[] = {
#define CHECK(f) {#f, f}
		CHECK(memory_comes_back_and_old_mappings_are_forgotten),
		CHECK(no_page_is_writable_and_executable),
		CHECK(every_cpu_answers_every_other),
		CHECK(the_timer_fires_on_time),
		CHECK(symbols_are_found),
#undef CHECK
	};
	unsigned failed = 0;
	for (unsigned i = 0; i < ARRAY_COUNT(checks); i++) {
		bool good = checks[i].check();
		failed += !good;
		console_printf("%-6s  %s\n", good ? "ok" : "FAILED", checks[i].name);
	}
	console_printf("selftest: %zu passed, %u failed\n", ARRAY_COUNT(checks) - failed, failed);
}
