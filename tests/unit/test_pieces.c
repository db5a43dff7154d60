/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_pieces.c - pieces and pools, beside a model: 40,000 random steps on 12 pieces, of
 * which two are not all RAM.
 *
 * Links: kernel/pieces.c
 */
#include "tests/unit/fake.h"

#include "kernel/frame.h"
#include "kernel/machine.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"
#include "kernel/pieces.h"
#include "kernel/vcpu.h"

#define PIECES 12u /* the first is not all RAM, nor is the last */
#define PAGES  512u
#define POOLS  3u
#define STEPS  40000u

static uint8_t *memory;
static struct vm service;
static struct pool pools[POOLS];
static bool mapped[PIECES], served[PIECES]; /* to Pintle; to the service VM */
static unsigned flushes, barriers;
static void *taken[POOLS][PIECES * PAGES];
static unsigned taken_count[POOLS];

struct machine machine;
struct vm *service_vm = &service;
struct spinlock vm_lock;

static struct {
	enum { OWN, SHARED, DEPOSITED } kind;
	unsigned uses, pool;
} model[PIECES];

void *frame_alloc(size_t count, enum frame_owner owner)
{
	static _Alignas(PAGE_SIZE) uint8_t frame[PAGE_SIZE];
	assert_int_equal(count, 1);
	return memset(frame, 0, sizeof(frame));
}
void frame_free(void *frames, size_t count, enum frame_owner owner)
{
}
void *phys_to_virt(hpa_t base)
{
	assert_true(mapped[base.raw / LARGE_SIZE]);
	return memory + base.raw;
}
int paging_map(uint64_t va, hpa_t base, uint64_t size, unsigned flags)
{
	assert_int_equal(va, DIRECT_VA + base.raw);
	assert_int_equal(size, LARGE_SIZE);
	assert_int_equal(flags, PAGING_WRITE);
	assert_false(mapped[base.raw / LARGE_SIZE]);
	mapped[base.raw / LARGE_SIZE] = true;
	return 0;
}
void paging_unmap(uint64_t va)
{
	assert_true(mapped[(va - DIRECT_VA) / LARGE_SIZE]);
	mapped[(va - DIRECT_VA) / LARGE_SIZE] = false;
}
int vm_protect(struct vm *vm, uint64_t gpa, uint64_t size, unsigned rights)
{
	assert_int_equal(fake_locks_held, 0);
	assert_int_equal(size, LARGE_SIZE);
	assert_true(served[gpa / LARGE_SIZE] == (rights == 0));
	served[gpa / LARGE_SIZE] = rights == VM_IDENTITY;
	flushes++;
	return 0;
}
void smp_answer(void)
{
	assert_int_equal(fake_locks_held, 0);
}
void vm_flush(struct vm *vm)
{
	assert_int_equal(fake_locks_held, 0);
	barriers++;
}

static uint64_t seed;
static unsigned below(unsigned limit)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(seed >> 33) % limit;
}

static bool is_ram(unsigned piece)
{
	return piece != 0 && piece < PIECES - 1;
}

static int begin(void **state)
{
	memory = aligned_alloc(LARGE_SIZE, PIECES * LARGE_SIZE);
	memset(memory, 0x5a, PIECES * LARGE_SIZE);
	memset(mapped, 0, sizeof(mapped));
	memset(served, 1, sizeof(served));
	memset(pools, 0, sizeof(pools));
	memset(model, 0, sizeof(model));
	memset(&machine, 0, sizeof(machine));
	machine.memmap.count = 2;
	machine.memmap.range[0] =
		(struct mem_range){PAGE_SIZE, 6 * LARGE_SIZE - PAGE_SIZE, MEM_FREE};
	machine.memmap.range[1] =
		(struct mem_range){6 * LARGE_SIZE, (PIECES - 6) * LARGE_SIZE - PAGE_SIZE, MEM_FREE};
	seed = 4711;
	assert_int_equal(pieces_init(), 0);
	return fake_setup(state);
}

static int end(void **state)
{
	for (unsigned n = 0; n < POOLS; n++) {
		pool_return(&pools[n]);
		taken_count[n] = 0;
	}
	assert_int_equal(pieces_deposited, 0);
	free(memory);
	return fake_teardown(state);
}

static void share(unsigned piece)
{
	int wanted = !is_ram(piece)                                  ? -EFAULT
		: model[piece].kind != OWN || model[piece].uses != 0 ? -EBUSY
								     : 0;
	assert_int_equal(piece_share(piece * LARGE_SIZE, true), wanted);
	model[piece].kind = wanted == 0 ? SHARED : model[piece].kind;
}

