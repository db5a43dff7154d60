/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/hostile.c - every hypercall with arguments that make no sense, and from user code. */
#include "tests/calls/guest.h"

#define ROUNDS 300u

static const struct {
	uint64_t number;
	const char *name;
} rows[] = {
#define HYPERCALL(number, name, ...) {PINTLE_CALL + (number), #name},
#include "abi/hypercalls.def"
#undef HYPERCALL
};
#define ROWS (sizeof(rows) / sizeof(*rows))

GUEST(quiet, 64, "1: sti; hlt; jmp 1b");

static uint64_t seed = 12345;

static uint64_t next(uint64_t limit)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % limit;
}

/* Known results: values, and the errors of the table. */
static bool is_known(int64_t result)
{
	static const int errors[] = {
		ENOENT, EAGAIN, ENOMEM, EFAULT, EBUSY, EEXIST, EINVAL, ENOSPC, ENOSYS, ESTALE};
	bool known = result >= 0;

	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		known |= result == -errors[i];
	}
	return known;
}

static void from_user(void)
{
	struct guest g = NEW(64, quiet);
	uint64_t spare = piece();

	CASE("user code of the service VM has no hypercalls: EPERM, without effect");
	for (unsigned i = 0; i < ROWS; i++) {
		EXPECT(-EPERM, hypercall_user(rows[i].number, spare, spare, 0, 0, 0));
		EXPECT(-EPERM, hypercall_user(rows[i].number, g.vm, 0, 0, 0, 0));
	}
	EXPECT(-EPERM, hypercall_user(PINTLE_CALL + 0xff, 0, 0, 0, 0, 0));
	EXPECT(-1000, hypercall_user(PINTLE_CALL + 0x100, 0, 0, 0, 0, 0)); /* KVM's */
	EXPECT(1, QUERY(VMS));
	EXPECT(1, QUERY(PIECES));
	guest_end(&g);
}

static void all_ones(void)
{
	CASE("all arguments all ones, or 0, are refused");
	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t n = rows[i].number, ones = UINT64_MAX;
		EXPECT_TRUE(hypercall(n, ones, ones, ones, ones, ones) < 0);
		EXPECT_TRUE(hypercall(n, 1ull << 63, 1ull << 63, 1ull << 63, 1ull << 63, 0) < 0);
		if (n != PINTLE_QUERY && n != PINTLE_SHARE && n != PINTLE_UNSHARE &&
			n != PINTLE_EVENT_PAGE && n != PINTLE_VM_CREATE) {
			EXPECT_TRUE(hypercall(n, 0, 0, 0, 0, 0) < 0);
		}
	}
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
}

static void random(void)
{
	static struct guest g;
	static uint64_t lived;
	uint64_t page = shared_page(), spare = piece(), ram = piece();
	const uint64_t nasty[] = {0, 1, 2, 7, 8, 252, 255, 512, 513, 4095, PAGE, page, page + 8,
		spare, spare + PAGE, ram, ram + 5 * PAGE, 1ull << 30, 1ull << 32, 0xfee00000,
		0xffe00000, 1ull << 40, 1ull << 47, (1ull << 48) - PAGE, 1ull << 48, 1ull << 52,
		1ull << 63, UINT64_MAX - 4095, UINT64_MAX, 0xfee01000, PINTLE_PIECE - PAGE};
	const unsigned count = sizeof(nasty) / sizeof(*nasty);

	for (unsigned i = 0; i < ROWS; i++) {
		CASE(rows[i].name);
		for (unsigned round = 0; round < ROUNDS; round++) {
			uint64_t a[5];
			if (lived == 0) {
				g = NEW(64, quiet);
				lived = g.vm;
			}
			for (unsigned j = 0; j < 5; j++) {
				a[j] = nasty[next(count)];
			}
			uint64_t *words = AT(uint64_t, page);
			for (unsigned j = 0; j < 64; j++) { /* a list, rows, a doorbell */
				words[j] = nasty[next(count)];
			}
			a[0] = next(4) != 0 ? g.vm : a[0];
			a[1] = next(2) != 0 ? 0 : a[1];
			for (unsigned j = 0; j < 16; j++) {
				g.record->values[j].id = next(0x310) | (next(4) == 0) << 8;
				g.record->values[j].value = nasty[next(count)];
			}
			int64_t result = hypercall(rows[i].number, a[0], a[1], a[2], a[3], a[4]);
			EXPECT_TRUE(is_known(result) || rows[i].number == PINTLE_QUERY);
			if (rows[i].number == PINTLE_VM_CREATE && result >= 0) {
				EXPECT(0, CALL(VM_DESTROY, result));
			}
			if (CALL(PAGES_FREE, g.vm) == -ESTALE) {
				lived = 0;
				piece_free(g.piece);
				EXPECT(PINTLE_VM_DESTROY, rows[i].number);
			}
		}
	}
	CASE("after all that everything can be given back");
	EXPECT(0, CALL(EVENT_PAGE, 0, (uintptr_t)event_page[0]));
	EXPECT(0, lived != 0 ? CALL(VM_DESTROY, g.vm) : 0);
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
}

void service(void)
{
	from_user();
	all_ones();
	random();
}
