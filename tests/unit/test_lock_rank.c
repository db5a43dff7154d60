/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_lock_rank.c - the record of the locks that a CPU holds.
 * Links: kernel/lock_rank.c
 */
#include "tests/unit/fake.h"

#include "kernel/lock.h"

/* One lock of each rank, and enough beyond to fill the record. */
#define LOCKS (LOCKS_HELD_MAX + 1)
static struct spinlock locks[LOCKS];

static void locks_prepare(struct lock_held *held)
{
	memset(held, 0, sizeof(*held));
	for (unsigned i = 0; i < LOCKS; i++) {
		locks[i].rank = (enum lock_rank)i;
	}
}

static void every_ascending_pair_is_allowed_and_every_other_refused(void **state)
{
	(void)state;
	struct lock_held held;
	for (unsigned first = 0; first < LOCKS; first++) {
		for (unsigned second = 0; second < LOCKS; second++) {
			locks_prepare(&held);
			assert_true(lock_held_push(&held, &locks[first]));
			assert_int_equal(lock_held_push(&held, &locks[second]), second > first);
			assert_int_equal(held.depth, second > first ? 2 : 1);
		}
	}
}

static void two_locks_of_one_rank_are_never_held_together(void **state)
{
	(void)state;
	struct spinlock a = SPINLOCK(LOG);
	struct spinlock b = SPINLOCK(LOG);
	struct lock_held held;
	locks_prepare(&held);
	assert_true(lock_held_push(&held, &a));
	assert_false(lock_held_push(&held, &b));
	assert_true(lock_held_pop(&held, &a));
	assert_true(lock_held_push(&held, &b));
}

static void a_refused_lock_leaves_the_record_as_it_was(void **state)
{
	(void)state;
	struct lock_held held;
	struct lock_held before;
	locks_prepare(&held);
	assert_true(lock_held_push(&held, &locks[1]));
	assert_true(lock_held_push(&held, &locks[4]));
	before = held;
	assert_false(lock_held_push(&held, &locks[2]));
	assert_false(lock_held_push(&held, &locks[4]));
	assert_memory_equal(&held, &before, sizeof(held));
	assert_false(lock_held_pop(&held, &locks[2]));
	assert_memory_equal(&held, &before, sizeof(held));
}

static void the_record_takes_all_that_fit_and_refuses_one_more(void **state)
{
	(void)state;
	struct lock_held held;
	locks_prepare(&held);
	for (unsigned i = 0; i < LOCKS_HELD_MAX; i++) {
		assert_true(lock_held_push(&held, &locks[i]));
	}
	assert_false(lock_held_push(&held, &locks[LOCKS_HELD_MAX]));
	assert_int_equal(held.depth, LOCKS_HELD_MAX);
	assert_true(lock_held_pop(&held, &locks[0]));
	assert_true(lock_held_push(&held, &locks[LOCKS_HELD_MAX]));
}

static void every_rank_may_be_held_at_once(void **state)
{
	(void)state;
	assert_true(LOCK_RANK_COUNT <= LOCKS_HELD_MAX);
}

static void a_lock_that_is_not_held_cannot_be_released(void **state)
{
	(void)state;
	struct lock_held held;
	locks_prepare(&held);
	assert_false(lock_held_pop(&held, &locks[0]));
	assert_true(lock_held_push(&held, &locks[0]));
	assert_false(lock_held_pop(&held, &locks[1]));
	assert_true(lock_held_pop(&held, &locks[0]));
	assert_false(lock_held_pop(&held, &locks[0]));
	assert_int_equal(held.depth, 0);
}

static void releasing_in_any_order_keeps_the_check_true(void **state)
{
	(void)state;
	struct lock_held held;
	locks_prepare(&held);
	uint32_t seed = 1;
	bool is_held[LOCKS] = {false};
	for (unsigned step = 0; step < 100000; step++) {
		seed = seed * 1664525u + 1013904223u;
		unsigned which = (seed >> 16) % LOCKS;
		unsigned depth = 0;
		bool allowed = true;
		for (unsigned i = 0; i < LOCKS; i++) {
			depth += is_held[i];
			allowed &= !is_held[i] || i < which;
		}
		assert_int_equal(held.depth, depth);
		if (seed >> 31) {
			allowed &= depth < LOCKS_HELD_MAX;
			assert_int_equal(lock_held_push(&held, &locks[which]), allowed);
			is_held[which] |= allowed;
		} else {
			assert_int_equal(lock_held_pop(&held, &locks[which]), is_held[which]);
			is_held[which] = false;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_ascending_pair_is_allowed_and_every_other_refused),
		FAKE_TEST(two_locks_of_one_rank_are_never_held_together),
		FAKE_TEST(a_refused_lock_leaves_the_record_as_it_was),
		FAKE_TEST(the_record_takes_all_that_fit_and_refuses_one_more),
		FAKE_TEST(every_rank_may_be_held_at_once),
		FAKE_TEST(a_lock_that_is_not_held_cannot_be_released),
		FAKE_TEST(releasing_in_any_order_keeps_the_check_true),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
