/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/memory.c - MAP, UNMAP, PROTECT: what a guest sees, what is refused, what it costs. */
#include "tests/calls/guest.h"

#define ALL   7u
#define LARGE PINTLE_PIECE
#define AREA  (4ull << 20) /* where the guest's code looks */

static struct guest g;
static uint64_t ram; /* two pieces, filled with a pattern: each word its own address */

/* RBX: the address; the word there is told as a port's value, low half and high half. */
GUEST(looker, 64,
	"1: mov (%rbx), %rax; out %eax, $0x99; shr $32, %rax; out %eax, $0x9a; out %al, $0x9b; jmp "
	"1b");

/* The word that the guest reads at `gpa`; -1: it is the VMM's. */
static uint64_t guest_reads(uint64_t gpa)
{
	uint64_t low;

	EXPECT(1, state_set(&g, PINTLE_GPR(3), gpa));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_RIP), GUEST_CODE));
	unsigned exit = guest_run(&g);
	if (exit == PINTLE_EXIT_MMIO) {
		EXPECT(gpa, g.record->address);
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
		return -1ull;
	}
	EXPECT(PINTLE_EXIT_IO, exit);
	low = g.record->value;
	EXPECT(PINTLE_EXIT_IO, guest_run(&g));
	uint64_t high = g.record->value;
	EXPECT(PINTLE_EXIT_IO, guest_run(&g));
	return high << 32 | low;
}

static uint64_t pages_free(void)
{
	return (uint64_t)CALL(PAGES_FREE, g.vm);
}

static void map(void)
{
	uint64_t list = shared_page(), *pages = AT(uint64_t, list), before = pages_free();

	CASE("MAP shows the pages of the list, in its order");
	pages[0] = ram + 3 * PAGE;
	pages[1] = ram + 7 * PAGE;
	pages[2] = ram + 8 * PAGE;
	EXPECT(0, CALL(MAP, g.vm, AREA, list, 3, ALL));
	EXPECT(ram + 3 * PAGE, guest_reads(AREA));
	EXPECT(ram + 7 * PAGE + 8, guest_reads(AREA + PAGE + 8));
	EXPECT(ram + 8 * PAGE, guest_reads(AREA + 2 * PAGE));
	EXPECT(-1, guest_reads(AREA + 3 * PAGE));
	EXPECT(before - 1, pages_free());

	CASE("where something is mapped MAP is EEXIST, and changes nothing");
	pages[0] = ram;
	EXPECT(-EEXIST, CALL(MAP, g.vm, AREA + 2 * PAGE, list, 1, ALL));
	EXPECT(-EEXIST, CALL(MAP, g.vm, AREA - PAGE, list, 2, ALL));
	EXPECT(-EEXIST, CALL(MAP, g.vm, AREA + PAGE, list, 3, ALL));
	EXPECT(-1, guest_reads(AREA - PAGE));
	EXPECT(ram + 8 * PAGE, guest_reads(AREA + 2 * PAGE));

	CASE("a page that is not the service VM's is EFAULT, and the others are not mapped");
	static const uint64_t bad[] = {0xffe00000, 1ull << 51, -1ull, 4, 0xfee00000};
	for (unsigned i = 0; i < 5; i++) {
		pages[0] = ram;
		pages[1] = ram + 5 * PAGE;
		pages[2] = bad[i];
		pages[3] = ram + 9 * PAGE;
		EXPECT(-EFAULT, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 4, ALL));
		EXPECT(-1, guest_reads(AREA + 3 * PAGE));
		EXPECT(-1, guest_reads(AREA + 4 * PAGE));
	}
	pages[2] = g.piece + PAGE; /* deposited */
	EXPECT(-EFAULT, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 4, ALL));
	EXPECT(-1, guest_reads(AREA + 4 * PAGE));
	EXPECT(before - 1, pages_free());

	CASE("MAP refuses other counts, rights and addresses");
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 0, ALL));
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 513, ALL));
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 3 * PAGE, list, UINT64_MAX, ALL));
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 1, 0));
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 1, PINTLE_WRITE));
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 3 * PAGE, list, 1, 8 | ALL));
	EXPECT(-EINVAL, CALL(MAP, g.vm, AREA + 8, list, 1, ALL));
	EXPECT(-EINVAL, CALL(MAP, g.vm, 1ull << 48, list, 1, ALL));
	EXPECT(-EINVAL, CALL(MAP, g.vm, -PAGE, list, 1, ALL));
	EXPECT(-EFAULT, CALL(MAP, g.vm, AREA + 3 * PAGE, list + 8, 1, ALL));
	EXPECT(-EFAULT, CALL(MAP, g.vm, AREA + 3 * PAGE, piece(), 1, ALL));

	CASE("pieces of which pages are mapped cannot be deposited or shared");
	EXPECT(-EBUSY, CALL(DEPOSIT, g.vm, ram));
	EXPECT(-EBUSY, CALL(SHARE, ram));

	CASE("UNMAP takes a range away, holes and all, and gives the pages back");
	EXPECT(0, CALL(UNMAP, g.vm, AREA + PAGE, PAGE));
	EXPECT(-1, guest_reads(AREA + PAGE));
	EXPECT(ram + 3 * PAGE, guest_reads(AREA));
	EXPECT(-EBUSY, CALL(SHARE, ram));
	EXPECT(0, CALL(UNMAP, g.vm, AREA - 8 * PAGE, 1 << 20));
	EXPECT(-1, guest_reads(AREA));
	EXPECT(-1, guest_reads(AREA + 2 * PAGE));
	EXPECT(0, CALL(UNMAP, g.vm, AREA, PAGE)); /* nothing there */
	EXPECT(before, pages_free());
	EXPECT(0, CALL(SHARE, ram));
	EXPECT(0, CALL(UNSHARE, ram));
}

