/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_module_convert.c - pintle.ko: KVM's structures of registers as Pintle's values.
 * Links: service/module/convert.c
 * Flags: -include stdbool.h -include stddef.h -include string.h
 */
#include "tests/unit/fake.h"

#include <errno.h>

#include "service/module/convert.h"

#define VALUES 64

static uint64_t value_of(const struct pintle_value *values, uint64_t id)
{
	for (unsigned i = 0; i < VALUES; i++) {
		if (values[i].id == id) {
			return values[i].value;
		}
	}
	fail_msg("no value 0x%lx", id);
	return 0;
}

/* Each id once; set, then get, brings every byte back that the table has. */
static void check_table(const struct convert_table *table, size_t size, size_t whole)
{
	uint8_t from[1024], to[1024];
	struct pintle_value values[VALUES] = {0}, asked[VALUES] = {0};
	size_t same = 0;

	assert_true(table->count <= VALUES && size <= sizeof(from));
	for (size_t i = 0; i < size; i++) {
		from[i] = (uint8_t)rand();
		to[i] = (uint8_t)~from[i];
	}
	convert_set(table, from, values);
	convert_ask(table, asked);
	for (unsigned i = 0; i < table->count; i++) {
		assert_int_equal(values[i].id, asked[i].id);
		for (unsigned j = 0; j < i; j++) {
			assert_int_not_equal(values[i].id, values[j].id);
		}
		if (table->field[i].segment) {
			values[i].value = 0;
		}
	}
	convert_get(table, values, to);
	for (size_t i = 0; i < size; i++) {
		same += from[i] == to[i];
	}
	assert_true(same >= whole);
}

static void every_register_comes_back(void **state)
{
	/* Of segments only base, limit and selector are bytes of their own. */
	check_table(&convert_regs, sizeof(struct kvm_regs), sizeof(struct kvm_regs));
	check_table(&convert_sregs, sizeof(struct kvm_sregs), 8 * 14 + 2 * 10 + 7 * 8);
	check_table(&convert_debugregs, sizeof(struct kvm_debugregs), 6 * 8);
}

static void registers_have_their_own_numbers(void **state)
{
	struct kvm_regs regs = {.rax = 1,
		.rcx = 2,
		.rdx = 3,
		.rbx = 4,
		.rsp = 5,
		.rbp = 6,
		.rsi = 7,
		.rdi = 8,
		.r8 = 9,
		.r15 = 16,
		.rip = 17,
		.rflags = 18};
	struct pintle_value values[VALUES] = {0};

	convert_set(&convert_regs, &regs, values);
	for (unsigned i = 0; i < 9; i++) { /* the encoding's order: SDM vol. 2, 2.1.5 */
		if (i != 4) {
			assert_int_equal(value_of(values, PINTLE_GPR(i)), i + 1);
		}
	}
	assert_int_equal(value_of(values, PINTLE_GPR(15)), 16);
	assert_int_equal(value_of(values, PINTLE_REG(PINTLE_RSP)), 5);
	assert_int_equal(value_of(values, PINTLE_REG(PINTLE_RIP)), 17);
	assert_int_equal(value_of(values, PINTLE_REG(PINTLE_RFLAGS)), 18);
}

static void segments_keep_their_attributes(void **state)
{
	static const struct {
		struct kvm_segment segment;
		uint64_t attributes;
	} cases[] = {
		{{.type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1}, 0xa9b},
		{{.type = 0x3, .present = 1, .s = 1, .db = 1, .g = 1}, 0xc93},
		{{.type = 0x3, .present = 1, .s = 1, .db = 1, .g = 1, .dpl = 3}, 0xcf3},
		{{.type = 0xb, .present = 1}, 0x8b},
		{{.type = 0x2, .present = 1, .avl = 1}, 0x182},
		{{.unusable = 1}, 0},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kvm_sregs sregs = {.fs = cases[i].segment}, back;
		struct pintle_value values[VALUES] = {0};
		convert_set(&convert_sregs, &sregs, values);
		assert_int_equal(value_of(values, PINTLE_SEGMENT(4, PINTLE_ATTRIBUTES)),
			cases[i].attributes);
		memset(&back, 0x55, sizeof(back));
		convert_get(&convert_sregs, values, &back);
		assert_memory_equal(&back.fs, &sregs.fs, sizeof(back.fs));
	}
	/* Marked unusable counts, whatever else there stands. */
	struct kvm_sregs odd = {.fs = {.type = 3, .present = 1, .s = 1, .unusable = 1}};
	struct pintle_value values[VALUES] = {0};
	convert_set(&convert_sregs, &odd, values);
	assert_int_equal(value_of(values, PINTLE_SEGMENT(4, PINTLE_ATTRIBUTES)), 0);
}

