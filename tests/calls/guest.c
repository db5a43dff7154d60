/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/calls/guest.c - see guest.h.
 */
#include "tests/calls/guest.h"

#define ALL_RIGHTS (PINTLE_READ | PINTLE_WRITE | PINTLE_EXECUTE)

static unsigned events = 1000; /* given out: the lower ones are the tests' own */
static uint64_t ram;           /* a piece of guests' RAM */
static unsigned vms;           /* that there are */

int64_t guest_map(uint64_t vm, uint64_t gpa, uint64_t page, uint64_t count, uint64_t rights)
{
	static uint64_t list;

	list = list != 0 ? list : shared_page();
	for (unsigned i = 0; i < count && i < 512; i++) {
		AT(uint64_t, list)[i] = page + i * PAGE;
	}
	return CALL(MAP, vm, gpa, list, count, rights);
}

struct guest guest_empty(void)
{
	struct guest g = {.piece = piece()};

	if (ram % PINTLE_PIECE == 0) {
		ram = piece();
	}
	g.ram = ram;
	ram += GUEST_PAGES * PAGE;
	memset(AT(void, g.ram), 0, GUEST_PAGES * PAGE);
	g.vm = (uint64_t)CALL(VM_CREATE, g.piece);
	EXPECT_TRUE((int64_t)g.vm > 0);
	vms++;
	EXPECT(0, guest_map(g.vm, 0, g.ram, GUEST_PAGES, ALL_RIGHTS));
	return g;
}

int64_t guest_add(struct guest *g, unsigned apic_id)
{
	g->record = AT(struct pintle_record, shared_page());
	g->event = events++;
	return CALL(
		VCPU_CREATE, g->vm, apic_id, (uintptr_t)g->record, PINTLE_EVENT_ID(0, g->event));
}

static void put(struct pintle_record *record, unsigned *count, uint64_t id, uint64_t value)
{
	record->values[(*count)++] = (struct pintle_value){id, value};
}

/* Page tables that map the first GiB and the fourth onto themselves. */
static void put_tables(uint64_t guest_ram)
{
	uint64_t *level4 = AT(uint64_t, guest_ram + GUEST_TABLES);
	level4[0] = (GUEST_TABLES + PAGE) | 7;
	level4[512] = (GUEST_TABLES + 2 * PAGE) | 7;
	level4[515] = (GUEST_TABLES + 3 * PAGE) | 7;
	for (unsigned i = 0; i < 512; i++) {
		level4[1024 + i] = (uint64_t)i << 21 | 0x87;
		level4[1536 + i] = 0xc0000000 | (uint64_t)i << 21 | 0x87;
	}
}

void guest_state(const struct guest *g, unsigned index, struct pintle_record *record, unsigned bits,
	uint64_t rip)
{
	unsigned code = bits == 16 ? 0x9b : bits == 32 ? 0xc9b : 0xa9b, count = 0;
	uint64_t limit = bits == 16 ? 0xffff : 0xffffffff;

	put_tables(g->ram);
	for (unsigned i = 0; i < 6; i++) {
		uint64_t selector = bits == 16 ? 0 : i == 1 ? 8 : 16;
		put(record, &count, PINTLE_SEGMENT(i, PINTLE_BASE), 0);
		put(record, &count, PINTLE_SEGMENT(i, PINTLE_LIMIT), limit);
		put(record, &count, PINTLE_SEGMENT(i, PINTLE_SELECTOR), selector);
		put(record, &count, PINTLE_SEGMENT(i, PINTLE_ATTRIBUTES),
			i == 1               ? code
				: bits == 16 ? 0x93u
					     : 0xc93u);
	}
	if (bits == 64) {
		put(record, &count, PINTLE_REG(PINTLE_CR3), GUEST_TABLES);
		put(record, &count, PINTLE_REG(PINTLE_CR4), 0x20);
		put(record, &count, PINTLE_REG(PINTLE_EFER), 0x500);
	}
	put(record, &count, PINTLE_REG(PINTLE_CR0),
		bits == 64           ? 0x80000031u
			: bits == 32 ? 0x31u
				     : 0x30u);
	put(record, &count, PINTLE_REG(PINTLE_RFLAGS), 2);
	put(record, &count, PINTLE_REG(PINTLE_RSP), GUEST_STACK);
	put(record, &count, PINTLE_REG(PINTLE_RIP), rip);
	put(record, &count, PINTLE_REG(PINTLE_ACTIVITY), PINTLE_RUNS);
	EXPECT(count, CALL(STATE_SET, g->vm, index, count));
}

struct guest guest_new(unsigned bits, const uint8_t *code, const uint8_t *end)
{
	struct guest g = guest_empty();

	EXPECT(0, guest_add(&g, 0));
	memcpy(AT(void, g.ram + GUEST_CODE), code, (size_t)(end - code));
	guest_state(&g, 0, g.record, bits, GUEST_CODE);
	return g;
}

unsigned guest_run(struct guest *g)
{
	g->record->exit = PINTLE_EXIT_NONE;
	EXPECT(0, CALL(VCPU_RUN, g->vm, 0, 0));
	EXPECT_TRUE(event_comes(g->event));
	return g->record->exit;
}

void guest_expect(struct guest *g, unsigned exit, uint64_t address, unsigned size, unsigned write,
	uint64_t value, unsigned line)
{
	expect(exit, guest_run(g), line);
	if (exit == PINTLE_EXIT_IO || exit == PINTLE_EXIT_MMIO) {
		expect(address, g->record->address, line);
		expect(size, g->record->size, line);
		expect(write, g->record->write, line);
	}
	expect(value, g->record->value, line);
}

uint64_t state_get(const struct guest *g, uint64_t id)
{
	g->record->values[0] = (struct pintle_value){id, 0x5a5a};
	EXPECT(1, CALL(STATE_GET, g->vm, 0, 1));
	return g->record->values[0].value;
}

int64_t state_set(const struct guest *g, uint64_t id, uint64_t value)
{
	g->record->values[0] = (struct pintle_value){id, value};
	return CALL(STATE_SET, g->vm, 0, 1);
}

void guest_end(struct guest *g)
{
	EXPECT(0, CALL(VM_DESTROY, g->vm));
	vms--;
	piece_free(g->piece);
	EXPECT(vms, QUERY(VMS));
	EXPECT(vms, QUERY(PIECES));
}
