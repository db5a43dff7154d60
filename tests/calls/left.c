/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/calls/left.c - a service VM that leaves guests behind: sleeping, running, stopped, with
 * doorbells, reservations and shared pages. A restart finds nothing of it.
 */
#include "tests/calls/guest.h"

GUEST(spins, 64, "sti; 1: jmp 1b");
GUEST(sleeps, 64, "1: sti; hlt; jmp 1b");
GUEST(outs, 64, "1: out %al, $0x99; jmp 1b");

void service(void)
{
	struct guest g;

	CASE("nothing is left of an earlier life");
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
	g = NEW(64, outs);
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0);
	struct pintle_sched *sched = AT(struct pintle_sched, shared_page());
	*sched = (struct pintle_sched){.weight = 100, .budget = 6000000, .period = 10000000};
	EXPECT(0, CALL(SCHED_SET, g.vm, 0, (uintptr_t)sched));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	g = NEW(64, sleeps);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	EXPECT(0, CALL(DEPOSIT, g.vm, piece()));
	g = NEW(64, spins);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	EXPECT(3, QUERY(VMS));
	EXPECT(4, QUERY(PIECES));
}