#define PE  1ull
#define PG  (1ull << 31)
#define NW  (1ull << 29)
#define CD  (1ull << 30)
#define PAE (1ull << 5)
#define LME (1ull << 8)
#define LMA (1ull << 10)

static void impossible_modes_are_refused(void **state)
{
	static const struct {
		uint64_t cr0, cr4, efer, cr8;
		bool l, db, good;
	} cases[] = {
		{0x60000010, 0, 0, 0, false, false, true}, /* after a reset */
		{PE, 0, 0, 0, false, true, true},
		{PE | PG, 0, 0, 0, false, true, true},
		{PE | PG, PAE, LME | LMA, 0, true, false, true},
		{PE | PG, PAE, LME | LMA, 0, false, true, true},
		{PE, PAE, LME, 15, false, true, true},
		{PE | PG, PAE, LME | LMA, 16, true, false, false},
		{PE | PG, PAE, LME | LMA, 0, true, true, false},
		{PE | PG, 0, LME | LMA, 0, true, false, false},
		{PE | PG, PAE, LME, 0, false, true, false},
		{PE, PAE, LME | LMA, 0, false, true, false},
		{PE | PG, PAE, LMA, 0, false, true, false},
		{PE, 0, 0, 0, true, false, false},
		{PG, 0, 0, 0, false, false, false},
		{NW, 0, 0, 0, false, false, false},
		{NW | CD, 0, 0, 0, false, false, true},
		{PE | 1ull << 32, 0, 0, 0, false, false, false},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kvm_sregs sregs = {.cr0 = cases[i].cr0,
			.cr4 = cases[i].cr4,
			.efer = cases[i].efer,
			.cr8 = cases[i].cr8,
			.cs = {.l = cases[i].l, .db = cases[i].db}};
		int want = cases[i].good ? 0 : -EINVAL;
		if (convert_check_sregs(&sregs) != want) {
			fail_msg("case %u", i);
		}
	}
	struct kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
	assert_int_equal(convert_check_debugregs(&debug), 0);
	debug.dr7 = 1ull << 32;
	assert_int_equal(convert_check_debugregs(&debug), -EINVAL);
	debug = (struct kvm_debugregs){.dr6 = 1ull << 32};
	assert_int_equal(convert_check_debugregs(&debug), -EINVAL);
	debug = (struct kvm_debugregs){.flags = 1};
	assert_int_equal(convert_check_debugregs(&debug), -EINVAL);
}

static void events_come_back(void **state)
{
	static const uint64_t events[] = {
		0, 0x80000030, 0x80000202, 0x80000306, 0xdead00008000030b | 1ull << 11, 0x800000ff};
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		for (uint64_t nmi = 0; nmi < 2; nmi++) {
			struct kvm_vcpu_events kvm;
			uint64_t back = 1;
			__u64 event, pending;
			convert_get_events(events[i], nmi, &kvm);
			assert_int_equal(kvm.nmi.pending, nmi);
			assert_int_equal(convert_set_events(&kvm, &event, &pending), 0);
			back = event;
			assert_int_equal(back, events[i]);
			assert_int_equal(pending, nmi);
		}
	}
}

