/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/doorbells.c - DOORBELL_ADD and _REMOVE: writes that become events and stop nobody. */
#include "tests/calls/guest.h"

#define DOORBELLS 128u

static struct guest g;
static struct pintle_doorbell *bell; /* on a shared page */

static int64_t add(struct pintle_doorbell wanted)
{
	*bell = wanted;
	return CALL(DOORBELL_ADD, g.vm, (uintptr_t)bell);
}

static int64_t take(struct pintle_doorbell wanted)
{
	*bell = wanted;
	return CALL(DOORBELL_REMOVE, g.vm, (uintptr_t)bell);
}

static struct pintle_doorbell port(uint64_t address, uint8_t size, unsigned bit)
{
	return (struct pintle_doorbell){
		.address = address, .event = PINTLE_EVENT_ID(0, bit), .size = size, .is_port = 1};
}

static struct pintle_doorbell mmio(uint64_t address, uint8_t size, unsigned bit)
{
	return (struct pintle_doorbell){
		.address = address, .event = PINTLE_EVENT_ID(0, bit), .size = size};
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
	EXPECT(0, take(matching(port(0x55, 1, 999), 0x89))); /* its event does not count */
	EXPECT(-ENOENT, take(matching(port(0x55, 1, 104), 0x89)));
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
	CASE("doorbells are each once, and others than there are cannot be removed");
	g = NEW(64, ringer);
	EXPECT(0, add(port(0x55, 1, 1)));
	EXPECT(-EEXIST, add(port(0x55, 1, 2)));
	EXPECT(0, add(port(0x55, 2, 1)));
	EXPECT(0, add(port(0x55, 0, 1)));
	EXPECT(0, add(mmio(0x55, 1, 1)));
	EXPECT(0, add(matching(port(0x55, 1, 1), 0)));
	EXPECT(-ENOENT, take(port(0x56, 1, 1)));
	EXPECT(-ENOENT, take(port(0x55, 4, 1)));
	EXPECT(-ENOENT, take(matching(port(0x55, 1, 1), 1)));
	EXPECT(0, take(port(0x55, 1, 1)));
	EXPECT(-ENOENT, take(port(0x55, 1, 1)));

	CASE("what is no doorbell is refused");
	struct pintle_doorbell wrong = port(0x55, 9, 1);
	EXPECT(-EINVAL, add(wrong));
	EXPECT(-EINVAL, take(wrong));
	wrong = port(0x55, 1, 1);
	wrong.is_port = 2;
	EXPECT(-EINVAL, add(wrong));
	wrong.is_port = 1;
	wrong.match = 2;
	EXPECT(-EINVAL, add(wrong));
	EXPECT(-EFAULT, CALL(DOORBELL_ADD, g.vm, piece()));
	EXPECT(-EFAULT, CALL(DOORBELL_REMOVE, g.vm, (uintptr_t)bell + 8));

	CASE("there is room for 128, and for 128 again");
	EXPECT(0, take(port(0x55, 2, 1)));
	EXPECT(0, take(port(0x55, 0, 1)));
	EXPECT(0, take(mmio(0x55, 1, 1)));
	EXPECT(0, take(matching(port(0x55, 1, 1), 0)));
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < DOORBELLS; i++) {
			EXPECT(0, add(matching(mmio(0x100000, 4, i), 7 * i)));
		}
		EXPECT(-ENOSPC, add(port(0x55, 1, 1)));
		EXPECT(-EEXIST, add(matching(mmio(0x100000, 4, 1), 7)));
		uint64_t value = 7 * 99;
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
