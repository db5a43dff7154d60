/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_lock_rank.c - the record of the locks that a CPU holds.
 */
#include "tests/unit/fake.h"

#include "kernel/lock.h"

/* As many ranks as the record has room for. */
#define RANKS 32u

static void every_ascending_pair_is_allowed_and_every_other_refused(void **state)
{
	(void)state;
	for (unsigned first = 0; first < RANKS; first++) {
		for (unsigned second = 0; second < RANKS; second++) {
			uint32_t held = 0;
			assert_true(lock_held_push(&held, first));
			uint32_t before = held;
			assert_int_equal(lock_held_push(&held, second), second > first);
			assert_int_equal(held != before, second > first);
		}
	}
}

static void every_rank_may_be_held_at_once(void **state)
{
	(void)state;
	uint32_t held = 0;
	for (unsigned rank = 0; rank < RANKS; rank++) {
		assert_true(lock_held_push(&held, rank));
	}
	assert_int_equal(held, UINT32_MAX);
	assert_false(lock_held_push(&held, RANKS - 1));
}

static void a_lock_that_is_not_held_cannot_be_released(void **state)
{
	(void)state;
	uint32_t held = 0;
	assert_false(lock_held_pop(&held, 0));
	assert_true(lock_held_push(&held, 0));
	assert_false(lock_held_pop(&held, 1));
	assert_true(lock_held_pop(&held, 0));
	assert_false(lock_held_pop(&held, 0));
	assert_int_equal(held, 0);
}

static void releasing_in_any_order_keeps_the_check_true(void **state)
{
	(void)state;
	uint32_t held = 0;
	uint32_t seed = 1;
	bool is_held[RANKS] = {false};
	for (unsigned step = 0; step < 100000; step++) {
		seed = seed * 1664525u + 1013904223u;
		unsigned which = (seed >> 16) % RANKS;
		bool allowed = true;
		for (unsigned i = which; i < RANKS; i++) {
			allowed &= !is_held[i];
		}
		if (seed >> 31) {
			assert_int_equal(lock_held_push(&held, which), allowed);
			is_held[which] |= allowed;
		} else {
			assert_int_equal(lock_held_pop(&held, which), is_held[which]);
			is_held[which] = false;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_ascending_pair_is_allowed_and_every_other_refused),
		FAKE_TEST(every_rank_may_be_held_at_once),
		FAKE_TEST(a_lock_that_is_not_held_cannot_be_released),
		FAKE_TEST(releasing_in_any_order_keeps_the_check_true),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
