/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vuart.c - the virtual UART as drivers probe and use it: registers, FIFOs, the
 * interrupts' causes and their order, loop-back.
 *
 * Links: vdev/uart.c
 */
#include "tests/unit/fake.h"

#include "vdev/uart.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH, FCR = IIR };

static struct vuart uart;

static uint8_t rd(unsigned reg)
{
	return vuart_read(&uart, reg);
}

static int wr(unsigned reg, unsigned value)
{
	return vuart_write(&uart, reg, (uint8_t)value);
}

/* As a driver leaves it: FIFOs on, 8N1, OUT2. */
static void start(void)
{
	memset(&uart, 0xaa, sizeof(uart));
	vuart_reset(&uart);
	wr(FCR, 0x01);
	wr(LCR, 0x03);
	wr(MCR, 0x08);
}

static void registers_have_their_reset_values(void **state)
{
	(void)state;
	static const uint8_t values[] = {0, 0, 0x01, 0, 0, 0x60, 0xb0, 0};
	memset(&uart, 0xaa, sizeof(uart));
	vuart_reset(&uart);
	for (unsigned reg = 0; reg < 8; reg++) {
		assert_int_equal(rd(reg), values[reg]);
		assert_int_equal(rd(reg + 8), values[reg]); /* only three bits count */
	}
	assert_false(vuart_line(&uart));
}

static void only_writable_bits_are_kept(void **state)
{
	(void)state;
	static const uint8_t kept[] = {0, 0x0f, 0, 0x7f, 0x1f, 0, 0, 0xff};
	for (unsigned reg = 1; reg < 8; reg++) {
		start();
		uint8_t before = rd(reg);
		wr(reg, 0x7f); /* not the divisor's bit */
		if (kept[reg] != 0) {
			assert_int_equal(rd(reg), kept[reg] & 0x7f);
		} else if (reg != IIR) {
			assert_int_equal(rd(reg), before);
		}
	}
}

static void the_divisor_hides_data_and_ier(void **state)
{
	(void)state;
	start();
	wr(IER, 0x05);
	vuart_receive(&uart, 'x');
	wr(LCR, 0x83);
	assert_int_equal(rd(0), 1); /* firmware's 115200 */
	assert_int_equal(wr(0, 0x34), -1);
	assert_int_equal(wr(1, 0xf2), -1);
	assert_int_equal(rd(0), 0x34);
	assert_int_equal(rd(1), 0xf2);
	assert_int_equal(rd(LCR), 0x83);
	wr(LCR, 0x03);
	assert_int_equal(rd(IER), 0x05);
	assert_int_equal(rd(DATA), 'x');
}

/* The steps of Linux's autoconfig() that tell one chip from another. */
static void linux_takes_it_for_a_16550a(void **state)
{
	(void)state;
	memset(&uart, 0xaa, sizeof(uart));
	vuart_reset(&uart);
	wr(IER, 0);
	assert_int_equal(rd(IER), 0);
	wr(IER, 0x0f);
	assert_int_equal(rd(IER) & 0x0f, 0x0f);
	wr(IER, 0);
	wr(MCR, 0x10 | 0x0a);
	assert_int_equal(rd(MSR) & 0xf0, 0x90);
	wr(MCR, 0);
	wr(LCR, 0xbf);
	wr(2, 0);
	wr(LCR, 0);
	wr(FCR, 0x01);
	assert_int_equal(rd(IIR) >> 6, 3);
	wr(LCR, 0x80);
	assert_int_not_equal(rd(2), 0); /* no EFR of a 16650 */
	wr(LCR, 0xbf);
	assert_int_not_equal(rd(2), 0);
	wr(LCR, 0);
	wr(FCR, 0x21);
	assert_int_equal(rd(IIR) >> 5, 6); /* no 64 byte FIFO of a 16750 */
	wr(LCR, 0x80);
	wr(FCR, 0x21);
	assert_int_equal(rd(IIR) >> 5, 6);
	wr(LCR, 0);
	wr(IER, 0x40);
	assert_int_equal(rd(IER), 0); /* no unit enable of an XScale */
	wr(IER, 0);
	/* Without the bugs that it looks for: the THR-empty interrupt comes back when it is enabled
	 * anew. */
	for (int i = 0; i < 2; i++) {
		wr(IER, 0x02);
		assert_int_equal(rd(IIR) & 0x0f, 0x02);
		wr(IER, 0);
	}
}