static void unshare(unsigned piece)
{
	unsigned before = barriers;
	int wanted = !is_ram(piece)           ? -EFAULT
		: model[piece].kind != SHARED ? -EINVAL
		: model[piece].uses != 0      ? -EBUSY
					      : 0;
	assert_int_equal(piece_share(piece * LARGE_SIZE, false), wanted);
	assert_int_equal(barriers - before, wanted == 0);
	model[piece].kind = wanted == 0 ? OWN : model[piece].kind;
}

/* Pages of one piece or two; and given back, or kept in the model. */
static void hold(unsigned piece)
{
	unsigned first = below(PAGES), count = 1 + below(20), held = 0;
	uint64_t page = piece * LARGE_SIZE + first * PAGE_SIZE;
	bool wanted = true;
	for (unsigned i = 0; i < count; i++) {
		unsigned at = piece + (first + i) / PAGES;
		bool ram = at < PIECES && !(at == 0 && first + i == 0) &&
			!(at == PIECES - 1 && (first + i) % PAGES == PAGES - 1);
		bool one_range = (piece < 6) == (at < 6);
		wanted = wanted && ram && one_range && model[at].kind != DEPOSITED;
	}
	while (held < count && pieces_hold(page + held * PAGE_SIZE)) {
		held++;
	}
	assert_true(!wanted || held == count);
	if (!wanted && held != 0) {
		pieces_drop(page, held);
	}
	if (wanted && below(2)) {
		pieces_drop(page, count);
	} else if (wanted) {
		for (unsigned i = 0; i < count; i++) {
			model[piece + (first + i) / PAGES].uses++;
		}
	}
}

static void drop(unsigned piece)
{
	if (model[piece].uses != 0) {
		unsigned count = 1 + below(model[piece].uses > 100 ? 100 : model[piece].uses);
		pieces_drop(piece * LARGE_SIZE, count);
		model[piece].uses -= count;
	}
}

static void keep(unsigned piece)
{
	unsigned page = below(PAGES);
	uint64_t at = piece * LARGE_SIZE + page * PAGE_SIZE;
	void *wanted = model[piece].kind == SHARED ? memory + at : NULL;
	assert_ptr_equal(shared_pages(at, 1), wanted);
	assert_null(shared_pages(at + 8, 1));
	assert_ptr_equal(shared_keep(at), wanted);
	model[piece].uses += wanted != NULL;
}

static void deposit(unsigned piece)
{
	unsigned n = below(POOLS), before = flushes;
	size_t free = pools[n].free;
	int wanted = !is_ram(piece)                                  ? -EFAULT
		: model[piece].kind != OWN || model[piece].uses != 0 ? -EBUSY
								     : 0;
	assert_int_equal(pool_add(&pools[n], piece * LARGE_SIZE), wanted);
	if (wanted == 0) {
		assert_true(flushes != before);
		model[piece].kind = DEPOSITED;
		model[piece].pool = n;
		assert_int_equal(pools[n].free, free + PAGES);
	}
}

