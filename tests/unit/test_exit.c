/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_exit.c - what is done about each kind of exit: rip goes on only where the
 * instruction is done, by the length that the CPU gave or that the bytes say.
 *
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/run.c kernel/msr.c kernel/cpuid.c
 * Links: kernel/gmem.c kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c vdev/lapic.c
 * Links: kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/exit.h"

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct fake_hw *const hw = &fake_hw[0];

/* Of the last exit handled. */
static uint64_t went_on; /* bytes that rip moved */

static void handle(struct vcpu_exit exit)
{
	uint64_t rip = hw->reg[VCPU_RIP];
	exit_handle(vcpu, &exit);
	went_on = hw->reg[VCPU_RIP] - rip;
}

static void handle_kind(enum exit_kind kind, uint8_t length)
{
	handle((struct vcpu_exit){.kind = kind, .length = length, .raw = 0x1234});
}

/* One exception waits, this one; it is taken away. */
static void assert_raised(unsigned vector, bool has_error)
{
	assert_true(vcpu->exception.valid);
	assert_int_equal(vcpu->exception.type, EVENT_EXCEPTION);
	assert_int_equal(vcpu->exception.vector, vector);
	assert_int_equal(vcpu->exception.has_error, has_error);
	assert_int_equal(vcpu->exception.error, 0);
	assert_int_equal(went_on, 0);
	vcpu->exception.valid = false;
}

static void assert_went_on(uint64_t bytes)
{
	assert_false(vcpu->exception.valid);
	assert_int_equal(went_on, bytes);
}

static void assert_killed(const char *why)
{
	assert_int_equal(vcpu->state, VCPU_DEAD);
	assert_non_null(strstr(fake_log, why));
	assert_non_null(strstr(fake_log, "rip"));
	assert_int_equal(went_on, 0);
	assert_int_equal(fake_focus_taken, 1);
}

/* Kinds --------------------------------------------------------------------------------------- */

static void exits_of_the_host_change_nothing_of_the_guest(void **state)
{
	(void)state;
	static const enum exit_kind kinds[] = {
		EXIT_INTERRUPT, EXIT_NMI, EXIT_WINDOW, EXIT_NMI_WINDOW, EXIT_TIMER};
	for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
		struct fake_hw before = *hw;
		struct vcpu_regs regs = vcpu->regs;
		handle_kind(kinds[i], 0);
		assert_memory_equal(&before, hw, sizeof(before));
		assert_memory_equal(&regs, &vcpu->regs, sizeof(regs));
		assert_went_on(0);
		assert_int_equal(vcpu->state, VCPU_RUNNING);
		assert_int_equal(vcpu->exits[kinds[i]], 1);
	}
}

static void an_interrupt_that_was_acknowledged_is_handled_at_once(void **state)
{
	(void)state;
	handle_kind(EXIT_INTERRUPT, 0);
	assert_int_equal(fake_interrupt, 0);
	handle((struct vcpu_exit){.kind = EXIT_INTERRUPT, .event.vector = 0xfc});
	assert_int_equal(fake_interrupt, 0xfc);
	assert_true(vcpu->requests & VCPU_REQUEST_LOOK);
	assert_went_on(0);
}

static void instructions_that_guests_do_not_have_are_undefined(void **state)
{
	(void)state;
	handle_kind(EXIT_FORBIDDEN, 3);
	assert_raised(6, false);
}

static void an_exit_that_nobody_handles_ends_the_vcpu_with_a_report(void **state)
{
	static const enum exit_kind handled[] = {EXIT_INTERRUPT, EXIT_NMI, EXIT_WINDOW,
		EXIT_NMI_WINDOW, EXIT_TIMER, EXIT_EXCEPTION, EXIT_CPUID, EXIT_HLT, EXIT_INVD,
		EXIT_XSETBV, EXIT_HYPERCALL, EXIT_FORBIDDEN, EXIT_IO, EXIT_MSR_READ, EXIT_MSR_WRITE,
		EXIT_CR_READ, EXIT_CR_WRITE, EXIT_STAGE2, EXIT_EOI, EXIT_RESET, EXIT_PAUSE,
		EXIT_WBINVD};
	unsigned ended = 0;

	for (enum exit_kind kind = 0; kind < EXIT_COUNT; kind++) {
		bool known = false;
		for (unsigned i = 0; i < ARRAY_COUNT(handled); i++) {
			known |= handled[i] == kind;
		}
		if (known) {
			continue;
		}
		fake_vm_teardown(state);
		fake_vm_setup(state);
		handle((struct vcpu_exit){
			.kind = kind, .length = 2, .raw = 0x1234, .why = "it was refused"});
		assert_killed("ended by exit 0x1234");
		assert_non_null(strstr(fake_log,
			kind == EXIT_ENTRY_FAILED          ? "was refused"
				: kind == EXIT_SHUTDOWN    ? "triple fault"
				: kind == EXIT_TASK_SWITCH ? "a task switch through a TSS"
							   : "an unknown exit"));
		assert_int_equal(hw->dumps, 1);
		ended++;
	}
	assert_int_equal(ended + ARRAY_COUNT(handled), EXIT_COUNT);
}