static void bytes_come_in_their_order(void **state)
{
	(void)state;
	start();
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 7; i++) {
			assert_true(vuart_receive(&uart, (uint8_t)(round * 7 + i)));
		}
		for (int i = 0; i < 7; i++) {
			assert_int_equal(rd(LSR), 0x61);
			assert_int_equal(rd(DATA), (uint8_t)(round * 7 + i));
		}
		assert_int_equal(rd(LSR), 0x60);
	}
	rd(DATA);
	assert_int_equal(rd(LSR), 0x60);
}

static void there_is_room_for_one_byte_or_sixteen(void **state)
{
	(void)state;
	for (unsigned fifo = 0; fifo < 2; fifo++) {
		unsigned room = fifo ? 16 : 1;
		start();
		wr(FCR, fifo);
		for (unsigned i = 0; i < room; i++) {
			assert_true(vuart_receive(&uart, (uint8_t)i));
		}
		assert_false(vuart_receive(&uart, 99));
		assert_int_equal(rd(LSR), 0x61);
		for (unsigned i = 0; i < room; i++) {
			assert_int_equal(rd(DATA), i);
		}
		assert_int_equal(rd(LSR), 0x60);
	}
}

static void the_fifo_control_clears(void **state)
{
	(void)state;
	static const struct {
		unsigned before, write, left;
	} cases[] = {{1, 0x01, 1}, {1, 0x03, 0}, {1, 0x05, 1}, {1, 0x00, 0}, {1, 0x02, 0},
		{0, 0x01, 0}, {0, 0x02, 1}, {0, 0x00, 1}, {1, 0xc1, 1}};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		start();
		wr(FCR, cases[i].before);
		vuart_receive(&uart, 'a');
		wr(FCR, cases[i].write);
		assert_int_equal(rd(LSR) & 1, cases[i].left);
		assert_int_equal(rd(IIR) & 0xc0, cases[i].write & 1 ? 0xc0 : 0);
	}
}

static void a_received_byte_interrupts_until_it_is_read(void **state)
{
	(void)state;
	start();
	vuart_receive(&uart, 'a');
	assert_false(vuart_line(&uart));
	wr(IER, 0x01);
	assert_true(vuart_line(&uart));
	assert_int_equal(rd(IIR), 0xc4);
	assert_int_equal(rd(IIR), 0xc4);
	wr(MCR, 0);
	assert_false(vuart_line(&uart)); /* gated by OUT2 */
	wr(MCR, 0x08);
	assert_true(vuart_line(&uart));
	rd(DATA);
	assert_false(vuart_line(&uart));
	assert_int_equal(rd(IIR), 0xc1);
}

static void the_empty_interrupt_follows_its_rules(void **state)
{
	(void)state;
	start();
	assert_false(vuart_line(&uart));
	wr(IER, 0x02);
	assert_true(vuart_line(&uart));
	assert_int_equal(rd(IIR), 0xc2); /* which reads it away */
	assert_false(vuart_line(&uart));
	assert_int_equal(rd(IIR), 0xc1);
	wr(IER, 0x03); /* it was enabled already */
	assert_false(vuart_line(&uart));
	assert_int_equal(wr(DATA, 'A'), 'A');
	assert_true(vuart_line(&uart));
	wr(IER, 0x01);
	assert_false(vuart_line(&uart));
	/* A received byte goes first, and its IIR leaves the other cause be. */
	wr(IER, 0x03);
	vuart_receive(&uart, 'b');
	assert_int_equal(rd(IIR), 0xc4);
	rd(DATA);
	assert_int_equal(rd(IIR), 0xc2);
}

