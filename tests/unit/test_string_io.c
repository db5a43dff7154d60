/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_string_io.c - INS and OUTS on an emulated port: every address size, segment and
 * direction, and faults at the right count.
 *
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/run.c kernel/msr.c kernel/cpuid.c
 * Links: kernel/gmem.c kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c vdev/lapic.c
 * Links: kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/exit.h"
#include "kernel/gmem.h"

#define PORT 0x3f8

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct fake_hw *const hw = &fake_hw[0];
static uint64_t *const rcx = &fake_vcpu[0].regs.gpr[GPR_RCX];
static uint64_t *const rsi = &fake_vcpu[0].regs.gpr[GPR_RSI];
static uint64_t *const rdi = &fake_vcpu[0].regs.gpr[GPR_RDI];

/* The exit of the instruction at rip; returns how far rip went. */
static uint64_t handle(bool in, uint8_t size, bool rep)
{
	uint64_t rip = hw->reg[VCPU_RIP];
	struct vcpu_exit exit = {.kind = EXIT_IO};
	exit.io.port = PORT;
	exit.io.size = size;
	exit.io.in = in;
	exit.io.string = true;
	exit.io.rep = rep;
	exit_handle(vcpu, &exit);
	return hw->reg[VCPU_RIP] - rip;
}

static void code(const char *bytes)
{
	hw->reg[VCPU_RIP] = FAKE_CODE - hw->segment[SEG_CS].base;
	memcpy(fake_memory + FAKE_CODE, bytes, strlen(bytes));
}

static void assert_fault(uint8_t vector, uint32_t error)
{
	assert_true(vcpu->exception.valid);
	assert_int_equal(vcpu->exception.vector, vector);
	assert_true(vcpu->exception.has_error);
	assert_int_equal(vcpu->exception.error, error);
	vcpu->exception.valid = false;
}

static void segments_are_flat(void)
{
	for (enum segment_name name = SEG_ES; name <= SEG_GS; name++) {
		if (name != SEG_CS) {
			hw->segment[name] = (struct segment){0, UINT32_MAX, 0x10, 0xc93};
		}
	}
}

/* A 16-bit vCPU whose code segment begins at 0x6000. */
static void real_mode(void)
{
	for (enum segment_name name = SEG_ES; name <= SEG_GS; name++) {
		hw->segment[name] = (struct segment){0x1000ull * name, 0xffff, 0, 0x93};
	}
	hw->segment[SEG_CS] = (struct segment){0x6000, 0xffff, 0x600, 0x9b};
	hw->reg[VCPU_CR0] = 0;
}

static void one_byte_goes_out_and_one_comes_in(void **state)
{
	(void)state;
	fake_long_mode();
	*rcx = 5;
	*rsi = *rdi = 0x4000;
	fake_memory[0x4000] = 'x';
	code("\x6e");
	assert_int_equal(handle(false, 1, false), 1);
	assert_int_equal(fake_port, PORT);
	assert_int_equal(fake_port_size, 1);
	assert_int_equal(fake_port_value, 'x');
	assert_int_equal(*rsi, 0x4001);
	code("\x6d");
	fake_port_value = 0x11223344;
	assert_int_equal(handle(true, 4, false), 1);
	assert_memory_equal(fake_memory + 0x4000, "\x44\x33\x22\x11", 5);
	assert_int_equal(*rdi, 0x4004);
	assert_int_equal(*rcx, 5);
	assert_int_equal(fake_port_reads + fake_port_writes, 2);
}

static void a_repeat_is_done_in_pieces_at_the_same_rip(void **state)
{
	(void)state;
	fake_long_mode();
	*rcx = 40;
	*rdi = 0x4000;
	fake_port_value = 1;
	fake_port_step = 1;
	code("\xf3\x6c");
	assert_int_equal(handle(true, 1, true), 0);
	assert_int_equal(*rcx, 24);
	assert_int_equal(*rdi, 0x4010);
	assert_int_equal(handle(true, 1, true), 0);
	assert_int_equal(handle(true, 1, true), 2);
	assert_int_equal(*rcx, 0);
	assert_int_equal(*rdi, 0x4028);
	for (unsigned i = 0; i < 41; i++) {
		assert_int_equal(fake_memory[0x4000 + i], i < 40 ? i + 1 : 0);
	}
}

static void a_repeat_of_none_does_nothing(void **state)
{
	(void)state;
	fake_long_mode();
	*rcx = 0x100000000; /* none in 32 bits */
	*rsi = 0x123;
	code("\x67\xf3\x6e");
	assert_int_equal(handle(false, 1, true), 3);
	assert_int_equal(*rsi, 0x123);
	assert_int_equal(fake_port_writes, 0);
}

