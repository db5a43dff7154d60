/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/wait.c - a service CPU that lends itself to a vCPU: VCPU_RUN with PINTLE_RUN_WAIT,
 * VCPU_WAIT. */
#include "tests/calls/guest.h"

#define MSR_DEADLINE 0x6e0u

static struct guest g;

static int64_t lend(void)
{
	g.record->exit = PINTLE_EXIT_NONE;
	return CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_WAIT);
}

/* Interrupts are off all the time, and a timer of the test's is none of what is waited for. */
static bool goes_until(unsigned exit)
{
	lend();
	for (unsigned i = 0; i < 1000 && g.record->exit == PINTLE_EXIT_NONE; i++) {
		CALL(VCPU_WAIT, g.vm, 0);
	}
	return g.record->exit == exit;
}

GUEST(counts, 64, "mov $0x99, %edx; xor %eax, %eax; 1: out %eax, %dx; inc %eax; jmp 1b");

static void stops(void)
{
	CASE("RUN with WAIT is back when the vCPU has stopped, and no event comes");
	g = NEW(64, counts);
	for (unsigned i = 0; i < 200; i++) {
		EXPECT_TRUE(goes_until(PINTLE_EXIT_IO));
		EXPECT(i, g.record->value);
	}
	EXPECT_TRUE(!event_is_set(0, g.event));

	CASE("WAIT for one that has stopped is back at once, and says so");
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0));
	EXPECT(-EINVAL, CALL(VCPU_WAIT, g.vm, 1));
	EXPECT(-EINVAL, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_WAIT | PINTLE_RUN_ANSWER));

	CASE("who did not have to wait is told of stops by events again, by the one it named");
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0, PINTLE_EVENT_ID(0, 4001)));
	g.record->exit = PINTLE_EXIT_NONE;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	EXPECT_TRUE(event_comes(4001));
	EXPECT(200, g.record->value);
	guest_end(&g);
}

GUEST(reads, 64, "1: in $0x99, %al; out %al, $0x9a; jmp 1b");

static void answers(void)
{
	CASE("RUN with WAIT takes the answer with it");
	g = NEW(64, reads);
	for (unsigned i = 0; i < 50; i++) {
		EXPECT_TRUE(goes_until(PINTLE_EXIT_IO));
		EXPECT(0x99, g.record->address);
		g.record->value = i + 3;
		EXPECT_TRUE(goes_until(PINTLE_EXIT_IO));
		EXPECT(0x9a, g.record->address);
		EXPECT(i + 3, g.record->value);
	}
	guest_end(&g);
}

/* With interrupts on: Bochs takes none for the host while an AMD-V guest has them off. */
GUEST(spins, 64, "sti; 1: incq 0x10000; jmp 1b");

static void interrupts(void)
{
	volatile uint64_t *count;

	CASE("an interrupt of the service VM ends WAIT with IF off, and the vCPU runs on");
	g = NEW(64, spins);
	count = AT(volatile uint64_t, g.ram + 0x10000);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t before = *count;
		/* In QEMU the host may take its CPU away meanwhile, and the guest not have run. */
		for (unsigned try = 0; try < 10 && *count == before; try++) {
			msr_write(MSR_DEADLINE,
				tsc() + milliseconds(machine() == QEMU_AMD ? 100 : 5));
			EXPECT(0, i + try == 0 ? lend() : CALL(VCPU_WAIT, g.vm, 0));
			EXPECT(PINTLE_EXIT_NONE, g.record->exit);
			EXPECT(-EBUSY, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_WAIT));
			msr_write(MSR_DEADLINE, 0);
			__asm__ volatile("sti; nop; nop; cli" : : : "memory"); /* takes it */
		}
		EXPECT_TRUE(*count > before);
	}

	CASE("one that waits already ends WAIT at once");
	msr_write(MSR_DEADLINE, tsc() + 1);
	for (uint64_t until = tsc() + milliseconds(1); tsc() < until;) {
	}
	EXPECT(0, CALL(VCPU_WAIT, g.vm, 0));
	doze();
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(PINTLE_EXIT_STOPPED, g.record->exit);
	EXPECT_TRUE(!event_is_set(0, g.event));
	guest_end(&g);
}

GUEST(halts, 64, "1: sti; hlt; jmp 1b");

static void sleeps(void)
{
	CASE("WAIT is back when the vCPU halts, and then at once");
	g = NEW(64, halts);
	doze(); /* what the case before has left */
	doze();
	msr_write(MSR_DEADLINE, tsc() + milliseconds(5000));
	uint64_t before = tsc();
	lend();
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0));
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0));
	EXPECT_TRUE(tsc() - before < milliseconds(4000));
	EXPECT(PINTLE_EXIT_NONE, g.record->exit);

	CASE("STOP of one that sleeps goes on as before");
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(PINTLE_EXIT_STOPPED, g.record->exit);
	guest_end(&g);
}

void service(void)
{
	stops();
	answers();
	interrupts();
	sleeps();
}