static void without_room_the_transmitter_is_busy(void **state)
{
	(void)state;
	start();
	wr(IER, 0x02);
	assert_int_equal(wr(DATA, 'A'), 'A');
	vuart_set_room(&uart, false);
	assert_int_equal(rd(LSR), 0);
	assert_false(vuart_line(&uart));
	wr(IER, 0);
	wr(IER, 0x02);
	assert_false(vuart_line(&uart));
	assert_int_equal(wr(DATA, 'B'), 'B'); /* the owner's to drop */
	assert_false(vuart_line(&uart));
	vuart_set_room(&uart, false);
	vuart_set_room(&uart, true);
	assert_int_equal(rd(LSR), 0x60);
	assert_int_equal(rd(IIR), 0xc2);
	vuart_set_room(&uart, true); /* nothing new */
	assert_int_equal(rd(IIR), 0xc1);
}

static void loop_back_returns_bytes_and_modem_lines(void **state)
{
	(void)state;
	static const uint8_t lines[][2] = {{1, 0x20}, {2, 0x10}, {4, 0x40}, {8, 0x80}};
	start();
	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		wr(MCR, 0x10 | lines[i][0]);
		assert_int_equal(rd(MSR), lines[i][1]);
	}
	wr(IER, 0x07);
	wr(MCR, 0x18);
	assert_false(vuart_receive(&uart, 'x'));
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(wr(DATA, 0x80 + i), -1);
	}
	assert_int_equal(rd(LSR), 0x61);
	assert_int_equal(wr(DATA, 0), -1); /* lost */
	assert_int_equal(rd(LSR), 0x61);
	assert_int_equal(rd(IIR), 0xc4);
	assert_false(vuart_line(&uart)); /* OUT2 is off the chip's pin */
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(rd(DATA), 0x80 + i);
	}
	wr(MCR, 0x08);
	assert_int_equal(rd(MSR), 0xb0);
	assert_true(vuart_receive(&uart, 'x'));
	assert_true(vuart_line(&uart));
}

/* Whatever a guest and the line do, the FIFO stays within itself. */
static void any_sequence_keeps_the_state_sane(void **state)
{
	(void)state;
	uint32_t x = 1;
	start();
	for (int i = 0; i < 300000; i++) {
		x = x * 1664525 + 1013904223;
		unsigned reg = x >> 16 & 7, kind = x >> 20 & 7;
		if (kind < 3) {
			wr(reg, x >> 24);
		} else if (kind < 5) {
			rd(reg);
		} else if (kind < 7) {
			vuart_receive(&uart, (uint8_t)(x >> 24));
		} else {
			vuart_set_room(&uart, x >> 24 & 1);
		}
		assert_true(uart.in_count <= VUART_FIFO && uart.in_head < VUART_FIFO);
		vuart_line(&uart);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(registers_have_their_reset_values),
		FAKE_TEST(only_writable_bits_are_kept),
		FAKE_TEST(the_divisor_hides_data_and_ier),
		FAKE_TEST(linux_takes_it_for_a_16550a),
		FAKE_TEST(bytes_come_in_their_order),
		FAKE_TEST(there_is_room_for_one_byte_or_sixteen),
		FAKE_TEST(the_fifo_control_clears),
		FAKE_TEST(a_received_byte_interrupts_until_it_is_read),
		FAKE_TEST(the_empty_interrupt_follows_its_rules),
		FAKE_TEST(without_room_the_transmitter_is_busy),
		FAKE_TEST(loop_back_returns_bytes_and_modem_lines),
		FAKE_TEST(any_sequence_keeps_the_state_sane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
