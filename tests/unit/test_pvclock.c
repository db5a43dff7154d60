/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_pvclock.c - the paravirtual clock: the records that a guest asks for, and
 * addresses that are not its to give.
 *
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/run.c kernel/cpuid.c kernel/msr.c
 * Links: kernel/gmem.c kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c vdev/lapic.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/pvclock.c"

#include "kernel/exit.h"
#include "kernel/paging.h"

static struct vcpu *const vcpu = &fake_vcpu[0];

static bool write_msr(uint32_t msr, uint64_t value)
{
	return msr_emulate_write(vcpu, msr, value);
}

static void the_scale_fits_every_frequency(void **state)
{
	(void)state;
	static const uint64_t frequencies[] = {1, 999, 32768, 1000000, 999999999, 1000000000,
		1000000001, 2000000000, 2000000001, 2306000000, 4294967296, 5200000000,
		1000000000000};
	for (unsigned i = 0; i < ARRAY_COUNT(frequencies); i++) {
		struct time_record record;
		time_frequency = frequencies[i];
		assert_true(write_msr(MSR_PVCLOCK_TIME, 0x1000 | ENABLE));
		memcpy(&record, fake_memory + 0x1000, sizeof(record));
		/* An hour, as a guest computes it: right to one part in 10^9. */
		unsigned __int128 ticks = (unsigned __int128)frequencies[i] * 3600;
		ticks = record.shift < 0 ? ticks >> -record.shift : ticks << record.shift;
		assert_true(ticks >> 64 == 0);
		int64_t ns = (int64_t)(ticks * record.mul >> 32);
		int64_t off = ns - 3600ll * 1000000000;
		assert_in_range(off + 7200, 0, 14400);
		assert_int_equal(record.tsc, boot_entry_tsc);
		assert_int_equal(record.base, 0);
		assert_int_equal(record.flags, 1);
	}
}

static void the_version_goes_on_to_the_next_even_one(void **state)
{
	(void)state;
	static const uint32_t before[] = {0, 1, 2, 7, UINT32_MAX, UINT32_MAX - 1};
	static const uint32_t after[] = {2, 2, 4, 8, 0, 0};
	for (unsigned i = 0; i < ARRAY_COUNT(before); i++) {
		uint32_t version;
		memcpy(fake_memory + 0x1000, &before[i], 4);
		assert_true(write_msr(MSR_PVCLOCK_TIME, 0x1000 | ENABLE));
		memcpy(&version, fake_memory + 0x1000, 4);
		assert_int_equal(version, after[i]);
	}
}

static void the_date_is_that_of_time_zero(void **state)
{
	(void)state;
	struct wall_record record;
	fake_tsc = 1500000000; /* ns: 1.5 s */
	pvclock_set_date(1700000000);
	assert_true(write_msr(MSR_PVCLOCK_WALL, 0x2004));
	memcpy(&record, fake_memory + 0x2004, sizeof(record));
	assert_int_equal(record.seconds, 1699999998);
	assert_int_equal(record.ns, 500000000);
	pvclock_set_date(0); /* not known */
	assert_true(write_msr(MSR_PVCLOCK_WALL, 0x2004));
	memcpy(&record, fake_memory + 0x2004, sizeof(record));
	assert_int_equal(record.seconds, 0);
	assert_int_equal(record.ns, 0);
}

static void the_msr_of_the_time_is_kept_and_that_of_the_date_not(void **state)
{
	(void)state;
	uint64_t value;
	assert_true(write_msr(MSR_PVCLOCK_TIME, 0x1001));
	assert_true(msr_emulate_read(vcpu, MSR_PVCLOCK_TIME, &value));
	assert_int_equal(value, 0x1001);
	assert_true(write_msr(MSR_PVCLOCK_WALL, 0x2000));
	assert_true(msr_emulate_read(vcpu, MSR_PVCLOCK_WALL, &value));
	assert_int_equal(value, 0);
	/* A VMM sets all to 0: that is no address. */
	memset(fake_memory, 0x5a, 16);
	assert_true(write_msr(MSR_PVCLOCK_WALL, 0));
	assert_int_equal(fake_memory[0] & fake_memory[4] & fake_memory[8], 0x5a);
	/* Switched off, nothing is written, wherever it points. */
	assert_true(write_msr(MSR_PVCLOCK_TIME, 0x7ffffffffff0));
	assert_true(msr_emulate_read(vcpu, MSR_PVCLOCK_TIME, &value));
	assert_int_equal(value, 0x7ffffffffff0);
}

