/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vlapic_init.c - an interrupt that another CPU sends while INIT resets the local
 * APIC, at the one moment that two threads would hit once in a million times.
 */
#include "tests/unit/fake.h"

#include <stdatomic.h>

static void (*between)(void); /* called before the interrupt is noted */

#undef atomic_fetch_or
#define atomic_fetch_or(place, bits)                                                               \
	(between != NULL ? between() : (void)0, __atomic_fetch_or(place, bits, __ATOMIC_SEQ_CST))
#include "vdev/lapic.c"

#define VECTOR 0x41

static _Alignas(4096) uint8_t page[4096];
static struct vlapic apic = {.reg = (void *)page};

static void start(void)
{
	struct vlapic_effect effect;
	vlapic_init(&apic, 1, false);
	vlapic_write(&apic, LAPIC_SVR, 0x1ff, 0, &effect);
}

static void init(void)
{
	vlapic_reset(&apic);
}

static void an_interrupt_does_not_outlive_an_init(void **state)
{
	(void)state;
	start();
	between = init;
	vlapic_accept(&apic, VECTOR, false);
	between = NULL;
	assert_int_equal(vlapic_pending(&apic), -1);
}

static void an_interrupt_without_an_init_stays(void **state)
{
	(void)state;
	start();
	assert_true(vlapic_accept(&apic, VECTOR, false));
	assert_int_equal(vlapic_pending(&apic), VECTOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(an_interrupt_does_not_outlive_an_init),
		FAKE_TEST(an_interrupt_without_an_init_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
