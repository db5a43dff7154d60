/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_msr.c - every row of the MSR policy does what it says, at both its ends, and what
 * is emulated checks its values.
 *
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/run.c kernel/cpuid.c kernel/gmem.c
 * Links: kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c vdev/lapic.c
 * Links: kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/msr.c"

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct fake_hw *const hw = &fake_hw[0];

/* By hand, so that a wrong row shows. */
static const struct {
	uint32_t first, last;
	enum msr_action action;
} expected[] = {
	{0x1b, 0x1b, EMULATE},
	{0x3a, 0x3a, ZERO},
	{0x48, 0x49, PASS},
	{0x79, 0x79, ZERO},
	{0x9b, 0x9b, FAULT},
	{0x9e, 0x9e, FAULT},
	{0x10b, 0x10b, PASS},
	{0x174, 0x176, OPEN},
	{0x198, 0x19c, PASS},
	{0x1b0, 0x1b2, PASS},
	{0x1c4, 0x1c5, FAULT},
	{0x1d9, 0x1d9, ZERO},
	{0x277, 0x277, EMULATE},
	{0x400, 0x47f, CLEAR},
	{0x480, 0x493, FAULT},
	{0x560, 0x58f, FAULT},
	{0x6a0, 0x6a8, FAULT},
	{0x6e0, 0x6e0, EMULATE},
	{0x770, 0x777, PASS},
	{0x800, 0x8ff, EMULATE},
	{0xda0, 0xda0, ZERO},
	{0x4b564d00, 0x4b564d01, EMULATE},
	{0x4b564d03, 0x4b564d03, EMULATE},
	{0x4b564d02, 0x4b564dff, FAULT},
	{0xc0000080, 0xc0000080, EMULATE},
	{0xc0000081, 0xc0000084, OPEN},
	{0xc0000100, 0xc0000103, OPEN},
	{0xc0000104, 0xc0000104, FAULT},
	{0xc0010062, 0xc0010063, PASS},
	{0xc0010111, 0xc0010113, FAULT},
	{0xc0010114, 0xc0010114, ZERO},
	{0xc0010115, 0xc0010118, FAULT},
	{0xc00102b0, 0xc00102b3, PASS},
};

/* What the rows above say about an MSR, if they do. */
static bool is_expected(uint32_t msr, enum msr_action *action)
{
	for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
		if (msr >= expected[i].first && msr <= expected[i].last) {
			*action = expected[i].action;
			return true;
		}
	}
	return false;
}

/* What one MSR does, tried: the hardware has it and holds `old`, or lacks it. */
static void check_action(uint32_t msr, enum msr_action action)
{
	const uint64_t old = 0x1122334455667788;
	uint64_t value;
	action = action == OPEN ? PASS : action; /* the same when it exits */
	bool hardware = action == PASS || action == KEEP || action == CLEAR;

	for (unsigned there = 0; there < 2; there++) {
		fake_msr_there = there;
		fake_msr_value = old;
		fake_msr_reads = fake_msr_writes = 0;
		value = 0x99;
		assert_int_equal(
			msr_emulate_read(vcpu, msr, &value), action == ZERO || (hardware && there));
		assert_int_equal(value, hardware && there ? old : 0);
		assert_int_equal(fake_msr_reads, hardware);
		bool done = msr_emulate_write(vcpu, msr, 0x42);
		assert_int_equal(fake_msr_writes, action == PASS);
		assert_int_equal(fake_msr_value, action == PASS && there ? 0x42 : old);
		if (action == PASS) {
			assert_int_equal(done, there);
		} else if (action == ZERO || action == FAULT) {
			assert_int_equal(done, action == ZERO);
		}
		if (hardware) {
			assert_int_equal(fake_msr_last, msr);
		}
	}
}

static void every_row_acts_at_both_its_ends_and_not_beyond(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
		uint32_t at[] = {expected[i].first, expected[i].last};
		for (unsigned end = 0; end < 2; end++) {
			assert_int_equal(action_of(&fake_vm, at[end]), expected[i].action);
			if (expected[i].action != EMULATE) {
				check_action(at[end], expected[i].action);
			}
		}
	}
}

static void every_row_of_the_table_is_expected_and_counts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(policy); i++) {
		enum msr_action first, last;
		assert_true(policy[i].first <= policy[i].last);
		if (!is_expected(policy[i].first, &first)) { /* there for guests alone */
			assert_int_equal(policy[i].service, KEEP);
			continue;
		}
		assert_true(is_expected(policy[i].last, &last));
		/* No earlier row hides it. */
		assert_int_equal(first, policy[i].service);
		assert_int_equal(last, policy[i].service);
		assert_int_equal(action_of(&fake_vm, policy[i].first), policy[i].service);
		assert_int_equal(action_of(&fake_vm, policy[i].last), policy[i].service);
	}
}

