/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_run.c - what goes into a vCPU at its next entry and what waits, what others may
 * ask of it, what ends its sleep, and how long it runs.
 *
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/msr.c kernel/cpuid.c kernel/gmem.c
 * Links: kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c vdev/lapic.c
 * Links: kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/run.c"

#define NOW 1000000u

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct fake_hw *const hw = &fake_hw[0];

static const struct vcpu_event some_exception = {
	.valid = true, .type = EVENT_EXCEPTION, .vector = 14, .has_error = true, .error = 2};
static const struct vcpu_event some_soft = {
	.valid = true, .type = EVENT_SOFT_INTERRUPT, .vector = 0x80, .length = 2};

/* As devices.c has it. */
static void interrupt(struct vcpu *target, uint8_t vector)
{
	if (vlapic_accept(&target->lapic, vector, false)) {
		vcpu_request(target, VCPU_REQUEST_EVENT);
	}
}

/* Look around and enter once; it ends by a host interrupt. */
static void enter(void)
{
	prepare(this_cpu(), vcpu, fake_tsc);
	run(vcpu, fake_tsc + 100);
}

/* The n-th event that went in. */
static void assert_injected(unsigned n, enum event_type type, unsigned vector)
{
	assert_true(n < hw->injected_count);
	assert_int_equal(hw->injected[n].type, type);
	assert_int_equal(hw->injected[n].vector, vector);
}

static bool in_service(uint8_t vector)
{
	return vcpu->lapic.reg[LAPIC_ISR + vector / 32].value >> vector % 32 & 1;
}

static void end_of_interrupt(void)
{
	struct vlapic_effect effect;
	vlapic_write(&vcpu->lapic, LAPIC_EOI, 0, fake_tsc, &effect);
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
}

/* Events -------------------------------------------------------------------------------------- */

static void events_go_in_by_urgency_one_an_entry(void **state)
{
	(void)state;
	vcpu->reinject = some_soft;
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	vcpu_raise(vcpu, 13, true, 0x18);
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	interrupt(vcpu, 0x41);
	for (unsigned n = 1; n <= 4; n++) {
		enter();
		assert_int_equal(hw->injected_count, n);
	}
	assert_injected(0, EVENT_SOFT_INTERRUPT, 0x80);
	assert_int_equal(hw->injected[0].length, 2);
	assert_injected(1, EVENT_EXCEPTION, 13);
	assert_true(hw->injected[1].has_error);
	assert_int_equal(hw->injected[1].error, 0x18);
	assert_injected(2, EVENT_NMI, 2);
	assert_injected(3, EVENT_INTERRUPT, 0x41);
	assert_true(in_service(0x41));
	enter();
	assert_int_equal(hw->injected_count, 4);
}

static void what_waits_behind_another_event_gets_a_window(void **state)
{
	(void)state;
	vcpu->exception = some_exception;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	interrupt(vcpu, 0x41);
	inject_events(vcpu);
	assert_int_equal(hw->injected_count, 1);
	assert_true(hw->nmi_window);
	assert_true(hw->interrupt_window);
	assert_true(vcpu->requests & VCPU_REQUEST_NMI);
	assert_false(in_service(0x41));
}

static void what_the_guest_cannot_take_now_gets_a_window_and_no_more(void **state)
{
	(void)state;
	hw->takes_nmi = hw->takes_interrupt = false;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	interrupt(vcpu, 0x41);
	inject_events(vcpu);
	assert_int_equal(hw->injected_count, 0);
	assert_true(hw->nmi_window);
	assert_true(hw->interrupt_window);
	assert_true(vcpu->requests & VCPU_REQUEST_NMI);
	assert_int_equal(vlapic_pending(&vcpu->lapic), 0x41);
	enter();
	/* Each entry asks anew, until it can. */
	inject_events(vcpu);
	assert_true(hw->nmi_window);
	assert_true(hw->interrupt_window);
}