static void the_direction_flag_goes_down(void **state)
{
	(void)state;
	fake_long_mode();
	hw->reg[VCPU_RFLAGS] = BIT(10);
	*rcx = 3;
	*rsi = 0x4004;
	memcpy(fake_memory + 0x4000, "\1\2\3\4\5\6", 6);
	code("\xf3\x66\x6f");
	assert_int_equal(handle(false, 2, true), 3);
	assert_int_equal(*rsi, 0x3ffe);
	assert_int_equal(fake_port_written[0], 0x0605);
	assert_int_equal(fake_port_written[2], 0x0201);
}

static void registers_change_as_far_as_the_address_size(void **state)
{
	(void)state;
	segments_are_flat();
	real_mode();
	hw->segment[SEG_ES].base = 0;
	*rdi = 0x123456780000fffe;
	*rcx = 0x1122334455660003;
	fake_port_value = 0x55;
	code("\xf3\x6c");
	assert_int_equal(handle(true, 1, true), 2);
	assert_int_equal(*rdi, 0x1234567800000001); /* 16 bits wrap */
	assert_int_equal(*rcx, 0x1122334455660000);
	assert_int_equal(fake_memory[0xffff], 0x55);
	assert_int_equal(fake_memory[0], 0x55);
	assert_int_equal(fake_memory[1], 0);

	hw->segment[SEG_CS].base = 0;
	fake_long_mode();
	*rsi = 0xffffffff00004000;
	*rcx = 0xffffffff00000001;
	code("\x67\xf3\x6e"); /* 32 bits, and zero above */
	assert_int_equal(handle(false, 1, true), 3);
	assert_int_equal(*rsi, 0x4001);
	assert_int_equal(*rcx, 0);
}

static void segments_are_those_of_the_prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		enum segment_name name;
	} rows[] = {{"\x6e", SEG_DS}, {"\x26\x6e", SEG_ES}, {"\x2e\x6e", SEG_CS},
		{"\x36\x6e", SEG_SS}, {"\x64\x6e", SEG_FS}, {"\x65\x6e", SEG_GS}};
	real_mode();
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		*rsi = 0x123;
		fake_memory[hw->segment[rows[i].name].base + 0x123] = (uint8_t)(0x40 + i);
		code(rows[i].bytes);
		assert_int_equal(handle(false, 1, false), strlen(rows[i].bytes));
		assert_int_equal(fake_port_value, 0x40 + i);
	}
	*rdi = 0x321; /* INS has but ES */
	code("\x64\x6c");
	handle(true, 1, false);
	assert_int_equal(fake_memory[0x321], 0x45);

	fake_vm_teardown(state);
	fake_vm_setup(state);
	fake_long_mode();
	fake_memory[0x5010] = 'f';
	fake_memory[0x10] = 'd';
	hw->segment[SEG_FS].base = 0x5000;
	hw->segment[SEG_SS].base = 0x7000; /* means nothing here */
	*rsi = 0x10;
	code("\x64\x36\x6e");
	handle(false, 1, false);
	assert_int_equal(fake_port_value, 'f');
	*rsi = 0x10;
	code("\x36\x6e");
	handle(false, 1, false);
	assert_int_equal(fake_port_value, 'd');
}

static void what_a_segment_does_not_allow_is_a_fault(void **state)
{
	(void)state;
	static const struct {
		uint16_t attributes;
		uint32_t limit;
		uint64_t offset;
		bool in, allowed;
	} rows[] = {
		{0xc93, 0x4fff, 0x4ffe, true, true},
		{0xc93, 0x4fff, 0x4fff, true, false}, /* the second byte is beyond it */
		{0xc93, 0x4fff, 0x5000, false, false},
		{0xc91, 0x4fff, 0x4000, false, true}, /* read-only */
		{0xc91, 0x4fff, 0x4000, true, false},
		{0xc9b, 0x4fff, 0x4000, false, true}, /* code that can be read */
		{0xc9b, 0x4fff, 0x4000, true, false},
		{0xc99, 0x4fff, 0x4000, false, false}, /* and that cannot */
		{0xc97, 0x3fff, 0x3fff, true, false},  /* downwards */
		{0xc97, 0x3fff, 0x4000, true, true},
		{0x897, 0x3fff, 0xfffe, true, true},
		{0x897, 0x3fff, 0xffff, true, false},
		{0xc13, 0x4fff, 0x4000, true, false}, /* not present */
		{0, 0, 0, false, false},
	};
	segments_are_flat();
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		hw->segment[rows[i].in ? SEG_ES : SEG_DS] =
			(struct segment){0, rows[i].limit, 0x10, rows[i].attributes};
		*rsi = *rdi = rows[i].offset;
		fake_port_reads = fake_port_writes = 0;
		code(rows[i].in ? "\x66\x6d" : "\x66\x6f");
		assert_int_equal(handle(rows[i].in, 2, false), rows[i].allowed ? 2 : 0);
		assert_int_equal(fake_port_reads + fake_port_writes, rows[i].allowed);
		if (!rows[i].allowed) {
			assert_fault(13, 0);
			assert_int_equal(*(rows[i].in ? rdi : rsi), rows[i].offset);
		}
	}
	hw->segment[SEG_SS].limit = 0;
	code("\x36\x66\x6f");
	*rsi = 0x4000;
	assert_int_equal(handle(false, 2, false), 0);
	assert_fault(12, 0);
}