static void use_pool(void)
{
	unsigned n = below(POOLS), count = below(3) != 0 ? 1 : 1 + below(9);
	size_t free = pools[n].free;
	if (below(3) == 0 && taken_count[n] != 0) { /* single pages are given back */
		unsigned i = below(taken_count[n]);
		memset(taken[n][i], 0x77, PAGE_SIZE);
		pool_free(&pools[n], taken[n][i]);
		taken[n][i] = taken[n][--taken_count[n]];
		assert_int_equal(pools[n].free, free + 1);
		return;
	}
	if (pools[n].count == 0) { /* then it has frames of Pintle's own */
		return;
	}
	uint8_t *pages = pool_alloc(&pools[n], count);
	if (pages == NULL) {
		assert_true(count > 1 || free == 0);
		assert_int_equal(pools[n].free, free);
		return;
	}
	unsigned piece = (unsigned)((size_t)(pages - memory) / LARGE_SIZE);
	assert_int_equal(model[piece].kind, DEPOSITED);
	assert_int_equal(model[piece].pool, n);
	assert_int_equal(pools[n].free, free - count);
	for (size_t i = 0; i < count * PAGE_SIZE; i += 8) {
		assert_int_equal(*(uint64_t *)(pages + i), 0);
	}
	memset(pages, 0x66, count * PAGE_SIZE);
	for (unsigned i = 0; i < count; i++) { /* nobody else has them */
		for (unsigned j = 0; j < taken_count[n]; j++) {
			assert_ptr_not_equal(taken[n][j], pages + i * PAGE_SIZE);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		taken[n][taken_count[n]++] = pages + i * PAGE_SIZE;
	}
}

static void give_back(void)
{
	unsigned n = below(POOLS);
	pool_return(&pools[n]);
	pools[n] = (struct pool){0};
	taken_count[n] = 0;
	for (unsigned piece = 0; piece < PIECES; piece++) {
		if (model[piece].kind == DEPOSITED && model[piece].pool == n) {
			model[piece].kind = OWN;
			for (size_t i = 0; i < LARGE_SIZE; i += 8) {
				assert_int_equal(*(uint64_t *)(memory + piece * LARGE_SIZE + i), 0);
			}
		}
	}
}

static void check(void)
{
	size_t deposited = 0;
	for (unsigned piece = 0; piece < PIECES; piece++) {
		bool is = model[piece].kind == DEPOSITED;
		deposited += is;
		assert_int_equal(piece_is_deposited(piece * LARGE_SIZE + 4095), is);
		assert_int_equal(served[piece], !is);
		assert_int_equal(mapped[piece], model[piece].kind != OWN);
	}
	assert_int_equal(pieces_deposited, deposited);
}

static void pieces_are_what_the_model_says(void **state)
{
	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned piece = below(PIECES);
		switch (below(step % 2000 < 1000 ? 8 : 12)) {
		case 0:
			share(piece);
			break;
		case 1:
			unshare(piece);
			break;
		case 2:
			hold(piece);
			break;
		case 3:
			keep(piece);
			break;
		case 4:
			deposit(piece);
			break;
		case 5:
			if (below(40) == 0) {
				give_back();
			}
			break;
		case 6:
			use_pool();
			break;
		default:
			drop(piece);
			break;
		}
		check();
	}
}

static void addresses_that_are_no_piece_are_refused(void **state)
{
	(void)state;
	static const uint64_t bad[] = {LARGE_SIZE + PAGE_SIZE, 0, (PIECES - 1) * LARGE_SIZE,
		PIECES * LARGE_SIZE, 1ull << 51, 1ull << 63, UINT64_MAX,
		UINT64_MAX - LARGE_SIZE + 1};
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(piece_share(bad[i], true), -EFAULT);
		assert_int_equal(piece_share(bad[i], false), -EFAULT);
		assert_int_equal(pool_add(&pools[0], bad[i]), -EFAULT);
		assert_null(shared_pages(bad[i], 1));
		assert_null(shared_keep(bad[i]));
		assert_false(i > 2 && pieces_hold(bad[i]));
		assert_false(i > 2 && piece_is_deposited(bad[i]));
	}
	assert_false(pieces_hold(LARGE_SIZE + 1));
}

static void after_a_reset_nothing_is_shared(void **state)
{
	(void)state;
	share(1);
	share(2);
	assert_non_null(shared_keep(2 * LARGE_SIZE));
	deposit(3);
	pieces_reset();
	assert_null(shared_pages(LARGE_SIZE, 1));
	assert_null(shared_pages(2 * LARGE_SIZE, 1));
	assert_false(mapped[1] || mapped[2]);
	model[1].kind = model[2].kind = OWN;
	assert_true(piece_is_deposited(3 * LARGE_SIZE));
	share(2);
	model[2].uses = 0;
	unshare(2);
}

static void a_pool_has_room_for_64_pieces(void **state)
{
	(void)state;
	pools[0].count = POOL_PIECES;
	assert_int_equal(pool_add(&pools[0], LARGE_SIZE), -ENOSPC);
	pools[0].count = 0;
	share(1);
}

static void each_piece_of_a_pool_holds_runs_of_pages(void **state)
{
	(void)state;
	for (unsigned piece = 1; piece < 4; piece++) {
		assert_int_equal(pool_add(&pools[0], piece * LARGE_SIZE), 0);
	}
	for (unsigned i = 0; i < 3 * (PAGES / 5); i++) {
		assert_non_null(pool_alloc(&pools[0], 5));
	}
	assert_null(pool_alloc(&pools[0], 5));
	assert_int_equal(pools[0].free, 3 * (PAGES % 5));
	assert_non_null(pool_alloc(&pools[0], 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_that_are_no_piece_are_refused),
		TEST(after_a_reset_nothing_is_shared),
		TEST(a_pool_has_room_for_64_pieces),
		TEST(each_piece_of_a_pool_holds_runs_of_pages),
		TEST(pieces_are_what_the_model_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
