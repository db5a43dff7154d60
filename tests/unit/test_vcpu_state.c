/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vcpu_state.c - a vCPU's state by the ABI's ids: where each is kept, what is
 * refused.
 *
 * Links: tests/unit/fake_backend.c kernel/vcpu_state.c kernel/exit.c kernel/run.c kernel/msr.c
 * Links: kernel/cpuid.c kernel/gmem.c kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c
 * Links: vdev/lapic.c kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/exit.h"

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct fake_hw *const hw = &fake_hw[0];
static uint64_t moving[3];

/* context.c is not here. */
bool context_set_xcr0(struct vcpu *v, uint64_t value)
{
	v->context.xcr0 = value != 0 ? value : v->context.xcr0;
	return value != 0;
}
uint64_t *context_msr(struct vcpu *v, uint32_t number)
{
	return number == 0xc0000103 ? &moving[0] : number == 0x48 ? &moving[1] : NULL;
}

static uint64_t get(uint64_t id)
{
	uint64_t value = 0x5a5a5a5a5a5a5a5a;
	assert_true(vcpu_state(vcpu, id, &value, false));
	return value;
}

static bool set(uint64_t id, uint64_t value)
{
	return vcpu_state(vcpu, id, &value, true);
}

static void each_register_is_where_it_is_kept(void **state)
{
	(void)state;
	for (unsigned n = 0; n < GPR_COUNT; n++) {
		assert_true(set(PINTLE_GPR(n), 0x1000 + n));
	}
	for (unsigned n = 0; n < GPR_COUNT; n++) {
		uint64_t is = n == GPR_RSP ? hw->reg[VCPU_RSP] : vcpu->regs.gpr[n];
		assert_int_equal(is, 0x1000 + n);
		assert_int_equal(get(PINTLE_GPR(n)), 0x1000 + n);
	}
	for (unsigned n = PINTLE_RIP; n <= PINTLE_PAT; n++) {
		assert_true(set(PINTLE_REG(n), 0x2000 + n));
		assert_int_equal(hw->reg[n], 0x2000 + n);
		assert_int_equal(get(PINTLE_REG(n)), 0x2000 + n);
	}
	for (unsigned n = 0; n < 4; n++) {
		assert_true(set(PINTLE_DEBUG(n), 1ull << 60 | n));
		assert_int_equal(vcpu->context.debug[n], 1ull << 60 | n);
		assert_int_equal(get(PINTLE_DEBUG(n)), 1ull << 60 | n);
	}
	assert_true(set(PINTLE_DEBUG(4), 0xffff4ff1));
	assert_int_equal(hw->reg[VCPU_DR6], 0xffff4ff1);
	assert_false(set(PINTLE_DEBUG(4), 1ull << 32));
	assert_int_equal(get(PINTLE_DEBUG(4)), 0xffff4ff1);
}

static void each_field_of_a_segment_is_its_own(void **state)
{
	(void)state;
	for (unsigned n = 0; n < SEG_COUNT; n++) {
		hw->segment[n] = (struct segment){1, 2, 3, 4};
		assert_true(set(PINTLE_SEGMENT(n, PINTLE_BASE), 1ull << 50 | n));
		assert_true(set(PINTLE_SEGMENT(n, PINTLE_LIMIT), 0x12345 + n));
		assert_int_equal(hw->segment[n].selector, 3);
		assert_true(set(PINTLE_SEGMENT(n, PINTLE_SELECTOR), 0x10 + n));
		assert_int_equal(hw->segment[n].attributes, 4);
		assert_true(set(PINTLE_SEGMENT(n, PINTLE_ATTRIBUTES), 0xfff000 | 0xc93));
		assert_int_equal(hw->segment[n].base, 1ull << 50 | n);
		assert_int_equal(hw->segment[n].limit, 0x12345 + n);
		assert_int_equal(hw->segment[n].selector, 0x10 + n);
		assert_int_equal(hw->segment[n].attributes, 0xc93);
		assert_int_equal(get(PINTLE_SEGMENT(n, PINTLE_BASE)), 1ull << 50 | n);
		assert_int_equal(get(PINTLE_SEGMENT(n, PINTLE_LIMIT)), 0x12345 + n);
		assert_int_equal(get(PINTLE_SEGMENT(n, PINTLE_SELECTOR)), 0x10 + n);
		assert_int_equal(get(PINTLE_SEGMENT(n, PINTLE_ATTRIBUTES)), 0xc93);
	}
}

