/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_cpuid.c - what CPUID hides from a guest and shows it, bit by bit.
 *
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/run.c kernel/msr.c kernel/gmem.c
 * Links: kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c vdev/lapic.c
 * Links: kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/cpuid.c"

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct fake_hw *const hw = &fake_hw[0];
static const struct cpuid all = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, none;

static struct cpuid ask(uint32_t leaf, uint32_t subleaf)
{
	uint64_t *gpr = vcpu->regs.gpr;
	memset(&vcpu->regs, 0xff, sizeof(vcpu->regs));
	gpr[GPR_RAX] = leaf | 0xffffffff00000000;
	gpr[GPR_RCX] = subleaf | 0xffffffff00000000;
	assert_true(cpuid_emulate(vcpu, NULL));
	for (enum gpr i = 0; i < GPR_COUNT; i++) {
		assert_int_equal(gpr[i] >> 32, i <= GPR_RBX ? 0 : UINT32_MAX);
	}
	return (struct cpuid){(uint32_t)gpr[GPR_RAX], (uint32_t)gpr[GPR_RBX],
		(uint32_t)gpr[GPR_RCX], (uint32_t)gpr[GPR_RDX]};
}

static void assert_answer(
	uint32_t leaf, struct cpuid hardware, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	fake_cpuid = hardware;
	struct cpuid r = ask(leaf, 0);
	assert_int_equal(r.eax, a);
	assert_int_equal(r.ebx, b);
	assert_int_equal(r.ecx, c);
	assert_int_equal(r.edx, d);
}

/* By hand: what is taken away and added. */
static const struct {
	uint32_t leaf;
	struct cpuid hidden, shown;
} expected[] = {
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, PDCM, DS; x2APIC,
	   deadline, a hypervisor */
	{1, {0, 0, 0x0000807c, 0x00200000}, {0, 0, 0x81200000, 0}},
	{5, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}}, /* MWAIT */
	/* TSC_ADJUST, SGX, processor trace; CET_SS, PKS; UINTR, LBRs, IBT, AMX */
	{7, {0, 0x02000006, 0x80000080, 0x03580020}, {0}},
	{0xa, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},  /* counters */
	{0xd, {0}, {0}},                                               /* by subleaf: below */
	{0x14, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}}, /* processor trace */
	{0x40000000, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		{0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d}},
	{0x40000001, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0x01002028, 0, 0, 0}},
	{0x40000100, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		{0x40000100, 0x746e6950, 0x6950656c, 0x656c746e}},
	{0x80000001, {0, 0, 0x1004, 0}, {0}}, /* SVM, SKINIT */
	{0x80000008, {.ebx = BIT(3)}, {0}},
	{0x8000000a, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, {0}},
};

static void every_row_hides_and_shows_its_bits_and_no_others(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
		struct cpuid h = expected[i].hidden, s = expected[i].shown;
		if (expected[i].leaf == LEAF_XSAVE) {
			continue;
		}
		h.ecx |= expected[i].leaf == 1 ? ECX1_OSXSAVE : 0; /* CR4 has them not */
		h.ecx |= expected[i].leaf == 7 ? ECX7_OSPKE : 0;
		assert_answer(expected[i].leaf, all, ~h.eax | s.eax, ~h.ebx | s.ebx, ~h.ecx | s.ecx,
			~h.edx | s.edx);
		assert_answer(expected[i].leaf, none, s.eax, s.ebx, s.ecx, s.edx);
	}
}

static void every_row_of_the_table_is_expected(void **state)
{
	(void)state;
	unsigned rows = 0;
	for (unsigned i = 1; i < ARRAY_COUNT(policies); i++) {
		if (policies[i].leaf != 0) {
			const struct policy *p = &policies[i];
			assert_true(rows < ARRAY_COUNT(expected));
			assert_int_equal(SLOT(p->leaf), i);
			assert_int_equal(p->leaf, expected[rows].leaf);
			assert_memory_equal(&p->hide, &expected[rows].hidden, sizeof(p->hide));
			assert_memory_equal(&p->show, &expected[rows].shown, sizeof(p->show));
			rows++;
		}
	}
	assert_int_equal(rows, ARRAY_COUNT(expected));
}

static void leaves_without_a_row_are_the_cpus_own(void **state)
{
	(void)state;
	static const uint32_t leaves[] = {0, 2, 4, 6, 0xb, 0x15, 0x3fffffff, 0x40010000, 0x80000000,
		0x80000002, 0x80000008, UINT32_MAX};
	for (unsigned i = 0; i < ARRAY_COUNT(leaves); i++) {
		fake_cpuid = (struct cpuid){1, 2, 3, 4};
		struct cpuid r = ask(leaves[i], 9);
		assert_memory_equal(&r, &fake_cpuid, sizeof(r));
		assert_int_equal(fake_cpuid_leaf, leaves[i]);
		assert_int_equal(fake_cpuid_subleaf, 9);
	}
}

/* AMX, and what XSS switches on, is nobody's: the context has it not. */
static void xsave_has_no_supervisor_state_and_no_tiles(void **state)
{
	(void)state;
	static struct pintle_record record;
	for (unsigned closed = 0; closed < 2; closed++) {
		vcpu->closed = closed;
		vcpu->record = closed ? &record : NULL;
		fake_cpuid = all;
		assert_int_equal(ask(0xd, 0).eax, 0xfff9ffff);
		struct cpuid one = ask(0xd, 1);
		assert_int_equal(one.eax & one.ebx, UINT32_MAX);
		assert_int_equal(one.ecx | one.edx, 0);
		fake_cpuid.ecx = 1; /* a supervisor's */
		assert_int_equal(ask(0xd, 8).eax, 0);
		fake_cpuid.ecx = 0;
		assert_int_equal(ask(0xd, 2).eax, UINT32_MAX);
		assert_int_equal(ask(0xd, 17).eax, 0);
		assert_int_equal(ask(0xd, 18).eax, 0);
	}
}

