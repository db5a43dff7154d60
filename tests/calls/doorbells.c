/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/doorbells.c - DOORBELL: writes that become events and stop nobody. */
#include "tests/calls/guest.h"

#define DOORBELLS PINTLE_DOORBELLS

static struct guest g;
static struct pintle_doorbell *bell; /* on a shared page */

static struct pintle_doorbell bells[DOORBELLS]; /* as they are, by number */

static int64_t set(unsigned number, struct pintle_doorbell wanted)
{
	*bell = wanted;
	int64_t result = CALL(DOORBELL, g.vm, (uintptr_t)bell, number);
	if (result == 0) {
		bells[number] = wanted;
	}
	return result;
}

/* At the first number that is free. */
static int64_t add(struct pintle_doorbell wanted)
{
	unsigned number = 0;
	while (number < DOORBELLS && bells[number].place != PINTLE_NOWHERE) {
		number++;
	}
	return set(number, wanted);
}

static bool is_like(struct pintle_doorbell a, struct pintle_doorbell b)
{
	return a.address == b.address && a.place == b.place && a.size == b.size &&
		a.match == b.match && a.data == b.data;
}

static int64_t take(struct pintle_doorbell wanted)
{
	unsigned number = 0;
	while (number < DOORBELLS && !is_like(bells[number], wanted)) {
		number++;
	}
	return set(number, (struct pintle_doorbell){.place = PINTLE_NOWHERE});
}

static struct pintle_doorbell port(uint64_t address, uint8_t size, unsigned bit)
{
	return (struct pintle_doorbell){.address = address,
		.event = PINTLE_EVENT_ID(0, bit),
		.size = size,
		.place = PINTLE_PORT};
}

static struct pintle_doorbell mmio(uint64_t address, uint8_t size, unsigned bit)
{
	return (struct pintle_doorbell){.address = address,
		.event = PINTLE_EVENT_ID(0, bit),
		.size = size,
		.place = PINTLE_MEMORY};
}

static struct pintle_doorbell matching(struct pintle_doorbell any, uint64_t data)
{
	any.match = 1;
	any.data = data;
	return any;
}

/* Writes RAX to port 0x55 in 1, 2, 4 bytes and to 0x100000 in 1, 2, 4, 8 bytes, then says so. */
GUEST(ringer, 64,
	"1: out %al, $0x55; out %ax, $0x55; out %eax, $0x55; mov $0x100000, %ebx; mov %al, (%rbx);"
	"mov %ax, (%rbx); mov %eax, (%rbx); mov %rax, (%rbx); out %al, $0x99; jmp 1b");

/* Run to the next stop, which is a write of `size` at this place. */
#define STOPS_AT_PORT(size) EXPECT_EXIT(&g, IO, 0x55, size, 1, value &(-1ull >> (64 - 8 * (size))))
#define STOPS_AT_MMIO(size)                                                                        \
	EXPECT_EXIT(&g, MMIO, 0x100000, size, 1, value &(-1ull >> (64 - 8 * (size))))
#define STOPS_AT_END() EXPECT_EXIT(&g, IO, 0x99, 1, 1, value & 0xff)

static void begin(uint64_t value)
{
	EXPECT(1, state_set(&g, PINTLE_GPR(0), value));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_RIP), GUEST_CODE));
}