/* By hand: all that a guest has. What is PASS or OPEN moves with the vCPU, or leaves nothing. */
static const struct {
	uint32_t first, last;
	enum msr_action action;
} for_guests[] = {
	{0x10, 0x10, KEEP},
	{0x17, 0x17, ZERO},
	{0x1b, 0x1b, EMULATE},
	{0x3a, 0x3a, ZERO},
	{0x48, 0x49, PASS},
	{0x79, 0x79, ZERO},
	{0x8b, 0x8b, ZERO},
	{0xfe, 0xfe, ZERO},
	{0x174, 0x176, OPEN},
	{0x1a0, 0x1a0, ZERO},
	{0x1d9, 0x1d9, ZERO},
	{0x200, 0x2ff, ZERO}, /* but this one */
	{0x277, 0x277, EMULATE},
	{0x6e0, 0x6e0, EMULATE},
	{0x800, 0x8ff, EMULATE},
	{0xda0, 0xda0, ZERO},
	{0x4b564d00, 0x4b564d01, EMULATE},
	{0x4b564d03, 0x4b564d03, EMULATE},
	{0xc0000080, 0xc0000080, EMULATE},
	{0xc0000081, 0xc0000084, OPEN},
	{0xc0000100, 0xc0000103, OPEN},
	{0xc0010010, 0xc001001f, ZERO},
	{0xc0010114, 0xc0010114, ZERO},
};

static void a_guest_has_what_is_named_and_nothing_else(void **state)
{
	(void)state;
	static const uint32_t ranges[] = {0, 0x40000000, 0x4b564000, 0xc0000000, 0xc0010000};

	fake_vm.closed = true;
	for (unsigned range = 0; range < ARRAY_COUNT(ranges); range++) {
		for (uint32_t msr = ranges[range]; msr < ranges[range] + 0x2000; msr++) {
			enum msr_action action = FAULT;
			for (unsigned i = 0; i < ARRAY_COUNT(for_guests); i++) {
				if (msr >= for_guests[i].first && msr <= for_guests[i].last) {
					action = for_guests[i].action;
				}
			}
			if (action_of(&fake_vm, msr) != action) {
				fail_msg("MSR %x of a guest", msr);
			}
			if (action != EMULATE) {
				check_action(msr, action);
			}
		}
	}
}

static void what_is_in_no_row_is_read_and_kept(void **state)
{
	(void)state;
	static const uint32_t some[] = {0, 0x10, 0x17, 0x47, 0x4a, 0x17a, 0x200, 0x2ff, 0x3ff,
		0x494, 0x7ff, 0x900, 0x1fffffff, 0xc0000105, 0xc0010119, UINT32_MAX};
	for (unsigned i = 0; i < ARRAY_COUNT(some); i++) {
		check_action(some[i], KEEP);
		assert_true(i == 0 || some[i] > some[i - 1]);
	}
	fake_msr_there = true;
	assert_true(msr_emulate_write(vcpu, 0x10, 1));
}

/* As the table's legend has it. */
static void a_write_to_a_kept_msr_that_the_cpu_lacks_is_a_fault(void **state)
{
	(void)state;
	fake_msr_there = false;
	assert_false(msr_emulate_write(vcpu, 0x17, 1));
	assert_false(msr_emulate_write(vcpu, 0x47f, 1));
}

static void the_status_of_a_machine_check_bank_can_be_cleared_and_no_more(void **state)
{
	(void)state;
	fake_msr_value = 0x55;
	for (uint32_t msr = 0x400; msr < 0x480; msr++) {
		fake_msr_writes = 0;
		assert_true(msr_emulate_write(vcpu, msr, 0));
		assert_int_equal(fake_msr_writes, msr % 4 == 1);
	}
}

static void what_is_open_is_what_the_host_does_not_use(void **state)
{
	(void)state;
	static const uint32_t all[] = {0x174, 0x175, 0x176, 0xc0000081, 0xc0000082, 0xc0000083,
		0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103};
	msr_open_all(&fake_vm);
	assert_int_equal(fake_opened_count, ARRAY_COUNT(all));
	assert_memory_equal(fake_opened, all, sizeof(all));
	assert_int_equal(all[4], FAKE_NOTED);
	assert_int_equal(fake_opened_writes, ((1u << ARRAY_COUNT(all)) - 1) & ~(1u << 4));
}