static void events_that_cannot_be_are_refused(void **state)
{
	__u64 event, nmi;
	struct kvm_vcpu_events events = {.flags = 0x80000000};
	assert_int_equal(convert_set_events(&events, &event, &nmi), -EINVAL);
	events = (struct kvm_vcpu_events){.exception = {.injected = 1, .nr = 32}};
	assert_int_equal(convert_set_events(&events, &event, &nmi), -EINVAL);
	events = (struct kvm_vcpu_events){.exception = {.injected = 1, .nr = 2}};
	assert_int_equal(convert_set_events(&events, &event, &nmi), -EINVAL);
	events = (struct kvm_vcpu_events){.interrupt = {.injected = 1, .soft = 1}};
	assert_int_equal(convert_set_events(&events, &event, &nmi), -EINVAL);
	events = (struct kvm_vcpu_events){.flags = KVM_VCPUEVENT_VALID_SMM, .smi = {.smm = 1}};
	assert_int_equal(convert_set_events(&events, &event, &nmi), -EINVAL);
	/* An NMI that is pending counts only with its flag. */
	events = (struct kvm_vcpu_events){.nmi = {.pending = 1}};
	assert_int_equal(convert_set_events(&events, &event, &nmi), 0);
	assert_int_equal(nmi, 0);
}

static void a_queued_vector_is_a_bit(void **state)
{
	for (unsigned vector = 0; vector < 256; vector++) {
		__u64 bitmap[4], event = 0;
		convert_get_bitmap(0x80000000 | vector, bitmap);
		assert_int_equal(bitmap[vector / 64], 1ull << (vector % 64));
		assert_true(convert_set_bitmap(bitmap, &event));
		assert_int_equal(event, 0x80000000 | vector);
		convert_get_bitmap(vector, bitmap); /* not valid */
		assert_false(convert_set_bitmap(bitmap, &event));
		convert_get_bitmap(0x80000300 | vector, bitmap); /* an exception */
		assert_false(convert_set_bitmap(bitmap, &event));
	}
}

static void activities_come_back(void **state)
{
	for (__u64 activity = PINTLE_WAITS_FOR_SIPI; activity <= PINTLE_HALTED; activity++) {
		int mp_state = convert_get_mp_state(activity);
		assert_true(mp_state >= 0);
		assert_int_equal(convert_set_mp_state((__u32)mp_state), activity);
	}
	assert_int_equal(convert_set_mp_state(KVM_MP_STATE_INIT_RECEIVED), PINTLE_WAITS_FOR_SIPI);
	assert_int_equal(convert_set_mp_state(KVM_MP_STATE_SIPI_RECEIVED), -EINVAL);
	assert_int_equal(convert_set_mp_state(77), -EINVAL);
	assert_true(convert_get_mp_state(77) < 0);
}

/* SDM vol. 1, table 10-2. */
static void the_fpu_is_where_fxsave_has_it(void **state)
{
	uint8_t area[CONVERT_XSAVE_MIN], again[CONVERT_XSAVE_MIN];
	struct kvm_fpu fpu;

	for (unsigned i = 0; i < sizeof(area); i++) {
		area[i] = (uint8_t)(rand() | 1);
	}
	convert_get_fpu(area, &fpu);
	assert_memory_equal(&fpu.fcw, area, 2);
	assert_memory_equal(&fpu.fsw, area + 2, 2);
	assert_int_equal(fpu.ftwx, area[4]);
	assert_memory_equal(&fpu.last_opcode, area + 6, 2);
	assert_memory_equal(&fpu.last_ip, area + 8, 8);
	assert_memory_equal(&fpu.last_dp, area + 16, 8);
	assert_memory_equal(&fpu.mxcsr, area + 24, 4);
	assert_memory_equal(fpu.fpr, area + 32, 128);
	assert_memory_equal(fpu.xmm, area + 160, 256);
	memset(again, 0, sizeof(again));
	memcpy(again + 28, area + 28, 4); /* MXCSR's mask is the CPU's */
	again[512] = 4;                   /* AVX is in use: it stays so */
	convert_set_fpu(&fpu, again);
	area[5] = 0;
	assert_memory_equal(again, area, 416);
	assert_int_equal(again[512], 7);
	for (unsigned i = 416; i < 512; i++) {
		assert_int_equal(again[i], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_register_comes_back),
		cmocka_unit_test(registers_have_their_own_numbers),
		cmocka_unit_test(segments_keep_their_attributes),
		cmocka_unit_test(impossible_modes_are_refused),
		cmocka_unit_test(events_come_back),
		cmocka_unit_test(events_that_cannot_be_are_refused),
		cmocka_unit_test(a_queued_vector_is_a_bit),
		cmocka_unit_test(activities_come_back),
		cmocka_unit_test(the_fpu_is_where_fxsave_has_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