static void the_end_of_a_vcpu_pauses_the_others(void **state)
{
	(void)state;
	handle_kind(EXIT_SHUTDOWN, 0);
	assert_killed("triple fault");
	assert_true(fake_vm.held);
}

static void an_interrupted_event_is_kept_for_the_next_entry(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_STAGE2,
		.fault = {.gpa = 0xfee00300},
		.interrupted = {.valid = true, .type = EVENT_INTERRUPT, .vector = 0x41}};
	handle(exit);
	assert_int_equal(fake_stage2_faults, 1);
	assert_int_equal(fake_stage2_gpa, 0xfee00300);
	assert_true(vcpu->reinject.valid);
	assert_int_equal(vcpu->reinject.vector, 0x41);
	assert_went_on(0);
	handle_kind(EXIT_INTERRUPT, 0); /* an exit without one does not forget it */
	assert_true(vcpu->reinject.valid);
}

static void an_intercepted_exception_goes_to_the_guest(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_EXCEPTION};
	exit.event = (struct vcpu_event){
		.valid = true, .type = EVENT_EXCEPTION, .vector = 17, .has_error = true};
	handle(exit);
	assert_raised(17, true);
}

static void a_machine_check_is_the_hosts(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_EXCEPTION};
	exit.event = (struct vcpu_event){.valid = true, .type = EVENT_EXCEPTION, .vector = 18};
	expect_panic(exit_handle(vcpu, &exit));
	assert_non_null(strstr(fake_panic_text, "machine check"));
}

static void hlt_waits_behind_itself(void **state)
{
	(void)state;
	handle_kind(EXIT_HLT, 1);
	assert_went_on(1);
	assert_int_equal(vcpu->state, VCPU_HALTED);
}

/* Its single-step trap ends it at once. */
static void hlt_does_not_wait_when_it_is_stepped(void **state)
{
	(void)state;
	hw->reg[VCPU_RFLAGS] = RFLAGS_TF;
	handle_kind(EXIT_HLT, 1);
	assert_went_on(1);
	assert_int_equal(vcpu->state, VCPU_RUNNING);
}

static void invd_writes_back(void **state)
{
	(void)state;
	fake_allow_wbinvd();
	handle_kind(EXIT_INVD, 2);
	assert_went_on(2);
	assert_int_equal(fake_wbinvds, 1);
}

/* To whom the last IPI went, then to the others in turn. */
static void one_that_spins_lets_the_others_of_its_vm_go_before(void **state)
{
	(void)state;
	vcpu->ipi_target = 1;
	handle_kind(EXIT_PAUSE, 0);
	assert_int_equal(fake_yields, 1u << 1);
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		handle_kind(EXIT_PAUSE, 0);
	}
	assert_int_equal(fake_yields, (1u << FAKE_VCPUS) - 1);
}

/* KVM_HC_SCHED_YIELD; an id that nobody has is no error. */
static void the_yield_of_kvm_goes_to_an_apic_id(void **state)
{
	(void)state;
	for (uint64_t id = 0; id < 100; id += 99) {
		vcpu->regs.gpr[GPR_RAX] = 11;
		vcpu->regs.gpr[GPR_RBX] = id;
		handle_kind(EXIT_HYPERCALL, 3);
		assert_int_equal(vcpu->regs.gpr[GPR_RAX], 0);
		assert_int_equal(fake_yields, 1);
	}
}

