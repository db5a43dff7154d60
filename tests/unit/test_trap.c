/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_trap.c - whose an interrupt is: vectors of Pintle's own never go to the guest,
 * and whoever sent one, none stays in service for want of somebody who ends it.
 */
#include "tests/unit/fake.h"

#include "kernel/pcpu.h"

static struct pcpu here;
#define this_cpu() (&here)
#include "kernel/trap.c"

const char trap_entries[1], try_first[1], try_last[1];
enum apic_mode lapic_mode = APIC_XAPIC;

static bool is_guests;     /* there is a guest, which takes what it is offered */
static int in_service;     /* vector, or -1 */
static unsigned offered;   /* interrupts to the guest */
static unsigned handled;   /* by Pintle */
static unsigned ends_late; /* EOIs with nothing in service */

int lapic_highest_in_service(void)
{
	return in_service;
}

void lapic_eoi(void)
{
	ends_late += in_service < 0;
	in_service = -1;
}

bool devices_host_interrupt(uint8_t vector)
{
	assert_in_range(vector, 32, VECTOR_OWN_FIRST - 1);
	offered++;
	if (is_guests) {
		lapic_eoi();
	}
	return is_guests;
}

void panic_stop_if_asked(void)
{
}

void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
	panic("%s", fmt);
}

void panic_report(const struct trap_frame *frame, const char *fmt, va_list args)
{
	panic("%s", fmt);
}

static void handler(void)
{
	handled++;
	lapic_eoi();
}

/* An interrupt that the local APIC has put into service, or, spurious, has not. */
static void take_vector(unsigned vector, bool spurious)
{
	in_service = spurious ? -1 : (int)vector;
	trap_interrupt(vector);
	assert_int_equal(in_service, -1);
	assert_int_equal(ends_late, 0);
}

static int begin(void **state)
{
	memset(&here, 0, sizeof(here));
	memset(trap_handlers, 0, sizeof(trap_handlers));
	offered = handled = ends_late = 0;
	is_guests = true;
	return fake_setup(state);
}

static void a_message_with_a_vector_of_ours_is_ended_and_not_the_guests(void **state)
{
	(void)state;
	for (unsigned vector = VECTOR_OWN_FIRST; vector < 256; vector++) {
		take_vector(vector, false);
	}
	assert_int_equal(offered, 0);
	assert_int_equal(here.spurious, VECTOR_OWN_COUNT);
}

static void a_spurious_interrupt_gets_no_eoi(void **state)
{
	(void)state;
	take_vector(VECTOR_SPURIOUS, true);
	is_guests = false;
	take_vector(0x27, true); /* as an 8259's */
	assert_int_equal(here.spurious, 2);
}

static void a_vector_with_a_handler_is_its_own(void **state)
{
	(void)state;
	trap_set_handler(VECTOR_CALL, handler, "a test");
	take_vector(VECTOR_CALL, false);
	assert_int_equal(handled, 1);
	assert_int_equal(here.interrupts[VECTOR_CALL - VECTOR_OWN_FIRST], 1);
	assert_int_equal(here.spurious, 0);
}

static void all_other_vectors_are_the_guests_if_there_is_one(void **state)
{
	(void)state;
	for (unsigned vector = 32; vector < VECTOR_OWN_FIRST; vector++) {
		take_vector(vector, false);
	}
	assert_int_equal(offered, VECTOR_OWN_FIRST - 32);
	assert_int_equal(here.spurious, 0);
	is_guests = false;
	take_vector(0x41, false);
	assert_int_equal(here.spurious, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, fake_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_message_with_a_vector_of_ours_is_ended_and_not_the_guests),
		TEST(a_spurious_interrupt_gets_no_eoi),
		TEST(a_vector_with_a_handler_is_its_own),
		TEST(all_other_vectors_are_the_guests_if_there_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
