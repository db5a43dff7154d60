/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/selftest.c - checks that need the real machine: what unit tests on the host cannot show.
 * Runs: as a command of the monitor. Each check leaves everything as it was.
 */
#include "kernel/selftest.h"

#include "drivers/lapic.h"
#include "kernel/console.h"
#include "kernel/frame.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/symbols.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define TIMER_NS     2000000ull
#define TIMER_MAX_NS 1000000000ull /* an emulator may be late, but not that late */

static bool frames_come_back(void)
{
	struct frame_stats before, after;

	frame_stats_get(&before);
	void *one = frame_alloc(1, FRAME_TEST);
	void *run = frame_alloc(5, FRAME_TEST);
	bool good = one != NULL && run != NULL && one != run;
	if (one != NULL) {
		frame_free(one, 1, FRAME_TEST);
	}
	if (run != NULL) {
		frame_free(run, 5, FRAME_TEST);
	}
	frame_stats_get(&after);
	return good && memcmp(&before, &after, sizeof(before)) == 0;
}

static void count_bad(void *context, const struct paging_run *run)
{
	*(unsigned *)context += (run->flags & PAGING_WRITE) && (run->flags & PAGING_EXECUTE);
}

static bool no_page_is_writable_and_executable(void)
{
	unsigned bad = 0;
	paging_walk(count_bad, &bad);
	return bad == 0;
}

static void count_call(void *argument)
{
	atomic_fetch_add((atomic_uint *)argument, 1);
}

static bool every_cpu_answers(void)
{
	atomic_uint answers = 0;
	for (unsigned round = 0; round < 100; round++) {
		smp_call_all(count_call, &answers);
	}
	for (unsigned i = 0; i < cpu_count; i++) {
		smp_call(i, count_call, &answers); /* no call to one that is not online */
	}
	return answers == 101 * smp_online_count();
}

struct crossing {
	unsigned asker;
	atomic_uint arrived, answers;
};

/*
 * Asked of all: when all but the asker have come, they ask all again, so that each waits for the
 * others while they wait for it.
 */
static void cross(void *argument)
{
	struct crossing *crossing = argument;
	if (this_cpu()->index == crossing->asker) {
		return;
	}
	atomic_fetch_add(&crossing->arrived, 1);
	while (crossing->arrived != smp_online_count() - 1) {
		cpu_pause();
	}
	smp_call_all(count_call, &crossing->answers);
}

static bool crossing_calls_are_answered(void)
{
	struct crossing crossing = {.asker = this_cpu()->index};
	smp_call_all(cross, &crossing);
	return crossing.answers == (smp_online_count() - 1) * smp_online_count();
}

struct peek {
	const volatile uint64_t *at;
	uint64_t expected;
	atomic_uint wrong;
};

static void peek_call(void *argument)
{
	struct peek *peek = argument;
	if (*peek->at != peek->expected) {
		atomic_fetch_add(&peek->wrong, 1);
	}
}

/* Two frames seen through windows at the same place, one after the other, by all CPUs. */
static bool every_cpu_forgets_old_mappings(void)
{
	struct peek peek = {0};
	const volatile uint64_t *place[2];

	for (unsigned i = 0; i < 2; i++) {
		uint64_t *frame = frame_alloc(1, FRAME_TEST);
		if (frame == NULL) {
			return false;
		}
		*frame = 0x1111 * (i + 1);
		place[i] = window_map(virt_to_phys(frame), PAGE_SIZE, 0);
		if (place[i] == NULL) {
			frame_free(frame, 1, FRAME_TEST);
			return false;
		}
		peek.at = place[i];
		peek.expected = *frame;
		smp_call_all(peek_call, &peek);
		window_unmap(place[i], PAGE_SIZE);
		frame_free(frame, 1, FRAME_TEST);
	}
	return peek.wrong == 0 && place[0] == place[1];
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
	uint64_t passed = time_ns() - start;
	return *count != before && passed >= TIMER_NS * 9 / 10;
}

static bool symbols_are_found(void)
{
	uint64_t offset;
	const char *name = symbol_find((uint64_t)(uintptr_t)selftest_run, &offset);
	return name != NULL && strcmp(name, "selftest_run") == 0 && offset == 0;
}

void selftest_run(void)
{
	static const struct {
		const char *name;
		bool (*check)(void);
	} checks[] = {
#define CHECK(f) {#f, f}
		CHECK(frames_come_back),
		CHECK(no_page_is_writable_and_executable),
		CHECK(every_cpu_answers),
		CHECK(crossing_calls_are_answered),
		CHECK(every_cpu_forgets_old_mappings),
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