static void large(void)
{
	uint64_t before = pages_free();

	CASE("512 pages that lie together are a large page, which costs no table");
	EXPECT(0, guest_map(g.vm, AREA, ram, 512, ALL));
	EXPECT(before, pages_free());
	EXPECT(ram + LARGE - 8, guest_reads(AREA + LARGE - 8));
	EXPECT(-EEXIST, guest_map(g.vm, AREA + 17 * PAGE, ram, 1, ALL));

	CASE("UNMAP of its middle splits it");
	EXPECT(0, CALL(UNMAP, g.vm, AREA + 8 * PAGE, 2 * PAGE));
	EXPECT(before - 1, pages_free());
	EXPECT(ram + 7 * PAGE, guest_reads(AREA + 7 * PAGE));
	EXPECT(-1, guest_reads(AREA + 8 * PAGE));
	EXPECT(-1, guest_reads(AREA + 9 * PAGE));
	EXPECT(ram + 10 * PAGE, guest_reads(AREA + 10 * PAGE));
	EXPECT(-EBUSY, CALL(SHARE, ram));

	CASE("mapped again, it is one again");
	EXPECT(0, guest_map(g.vm, AREA + 8 * PAGE, ram + 8 * PAGE, 2, ALL));
	EXPECT(before, pages_free());
	EXPECT(ram + 8 * PAGE, guest_reads(AREA + 8 * PAGE));

	CASE("a read-only large page is split, too, and all its pages are counted");
	EXPECT(0, CALL(PROTECT, g.vm, AREA, LARGE, PINTLE_READ));
	EXPECT(0, CALL(UNMAP, g.vm, AREA + LARGE - PAGE, LARGE));
	EXPECT(ram, guest_reads(AREA));
	EXPECT(-1, guest_reads(AREA + LARGE - PAGE));
	EXPECT(0, CALL(UNMAP, g.vm, AREA, PAGE));
	EXPECT(-EBUSY, CALL(SHARE, ram));
	EXPECT(0, CALL(UNMAP, g.vm, AREA, LARGE));
	EXPECT(before, pages_free());
	EXPECT(0, CALL(SHARE, ram));
	EXPECT(0, CALL(UNSHARE, ram));

	CASE("UNMAP refuses other ranges");
	EXPECT(-EINVAL, CALL(UNMAP, g.vm, AREA + 8, PAGE));
	EXPECT(-EINVAL, CALL(UNMAP, g.vm, AREA, PAGE + 8));
	EXPECT(-EINVAL, CALL(UNMAP, g.vm, AREA, (1ull << 30) + PAGE));
	EXPECT(-EINVAL, CALL(UNMAP, g.vm, AREA, UINT64_MAX - 4095));
	EXPECT(-EINVAL, CALL(UNMAP, g.vm, -PAGE, PAGE));
	EXPECT(0, CALL(UNMAP, g.vm, AREA, 0));
}