static void a_guest_does_not_empty_everybodys_caches(void **state)
{
	(void)state;
	vcpu->closed = true;
	handle_kind(EXIT_INVD, 2);
	assert_went_on(2);
	assert_int_equal(fake_wbinvds, 0);
	handle_kind(EXIT_WBINVD, 2);
	assert_int_equal(fake_wbinvds, 0);
}

static void a_hypercall_is_answered_that_there_is_none(void **state)
{
	(void)state;
	handle_kind(EXIT_HYPERCALL, 3);
	assert_went_on(3);
	assert_int_equal(vcpu->regs.gpr[GPR_RAX], (uint64_t)-1000);
}

static void xsetbv_loads_xcr0_or_faults(void **state)
{
	(void)state;
	vcpu->regs.gpr[GPR_RAX] = 0xffffffff00000007; /* the upper halves do not count */
	vcpu->regs.gpr[GPR_RDX] = 0xffffffff00000001;
	vcpu->regs.gpr[GPR_RCX] = 0xffffffff00000000;
	handle_kind(EXIT_XSETBV, 3);
	assert_went_on(3);
	assert_int_equal(fake_xcr0, 0x100000007);

	vcpu->regs.gpr[GPR_RCX] = 1;
	vcpu->regs.gpr[GPR_RAX] = 3;
	handle_kind(EXIT_XSETBV, 3);
	assert_raised(13, true);
	assert_int_equal(fake_xcr0, 0x100000007);

	vcpu->regs.gpr[GPR_RCX] = 0;
	hw->segment[SEG_SS].attributes = 0xcf3; /* CPL 3 */
	handle_kind(EXIT_XSETBV, 3);
	assert_raised(13, true);
	assert_int_equal(fake_xcr0, 0x100000007);

	hw->segment[SEG_SS].attributes = 0xc93;
	fake_xcr0_good = false;
	handle_kind(EXIT_XSETBV, 3);
	assert_raised(13, true);
}

static void cpuid_fills_the_registers_and_clears_their_upper_halves(void **state)
{
	(void)state;
	fake_cpuid = (struct cpuid){0xa, 0xb, 0xc, 0xd};
	memset(&vcpu->regs, 0xff, sizeof(vcpu->regs));
	vcpu->regs.gpr[GPR_RAX] = 0xffffffff00000004;
	vcpu->regs.gpr[GPR_RCX] = 0xffffffff00000002;
	handle_kind(EXIT_CPUID, 2);
	assert_went_on(2);
	assert_int_equal(fake_cpuid_leaf, 4);
	assert_int_equal(fake_cpuid_subleaf, 2);
	assert_int_equal(vcpu->regs.gpr[GPR_RAX], 0xa);
	assert_int_equal(vcpu->regs.gpr[GPR_RBX], 0xb);
	assert_int_equal(vcpu->regs.gpr[GPR_RCX], 0xc);
	assert_int_equal(vcpu->regs.gpr[GPR_RDX], 0xd);
}

/* Ports --------------------------------------------------------------------------------------- */

static void in_changes_as_much_of_rax_as_it_reads(void **state)
{
	(void)state;
	static const struct {
		uint8_t size;
		uint64_t rax;
	} rows[] = {
		{1, 0x1122334455667788 - 0x88 + 0xdd}, {2, 0x112233445566ccdd}, {4, 0xaabbccdd}};
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct vcpu_exit exit = {.kind = EXIT_IO, .length = 2};
		exit.io.port = 0x3fd;
		exit.io.size = rows[i].size;
		exit.io.in = true;
		fake_port_value = 0xaabbccdd;
		vcpu->regs.gpr[GPR_RAX] = 0x1122334455667788;
		handle(exit);
		assert_went_on(2);
		assert_int_equal(fake_port, 0x3fd);
		assert_int_equal(fake_port_size, rows[i].size);
		assert_int_equal(vcpu->regs.gpr[GPR_RAX], rows[i].rax);
	}
	assert_int_equal(fake_port_reads, 3);
	assert_int_equal(fake_port_writes, 0);
}

static void out_writes_eax(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_IO, .length = 1};
	exit.io.port = 0x3f8;
	exit.io.size = 1;
	vcpu->regs.gpr[GPR_RAX] = 0x1122334455667788;
	handle(exit);
	assert_went_on(1);
	assert_int_equal(fake_port_value, 0x55667788);
	assert_int_equal(vcpu->regs.gpr[GPR_RAX], 0x1122334455667788);
	assert_int_equal(fake_port_writes, 1);
	assert_int_equal(fake_port_reads, 0);
}