static void addresses_that_are_not_the_guests_memory_are_refused(void **state)
{
	(void)state;
	static const uint64_t bad[] = {0x1002, 0x1003, FAKE_MEMORY, FAKE_MEMORY - 8, 0xfee00000,
		0x100000000, UINT64_MAX - 3, UINT64_MAX << 12, 0x8000000000000000};
	uint8_t before[FAKE_MEMORY - 16];
	memcpy(before, fake_memory, sizeof(before));
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_false(write_msr(MSR_PVCLOCK_TIME, bad[i] | ENABLE));
		assert_false(write_msr(MSR_PVCLOCK_WALL, bad[i]));
		assert_int_equal(vcpu->pvclock, 0);
	}
	assert_memory_equal(before, fake_memory, sizeof(before));
}

static uint64_t steal_at(uint64_t gpa)
{
	uint64_t ns;
	memcpy(&ns, fake_memory + gpa, sizeof(ns));
	return ns;
}

static void the_time_that_was_stolen_is_told_to_who_asks(void **state)
{
	(void)state;
	uint64_t value;
	uint32_t version;
	vcpu->sched.waited = 1000;
	pvclock_tell_steal(vcpu); /* it did not ask */
	assert_int_equal(steal_at(0x2040), 0);
	assert_true(write_msr(MSR_STEAL_TIME, 0x2040 | ENABLE));
	assert_int_equal(steal_at(0x2040), 1000);
	vcpu->sched.waited = 3000;
	pvclock_tell_steal(vcpu);
	assert_int_equal(steal_at(0x2040), 3000);
	memcpy(&version, fake_memory + 0x2048, sizeof(version));
	assert_int_equal(version, 4);
	assert_true(msr_emulate_read(vcpu, MSR_STEAL_TIME, &value));
	assert_int_equal(value, 0x2040 | ENABLE);
	assert_false(write_msr(MSR_STEAL_TIME, 0x2048 | ENABLE)); /* not aligned to 64 */
	assert_false(write_msr(MSR_STEAL_TIME, (FAKE_MEMORY + 0x1000) | ENABLE));
	assert_true(write_msr(MSR_STEAL_TIME, 0));
	vcpu->sched.waited = 4000;
	pvclock_tell_steal(vcpu);
	assert_int_equal(steal_at(0x2040), 3000);
}

static void a_record_may_lie_in_two_pages_that_are_not_neighbours(void **state)
{
	(void)state;
	bool flush = false;
	struct time_record record;
	assert_int_equal(stage2_map(&fake_vm.stage2, 0x2000, virt_to_phys(fake_memory + 0x8000),
				 PAGE_SIZE, STAGE2_ALL, STAGE2_WB, &flush),
		0);
	assert_true(write_msr(MSR_PVCLOCK_TIME, 0x1ff0 | ENABLE));
	memcpy(&record, fake_memory + 0x1ff0, 16);
	memcpy((uint8_t *)&record + 16, fake_memory + 0x8000, 16);
	assert_int_equal(record.version, 2);
	assert_int_equal(record.tsc, boot_entry_tsc);
	assert_int_equal(record.flags, 1);
}

static void memory_that_is_read_only_or_a_devices_is_refused(void **state)
{
	(void)state;
	static const struct {
		unsigned rights;
		enum stage2_cache cache;
	} kinds[] = {{STAGE2_READ, STAGE2_WB}, {STAGE2_ALL, STAGE2_UC}};
	for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
		bool flush = false;
		assert_int_equal(
			stage2_map(&fake_vm.stage2, 0x3000, virt_to_phys(fake_memory + 0x3000),
				PAGE_SIZE, kinds[i].rights, kinds[i].cache, &flush),
			0);
		assert_false(write_msr(MSR_PVCLOCK_TIME, 0x3000 | ENABLE));
		assert_false(write_msr(MSR_PVCLOCK_WALL, 0x3ffc));
		for (unsigned at = 0x3000; at < 0x4000; at++) {
			assert_int_equal(fake_memory[at], 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(the_scale_fits_every_frequency),
		VM_TEST(the_version_goes_on_to_the_next_even_one),
		VM_TEST(the_date_is_that_of_time_zero),
		VM_TEST(the_msr_of_the_time_is_kept_and_that_of_the_date_not),
		VM_TEST(addresses_that_are_not_the_guests_memory_are_refused),
		VM_TEST(the_time_that_was_stolen_is_told_to_who_asks),
		VM_TEST(a_record_may_lie_in_two_pages_that_are_not_neighbours),
		VM_TEST(memory_that_is_read_only_or_a_devices_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
