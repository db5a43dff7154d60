/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/life.c - VM_CREATE, VM_DESTROY, DEPOSIT, PAGES_FREE, VCPU_CREATE: counts and handles.
 */
#include "tests/calls/guest.h"

#define VMS_MAX    63u
#define POOL_MAX   64u
#define PIECE_SIZE (PINTLE_PIECE / PAGE)

/* Pages that a VM has used up of its first piece when it is new: the CPUID table comes later. */
static uint64_t new_free(void)
{
	return PIECE_SIZE - (uint64_t)QUERY(VM_PAGES) + 1;
}

static void create(void)
{
	uint64_t home = piece();

	CASE("VM_CREATE takes a piece of RAM that nobody uses");
	EXPECT(-EFAULT, CALL(VM_CREATE, home + PAGE));
	EXPECT(-EFAULT, CALL(VM_CREATE, 0xffe00000));
	EXPECT(-EFAULT, CALL(VM_CREATE, UINT64_MAX));
	EXPECT(-EBUSY, CALL(VM_CREATE, shared_page() & ~(PINTLE_PIECE - 1)));
	memset(AT(void, home), 0x77, PINTLE_PIECE);
	int64_t vm = CALL(VM_CREATE, home);
	EXPECT_TRUE(vm > 0);
	EXPECT(1, QUERY(VMS));
	EXPECT(1, QUERY(PIECES));
	EXPECT(new_free(), CALL(PAGES_FREE, vm));
	EXPECT(-EBUSY, CALL(VM_CREATE, home));
	EXPECT(-EBUSY, CALL(SHARE, home));
	EXPECT(-EBUSY, CALL(DEPOSIT, vm, home));

	CASE("a deposited piece cannot be reached, and comes back cleared");
	volatile uint64_t *words = AT(volatile uint64_t, home);
	EXPECT(-1ull, words[0]);
	words[0] = 5; /* does nothing */
	EXPECT(-1ull, words[PINTLE_PIECE / 8 - 1]);
	EXPECT(new_free(), CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(VM_DESTROY, vm));
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
	uint64_t all = 0;
	for (unsigned i = 0; i < PINTLE_PIECE / 8; i++) {
		all |= words[i];
	}
	EXPECT(0, all);

	CASE("a handle that was given back is ESTALE, also when its place is used again");
	EXPECT(-ESTALE, CALL(VM_DESTROY, vm));
	int64_t again = CALL(VM_CREATE, home);
	EXPECT_TRUE(again > 0 && again != vm);
	EXPECT(vm & 0xffff, again & 0xffff);
	EXPECT(-ESTALE, CALL(PAGES_FREE, vm));
	EXPECT(-ESTALE, CALL(VM_DESTROY, vm));
	EXPECT(new_free(), CALL(PAGES_FREE, again));
	EXPECT(-ESTALE, CALL(PAGES_FREE, again & 0xffff));
	EXPECT(-ESTALE, CALL(PAGES_FREE, again | 1ull << 63));
	EXPECT(-ESTALE, CALL(PAGES_FREE, 0));
	EXPECT(-ESTALE, CALL(PAGES_FREE, UINT64_MAX));
	EXPECT(-ESTALE, CALL(PAGES_FREE, 1ull << 16)); /* the service VM itself */
	EXPECT(0, CALL(VM_DESTROY, again));
}

static void deposit(void)
{
	uint64_t home = piece(), more = piece();
	int64_t vm = CALL(VM_CREATE, home);

	CASE("DEPOSIT adds a piece's pages, and what was left of the one before stays");
	uint64_t before = new_free();
	EXPECT(-EFAULT, CALL(DEPOSIT, vm, more + PAGE));
	EXPECT(-EFAULT, CALL(DEPOSIT, vm, 1ull << 45));
	EXPECT(before, CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(DEPOSIT, vm, more));
	EXPECT(before + PIECE_SIZE, CALL(PAGES_FREE, vm));
	EXPECT(2, QUERY(PIECES));
	EXPECT(0, CALL(DEPOSIT, vm, piece()));
	EXPECT(before + 2 * PIECE_SIZE, CALL(PAGES_FREE, vm));

	CASE("pages of stage-2 tables come back when they are not needed any more");
	uint64_t ram = piece();
	EXPECT(0, guest_map(vm, 0, ram, 1, 7));
	EXPECT(before + 2 * PIECE_SIZE - 3, CALL(PAGES_FREE, vm));
	EXPECT(0, guest_map(vm, 1ull << 40, ram + PAGE, 1, 7));
	EXPECT(before + 2 * PIECE_SIZE - 6, CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(UNMAP, vm, 1ull << 40, PAGE));
	EXPECT(before + 2 * PIECE_SIZE - 3, CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(UNMAP, vm, 0, 1 << 30));
	EXPECT(before + 2 * PIECE_SIZE, CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(DEPOSIT, vm, ram)); /* with single pages that came back */
	EXPECT(before + 3 * PIECE_SIZE, CALL(PAGES_FREE, vm));

	CASE("a VM has 64 pieces at most");
	for (unsigned i = 4; i < POOL_MAX; i++) {
		EXPECT(0, CALL(DEPOSIT, vm, piece()));
	}
	uint64_t last = piece();
	EXPECT(-ENOSPC, CALL(DEPOSIT, vm, last));
	EXPECT(before + (POOL_MAX - 1) * PIECE_SIZE, CALL(PAGES_FREE, vm));
	EXPECT(POOL_MAX, QUERY(PIECES));
	EXPECT(0, CALL(VM_DESTROY, vm));
	EXPECT(0, QUERY(PIECES));
	EXPECT(0, CALL(SHARE, last)); /* it was refused, and is ours */
	EXPECT(0, CALL(UNSHARE, last));
}