static void osxsave_follows_the_guests_cr4(void **state)
{
	(void)state;
	for (unsigned hardware = 0; hardware < 2; hardware++) {
		fake_cpuid = hardware ? all : none;
		hw->reg[VCPU_CR4] = 0;
		assert_int_equal(ask(1, 0).ecx & BIT(27), 0);
		hw->reg[VCPU_CR4] = BIT(18);
		assert_int_equal(ask(1, 0).ecx & BIT(27), BIT(27));
	}
}

static void the_hypervisors_leaves_name_it_and_the_rest_is_empty(void **state)
{
	(void)state;
	/* "KVMKVMKVM\0\0\0" and "PintlePintle" */
	assert_answer(0x40000000, all, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	/* the clock, which is stable, steal time, the yield */
	assert_answer(0x40000001, all, 0x01002028, 0, 0, 0);
	assert_answer(0x40000100, all, 0x40000100, 0x746e6950, 0x6950656c, 0x656c746e);
	static const uint32_t empty[] = {
		0x40000002, 0x400000ff, 0x40000101, 0x40000200, 0x4000ffff};
	for (unsigned i = 0; i < ARRAY_COUNT(empty); i++) {
		assert_answer(empty[i], all, 0, 0, 0, 0);
	}
	assert_int_equal(fake_cpuid_reads, 0);
}

/* SDM vol. 2, CPUID: leaf 7, ECX bit 4 is CR4.PKE; the host's own is what the CPU answers with. */
static void ospke_follows_the_guests_cr4(void **state)
{
	(void)state;
	fake_cpuid = none;
	hw->reg[VCPU_CR4] = BIT(22);
	assert_int_equal(ask(7, 0).ecx & BIT(4), BIT(4));
	fake_cpuid = all;
	hw->reg[VCPU_CR4] = 0;
	assert_int_equal(ask(7, 0).ecx & BIT(4), 0);
}

/* Subleaf 1 has other bits there. */
static void ospke_is_in_subleaf_0_alone(void **state)
{
	(void)state;
	fake_cpuid = none;
	hw->reg[VCPU_CR4] = BIT(22);
	assert_int_equal(ask(7, 1).ecx, 0);
	fake_cpuid = all;
	hw->reg[VCPU_CR4] = 0;
	assert_int_equal(ask(7, 1).ecx, UINT32_MAX);
}

static void a_vcpu_with_a_vmm_hears_its_table(void **state)
{
	(void)state;
	static struct pintle_record record;
	static struct pintle_cpuid rows[] = {
		{1, 0, 0, 0x11, 0x44332211, 0x33, 0x44, 0},
		{4, 1, 0, 1, 2, 3, 4, 0},
		{2, 77, 1, 5, 6, 7, 8, 0},
		{7, 1, 0, 0, 0, 0, 0, 0},
		{0xb, 0, 0, 1, 2, 3, 4, 0},
		{0x1f, 0, 0, 1, 2, 3, 4, 0},
		{0x8000001e, 0, 0, 1, 2, 3, 4, 0},
	};
	vcpu->closed = true;
	vcpu->record = &record;
	fake_cpuid = all;
	assert_int_equal(ask(0, 0).eax, 0); /* no table */
	assert_int_equal(ask(1, 0).ecx, 0);
	fake_vm.cpuid = rows;
	fake_vm.cpuid_count = ARRAY_COUNT(rows);
	vcpu->lapic.id = 9;
	assert_int_equal(ask(1, 0).eax, 0x11);
	assert_int_equal(ask(1, 0).ebx, 0x09332211);
	assert_int_equal(ask(1, 1).eax, 0);
	assert_int_equal(ask(4, 1).ecx, 3);
	assert_int_equal(ask(4, 0).ecx, 0);
	assert_int_equal(ask(2, 5).edx, 8);
	assert_int_equal(ask(0xb, 0).edx, 9);
	assert_int_equal(ask(0xb, 0).ecx, 3);
	assert_int_equal(ask(0x1f, 0).edx, 9);
	assert_int_equal(ask(0x8000001e, 0).eax, 9);
	assert_int_equal(ask(0x8000001e, 0).ebx, 2);
	assert_int_equal(ask(0x80000000, 0).eax, 0);
	hw->reg[VCPU_CR4] = CR4_OSXSAVE | BIT(22);
	assert_int_equal(ask(1, 0).ecx, 0x33 | 0x08000000);
	assert_int_equal(ask(7, 1).ecx, 0);
	fake_vm.cpuid_count = 0;
	assert_int_equal(ask(4, 1).ecx, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(every_row_hides_and_shows_its_bits_and_no_others),
		VM_TEST(every_row_of_the_table_is_expected),
		VM_TEST(leaves_without_a_row_are_the_cpus_own),
		VM_TEST(xsave_has_no_supervisor_state_and_no_tiles),
		VM_TEST(osxsave_follows_the_guests_cr4),
		VM_TEST(the_hypervisors_leaves_name_it_and_the_rest_is_empty),
		VM_TEST(ospke_follows_the_guests_cr4),
		VM_TEST(ospke_is_in_subleaf_0_alone),
		VM_TEST(a_vcpu_with_a_vmm_hears_its_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