static void a_blocked_nmi_does_not_hold_up_an_interrupt(void **state)
{
	(void)state;
	hw->takes_nmi = false;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	interrupt(vcpu, 0x41);
	inject_events(vcpu);
	assert_int_equal(hw->injected_count, 1);
	assert_injected(0, EVENT_INTERRUPT, 0x41);
	assert_true(hw->nmi_window);
	assert_false(hw->interrupt_window);
}

static void no_window_is_asked_for_without_need(void **state)
{
	(void)state;
	vcpu->exception = some_exception;
	inject_events(vcpu);
	assert_false(hw->nmi_window);
	assert_false(hw->interrupt_window);
	assert_int_equal(vcpu->requests, 0);
}

static void interrupts_go_in_by_their_priority(void **state)
{
	(void)state;
	interrupt(vcpu, 0x41);
	interrupt(vcpu, 0x91);
	interrupt(vcpu, 0x42);
	enter();
	enter(); /* the others are no more urgent than what is in service */
	assert_int_equal(hw->injected_count, 1);
	assert_injected(0, EVENT_INTERRUPT, 0x91);
	end_of_interrupt();
	enter();
	assert_injected(1, EVENT_INTERRUPT, 0x42);
	interrupt(vcpu, 0xa0);
	enter();
	assert_injected(2, EVENT_INTERRUPT, 0xa0); /* on top */
	end_of_interrupt();
	end_of_interrupt();
	enter();
	assert_injected(3, EVENT_INTERRUPT, 0x41);
}

static void the_backend_hears_what_is_in_service_and_what_waits(void **state)
{
	(void)state;
	interrupt(vcpu, 0x41);
	interrupt(vcpu, 0x91);
	enter();
	assert_int_equal(hw->lapic_status, 0x9141);
	end_of_interrupt();
	hw->takes_interrupt = false;
	enter();
	assert_int_equal(hw->lapic_status, 0x0041);
	hw->takes_interrupt = true;
	enter();
	assert_int_equal(hw->lapic_status, 0x4100);
}

static void an_interrupt_below_the_task_priority_waits_without_a_window_until_it_drops(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_CR_WRITE, .length = 4};
	vcpu->lapic.reg[LAPIC_TPR].value = 0x40;
	interrupt(vcpu, 0x41);
	inject_events(vcpu);
	assert_false(hw->interrupt_window);
	assert_int_equal(vcpu->requests, 0);
	fake_script(&exit); /* CR8 becomes 0: taken without a look around */
	run(vcpu, fake_tsc + 100);
	assert_int_equal(hw->runs, 2);
	assert_int_equal(hw->injected_count, 1);
	assert_injected(0, EVENT_INTERRUPT, 0x41);
}

static void an_interrupt_for_another_cpu_wakes_it_once(void **state)
{
	(void)state;
	interrupt(vcpu, 0x41);
	assert_int_equal(fake_woken, 0);
	interrupt(&fake_vcpu[1], 0x41);
	assert_int_equal(fake_woken, 2);
	assert_int_equal(fake_vcpu[1].requests, VCPU_REQUEST_EVENT | VCPU_REQUEST_LOOK);
	fake_woken = 0;
	interrupt(&fake_vcpu[1], 0x41); /* was there already */
	assert_int_equal(fake_woken, 0);
}

static void an_event_whose_delivery_an_exit_interrupted_goes_in_again(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_STAGE2, .interrupted = some_soft};
	fake_script(&exit);
	run(vcpu, fake_tsc + 100);
	assert_int_equal(hw->runs, 2);
	assert_int_equal(hw->injected_count, 1);
	assert_injected(0, EVENT_SOFT_INTERRUPT, 0x80);
	assert_false(vcpu->reinject.valid);
}

/* Sleep --------------------------------------------------------------------------------------- */

static void hlt_wakes_only_for_what_is_deliverable(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	assert_false(prepare(this_cpu(), vcpu, NOW));
	hw->takes_interrupt = false; /* IF is clear */
	interrupt(vcpu, 0x41);
	assert_false(prepare(this_cpu(), vcpu, NOW));
	hw->takes_interrupt = true;
	vcpu->lapic.reg[LAPIC_TPR].value = 0x40;
	assert_false(prepare(this_cpu(), vcpu, NOW));
	vcpu->lapic.reg[LAPIC_TPR].value = 0x30;
	assert_true(prepare(this_cpu(), vcpu, NOW));
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	enter();
	assert_injected(0, EVENT_INTERRUPT, 0x41);
}