static void a_write_that_is_done_is_noted(void **state)
{
	(void)state;
	fake_msr_there = true;
	assert_true(msr_emulate_write(vcpu, FAKE_NOTED, 0x42));
	assert_int_equal(vcpu->context.msr[0], 0x42);
	fake_msr_there = false;
	fake_msr_value = 0x43;
	assert_false(msr_emulate_write(vcpu, FAKE_NOTED, 0x43));
	assert_int_equal(vcpu->context.msr[0], 0x42);
}

/* Emulated ------------------------------------------------------------------------------------ */

static uint64_t rd(uint32_t msr)
{
	uint64_t value;
	assert_true(msr_emulate_read(vcpu, msr, &value));
	assert_int_equal(fake_msr_reads, 0);
	return value;
}

static bool wr(uint32_t msr, uint64_t value)
{
	bool done = msr_emulate_write(vcpu, msr, value);
	assert_int_equal(fake_msr_writes, 0);
	return done;
}

/* Bits that some CPUs have: FFXSR, TCE, automatic IBRS. */
static void efer_takes_the_bits_that_this_cpu_has(void **state)
{
	(void)state;
	for (unsigned all = 0; all < 2; all++) {
		uint64_t allowed = 0xd01 | (all ? BIT(14) | BIT(15) | BIT(21) : 0);
		uint32_t word = all ? UINT32_MAX : 0;
		fake_cpuid = (struct cpuid){word, word, word, word};
		for (unsigned bit = 0; bit < 64; bit++) {
			bool good = allowed >> bit & 1;
			hw->reg[VCPU_EFER] = 0;
			hw->sets = 0;
			assert_int_equal(wr(0xc0000080, BIT(bit)), good);
			assert_int_equal(hw->sets, good);
			/* LMA is the CPU's: a write does not set it. */
			assert_int_equal(rd(0xc0000080), good && bit != 10 ? BIT(bit) : 0);
		}
	}
}

static void efer_keeps_lma_and_lme_while_paging_is_on(void **state)
{
	(void)state;
	fake_long_mode();
	assert_int_equal(rd(0xc0000080), 0x500);
	assert_true(wr(0xc0000080, 0xd01));
	assert_int_equal(rd(0xc0000080), 0xd01);
	assert_true(wr(0xc0000080, 0x901)); /* without LMA: ignored */
	assert_int_equal(rd(0xc0000080), 0xd01);
	assert_false(wr(0xc0000080, 0x400)); /* without LME: #GP */
	assert_int_equal(rd(0xc0000080), 0xd01);
	hw->reg[VCPU_EFER] = 0; /* 32-bit, paging on */
	assert_false(wr(0xc0000080, 0x100));
	hw->reg[VCPU_CR0] = CR0_PE;
	assert_true(wr(0xc0000080, 0x100));
}

static void pat_takes_memory_types_alone(void **state)
{
	(void)state;
	assert_true(wr(0x277, 0x0007040600070406));
	assert_int_equal(rd(0x277), 0x0007040600070406);
	for (unsigned entry = 0; entry < 8; entry++) {
		for (uint64_t type = 0; type < 256; type++) {
			bool good = type == 0 || type == 1 || (type >= 4 && type <= 7);
			uint64_t value = 0x0606060606060606 ^ (6 ^ type) << 8 * entry;
			uint64_t before = rd(0x277);
			assert_int_equal(wr(0x277, value), good);
			assert_int_equal(rd(0x277), good ? value : before);
		}
	}
}

static void the_apic_base_changes_modes_in_their_order_and_does_not_move(void **state)
{
	(void)state;
	assert_int_equal(rd(0x1b), 0xfee00900);
	assert_false(wr(0x1b, 0xfee01900)); /* moved */
	assert_false(wr(0x1b, 0xfee00900 | BIT(40)));
	assert_false(wr(0x1b, 0xfee00901)); /* reserved */
	assert_false(wr(0x1b, 0xfee00500)); /* x2APIC, not enabled */
	assert_int_equal(rd(0x1b), 0xfee00900);
	vcpu->requests = 0;
	assert_true(wr(0x1b, 0xfee00d00));
	assert_int_equal(vcpu->requests, VCPU_REQUEST_EVENT);
	assert_false(wr(0x1b, 0xfee00900)); /* back without the way through disabled */
	assert_true(wr(0x1b, 0xfee00100));
	assert_false(wr(0x1b, 0xfee00d00));
	assert_true(wr(0x1b, 0xfee00900));
	assert_int_equal(rd(0x1b), 0xfee00900);
}