static void vcpus(void)
{
	int64_t vm = CALL(VM_CREATE, piece());
	uint64_t record = shared_page(), before = new_free(), each = (uint64_t)QUERY(VCPU_PAGES);
	uint64_t made = 0, outside = piece(), big = 1ull << 32;

	CASE("VCPU_CREATE costs what QUERY says");
	EXPECT(-EFAULT, CALL(VCPU_CREATE, vm, 0, outside, 0));
	EXPECT(-EFAULT, CALL(VCPU_CREATE, vm, 0, record + 8, 0));
	EXPECT(-EINVAL, CALL(VCPU_CREATE, vm, big, record, 0));
	EXPECT(before, CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(VCPU_CREATE, vm, 7, record, 0));
	EXPECT(1, CALL(VCPU_CREATE, vm, 8, record, 0));
	EXPECT(before - 2 * each, CALL(PAGES_FREE, vm));

	CASE("CPUID_SET costs a page, once");
	EXPECT(0, CALL(CPUID_SET, vm, shared_page(), PINTLE_CPUID_MAX));
	EXPECT(before - 2 * each - 1, CALL(PAGES_FREE, vm));
	EXPECT(0, CALL(CPUID_SET, vm, shared_page(), 0));
	EXPECT(before - 2 * each - 1, CALL(PAGES_FREE, vm));
	EXPECT(-EINVAL, CALL(CPUID_SET, vm, shared_page(), PINTLE_CPUID_MAX + 1));
	EXPECT(-EFAULT, CALL(CPUID_SET, vm, outside, 1));

	CASE("vCPUs are made until the pieces are used up, and none is half made");
	uint64_t left = before - 2 * each - 1;
	while (CALL(VCPU_CREATE, vm, 9, record, 0) > 0) {
		made++;
	}
	EXPECT(left / each, made);
	EXPECT(left % each, CALL(PAGES_FREE, vm));
	EXPECT(-ENOMEM, CALL(VCPU_CREATE, vm, 9, record, 0));
	EXPECT(left % each, CALL(PAGES_FREE, vm));
	EXPECT(-EINVAL, CALL(VCPU_RUN, vm, made + 2, 0));
	EXPECT(0, CALL(DEPOSIT, vm, piece()));
	EXPECT(made + 2, CALL(VCPU_CREATE, vm, 9, record, 0));
	EXPECT(-EBUSY, CALL(UNSHARE, record & ~(PINTLE_PIECE - 1)));
	EXPECT(0, CALL(VM_DESTROY, vm));
	EXPECT(0, QUERY(PIECES));

	CASE("the limit of vCPUs is what QUERY says");
	uint64_t max = (uint64_t)QUERY(VCPUS_MAX), count = 0;
	vm = CALL(VM_CREATE, piece());
	for (uint64_t room = new_free(); room < max * each; room += PIECE_SIZE) {
		EXPECT(0, CALL(DEPOSIT, vm, piece()));
	}
	EXPECT(0, CALL(DEPOSIT, vm, piece()));
	while (count < max && CALL(VCPU_CREATE, vm, count, record, 0) == (int64_t)count) {
		count++;
	}
	EXPECT(max, count);
	EXPECT(-ENOSPC, CALL(VCPU_CREATE, vm, 0, record, 0));
	EXPECT(0, CALL(VM_DESTROY, vm));
	EXPECT(0, QUERY(PIECES));
}

static void many(void)
{
	int64_t vm[VMS_MAX];
	uint64_t one = piece();

	CASE("there may be 63 VMs");
	for (unsigned i = 0; i < VMS_MAX; i++) {
		vm[i] = CALL(VM_CREATE, piece());
		EXPECT_TRUE(vm[i] > 0);
	}
	EXPECT(VMS_MAX, QUERY(VMS));
	EXPECT(-ENOSPC, CALL(VM_CREATE, one));
	EXPECT(VMS_MAX, QUERY(PIECES));
	EXPECT(0, CALL(SHARE, one));
	EXPECT(0, CALL(UNSHARE, one));
	EXPECT(0, CALL(VM_DESTROY, vm[20]));
	EXPECT(new_free(), CALL(PAGES_FREE, vm[21]));
	vm[20] = CALL(VM_CREATE, one);
	EXPECT_TRUE(vm[20] > 0);
	for (unsigned i = 0; i < VMS_MAX; i++) {
		EXPECT(0, CALL(VM_DESTROY, vm[i]));
	}
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
}

void service(void)
{
	create();
	deposit();
	vcpus();
	many();
}