static void an_nmi_ends_hlt_whatever_if_says(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	hw->takes_interrupt = false;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_true(prepare(this_cpu(), vcpu, NOW));
	enter();
	assert_injected(0, EVENT_NMI, 2);
	assert_int_equal(vcpu->requests, VCPU_REQUEST_LOOK); /* the interrupt that ended the run */
}

static void the_timer_ends_hlt(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	vcpu->lapic.reg[LAPIC_LVT_TIMER].value = 0x40035;
	vcpu->lapic.timer_next = NOW + 50;
	assert_false(prepare(this_cpu(), vcpu, NOW + 49));
	assert_true(prepare(this_cpu(), vcpu, NOW + 50));
	assert_int_equal(vlapic_timer_next(&vcpu->lapic), UINT64_MAX);
	fake_tsc = NOW + 50;
	enter();
	assert_injected(0, EVENT_INTERRUPT, 0x35);
}

static void a_masked_timer_does_not_end_hlt(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	vcpu->lapic.reg[LAPIC_LVT_TIMER].value = 0x50035;
	vcpu->lapic.timer_next = NOW;
	assert_false(prepare(this_cpu(), vcpu, NOW));
	assert_int_equal(vcpu->state, VCPU_HALTED);
}

static void hlt_ends_a_run(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_HLT, .length = 1};
	fake_script(&exit);
	run(vcpu, fake_tsc + 100);
	assert_int_equal(hw->runs, 1);
	assert_int_equal(vcpu->state, VCPU_HALTED);
}

static void one_that_waits_for_a_guest_wakes_for_interrupts_whatever_if_says(void **state)
{
	(void)state;
	vcpu->state = VCPU_WAITS;
	vcpu->lapic.reg[LAPIC_LVT_TIMER].value = 0x40035;
	vcpu->lapic.timer_next = NOW + 50;
	assert_int_equal(vcpu_alarm(vcpu), NOW + 50);
	hw->takes_interrupt = false;
	assert_false(prepare(this_cpu(), vcpu, NOW));
	assert_true(prepare(this_cpu(), vcpu, NOW + 50));
	assert_int_equal(vcpu->state, VCPU_RUNNING);
}

/* Requests ------------------------------------------------------------------------------------ */

static bool request(unsigned requests)
{
	vcpu_request(vcpu, requests);
	return prepare(this_cpu(), vcpu, NOW);
}

static bool hold(bool on)
{
	vm_hold(&fake_vm, on);
	return prepare(this_cpu(), vcpu, NOW);
}

/* What comes after the look leaves its mark, for who is about to sleep. */
static void what_is_asked_from_elsewhere_is_looked_at_once(void **state)
{
	(void)state;
	struct vcpu *other = &fake_vcpu[1];
	other->state = VCPU_HALTED;
	vcpu_request(other, VCPU_REQUEST_EVENT);
	assert_true(other->requests & VCPU_REQUEST_LOOK);
	assert_false(prepare(this_cpu(), other, NOW));
	assert_false(other->requests & VCPU_REQUEST_LOOK);
	other->requests = 0;
	vm_hold(&fake_vm, true);
	assert_true(other->requests & VCPU_REQUEST_LOOK);
	assert_false(prepare(this_cpu(), other, NOW));
	assert_int_equal(other->requests, 0);
}

static void a_sleeping_vcpu_is_woken_by_its_timer_unless_it_may_not_run(void **state)
{
	(void)state;
	vcpu->lapic.reg[LAPIC_LVT_TIMER].value = 0x40035;
	vcpu->lapic.timer_next = NOW;
	assert_int_equal(vcpu_alarm(vcpu), UINT64_MAX); /* it runs */
	vcpu->state = VCPU_HALTED;
	assert_int_equal(vcpu_alarm(vcpu), NOW);
	fake_vm.held = true;
	assert_int_equal(vcpu_alarm(vcpu), UINT64_MAX);
}