static void msrs_are_where_they_are_kept(void **state)
{
	(void)state;
	static const struct {
		uint32_t msr;
		enum vcpu_register reg;
	} rows[] = {
		{0x174, VCPU_SYSENTER_CS},
		{0x175, VCPU_SYSENTER_ESP},
		{0x176, VCPU_SYSENTER_EIP},
		{0xc0000081, VCPU_STAR},
		{0xc0000082, VCPU_LSTAR},
		{0xc0000083, VCPU_CSTAR},
		{0xc0000084, VCPU_SFMASK},
		{0xc0000102, VCPU_KERNEL_GS},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_true(set(PINTLE_MSR(rows[i].msr), 0x100 + i));
		assert_int_equal(hw->reg[rows[i].reg], 0x100 + i);
		assert_int_equal(get(PINTLE_MSR(rows[i].msr)), 0x100 + i);
	}
	assert_true(set(PINTLE_MSR(0xc0000100), 0x777));
	assert_true(set(PINTLE_MSR(0xc0000101), 0x888));
	assert_int_equal(hw->segment[SEG_FS].base, 0x777);
	assert_int_equal(hw->segment[SEG_GS].base, 0x888);
	assert_int_equal(get(PINTLE_MSR(0xc0000101)), 0x888);
	assert_true(set(PINTLE_MSR(0xc0000103), 5));
	assert_int_equal(moving[0], 5);
	assert_int_equal(get(PINTLE_MSR(0xc0000103)), 5);
	assert_true(set(PINTLE_MSR(0x10), 5)); /* the TSC: nothing happens */
}

/* They are loaded without a check later: the CPU is asked now, and has its own value again. */
static void what_the_cpu_does_not_take_is_refused(void **state)
{
	(void)state;
	fake_msr_value = 42;
	assert_true(set(PINTLE_MSR(0xc0000103), 6));
	assert_int_equal(fake_msr_value, 42);
	assert_int_equal(fake_msr_writes, 2);
	fake_msr_there = false;
	assert_false(set(PINTLE_MSR(0xc0000103), 7));
	assert_int_equal(moving[0], 6);
	assert_false(set(PINTLE_MSR(0xc0000082), 7));
	assert_int_equal(hw->reg[VCPU_LSTAR], 0);
	assert_int_equal(get(PINTLE_MSR(0xc0000103)), 6);
	fake_msr_there = true;
	fake_msr_writes = 0;
	set(PINTLE_MSR(0x1b), 0xfee00900); /* no other is tried on the CPU */
	set(PINTLE_MSR(0x277), 6);
	set(PINTLE_MSR(0xc0000080), 0x500);
	set(PINTLE_MSR(0x1a0), 1);
	assert_int_equal(fake_msr_writes, 0);
}

static void ids_that_there_are_not_are_refused(void **state)
{
	(void)state;
	static const uint64_t bad[] = {PINTLE_GPR(16), PINTLE_GPR(255),
		PINTLE_REG(PINTLE_NMI_PENDING + 1), PINTLE_REG(255), PINTLE_SEGMENT(8, 0), 0x2ff,
		PINTLE_DEBUG(5), PINTLE_DEBUG(255), 0x400, 0x1000, 0xffffffff, 2ull << 32,
		UINT64_MAX, PINTLE_MSR(0x49), PINTLE_MSR(0x800), PINTLE_MSR(0x830),
		PINTLE_MSR(0x8ff), PINTLE_MSR(0x3b), PINTLE_MSR(0xc0010117)};
	struct fake_hw before = *hw;
	vcpu->closed = fake_vm.closed = true;
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		uint64_t value = 1;
		assert_false(vcpu_state(vcpu, bad[i], &value, true));
		assert_false(vcpu_state(vcpu, bad[i], &value, false));
	}
	assert_memory_equal(&before, hw, sizeof(before));
}

static void what_no_backend_has_is_kept_beside(void **state)
{
	(void)state;
	assert_true(set(PINTLE_REG(PINTLE_XCR0), 7));
	assert_int_equal(get(PINTLE_REG(PINTLE_XCR0)), 7);
	assert_false(set(PINTLE_REG(PINTLE_XCR0), 0));
	assert_int_equal(get(PINTLE_REG(PINTLE_XCR0)), 7);
	assert_true(set(PINTLE_REG(PINTLE_CR8), 0xfb));
	assert_int_equal(get(PINTLE_REG(PINTLE_CR8)), 0xb);
	static const unsigned states[] = {VCPU_WAIT_SIPI, VCPU_RUNNING, VCPU_HALTED};
	for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
		assert_true(set(PINTLE_REG(PINTLE_ACTIVITY), i));
		assert_int_equal(vcpu->state, states[i]);
		assert_int_equal(get(PINTLE_REG(PINTLE_ACTIVITY)), i);
	}
	assert_false(set(PINTLE_REG(PINTLE_ACTIVITY), 3));
	assert_int_equal(vcpu->state, VCPU_HALTED);
	assert_true(set(PINTLE_REG(PINTLE_NMI_PENDING), 1));
	assert_true(vcpu->requests & VCPU_REQUEST_NMI);
	assert_int_equal(get(PINTLE_REG(PINTLE_NMI_PENDING)), 1);
	assert_true(set(PINTLE_REG(PINTLE_NMI_PENDING), 0));
	assert_false(vcpu->requests & VCPU_REQUEST_NMI);
}

