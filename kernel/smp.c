/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/smp.c - cross-CPU calls, wake-ups and stops.
 * Runs: anywhere; the functions asked for run with interrupts off on their CPU.
 */
#include "kernel/pcpu.h"

#include "drivers/lapic.h"

/* QEMU loses an interrupt now and then: #VMEXIT and the sender write one word, unlocked. */
#define KICK_AGAIN_NS   20000000ull          /* the first time; then twice as long each time */
#define ANSWER_LIMIT_NS (10 * 1000000000ull) /* an emulated CPU may be paused for seconds */

/* Each CPU's own request. [C] written by the asker while `unanswered` is 0; the asked read it */
static struct request {
	void (*function)(void *argument);
	void *argument;
	atomic_uint unanswered; /* [A] */
} requests[CPUS_MAX];

/* Interrupts off. */
void smp_answer(void)
{
	struct pcpu *cpu = this_cpu();
	for (unsigned word = 0; word < ARRAY_COUNT(cpu->calls); word++) {
		/* The look first is cheap; the exchange is not. */
		uint64_t askers = cpu->calls[word] != 0 ? atomic_exchange(&cpu->calls[word], 0) : 0;
		for (; askers != 0; askers &= askers - 1) {
			struct request *request =
				&requests[word * 64 + (unsigned)__builtin_ctzll(askers)];
			request->function(request->argument);
			atomic_fetch_sub(&request->unanswered, 1);
		}
	}
	cpu_pause();
}

static void call_interrupt(void)
{
	lapic_eoi();
	smp_answer();
}

/* Its work is to end a sleep or a run; whoever armed it looks at the time. */
static void timer_interrupt(void)
{
	this_cpu()->timer_at = UINT64_MAX;
	lapic_eoi();
}

void smp_init(void)
{
	trap_set_handler(VECTOR_TIMER, timer_interrupt, "timer");
	trap_set_handler(VECTOR_CALL, call_interrupt, "cross-CPU call");
}

/* Ask the CPUs of [first, end) but this one; answer others while waiting. Returns how many did not
 * begin in time, and now never will. */
static unsigned call_range(unsigned first, unsigned end, void (*function)(void *), void *argument)
{
	uint64_t flags = irq_save();
	struct pcpu *self = this_cpu();
	struct request *request = &requests[self->index];
	unsigned deaf = 0, word = self->index / 64;
	uint64_t mine = BIT(self->index % 64);

	DEBUG_ASSERT(self->locks == 0 && request->unanswered == 0);
	request->function = function;
	request->argument = argument;
	for (unsigned i = first; i < end; i++) {
		struct pcpu *target = cpu_table[i];
		if (target != self && target->state == CPU_ONLINE) {
			atomic_fetch_add(&request->unanswered, 1);
			atomic_fetch_or(&target->calls[word], mine);
			smp_wake(i);
		}
	}
	if (self->index >= first && self->index < end) {
		function(argument);
	}
	uint64_t start = time_ns(), again = KICK_AGAIN_NS;
	while (atomic_load(&request->unanswered) != 0) {
		smp_answer();
		uint64_t waited = time_ns() - start;
		for (unsigned i = first; i < end && waited > again; i++) {
			if (cpu_table[i]->calls[word] & mine) {
				smp_wake(i);
			}
		}
		again = waited > again ? 2 * waited : again;
		/* Take back what they have not begun to do; for what they have, wait longer. */
		for (unsigned i = first; i < end && waited > ANSWER_LIMIT_NS; i++) {
			bool idle = atomic_fetch_and(&cpu_table[i]->calls[word], ~mine) & mine;
			atomic_fetch_sub(&request->unanswered, idle);
			deaf += idle;
		}
		if (waited > 10 * ANSWER_LIMIT_NS) {
			panic("a CPU does not come back from a cross-CPU call");
		}
	}
	irq_restore(flags);
	return deaf;
}

bool smp_call(unsigned index, void (*function)(void *argument), void *argument)
{
	return cpu_table[index]->state == CPU_ONLINE &&
		call_range(index, index + 1, function, argument) == 0;
}

void smp_call_all(void (*function)(void *argument), void *argument)
{
	unsigned deaf = call_range(0, cpu_count, function, argument);
	if (deaf != 0) {
		panic("%u CPUs do not answer a cross-CPU call", deaf);
	}
}

unsigned smp_online_count(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < cpu_count; i++) {
		count += cpu_table[i]->state == CPU_ONLINE;
	}
	return count;
}

void smp_wake(unsigned index)
{
	lapic_send(cpu_table[index]->apic_id, VECTOR_CALL);
}

void smp_stop_others(void)
{
	requests[this_cpu()->index].unanswered = 0; /* nobody will answer any more */
	for (unsigned i = 0; i < cpu_count; i++) {
		if (cpu_table[i] != this_cpu() && cpu_table[i]->state == CPU_ONLINE) {
			lapic_send(cpu_table[i]->apic_id, LAPIC_NMI);
		}
	}
	uint64_t start = time_ns();
	for (unsigned i = 0; i < cpu_count; i++) {
		while (cpu_table[i] != this_cpu() && cpu_table[i]->state == CPU_ONLINE) {
			if (time_ns() - start > 1000000000) { /* an emulated one may be late */
				cpu_table[i]->state = CPU_GIVEN_UP; /* nobody will call it again */
			}
			cpu_pause();
		}
	}
}