/* MSRs ---------------------------------------------------------------------------------------- */

static void rdmsr_splits_its_value(void **state)
{
	(void)state;
	fake_msr_value = 0x1122334455667788;
	vcpu->regs.gpr[GPR_RCX] = 0xffffffff00000048; /* the CPU's own */
	vcpu->regs.gpr[GPR_RAX] = vcpu->regs.gpr[GPR_RDX] = UINT64_MAX;
	handle_kind(EXIT_MSR_READ, 2);
	assert_went_on(2);
	assert_int_equal(fake_msr_last, 0x48);
	assert_int_equal(vcpu->regs.gpr[GPR_RAX], 0x55667788);
	assert_int_equal(vcpu->regs.gpr[GPR_RDX], 0x11223344);
}

static void wrmsr_joins_the_lower_halves(void **state)
{
	(void)state;
	vcpu->regs.gpr[GPR_RCX] = 0xffffffff00000048;
	vcpu->regs.gpr[GPR_RAX] = 0xffffffff55667788;
	vcpu->regs.gpr[GPR_RDX] = 0xffffffff11223344;
	handle_kind(EXIT_MSR_WRITE, 2);
	assert_went_on(2);
	assert_int_equal(fake_msr_value, 0x1122334455667788);
}

static void an_msr_that_is_not_there_is_a_protection_fault_with_nothing_changed(void **state)
{
	(void)state;
	fake_msr_there = false;
	vcpu->regs.gpr[GPR_RCX] = 0x48;
	vcpu->regs.gpr[GPR_RAX] = 5;
	vcpu->regs.gpr[GPR_RDX] = 6;
	handle_kind(EXIT_MSR_READ, 2);
	assert_raised(13, true);
	assert_int_equal(vcpu->regs.gpr[GPR_RAX], 5);
	assert_int_equal(vcpu->regs.gpr[GPR_RDX], 6);
	handle_kind(EXIT_MSR_WRITE, 2);
	assert_raised(13, true);
}

/* Lengths that the CPU does not give ---------------------------------------------------------- */

static const struct {
	enum exit_kind kind;
	uint8_t bytes[8], len;
} lengths[] = {
	{EXIT_CPUID, {0x0f, 0xa2}, 2},
	{EXIT_CPUID, {0x66, 0x0f, 0xa2}, 3},
	{EXIT_CPUID, {0x2e, 0x67, 0x48, 0x0f, 0xa2}, 5},
	{EXIT_HLT, {0xf4}, 1},
	{EXIT_HLT, {0xf3, 0xf4}, 2},
	{EXIT_INVD, {0x0f, 0x08}, 2},
	{EXIT_XSETBV, {0x0f, 0x01, 0xd1}, 3},
	{EXIT_HYPERCALL, {0x0f, 0x01, 0xd9}, 3},
	{EXIT_MSR_READ, {0x0f, 0x32}, 2},
	{EXIT_MSR_WRITE, {0x48, 0x0f, 0x30}, 3},
};

static void a_length_is_found_by_the_bytes_when_the_cpu_gives_none(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
		fake_vm_teardown(state);
		fake_vm_setup(state);
		fake_long_mode();
		fake_allow_wbinvd();
		fake_code(lengths[i].bytes, lengths[i].len);
		vcpu->regs.gpr[GPR_RCX] = lengths[i].kind == EXIT_XSETBV ? 0 : 0x48;
		handle_kind(lengths[i].kind, 0);
		assert_went_on(lengths[i].len);
	}
}

static void rip_wins_over_bytes_when_the_cpu_gives_a_length(void **state)
{
	(void)state;
	fake_code("\x66\x0f\xa2", 3);
	handle_kind(EXIT_CPUID, 2);
	assert_went_on(2);
}

static void an_instruction_that_is_not_there_any_more_runs_again_with_no_effect(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
		fake_vm_teardown(state);
		fake_vm_setup(state);
		fake_allow_wbinvd();
		fake_code("\x90\x90\x90", 3);
		vcpu->regs.gpr[GPR_RCX] = lengths[i].kind == EXIT_XSETBV ? 0 : 0x48;
		vcpu->regs.gpr[GPR_RAX] = 0x55;
		vcpu->regs.gpr[GPR_RDX] = 0x66;
		handle_kind(lengths[i].kind, 0);
		assert_went_on(0);
		assert_int_equal(vcpu->state, VCPU_RUNNING);
		assert_int_equal(vcpu->regs.gpr[GPR_RAX], 0x55);
		assert_int_equal(vcpu->regs.gpr[GPR_RDX], 0x66);
		assert_int_equal(fake_msr_writes, 0);
	}
}