static void an_event_goes_in_and_out_as_it_is(void **state)
{
	(void)state;
	static const uint64_t good[] = {0x80000020, 0x80000202, 0x80000306, 0x0000000480000b0e,
		0xffffffff80000b0d, 0x800000ff};
	for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
		vcpu->exception.valid = true;
		assert_true(set(PINTLE_REG(PINTLE_EVENT), good[i]));
		assert_false(vcpu->exception.valid);
		assert_true(vcpu->reinject.valid);
		assert_int_equal(get(PINTLE_REG(PINTLE_EVENT)), good[i]);
		assert_true(vcpu->requests & VCPU_REQUEST_EVENT);
	}
	for (unsigned type = 0; type < 8; type++) {
		bool known = type == 0 || type == 2 || type == 3;
		assert_int_equal(set(PINTLE_REG(PINTLE_EVENT), 0x80000020 | type << 8), known);
		assert_true(vcpu->reinject.type != type || known);
	}
	assert_true(set(PINTLE_REG(PINTLE_EVENT), 0));
	assert_int_equal(get(PINTLE_REG(PINTLE_EVENT)), 0);
	vcpu_raise(vcpu, 13, true, 8); /* one that Pintle has raised is seen */
	assert_int_equal(get(PINTLE_REG(PINTLE_EVENT)), 8ull << 32 | 0x80000b0d);
}

static void the_apics_page_goes_in_and_out(void **state)
{
	(void)state;
	static uint32_t in[256], out[256];
	memset(in, 0xff, sizeof(in));
	in[4 * LAPIC_LVT_TIMER] = 0x20044;
	vcpu->lapic.reg[LAPIC_SVR].value = 0xff;
	vcpu_lapic(vcpu, in, true);
	vcpu_lapic(vcpu, out, false);
	assert_int_equal(out[4 * LAPIC_ID], vcpu->lapic.reg[LAPIC_ID].value); /* not written */
	assert_int_equal(out[4 * LAPIC_TPR], 0xff);
	for (unsigned i = 0; i < 24; i++) { /* no vectors below 16 */
		assert_int_equal(out[4 * (LAPIC_ISR + i)], i % 8 == 0 ? 0xffff0000 : UINT32_MAX);
	}
	assert_int_equal(out[4 * LAPIC_ICR], 0);
	assert_int_equal(out[4 * LAPIC_TIMER_COUNT], UINT32_MAX);
	memcpy(in, out, sizeof(in)); /* what came out goes in unchanged */
	vcpu_lapic(vcpu, in, true);
	vcpu_lapic(vcpu, out, false);
	in[4 * LAPIC_TIMER_NOW] = out[4 * LAPIC_TIMER_NOW];
	assert_memory_equal(in, out, sizeof(in));
	vlapic_accept(&vcpu->lapic, 0x31, false); /* what is on its way is in IRR */
	memset(in, 0, sizeof(in));
	in[4 * LAPIC_SVR] = 0x1ff;
	vcpu_lapic(vcpu, in, true);
	vcpu_lapic(vcpu, out, false);
	assert_int_equal(out[4 * (LAPIC_IRR + 1)], 1u << 17);
	/* The VMM hears of the end of what a pin has sent, not of others. */
	memset(vcpu->owed, 0, sizeof(vcpu->owed));
	in[4 * (LAPIC_ISR + 2)] = 3;
	in[4 * (LAPIC_TMR + 2)] = 1;
	vcpu_lapic(vcpu, in, true);
	assert_int_equal(vcpu->owed[2], 1);
	vcpu->owed[2] =
		2; /* what a pin sends meanwhile: it is not lost on the way to another vCPU */
	vcpu_lapic(vcpu, out, false);
	vcpu->owed[2] = 0;
	vcpu_lapic(vcpu, out, true);
	assert_int_equal(vcpu->owed[2], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(each_register_is_where_it_is_kept),
		VM_TEST(each_field_of_a_segment_is_its_own),
		VM_TEST(msrs_are_where_they_are_kept),
		VM_TEST(what_the_cpu_does_not_take_is_refused),
		VM_TEST(ids_that_there_are_not_are_refused),
		VM_TEST(what_no_backend_has_is_kept_beside),
		VM_TEST(an_event_goes_in_and_out_as_it_is),
		VM_TEST(the_apics_page_goes_in_and_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