static void a_page_fault_comes_at_the_right_count(void **state)
{
	(void)state;
	fake_long_mode(); /* the first 2 MiB */
	*rcx = 10;
	*rsi = 0x1ffffd;
	code("\xf3\x6e");
	assert_int_equal(handle(false, 1, true), 0);
	assert_fault(14, 0);
	assert_int_equal(hw->reg[VCPU_CR2], 0x200000);
	assert_int_equal(*rcx, 7);
	assert_int_equal(*rsi, 0x200000);
	assert_int_equal(fake_port_writes, 3);
	assert_int_equal(fake_port_value, 0xff); /* no memory is there */

	*rdi = 0x1ffffe; /* an operand in two pages: nothing is read from the port */
	code("\xf3\x6d");
	assert_int_equal(handle(true, 4, true), 0);
	assert_fault(14, 2);
	assert_int_equal(hw->reg[VCPU_CR2], 0x200000);
	assert_int_equal(fake_port_reads, 0);
	assert_int_equal(*rdi, 0x1ffffe);

	hw->segment[SEG_SS].attributes = 0xcf3; /* CPL 3, and the page is the supervisor's */
	*rdi = 0x4000;
	code("\x6c");
	*rcx = 1;
	hw->reg[VCPU_CR0] |= BIT(16);
	assert_int_equal(handle(true, 1, false), 0);
	assert_false(vcpu->exception.valid); /* nor can the code be fetched */
}

static void an_address_that_is_not_canonical_is_a_protection_fault(void **state)
{
	(void)state;
	fake_long_mode();
	*rsi = 0x800000000000;
	code("\x6e");
	assert_int_equal(handle(false, 1, false), 0);
	assert_fault(13, 0);
}

static void an_address_that_the_cpu_does_not_have_is_a_page_fault(void **state)
{
	(void)state;
	const uint64_t beyond = BIT(40) | 0x83;
	fake_long_mode();
	memcpy(fake_memory + 0x3008, &beyond, sizeof(beyond)); /* from 2 MiB on */
	for (unsigned bits = 40; bits <= 41; bits++) {
		gmem_address_bits = (uint8_t)bits;
		*rsi = 0x200000;
		code("\x6e");
		assert_int_equal(handle(false, 1, false), bits == 40 ? 0 : 1);
		if (bits == 40) {
			assert_fault(14, 9); /* present, reserved bits */
		}
	}
	gmem_address_bits = 0;
}

static void single_steps_stop_at_each_iteration(void **state)
{
	(void)state;
	fake_long_mode();
	hw->reg[VCPU_RFLAGS] = BIT(8);
	*rcx = 2;
	*rsi = 0x4000;
	code("\xf3\x6e");
	assert_int_equal(handle(false, 1, true), 0);
	assert_int_equal(*rcx, 1);
	assert_int_equal(hw->skips, 1); /* which makes the #DB */
	assert_int_equal(handle(false, 1, true), 2);
	assert_int_equal(hw->skips, 2);
}

static void an_instruction_that_is_not_there_any_more_runs_again(void **state)
{
	(void)state;
	fake_long_mode();
	*rsi = *rdi = 0x4000;
	code("\x90\x6e");
	assert_int_equal(handle(false, 1, false), 0);
	code("\x6c");
	assert_int_equal(handle(false, 1, false), 0);
	assert_int_equal(fake_port_writes + fake_port_reads, 0);
	assert_false(vcpu->exception.valid);
	assert_int_equal(vcpu->state, VCPU_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(one_byte_goes_out_and_one_comes_in),
		VM_TEST(a_repeat_is_done_in_pieces_at_the_same_rip),
		VM_TEST(a_repeat_of_none_does_nothing),
		VM_TEST(the_direction_flag_goes_down),
		VM_TEST(registers_change_as_far_as_the_address_size),
		VM_TEST(segments_are_those_of_the_prefixes),
		VM_TEST(what_a_segment_does_not_allow_is_a_fault),
		VM_TEST(a_page_fault_comes_at_the_right_count),
		VM_TEST(an_address_that_is_not_canonical_is_a_protection_fault),
		VM_TEST(an_address_that_the_cpu_does_not_have_is_a_page_fault),
		VM_TEST(single_steps_stop_at_each_iteration),
		VM_TEST(an_instruction_that_is_not_there_any_more_runs_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