static void an_instruction_at_the_end_of_memory_is_found_and_one_beyond_it_runs_again(void **state)
{
	(void)state;
	hw->reg[VCPU_RIP] = FAKE_MEMORY - 2;
	fake_code("\x0f\xa2", 2);
	handle_kind(EXIT_CPUID, 0);
	assert_went_on(2);
	handle_kind(EXIT_CPUID, 0);
	assert_went_on(0);
	hw->reg[VCPU_RIP] = FAKE_MEMORY - 1;
	fake_code("\x0f", 1);
	handle_kind(EXIT_CPUID, 0);
	assert_went_on(0);
}

static void code_is_found_through_the_segments_base(void **state)
{
	(void)state;
	hw->segment[SEG_CS] = (struct segment){0x4000, 0xffff, 0x400, 0x9b}; /* 16-bit */
	hw->reg[VCPU_RIP] = 0x123;
	memcpy(fake_memory + 0x4123, "\x0f\xa2", 2);
	handle_kind(EXIT_CPUID, 0);
	assert_went_on(2);
}

/* Control registers --------------------------------------------------------------------------- */

static struct vcpu_exit cr_exit(enum exit_kind kind, uint8_t gpr, uint64_t value)
{
	struct vcpu_exit exit = {.kind = kind, .length = 3};
	exit.cr.gpr = gpr;
	exit.cr.value = value;
	return exit;
}

static void cr8_is_the_task_priority(void **state)
{
	(void)state;
	vcpu->requests = 0;
	handle(cr_exit(EXIT_CR_WRITE, GPR_R8 + 1, 11));
	assert_went_on(3);
	assert_int_equal(vcpu->lapic.reg[LAPIC_TPR].value, 0xb0);
	assert_true(vcpu->requests & VCPU_REQUEST_EVENT);
	vcpu->lapic.reg[LAPIC_TPR].value = 0x5a;
	vcpu->regs.gpr[GPR_R8 + 1] = UINT64_MAX;
	handle(cr_exit(EXIT_CR_READ, GPR_R8 + 1, 0));
	assert_went_on(3);
	assert_int_equal(vcpu->regs.gpr[GPR_R8 + 1], 5);
}

static void reserved_bits_of_cr8_are_a_protection_fault(void **state)
{
	(void)state;
	handle(cr_exit(EXIT_CR_WRITE, GPR_RAX, 16));
	assert_raised(13, true);
	handle(cr_exit(EXIT_CR_WRITE, GPR_RAX, BIT(63)));
	assert_raised(13, true);
	assert_int_equal(vcpu->lapic.reg[LAPIC_TPR].value, 0);
}

static const struct {
	uint8_t bytes[8], len;
	enum gpr gpr;
} cr8_moves[] = {
	{{0x44, 0x0f, 0x22, 0xc0}, 4, GPR_RAX}, /* REX.R is CR8's */
	{{0x44, 0x0f, 0x22, 0xc7}, 4, GPR_RDI},
	{{0x45, 0x0f, 0x22, 0xc7}, 4, GPR_R8 + 7}, /* REX.RB */
	{{0x4d, 0x0f, 0x22, 0xc1}, 4, GPR_R8 + 1},
	{{0x2e, 0x44, 0x0f, 0x22, 0xc3}, 5, GPR_RBX},
	{{0xf0, 0x0f, 0x22, 0xc3}, 4, GPR_RBX}, /* AMD's other way (APM vol. 3, MOV CRn) */
	{{0xf0, 0x41, 0x0f, 0x22, 0xc3}, 5, GPR_R8 + 3},
};