static void a_vcpu_that_another_cpu_had_is_fetched_from_there(void **state)
{
	(void)state;
	vcpu_fetch(vcpu);
	assert_int_equal(hw->releases, 0);
	vcpu->cpu = 3;
	vcpu_fetch(vcpu);
	assert_int_equal(hw->releases, 1);
	assert_int_equal(vcpu->cpu, this_cpu()->index);
	assert_int_equal(hw->flushes, 0);
	fake_vm.flushes++; /* while nobody had it */
	vcpu_fetch(vcpu);
	vcpu_fetch(vcpu);
	assert_int_equal(hw->flushes, 1);
}

static void a_request_wakes_its_cpu_if_that_is_another(void **state)
{
	(void)state;
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	assert_int_equal(fake_woken, 0);
	vcpu_request(&fake_vcpu[1], VCPU_REQUEST_NMI);
	assert_int_equal(fake_woken, 2);
}

static void init_resets_and_sipi_starts(void **state)
{
	(void)state;
	struct segment code;
	vcpu->exception = some_exception;
	vcpu->reinject = some_soft;
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	vcpu_request(vcpu, VCPU_REQUEST_NMI);
	interrupt(vcpu, 0x41);
	assert_false(request(VCPU_REQUEST_INIT));
	assert_int_equal(vcpu->state, VCPU_WAIT_SIPI);
	assert_int_equal(hw->resets, 1);
	assert_int_equal(fake_drops, 1);
	assert_int_equal(vlapic_pending(&vcpu->lapic), -1);
	assert_false(vcpu->exception.valid || vcpu->reinject.valid);
	assert_false(vcpu->requests & VCPU_REQUEST_NMI);
	vcpu->sipi_vector = 0x9a;
	assert_true(request(VCPU_REQUEST_SIPI));
	backend->get_segment(vcpu, SEG_CS, &code);
	assert_int_equal(code.base, 0x9a000);
	assert_int_equal(code.selector, 0x9a00);
	assert_int_equal(code.limit, 0xffff);
	assert_int_equal(code.attributes, 0x9b);
	assert_int_equal(hw->reg[VCPU_RIP], 0);
	enter();
	assert_int_equal(hw->injected_count, 0);
}

static void init_and_sipi_at_once_start(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	vcpu->sipi_vector = 0x10;
	assert_true(request(VCPU_REQUEST_INIT | VCPU_REQUEST_SIPI));
	assert_int_equal(hw->segment[SEG_CS].base, 0x10000);
}

static void sipi_without_init_is_nothing(void **state)
{
	(void)state;
	static const enum vcpu_state states[] = {VCPU_RUNNING, VCPU_HALTED, VCPU_DEAD};
	for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
		vcpu->state = states[i];
		request(VCPU_REQUEST_SIPI);
		assert_int_equal(vcpu->state, states[i]);
		assert_int_equal(hw->reg[VCPU_RIP], FAKE_CODE);
	}
}

static void nothing_but_sipi_starts_a_vcpu_that_waits_for_it(void **state)
{
	(void)state;
	request(VCPU_REQUEST_INIT);
	interrupt(vcpu, 0x41);
	assert_false(request(VCPU_REQUEST_NMI));
	assert_int_equal(vcpu->state, VCPU_WAIT_SIPI);
	assert_true(request(VCPU_REQUEST_SIPI));
	enter();
	assert_int_equal(hw->injected_count, 0); /* the NMI is forgotten */
}

static void go_wakes_who_waits_for_a_guest_and_nobody_else(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	assert_false(request(VCPU_REQUEST_GO));
	assert_false(vcpu->requests & VCPU_REQUEST_GO);
	vcpu->state = VCPU_WAITS;
	assert_false(prepare(this_cpu(), vcpu, NOW));
	assert_true(request(VCPU_REQUEST_GO));
	assert_int_equal(vcpu->state, VCPU_RUNNING);
}