static void empty_pool(void)
{
	CASE("without a page for its table a large page stays whole, mapped and counted");
	uint64_t next = AREA;
	EXPECT(0, guest_map(g.vm, next, ram, 512, ALL));
	while (pages_free() >= (uint64_t)QUERY(VCPU_PAGES) + 8) {
		EXPECT_TRUE(CALL(VCPU_CREATE, g.vm, 9, (uintptr_t)g.record, 0) > 0);
	}
	for (uint64_t left = pages_free(), i = 0; i < left; i++) {
		next += LARGE;
		EXPECT(0, guest_map(g.vm, next, ram + LARGE, 512, ALL));
	}
	for (; next != AREA; next -= LARGE) { /* each is split */
		EXPECT(0, CALL(PROTECT, g.vm, next + PAGE, PAGE, PINTLE_READ));
	}
	EXPECT(0, pages_free());
	EXPECT(-ENOMEM, guest_map(g.vm, 2ull << 40, ram, 1, ALL));
	EXPECT(-ENOMEM, CALL(UNMAP, g.vm, AREA + PAGE, PAGE));
	EXPECT(-ENOMEM, CALL(UNMAP, g.vm, AREA - PAGE, 2 * PAGE));
	EXPECT(-ENOMEM, CALL(PROTECT, g.vm, AREA + PAGE, PAGE, PINTLE_READ));
	EXPECT(ram + PAGE, guest_reads(AREA + PAGE));
	EXPECT(ram, guest_reads(AREA));
	EXPECT(-EBUSY, CALL(SHARE, ram));
	EXPECT(0, CALL(UNMAP, g.vm, AREA, LARGE));
	EXPECT(0, CALL(SHARE, ram));
	EXPECT(0, CALL(UNSHARE, ram));
	EXPECT(0, CALL(UNMAP, g.vm, AREA, 1 << 30));
}

GUEST(writer, 64, "1: mov %rax, (%rbx); out %al, $0x99; jmp 1b");

static void protect(void)
{
	g = NEW(64, writer);
	uint64_t before = pages_free();

	CASE("a write to a read-only page is the VMM's");
	EXPECT(0, guest_map(g.vm, AREA, ram, 512, PINTLE_READ));
	EXPECT(before, pages_free());
	EXPECT(1, state_set(&g, PINTLE_GPR(3), AREA + 0x18));
	EXPECT(1, state_set(&g, PINTLE_GPR(0), 0x1122334455667788));
	EXPECT_EXIT(&g, MMIO, AREA + 0x18, 8, 1, 0x1122334455667788);
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x88);
	EXPECT(ram + 0x18, AT(uint64_t, ram)[3]);

	CASE("PROTECT opens it, and shuts it again");
	EXPECT(0, CALL(PROTECT, g.vm, AREA, PAGE, ALL));
	EXPECT(before - 1, pages_free());
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x88);
	EXPECT(0x1122334455667788, AT(uint64_t, ram)[3]);
	AT(uint64_t, ram)[3] = 0;
	EXPECT(0, CALL(PROTECT, g.vm, AREA - PAGE, LARGE, PINTLE_READ)); /* a hole first */
	EXPECT(before, pages_free());
	EXPECT_EXIT(&g, MMIO, AREA + 0x18, 8, 1, 0x1122334455667788);
	EXPECT(0, AT(uint64_t, ram)[3]);

	CASE("PROTECT refuses other rights and ranges");
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, AREA, PAGE, 0));
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, AREA, PAGE, PINTLE_WRITE));
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, AREA, PAGE, 15));
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, AREA + 1, PAGE, ALL));
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, AREA, PAGE - 1, ALL));
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, -PAGE, 2 * PAGE, ALL));
	EXPECT(-EINVAL, CALL(PROTECT, g.vm, AREA, (1ull << 30) + PAGE, ALL));

	CASE("code of a page that may not be executed stops the vCPU");
	EXPECT(0, CALL(PROTECT, g.vm, 0, GUEST_PAGES * PAGE, PINTLE_READ | PINTLE_WRITE));
	EXPECT(PINTLE_EXIT_ERROR, guest_run(&g));
	EXPECT(0, CALL(PROTECT, g.vm, 0, GUEST_PAGES * PAGE, ALL));
	EXPECT_TRUE(guest_run(&g) != PINTLE_EXIT_ERROR);
	guest_end(&g);
}