static void x2apic_registers_are_there_in_x2apic_mode_alone(void **state)
{
	(void)state;
	uint64_t value;
	for (uint32_t msr = 0x800; msr < 0x900; msr++) {
		assert_false(msr_emulate_read(vcpu, msr, &value));
		assert_false(msr_emulate_write(vcpu, msr, 0));
	}
	assert_int_equal(fake_effects, 0);
	assert_true(wr(0x1b, 0xfee00d00));
	assert_int_equal(rd(0x802), 0);
	assert_true(wr(0x808, 0x40));
	assert_int_equal(rd(0x808), 0x40);
	assert_int_equal(fake_effects, 1);
	assert_false(wr(0x808, 0x100));                      /* reserved */
	assert_false(wr(0x802, 0));                          /* read-only */
	assert_false(msr_emulate_read(vcpu, 0x80b, &value)); /* write-only */
	assert_false(msr_emulate_read(vcpu, 0x8ff, &value)); /* none */
}

static void an_ipi_by_msr_goes_out_with_its_destination(void **state)
{
	(void)state;
	assert_true(wr(0x1b, 0xfee00d00));
	assert_true(wr(0x830, 0x100000041));
	assert_int_equal(fake_effect.kind, VLAPIC_IPI);
	assert_int_equal(fake_effect.icr, 0x100000041);
}

static void the_deadline_holds_in_its_mode_alone(void **state)
{
	(void)state;
	assert_true(wr(0x6e0, 5000000));
	assert_int_equal(rd(0x6e0), 0);
	vcpu->lapic.reg[LAPIC_LVT_TIMER].value = 0x40030;
	assert_true(wr(0x6e0, 5000000));
	assert_int_equal(rd(0x6e0), 5000000);
	assert_int_equal(vlapic_timer_next(&vcpu->lapic), 5000000);
	assert_true(wr(0x6e0, 0));
	assert_int_equal(vlapic_timer_next(&vcpu->lapic), UINT64_MAX);
}

/* Nothing of these reaches the CPU, whatever rows there are. */
static void an_msr_that_is_the_hosts_cannot_be_written(void **state)
{
	static const uint32_t hosts[] = {
		0x10, 0x3b,             /* TSC_ADJUST: moves the host's clock, as 10h would */
		0x280, 0x29f,           /* MCi_CTL2: machine checks */
		0x560, 0x561, 0x570,    /* processor trace, to physical addresses */
		0xc0002000, 0xc0002fff, /* AMD's machine-check banks (SMCA) */
		0xc0010010,             /* SYSCFG */
		0xc0010015,             /* HWCR */
		0xc0010016, 0xc0010019, /* IORRs */
		0xc001001a, 0xc001001d, /* TOP_MEM, TOP_MEM2 */
		0xc0010020,             /* the microcode patch, read from the host's addresses */
		0xc0010058,             /* where configuration space is */
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
		fake_msr_writes = 0;
		msr_emulate_write(vcpu, hosts[i], 1);
		if (fake_msr_writes != 0) {
			fail_msg("MSR %x is written", hosts[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(every_row_acts_at_both_its_ends_and_not_beyond),
		VM_TEST(every_row_of_the_table_is_expected_and_counts),
		VM_TEST(what_is_in_no_row_is_read_and_kept),
		VM_TEST(a_guest_has_what_is_named_and_nothing_else),
		VM_TEST(a_write_to_a_kept_msr_that_the_cpu_lacks_is_a_fault),
		VM_TEST(the_status_of_a_machine_check_bank_can_be_cleared_and_no_more),
		VM_TEST(what_is_open_is_what_the_host_does_not_use),
		VM_TEST(a_write_that_is_done_is_noted),
		VM_TEST(efer_takes_the_bits_that_this_cpu_has),
		VM_TEST(efer_keeps_lma_and_lme_while_paging_is_on),
		VM_TEST(pat_takes_memory_types_alone),
		VM_TEST(the_apic_base_changes_modes_in_their_order_and_does_not_move),
		VM_TEST(x2apic_registers_are_there_in_x2apic_mode_alone),
		VM_TEST(an_ipi_by_msr_goes_out_with_its_destination),
		VM_TEST(the_deadline_holds_in_its_mode_alone),
		VM_TEST(an_msr_that_is_the_hosts_cannot_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