static void pause_and_resume_keep_the_state(void **state)
{
	(void)state;
	static const enum vcpu_state states[] = {VCPU_RUNNING, VCPU_HALTED, VCPU_WAIT_SIPI};
	for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
		vcpu->state = states[i];
		assert_false(hold(true));
		assert_false(hold(true)); /* twice is once */
		assert_int_equal(hold(false), states[i] == VCPU_RUNNING);
		assert_int_equal(vcpu->state, states[i]);
	}
}

static void a_paused_vcpu_sleeps_through_events_and_takes_them_later(void **state)
{
	(void)state;
	vcpu->state = VCPU_HALTED;
	hold(true);
	interrupt(vcpu, 0x41);
	assert_false(request(VCPU_REQUEST_NMI));
	assert_true(hold(false));
	enter();
	enter();
	assert_injected(0, EVENT_NMI, 2);
	assert_injected(1, EVENT_INTERRUPT, 0x41);
}

static void a_dead_vcpu_stays_dead(void **state)
{
	(void)state;
	vcpu_kill(vcpu, "a test");
	assert_true(fake_vm.held);
	assert_true(fake_vcpu[1].requests & VCPU_REQUEST_LOOK);
	assert_false(hold(true));
	assert_false(hold(false));
	assert_false(request(VCPU_REQUEST_NMI | VCPU_REQUEST_SIPI));
	interrupt(vcpu, 0x41);
	assert_false(prepare(this_cpu(), vcpu, NOW));
	assert_int_equal(vcpu->state, VCPU_DEAD);
}

static void the_report_of_a_dead_vcpu_has_its_registers(void **state)
{
	(void)state;
	vcpu->regs.gpr[GPR_R8 + 7] = 0xfeedface;
	hw->reg[VCPU_CR3] = 0xabcdef000;
	hw->reg[VCPU_RSP] = 0x7777;
	vcpu->regs.gpr[GPR_RBP] = 0x8888;
	vcpu_kill(vcpu, "a test");
	static const char *const parts[] = {"vcpu 0: a test", "r15    00000000feedface",
		"cr3    0000000abcdef000", "rsp    0000000000007777", "rbp    0000000000008888",
		"cs   0008 base 0000000000000000 limit ffffffff attributes 0c9b"};
	for (unsigned i = 0; i < ARRAY_COUNT(parts); i++) {
		if (strstr(fake_log, parts[i]) == NULL) {
			fail_msg("no \"%s\" in:\n%s", parts[i], fake_log);
		}
	}
}

/* A pause by the monitor, or by the end of another vCPU, holds until a resume. */
static void init_and_sipi_do_not_end_a_pause(void **state)
{
	(void)state;
	hold(true);
	assert_false(request(VCPU_REQUEST_INIT));
	assert_false(request(VCPU_REQUEST_SIPI));
	assert_true(hold(false));
}

static void a_sipi_that_comes_in_a_pause_counts_after_it(void **state)
{
	(void)state;
	request(VCPU_REQUEST_INIT);
	hold(true);
	assert_false(request(VCPU_REQUEST_SIPI));
	assert_true(hold(false));
}

static void init_does_not_revive_a_dead_vcpu(void **state)
{
	(void)state;
	vcpu_kill(vcpu, "a test");
	assert_false(request(VCPU_REQUEST_INIT | VCPU_REQUEST_SIPI));
	assert_int_equal(vcpu->state, VCPU_DEAD);
}

/* Time ---------------------------------------------------------------------------------------- */

static void an_exit_of_the_guest_alone_goes_straight_back(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_CPUID, .length = 2};
	fake_script(&exit);
	fake_script(&exit);
	run(vcpu, fake_tsc + 100);
	assert_int_equal(hw->runs, 3);
	assert_int_equal(vcpu->exits[EXIT_CPUID], 2);
	assert_int_equal(vcpu->exits[EXIT_INTERRUPT], 1);
	assert_int_equal(hw->reg[VCPU_RIP], FAKE_CODE + 4);
	assert_int_equal(fake_irq_takes, 1);
}