/* The register is in the bytes alone, and a backend that does not know it tells no length. */
static void the_register_of_a_move_to_cr8_is_found_by_the_bytes(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(cr8_moves); i++) {
		uint8_t bytes[8];
		fake_vm_teardown(state);
		fake_vm_setup(state);
		fake_long_mode();
		for (enum gpr gpr = 0; gpr < GPR_COUNT; gpr++) {
			vcpu->regs.gpr[gpr] = gpr;
		}
		fake_code(cr8_moves[i].bytes, cr8_moves[i].len);
		struct vcpu_exit exit = cr_exit(EXIT_CR_WRITE, 0, 0);
		exit.length = 0;
		handle(exit);
		assert_went_on(cr8_moves[i].len);
		assert_int_equal(vcpu->lapic.reg[LAPIC_TPR].value, cr8_moves[i].gpr << 4);

		hw->reg[VCPU_RIP] = FAKE_CODE;
		memcpy(bytes, cr8_moves[i].bytes, sizeof(bytes));
		bytes[cr8_moves[i].len - 2] = 0x20;
		fake_code(bytes, cr8_moves[i].len);
		exit = cr_exit(EXIT_CR_READ, 0, 0);
		exit.length = 0;
		vcpu->lapic.reg[LAPIC_TPR].value = 0xe0;
		handle(exit);
		assert_went_on(cr8_moves[i].len);
		assert_int_equal(vcpu->regs.gpr[cr8_moves[i].gpr], 14);
	}
}

static void a_reset_of_the_cpu_resets_the_machine(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_RESET};
	if (setjmp(fake_reset) == 0) {
		exit_handle(vcpu, &exit);
		fail();
	}
	assert_int_equal(vcpu->state, VCPU_RUNNING);
}

static void an_eoi_that_the_cpu_did_reaches_the_devices(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_EOI, .event.vector = 0x51};
	exit_handle(vcpu, &exit);
	assert_int_equal(fake_effects, 1);
	assert_int_equal(fake_effect.vector, 0x51);
	assert_int_equal(fake_effect.kind, VLAPIC_NOTHING);
	assert_true(vcpu->requests & VCPU_REQUEST_EVENT);
	assert_int_equal(hw->skips, 0); /* it is behind the instruction already */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(exits_of_the_host_change_nothing_of_the_guest),
		VM_TEST(an_interrupt_that_was_acknowledged_is_handled_at_once),
		VM_TEST(instructions_that_guests_do_not_have_are_undefined),
		VM_TEST(an_exit_that_nobody_handles_ends_the_vcpu_with_a_report),
		VM_TEST(the_end_of_a_vcpu_pauses_the_others),
		VM_TEST(a_reset_of_the_cpu_resets_the_machine),
		VM_TEST(an_eoi_that_the_cpu_did_reaches_the_devices),
		VM_TEST(an_interrupted_event_is_kept_for_the_next_entry),
		VM_TEST(an_intercepted_exception_goes_to_the_guest),
		VM_TEST(a_machine_check_is_the_hosts),
		VM_TEST(hlt_waits_behind_itself),
		VM_TEST(hlt_does_not_wait_when_it_is_stepped),
		VM_TEST(invd_writes_back),
		VM_TEST(one_that_spins_lets_the_others_of_its_vm_go_before),
		VM_TEST(the_yield_of_kvm_goes_to_an_apic_id),
		VM_TEST(a_guest_does_not_empty_everybodys_caches),
		VM_TEST(a_hypercall_is_answered_that_there_is_none),
		VM_TEST(xsetbv_loads_xcr0_or_faults),
		VM_TEST(cpuid_fills_the_registers_and_clears_their_upper_halves),
		VM_TEST(in_changes_as_much_of_rax_as_it_reads),
		VM_TEST(out_writes_eax),
		VM_TEST(rdmsr_splits_its_value),
		VM_TEST(wrmsr_joins_the_lower_halves),
		VM_TEST(an_msr_that_is_not_there_is_a_protection_fault_with_nothing_changed),
		VM_TEST(a_length_is_found_by_the_bytes_when_the_cpu_gives_none),
		VM_TEST(rip_wins_over_bytes_when_the_cpu_gives_a_length),
		VM_TEST(an_instruction_that_is_not_there_any_more_runs_again_with_no_effect),
		VM_TEST(an_instruction_at_the_end_of_memory_is_found_and_one_beyond_it_runs_again),
		VM_TEST(code_is_found_through_the_segments_base),
		VM_TEST(cr8_is_the_task_priority),
		VM_TEST(reserved_bits_of_cr8_are_a_protection_fault),
		VM_TEST(the_register_of_a_move_to_cr8_is_found_by_the_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
