/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_cpuid.c - what pintle-vmm's vCPUs say of their topology.
 *
 * Links: service/vmm/cpuid.c
 */
#include "tests/unit/fake.h"

#include "service/vmm/cpuid.h"

static union {
	struct kvm_cpuid2 table;
	uint8_t bytes[sizeof(struct kvm_cpuid2) + CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
} cpuid;

static struct kvm_cpuid_entry2 *add(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = &cpuid.table.entries[cpuid.table.nent++];
	*e = (struct kvm_cpuid_entry2){.function = function,
		.index = index,
		.eax = 0xffffffff,
		.ebx = 0xffffffff,
		.ecx = 0xffffffff,
		.edx = 0xffffffff};
	return e;
}

static struct kvm_cpuid_entry2 *find(uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid.table.nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.table.entries[i];
		if (e->function == function && e->index == index) {
			return e;
		}
	}
	fail_msg("no leaf %x.%u", function, index);
	return NULL;
}

static void make(unsigned id, unsigned count)
{
	static const uint32_t leaves[] = {0, 1, 4, 0xb, 0x1f, 0x80000001, 0x80000008, 0x8000001e};
	memset(&cpuid, 0, sizeof(cpuid));
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		add(leaves[i], 0);
	}
	add(4, 3)->eax = 0x03c1f063; /* a third level, shared */
	cpuid_adjust(&cpuid.table, id, count, true);
}

static void each_cpu_has_its_id(void **state)
{
	for (unsigned id = 0; id < 254; id++) {
		make(id, 254);
		assert_int_equal(find(1, 0)->ebx >> 24, id);
		assert_int_equal(find(0xb, 0)->edx, id);
		assert_int_equal(find(0xb, 1)->edx, id);
		assert_int_equal(find(0x1f, 1)->edx, id);
		assert_int_equal(find(0x8000001e, 0)->eax, id);
	}
}

static void cores_are_counted_in_every_way(void **state)
{
	static const struct {
		unsigned count, bits;
	} sizes[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}, {254, 8}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned count = sizes[i].count, bits = sizes[i].bits;
		make(0, count);
		assert_int_equal(find(1, 0)->ebx >> 16 & 0xff, bits == 8 ? 255 : 1u << bits);
		assert_int_equal(find(1, 0)->edx >> 28 & 1, count > 1);
		assert_int_equal(find(0xb, 0)->eax, 0);
		assert_int_equal(find(0xb, 0)->ebx, 1);
		assert_int_equal(find(0xb, 0)->ecx, 0x100);
		assert_int_equal(find(0xb, 1)->eax, bits);
		assert_int_equal(find(0xb, 1)->ebx, count);
		assert_int_equal(find(0xb, 1)->ecx, 0x201);
		assert_int_equal(find(0x80000008, 0)->ecx & 0xff, count - 1);
		assert_int_equal(find(0x80000008, 0)->ecx >> 12 & 0xf, bits);
		assert_int_equal(find(0x80000001, 0)->ecx >> 1 & 1, count > 1);
		assert_int_equal(find(4, 3)->eax >> 26, ((1u << bits) - 1) & 0x3f);
		assert_int_equal(find(4, 3)->eax >> 14 & 0xfff, (1u << bits) - 1);
	}
}

static void it_says_that_it_is_virtual(void **state)
{
	make(0, 1);
	assert_int_equal(find(1, 0)->ecx >> 31, 1);
	assert_int_equal(find(1, 0)->ecx >> 24 & 1, 1);
	cpuid.table.nent = 0;
	add(1, 0)->ecx = 0;
	cpuid_adjust(&cpuid.table, 0, 1, false);
	assert_int_equal(find(1, 0)->ecx, 1u << 31);
}

static void a_full_table_does_not_overflow(void **state)
{
	memset(&cpuid, 0, sizeof(cpuid));
	for (unsigned i = 0; i < CPUID_MAX; i++) {
		add(i == 0 ? 0xb : 0x1000 + i, 0);
	}
	cpuid_adjust(&cpuid.table, 1, 2, true);
	assert_int_equal(cpuid.table.nent, CPUID_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(each_cpu_has_its_id),
		FAKE_TEST(cores_are_counted_in_every_way),
		FAKE_TEST(it_says_that_it_is_virtual),
		FAKE_TEST(a_full_table_does_not_overflow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