static void a_run_ends_at_its_time(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_CPUID, .length = 2};
	for (unsigned i = 0; i < FAKE_SCRIPT; i++) {
		fake_script(&exit);
	}
	fake_tsc_step = 10;
	run(vcpu, fake_tsc + 65); /* each round looks twice at the clock */
	assert_int_equal(hw->runs, 3);
	assert_int_equal(fake_irq_takes, 1);
	run(vcpu, fake_tsc); /* over already: no entry, but the host's interrupts are taken */
	assert_int_equal(hw->runs, 3);
	assert_int_equal(fake_irq_takes, 2);
}

static void arm_guest_timer(struct vcpu *v)
{
	v->lapic.reg[LAPIC_LVT_TIMER].value = 0x40035;
	v->lapic.timer_next = fake_tsc + 20;
	this_cpu()->timer_at = fake_tsc + 100;
	vcpu_timer_changed(v);
}

static void ask_pause(struct vcpu *v)
{
	vm_hold(v->vm, true);
}

static void a_run_ends_when_its_exits_leave_something_to_do(void **state)
{
	static void (*const things[])(struct vcpu * v) = {arm_guest_timer, ask_pause};
	for (unsigned i = 0; i < ARRAY_COUNT(things); i++) {
		fake_vm_teardown(state);
		fake_vm_setup(state);
		struct vcpu_exit exit = {.kind = EXIT_CPUID, .length = 2};
		fake_script(&exit);
		hw->meanwhile = things[i];
		run(vcpu, fake_tsc + 100);
		assert_int_equal(hw->runs, 1);
	}
}

static void a_timer_that_moves_back_is_no_reason_to_look_around(void **state)
{
	(void)state;
	arm_guest_timer(vcpu);
	assert_int_equal(vcpu->requests, VCPU_REQUEST_LOOK);
	vcpu->requests = 0;
	vcpu->lapic.timer_next = fake_tsc + 100; /* comes with the hardware's */
	vcpu_timer_changed(vcpu);
	assert_int_equal(vcpu->requests, 0);
}

static void a_flush_reaches_every_vcpu_of_the_vm_and_gives_tables_back(void **state)
{
	(void)state;
	struct vm other = {0};
	bool flush = false;
	size_t tables = fake_vm.stage2.tables;
	assert_int_equal(stage2_map(&fake_vm.stage2, MIB * 4, hpa(MIB * 4), PAGE_SIZE, STAGE2_ALL,
				 STAGE2_WB, &flush),
		0);
	assert_int_equal(stage2_protect(&fake_vm.stage2, MIB * 4, PAGE_SIZE, 0, &flush), 0);
	assert_true(flush);
	assert_true(fake_vm.stage2.tables > tables);
	fake_retire = true; /* as another CPU may, meanwhile */
	vm_flush(&fake_vm);
	assert_int_equal(fake_hw[0].flushes, 1);
	assert_int_equal(fake_hw[1].flushes, 1);
	assert_int_equal(fake_vm.stage2.tables, tables + 1); /* its table stays until its flush */
	vm_flush(&fake_vm);
	assert_int_equal(fake_vm.stage2.tables, tables);
	vm_flush(&other);
	assert_int_equal(fake_hw[0].flushes, 2);
}

static void each_kind_of_exit_is_charged_with_the_time_until_the_next_entry(void **state)
{
	(void)state;
	struct vcpu_exit exit = {.kind = EXIT_CPUID, .length = 2};
	fake_script(&exit);
	fake_tsc_step = 10;
	vcpu->last = EXIT_HLT;
	vcpu->exited_at = fake_tsc;
	run(vcpu, fake_tsc + 1000);
	assert_int_equal(vcpu->ticks[EXIT_HLT], 10);
	assert_int_equal(vcpu->ticks[EXIT_CPUID], 10);
	assert_int_equal(vcpu->last, EXIT_INTERRUPT);
}

