/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_serial.c - pintle-vmm's UART, as a driver sees it.
 *
 * Links: service/vmm/serial.c
 */
#include "tests/unit/fake.h"

#include "service/vmm/serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

static struct serial uart;

static void start(uint8_t ier, uint8_t fcr)
{
	memset(&uart, 0, sizeof(uart));
	serial_reset(&uart);
	serial_write(&uart, IIR, fcr);
	serial_write(&uart, IER, ier);
	serial_write(&uart, MCR, 0x0b);
}

static void bytes_go_out_as_they_are_written(void **state)
{
	start(0, 1);
	for (int i = 0; i < 256; i++) {
		assert_int_equal(serial_write(&uart, DATA, (uint8_t)i), i);
		assert_int_equal(serial_read(&uart, LSR) & 0x60, 0x60);
	}
	assert_false(serial_irq(&uart));
}

static void bytes_come_in_order_and_raise_the_interrupt_until_read(void **state)
{
	start(1, 1);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < SERIAL_FIFO; i++) {
			assert_int_equal(serial_room(&uart), SERIAL_FIFO - i);
			serial_receive(&uart, (uint8_t)(round * 16 + i));
			assert_true(serial_irq(&uart));
		}
		assert_int_equal(serial_read(&uart, IIR), 0xc4);
		for (unsigned i = 0; i < SERIAL_FIFO; i++) {
			assert_int_equal(serial_read(&uart, LSR) & 1, 1);
			assert_int_equal(serial_read(&uart, DATA), round * 16 + i);
		}
		assert_false(serial_irq(&uart));
		assert_int_equal(serial_read(&uart, LSR) & 1, 0);
		assert_int_equal(serial_read(&uart, IIR), 0xc1);
	}
}

static void fewer_bytes_than_the_trigger_are_a_timeout(void **state)
{
	start(1, 0xc1);
	for (unsigned i = 0; i < 13; i++) {
		serial_receive(&uart, 'a');
		assert_int_equal(serial_read(&uart, IIR), 0xcc);
	}
	serial_receive(&uart, 'a');
	assert_int_equal(serial_read(&uart, IIR), 0xc4);
}

static void without_fifo_there_is_room_for_one(void **state)
{
	start(5, 0);
	serial_receive(&uart, 'a');
	assert_int_equal(serial_room(&uart), 0);
	serial_receive(&uart, 'b');
	assert_int_equal(serial_read(&uart, IIR), 0x06);
	assert_int_equal(serial_read(&uart, LSR), 0x63);
	assert_int_equal(serial_read(&uart, LSR), 0x61);
	assert_int_equal(serial_read(&uart, DATA), 'a');
	assert_int_equal(serial_read(&uart, DATA), 0);
}

static void the_empty_interrupt_comes_when_allowed_and_after_each_byte(void **state)
{
	start(0, 1);
	assert_false(serial_irq(&uart));
	serial_write(&uart, IER, 2);
	assert_true(serial_irq(&uart));
	assert_int_equal(serial_read(&uart, IIR), 0xc2);
	assert_false(serial_irq(&uart));
	serial_write(&uart, DATA, 'x');
	assert_true(serial_irq(&uart));
	assert_int_equal(serial_read(&uart, IIR), 0xc2);
	/* As Linux tests it: away and allowed again, it comes at once. */
	serial_write(&uart, IER, 0);
	serial_write(&uart, IER, 2);
	assert_int_equal(serial_read(&uart, IIR), 0xc2);
}

static void a_blocked_line_looks_busy_until_it_is_free(void **state)
{
	start(2, 1);
	serial_read(&uart, IIR);
	serial_set_blocked(&uart, true);
	serial_write(&uart, DATA, 'x');
	assert_false(serial_irq(&uart));
	assert_int_equal(serial_read(&uart, LSR) & 0x60, 0);
	serial_set_blocked(&uart, false);
	assert_true(serial_irq(&uart));
	assert_int_equal(serial_read(&uart, IIR), 0xc2);
	assert_int_equal(serial_read(&uart, LSR) & 0x60, 0x60);
}

static void the_interrupt_line_passes_only_with_out2(void **state)
{
	start(1, 1);
	serial_receive(&uart, 'a');
	assert_true(serial_irq(&uart));
	serial_write(&uart, MCR, 3);
	assert_false(serial_irq(&uart));
}

static void a_loop_gives_back_bytes_and_lines(void **state)
{
	start(0, 1);
	assert_int_equal(serial_read(&uart, MSR), 0xb0);
	serial_write(&uart, MCR, 0x1a);
	assert_int_equal(serial_read(&uart, MSR) & 0xf0, 0x90);
	assert_int_equal(serial_write(&uart, DATA, 'q'), SERIAL_NOTHING);
	assert_int_equal(serial_read(&uart, DATA), 'q');
}

static void the_divisor_hides_data_and_ier(void **state)
{
	start(1, 1);
	serial_write(&uart, LCR, 0x83);
	assert_int_equal(serial_write(&uart, DATA, 1), SERIAL_NOTHING);
	serial_write(&uart, IER, 2);
	assert_int_equal(serial_read(&uart, DATA), 1);
	assert_int_equal(serial_read(&uart, IER), 2);
	serial_write(&uart, LCR, 3);
	assert_int_equal(serial_read(&uart, IER), 1);
	serial_write(&uart, SCRATCH, 0x5a);
	assert_int_equal(serial_read(&uart, SCRATCH), 0x5a);
}

static void clearing_the_fifo_forgets_what_was_received(void **state)
{
	start(1, 1);
	serial_receive(&uart, 'a');
	serial_write(&uart, IIR, 3);
	assert_false(serial_irq(&uart));
	assert_int_equal(serial_room(&uart), SERIAL_FIFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(bytes_go_out_as_they_are_written),
		FAKE_TEST(bytes_come_in_order_and_raise_the_interrupt_until_read),
		FAKE_TEST(fewer_bytes_than_the_trigger_are_a_timeout),
		FAKE_TEST(without_fifo_there_is_room_for_one),
		FAKE_TEST(the_empty_interrupt_comes_when_allowed_and_after_each_byte),
		FAKE_TEST(a_blocked_line_looks_busy_until_it_is_free),
		FAKE_TEST(the_interrupt_line_passes_only_with_out2),
		FAKE_TEST(a_loop_gives_back_bytes_and_lines),
		FAKE_TEST(the_divisor_hides_data_and_ier),
		FAKE_TEST(clearing_the_fifo_forgets_what_was_received),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