static uint64_t bits; /* the page of the dirty log */

static bool is_dirty(unsigned n)
{
	return AT(uint8_t, bits)[n / 8] >> n % 8 & 1;
}

static unsigned dirty_count(void)
{
	unsigned count = 0;
	for (unsigned n = 0; n < 8 * PAGE; n++) {
		count += is_dirty(n);
	}
	return count;
}

static void dirty(void)
{
	g = NEW(64, writer);
	bits = shared_page();
	EXPECT(0, guest_map(g.vm, AREA, ram, 512, ALL));
	EXPECT(0, guest_map(g.vm, AREA + LARGE, ram + LARGE, 4, PINTLE_READ));
	EXPECT(1, state_set(&g, PINTLE_GPR(3), AREA + 5 * PAGE + 0x18));
	EXPECT(1, state_set(&g, PINTLE_GPR(0), 0x4711));
	uint64_t before = pages_free();

	CASE("DIRTY_LOG says at first all that can be written, and splits large pages");
	memset(AT(void, bits), 0xff, PAGE);
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA - PAGE, 600, bits));
	EXPECT(512, dirty_count());
	EXPECT_TRUE(!is_dirty(0) && is_dirty(1) && is_dirty(512) && !is_dirty(513));
	EXPECT(before - 1, pages_free());
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA, 512, bits));
	EXPECT(0, dirty_count());

	CASE("then what was written since, once");
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x11);
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x11); /* the page is open */
	EXPECT(0x4711, AT(uint64_t, ram + 5 * PAGE)[3]);
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA, 512, bits));
	EXPECT_TRUE(is_dirty(5));
	EXPECT(1, dirty_count());
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA, 512, bits));
	EXPECT(0, dirty_count());
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x11);
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA + 6 * PAGE, 100, bits)); /* others alone */
	EXPECT(0, dirty_count());
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA + 5 * PAGE, 1, bits));
	EXPECT(1, dirty_count());

	CASE("what Pintle writes for the guest counts, too");
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA, 512, bits));
	EXPECT(1, state_set(&g, PINTLE_MSR(0x4b564d01), (AREA + 9 * PAGE) | 1));
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA, 512, bits));
	EXPECT_TRUE(is_dirty(9));
	EXPECT(1, dirty_count());

	CASE("a read-only page stays one");
	EXPECT(1, state_set(&g, PINTLE_GPR(3), AREA + LARGE));
	EXPECT_EXIT(&g, MMIO, AREA + LARGE, 8, 1, 0x4711);
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA + LARGE, 4, bits));
	EXPECT(0, dirty_count());

	CASE("PROTECT ends it");
	EXPECT(0, CALL(PROTECT, g.vm, AREA, LARGE, ALL));
	EXPECT(before, pages_free());

	CASE("DIRTY_LOG refuses other ranges and pages");
	EXPECT(-EINVAL, CALL(DIRTY_LOG, g.vm, AREA + 8, 1, bits));
	EXPECT(-EINVAL, CALL(DIRTY_LOG, g.vm, AREA, 8 * PAGE + 1, bits));
	EXPECT(-EINVAL, CALL(DIRTY_LOG, g.vm, -PAGE, 1, bits));
	EXPECT(-EFAULT, CALL(DIRTY_LOG, g.vm, AREA, 1, ram));
	EXPECT(-EFAULT, CALL(DIRTY_LOG, g.vm, AREA, 1, bits + 8));
	EXPECT(0, CALL(DIRTY_LOG, g.vm, AREA, 0, bits));
	guest_end(&g);
}

void service(void)
{
	ram = piece();
	uint64_t next = piece();
	EXPECT(ram + LARGE, next);
	for (unsigned i = 0; i < 2 * LARGE / 8; i++) {
		AT(uint64_t, ram)[i] = ram + 8 * i;
	}
	g = NEW(64, looker);
	map();
	large();
	empty_pool();
	guest_end(&g);
	EXPECT(0, CALL(SHARE, ram)); /* nothing of it is counted any more */
	EXPECT(0, CALL(UNSHARE, ram));
	protect();
	dirty();
}
