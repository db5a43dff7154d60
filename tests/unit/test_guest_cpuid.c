/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_guest_cpuid.c - what of CPUID guests may know, bit by bit.
 *
 * Links: service/module/guest_cpuid.c
 */
#include "tests/unit/fake.h"

#include "kernel/types.h"
#include "service/module/guest_cpuid.h"

#define FREE UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX

/* By hand: what is left of a row of ones. */
static const struct {
	uint32_t leaf, subleaf;
	uint32_t with[4];
} cuts[] = {
	{0, 0, {FREE}},
	{1, 0, {UINT32_MAX, UINT32_MAX, 0xf7fa3203, 0x1f8bab7f}},
	{2, 0, {FREE}},
	{4, 3, {FREE}},
	{5, 0, {0}},
	{6, 0, {0}},
	{7, 0, {0, 0xfdbf27e9, 0x00405f4e, 0x8c00451c}},
	{7, 1, {0}},
	{0xa, 0, {0}},
	{0xb, 0, {FREE}},
	{0xf, 0, {0}},
	{0x14, 0, {0}},
	{0x15, 0, {FREE}},
	{0x16, 0, {FREE}},
	{0x1f, 0, {FREE}},
	{0x40000000, 0, {FREE}},
	{0x40000001, 0, {0x01002028, 0, 0, 0}},
	{0x40000002, 0, {0}},
	{0x40000100, 0, {FREE}},
	{0x80000000, 0, {FREE}},
	{0x80000001, 0, {UINT32_MAX, UINT32_MAX, 0x002109e1, 0xefd3ab7f}},
	{0x80000002, 0, {FREE}},
	{0x80000006, 0, {FREE}},
	{0x80000007, 0, {0, 0, 0, 0x100}},
	{0x80000008, 0, {0xffff, 0x0100d205, 0, 0}},
	{0x8000000a, 0, {0}},
	{0x8000001d, 0, {FREE}},
	{0x8000001e, 0, {FREE}},
	{0x80000021, 0, {0}},
	{0xc0000001, 0, {0}},
	{0xd, 0, {FREE}},
};

static struct pintle_cpuid cut(uint32_t leaf, uint32_t subleaf)
{
	struct pintle_cpuid row = {leaf, subleaf, 1, FREE, 77}, before = row;
	guest_cpuid_cut(&row);
	assert_memory_equal(&row, &before, 3 * sizeof(uint32_t));
	assert_int_equal(row.reserved, 77);
	return row;
}

static void a_row_is_cut_bit_by_bit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cuts); i++) {
		struct pintle_cpuid row = cut(cuts[i].leaf, cuts[i].subleaf);
		assert_memory_equal(&row.eax, cuts[i].with, sizeof(cuts[i].with));
	}
}

/* Whatever the CPU has, of these a guest hears nothing: what needs the host, or tells of it. */
static void a_guest_sees_nothing_that_needs_the_host(void **state)
{
	(void)state;
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, CNXT-ID, SDBG, xTPR, PDCM, DCA, OSXSAVE;
	 * MCE, MTRR, MCA, PSN, DS, ACPI, TM, PBE */
	assert_int_equal(cut(1, 0).ecx & 0x0804cdfc, 0);
	assert_int_equal(cut(1, 0).edx & 0xa0645080, 0);
	/* TSC_ADJUST, SGX, HLE, RTM, RDT-M, MPX, RDT-A, processor trace; WAITPKG, CET, TME, 57
	 * bits, SGX_LC, PKS; HYBRID, PCONFIG, LBR, IBT, AMX, L1D flush, ARCH_CAPABILITIES */
	assert_int_equal(cut(7, 0).eax, 0);
	assert_int_equal(cut(7, 0).ebx & 0x0240d816, 0);
	assert_int_equal(cut(7, 0).ecx & 0xc00120a0, 0);
	assert_int_equal(cut(7, 0).edx & 0x335c8000, 0);
	/* SVM, EXTAPIC, OSVW, IBS, SKINIT, WDT, LWP, TCE, NODEID, topology, counters, MWAITX */
	assert_int_equal(cut(0x80000001, 0).ecx & 0x3dcab60c, 0);
	assert_int_equal(cut(0x80000008, 0).ebx & BIT(3), 0); /* INVLPGB */
}

static void there_are_no_other_leaves(void **state)
{
	(void)state;
	for (uint32_t base = 0; base != 0xc0000000; base += 0x40000000) {
		for (uint32_t leaf = base; leaf < base + 0x200; leaf++) {
			struct pintle_cpuid row = cut(leaf, 0);
			bool known = leaf >= 0x80000002 && leaf <= 0x80000006;
			for (unsigned i = 0; i < ARRAY_COUNT(cuts); i++) {
				known |= cuts[i].leaf == leaf;
			}
			assert_true(known || (row.eax | row.ebx | row.ecx | row.edx) == 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_cut_bit_by_bit),
		cmocka_unit_test(a_guest_sees_nothing_that_needs_the_host),
		cmocka_unit_test(there_are_no_other_leaves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