static void the_hardware_timer_is_touched_for_a_change_alone(void **state)
{
	(void)state;
	struct pcpu cpu = {.timer_at = UINT64_MAX};
	arm_timer(&cpu, NOW + 100, NOW);
	assert_int_equal(fake_timer_arms, 1);
	assert_int_equal(fake_timer_ns, 100);
	arm_timer(&cpu, NOW + 200, NOW + 10); /* an earlier one comes anyway */
	assert_int_equal(fake_timer_arms, 1);
	arm_timer(&cpu, NOW + 50, NOW + 10);
	assert_int_equal(fake_timer_arms, 2);
	assert_int_equal(fake_timer_ns, 40);
	arm_timer(&cpu, NOW + 200, NOW + 50); /* that one is gone */
	assert_int_equal(fake_timer_arms, 3);
	assert_int_equal(fake_timer_ns, 150);
	arm_timer(&cpu, NOW + 60, NOW + 70); /* late: at once, but not 0, which disarms */
	assert_int_equal(fake_timer_arms, 4);
	assert_int_equal(fake_timer_ns, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VM_TEST(events_go_in_by_urgency_one_an_entry),
		VM_TEST(what_waits_behind_another_event_gets_a_window),
		VM_TEST(what_the_guest_cannot_take_now_gets_a_window_and_no_more),
		VM_TEST(a_blocked_nmi_does_not_hold_up_an_interrupt),
		VM_TEST(no_window_is_asked_for_without_need),
		VM_TEST(interrupts_go_in_by_their_priority),
		VM_TEST(the_backend_hears_what_is_in_service_and_what_waits),
		VM_TEST(an_interrupt_below_the_task_priority_waits_without_a_window_until_it_drops),
		VM_TEST(an_interrupt_for_another_cpu_wakes_it_once),
		VM_TEST(an_event_whose_delivery_an_exit_interrupted_goes_in_again),
		VM_TEST(hlt_wakes_only_for_what_is_deliverable),
		VM_TEST(an_nmi_ends_hlt_whatever_if_says),
		VM_TEST(the_timer_ends_hlt),
		VM_TEST(a_masked_timer_does_not_end_hlt),
		VM_TEST(hlt_ends_a_run),
		VM_TEST(what_is_asked_from_elsewhere_is_looked_at_once),
		VM_TEST(a_sleeping_vcpu_is_woken_by_its_timer_unless_it_may_not_run),
		VM_TEST(a_vcpu_that_another_cpu_had_is_fetched_from_there),
		VM_TEST(a_request_wakes_its_cpu_if_that_is_another),
		VM_TEST(init_resets_and_sipi_starts),
		VM_TEST(init_and_sipi_at_once_start),
		VM_TEST(sipi_without_init_is_nothing),
		VM_TEST(nothing_but_sipi_starts_a_vcpu_that_waits_for_it),
		VM_TEST(one_that_waits_for_a_guest_wakes_for_interrupts_whatever_if_says),
		VM_TEST(go_wakes_who_waits_for_a_guest_and_nobody_else),
		VM_TEST(pause_and_resume_keep_the_state),
		VM_TEST(a_paused_vcpu_sleeps_through_events_and_takes_them_later),
		VM_TEST(a_dead_vcpu_stays_dead),
		VM_TEST(the_report_of_a_dead_vcpu_has_its_registers),
		VM_TEST(init_and_sipi_do_not_end_a_pause),
		VM_TEST(a_sipi_that_comes_in_a_pause_counts_after_it),
		VM_TEST(init_does_not_revive_a_dead_vcpu),
		VM_TEST(an_exit_of_the_guest_alone_goes_straight_back),
		VM_TEST(a_run_ends_at_its_time),
		VM_TEST(a_run_ends_when_its_exits_leave_something_to_do),
		VM_TEST(a_timer_that_moves_back_is_no_reason_to_look_around),
		VM_TEST(a_flush_reaches_every_vcpu_of_the_vm_and_gives_tables_back),
		VM_TEST(each_kind_of_exit_is_charged_with_the_time_until_the_next_entry),
		VM_TEST(the_hardware_timer_is_touched_for_a_change_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