static void rings(void)
{
	uint64_t value = 0x1122334455667788;

	CASE("without doorbells each write stops the vCPU");
	begin(value);
	STOPS_AT_PORT(1);
	STOPS_AT_PORT(2);
	STOPS_AT_PORT(4);
	STOPS_AT_MMIO(1);
	STOPS_AT_MMIO(2);
	STOPS_AT_MMIO(4);
	STOPS_AT_MMIO(8);
	STOPS_AT_END();

	CASE("a doorbell of any size takes all writes of its place, port or memory");
	EXPECT(0, add(port(0x55, 0, 100)));
	EXPECT(0, add(mmio(0x100000, 0, 101)));
	begin(value);
	STOPS_AT_END();
	EXPECT_TRUE(event_is_set(0, 100));
	EXPECT_TRUE(event_is_set(0, 101));
	EXPECT(0, take(port(0x55, 0, 100)));
	EXPECT(0, take(mmio(0x100000, 0, 101)));

	CASE("doorbells with a size take writes of that size");
	EXPECT(0, add(port(0x55, 2, 100)));
	EXPECT(0, add(mmio(0x100000, 4, 101)));
	EXPECT(0, add(mmio(0x100000, 8, 102)));
	begin(value);
	STOPS_AT_PORT(1);
	STOPS_AT_PORT(4);
	EXPECT_TRUE(event_is_set(0, 100));
	STOPS_AT_MMIO(1);
	STOPS_AT_MMIO(2);
	STOPS_AT_END();
	EXPECT_TRUE(event_is_set(0, 101));
	EXPECT_TRUE(event_is_set(0, 102));

	CASE("those that match take their value");
	EXPECT(0, add(matching(port(0x55, 1, 103), 0x88)));
	EXPECT(0, add(matching(port(0x55, 1, 104), 0x89)));
	EXPECT(0, add(matching(mmio(0x100000, 1, 105), 0x1188)));
	begin(value);
	STOPS_AT_PORT(4);
	EXPECT_TRUE(event_is_set(0, 103));
	EXPECT_TRUE(!event_is_set(0, 104));
	STOPS_AT_MMIO(1);
	STOPS_AT_MMIO(2);
	STOPS_AT_END();
	value++;
	begin(value);
	STOPS_AT_PORT(4);
	EXPECT_TRUE(!event_is_set(0, 103));
	EXPECT_TRUE(event_is_set(0, 104));

	CASE("one that was removed takes nothing, its neighbours do");
	EXPECT(0, take(matching(port(0x55, 1, 999), 0x89)));       /* its event does not count */
	EXPECT(-EINVAL, take(matching(port(0x55, 1, 104), 0x89))); /* there is none left */
	begin(value);
	STOPS_AT_PORT(1);
	STOPS_AT_PORT(4);
	EXPECT(0, add(matching(port(0x55, 1, 104), 0x89)));
	begin(value);
	STOPS_AT_PORT(4);
	EXPECT_TRUE(event_is_set(0, 104));
	guest_end(&g);
}

static void refusals(void)
{
	CASE("what is no doorbell, and a number that there is not, is refused");
	memset(bells, 0, sizeof(bells));
	g = NEW(64, ringer);
	EXPECT(-EINVAL, set(0, port(0x55, 9, 1)));
	EXPECT(-EINVAL, set(DOORBELLS, port(0x55, 1, 1)));
	EXPECT(-EINVAL, CALL(DOORBELL, g.vm, (uintptr_t)bell, 1ull << 32));
	struct pintle_doorbell wrong = port(0x55, 1, 1);
	wrong.place = 3;
	EXPECT(-EINVAL, set(0, wrong));
	wrong.place = PINTLE_PORT;
	wrong.match = 2;
	EXPECT(-EINVAL, set(0, wrong));
	EXPECT(-EFAULT, CALL(DOORBELL, g.vm, piece(), 0));
	EXPECT(-EFAULT, CALL(DOORBELL, g.vm, (uintptr_t)bell + 8, 0));

	CASE("of those that a write rings the lowest number counts");
	EXPECT(0, set(9, port(0x55, 0, 59)));
	EXPECT(0, set(3, port(0x55, 1, 53)));
	uint64_t value = 1;
	begin(value);
	STOPS_AT_MMIO(1);
	EXPECT_TRUE(event_is_set(0, 53));
	EXPECT_TRUE(event_is_set(0, 59));
	memset(bells, 0, sizeof(bells));
	EXPECT(0, set(9, *bells));
	EXPECT(0, set(3, *bells));

	CASE("there is room for 128, and for 128 again");
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < DOORBELLS; i++) {
			EXPECT(0, add(matching(mmio(0x100000, 4, i), 7 * i)));
		}
		EXPECT(-EINVAL, add(port(0x55, 1, 1)));
		value = 7 * 99;
		begin(value);
		STOPS_AT_PORT(1);
		STOPS_AT_PORT(2);
		STOPS_AT_PORT(4);
		STOPS_AT_MMIO(1);
		STOPS_AT_MMIO(2);
		STOPS_AT_MMIO(8);
		EXPECT_TRUE(event_is_set(0, 99));
		for (unsigned i = 0; i < DOORBELLS; i++) {
			EXPECT(0, take(matching(mmio(0x100000, 4, i), 7 * i)));
		}
	}
	guest_end(&g);

	CASE("a VM's doorbells go with it");
	g = NEW(64, ringer);
	begin(1);
	EXPECT_EXIT(&g, IO, 0x55, 1, 1, 1);
	guest_end(&g);
}

void service(void)
{
	bell = AT(struct pintle_doorbell, shared_page());
	g = NEW(64, ringer);
	rings();
	refusals();
}
