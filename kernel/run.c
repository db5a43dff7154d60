/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/run.c - each CPU's main loop: its vCPU when that can run, the monitor on CPU 0, else
 * sleep. Runs: on every CPU, interrupts off but for the moments in which they are taken.
 */
#include "drivers/lapic.h"
#include "kernel/exit.h"
#include "kernel/monitor.h"

const struct backend *backend;
struct vm *service_vm;
struct spinlock vm_lock = SPINLOCK(VM);

void vcpu_request(struct vcpu *vcpu, unsigned requests)
{
	if (vcpu == this_cpu()->vcpu) {
		atomic_fetch_or(&vcpu->requests, requests);
	} else {
		atomic_fetch_or(&vcpu->requests, requests | VCPU_REQUEST_LOOK);
		dispatch_wake(vcpu, NULL);
	}
}

void vcpu_timer_changed(struct vcpu *vcpu)
{
	if (vlapic_timer_next(&vcpu->lapic) < this_cpu()->timer_at) {
		vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	}
}

void vcpu_raise(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error)
{
	vcpu->exception = (struct vcpu_event){true, EVENT_EXCEPTION, vector, 0, has_error, error};
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
}

static void flush_here(void *vm)
{
	struct vcpu *vcpu = this_cpu()->context;
	if (vcpu != NULL && vcpu->vm == vm) {
		vcpu->flushes = vcpu->vm->flushes;
		backend->flush(vcpu);
	}
}

/* What others take out meanwhile stays until they have flushed. */
void vm_flush(struct vm *vm)
{
	uint64_t flags = lock_acquire(&vm_lock);
	uint64_t *retired = stage2_retired(&vm->stage2);
	lock_release(&vm_lock, flags);
	vm->flushes++; /* those that no CPU holds see it when one fetches them */
	smp_call_all(flush_here, vm);
	LOCK_HOLD(&vm_lock);
	stage2_reclaim(&vm->stage2, retired);
}

bool vm_hold(struct vm *vm, bool hold)
{
	if (vm == NULL) {
		return false;
	}
	bool held = atomic_exchange(&vm->held, hold);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		vcpu_request(vm->vcpu[i], VCPU_REQUEST_LOOK);
	}
	smp_call_all(flush_here, vm); /* all come out of the guest */
	return held;
}

/* To whom a vCPU's registers go. */
struct release {
	struct vcpu *vcpu;
	uint32_t to;
};

static void release_here(void *argument)
{
	struct release *release = argument;

	if (this_cpu()->context == release->vcpu) {
		context_load(NULL);
	}
	backend->release(release->vcpu);
	release->vcpu->cpu = release->to;
}

/* From the CPU that has it. */
NOINLINE void vcpu_take(struct vcpu *vcpu)
{
	struct release release = {vcpu, this_cpu()->index};

	if (!smp_call(vcpu->cpu, release_here, &release)) {
		panic("CPU %u does not give a vCPU back", vcpu->cpu);
	}
}

void vcpu_fetch(struct vcpu *vcpu)
{
	if (vcpu->cpu != this_cpu()->index) {
		vcpu_take(vcpu);
	}
	context_load(vcpu);
	if (vcpu->flushes != vcpu->vm->flushes) {
		vcpu->flushes = vcpu->vm->flushes;
		backend->flush(vcpu);
	}
}

static bool is_asleep(const struct vcpu *vcpu)
{
	return vcpu->state == VCPU_HALTED || vcpu->state == VCPU_WAITS;
}

uint64_t vcpu_alarm(const struct vcpu *vcpu)
{
	bool sleeps = is_asleep(vcpu) && !vcpu->vm->held && !vcpu->stopped;
	uint64_t next = sleeps ? vlapic_timer_next(&vcpu->lapic) : UINT64_MAX;
	/* Alarms are compared by differences; one that comes too early does no harm. */
	return next == UINT64_MAX ? next : min_u64(next, tsc_read() + BIT(62));
}

/* Registers by their place in a report: some of enum vcpu_register, then those of struct vcpu_regs.
 */
static uint64_t shown(struct vcpu *vcpu, unsigned i)
{
	unsigned gpr = i - VCPU_PAT;
	return i < VCPU_PAT ? backend->get(vcpu, i) : vcpu->regs.gpr[gpr + (gpr >= GPR_RSP)];
}

void vcpu_show(struct vcpu *vcpu)
{
	static const char *const names[] = {"rip", "rsp", "rflags", "cr0", "cr2", "cr3", "cr4",
		"efer", "dr7", "gdt", "limit", "idt", "limit", "rax", "rcx", "rdx", "rbx", "rbp",
		"rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
	static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
	struct segment segment;

	for (unsigned i = 0; i < ARRAY_COUNT(names); i += 2) {
		console_printf("  %-6s %016lx  %-6s %016lx\n", names[i], shown(vcpu, i),
			names[i + 1], shown(vcpu, i + 1));
	}
	for (enum segment_name name = 0; name < SEG_COUNT; name++) {
		backend->get_segment(vcpu, name, &segment);
		console_printf("  %-4s %04x base %016lx limit %08x attributes %04x\n",
			segments[name], segment.selector, segment.base, segment.limit,
			segment.attributes);
	}
}

void vcpu_kill(struct vcpu *vcpu, const char *why)
{
	struct vm *vm = vcpu->vm;

	if (vcpu->record != NULL) {
		vmm_stop(vcpu, PINTLE_EXIT_ERROR, backend->get(vcpu, VCPU_RIP));
		return;
	}
	vcpu->state = VCPU_DEAD;
	log_error("%s: vcpu %u: %s; the VM is stopped, restart boots it again", vm->name,
		vcpu->index, why);
	console_show_log();
	vcpu_show(vcpu);
	vm_hold(vm, true);
	monitor_take_focus();
}

void vcpu_restart(struct vcpu *vcpu)
{
	devices_drop_interrupts(vcpu);
	vlapic_reset(&vcpu->lapic);
	backend->vcpu_reset(vcpu);
	vcpu->exception.valid = vcpu->reinject.valid = false;
	vcpu->pvclock = vcpu->steal = 0;
	vcpu->state = VCPU_WAIT_SIPI;
}

/* INIT and SIPI as their senders meant them (SDM vol. 3, 9.4.2): SIPI counts only after INIT, and
 * an NMI between them is lost. */
static void heed_requests(struct vcpu *vcpu)
{
	unsigned requests =
		atomic_fetch_and(&vcpu->requests, VCPU_REQUEST_EVENT | VCPU_REQUEST_NMI);

	if (vcpu->state == VCPU_DEAD) {
		return;
	}
	if ((requests & VCPU_REQUEST_GO) && vcpu->state == VCPU_WAITS) {
		vcpu->state = VCPU_RUNNING;
	}
	if (requests & VCPU_REQUEST_INIT) {
		vcpu_restart(vcpu);
	}
	if (vcpu->state != VCPU_WAIT_SIPI) {
		return;
	}
	atomic_fetch_and(&vcpu->requests, ~VCPU_REQUEST_NMI);
	if (requests & VCPU_REQUEST_SIPI) {
		struct segment code = {.base = (uint64_t)vcpu->sipi_vector << 12,
			.limit = 0xffff,
			.selector = (uint16_t)(vcpu->sipi_vector << 8),
			.attributes = SEGMENT_PRESENT | SEGMENT_S | 0xb};
		backend->set_segment(vcpu, SEG_CS, &code);
		backend->set(vcpu, VCPU_RIP, 0);
		vcpu->state = VCPU_RUNNING;
	}
}

/* An event goes in, if nothing went before it and the guest can take it; else a window is asked
 * for, and `request` stays. */
static bool inject(struct vcpu *vcpu, uint8_t type, uint8_t vector, bool busy, unsigned request)
{
	struct vcpu_event event = {.valid = true, .type = type, .vector = vector};

	if (busy || !backend->can_take(vcpu, type)) {
		vcpu_request(vcpu, request);
		backend->window(vcpu, type);
		return false;
	}
	backend->inject(vcpu, &event);
	return true;
}

/* The next entry's event, by urgency (SDM vol. 3, 6.9): one at most, a window for what has to wait.
 */
static void inject_events(struct vcpu *vcpu)
{
	struct vcpu_event *first = vcpu->reinject.valid ? &vcpu->reinject : &vcpu->exception;
	bool busy = first->valid;
	/* Before the look: what comes later sets it again. */
	unsigned requests = atomic_fetch_and(
		&vcpu->requests, ~(unsigned)(VCPU_REQUEST_EVENT | VCPU_REQUEST_NMI));

	if (busy) {
		backend->inject(vcpu, first);
		first->valid = false;
	}
	if (vcpu->exception.valid) {
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	}
	if (requests & VCPU_REQUEST_NMI) {
		busy |= inject(vcpu, EVENT_NMI, VECTOR_NMI, busy, VCPU_REQUEST_NMI);
	}
	int vector = vlapic_pending(&vcpu->lapic);
	if (vector >= 0 &&
		inject(vcpu, EVENT_INTERRUPT, (uint8_t)vector, busy, VCPU_REQUEST_EVENT)) {
		vlapic_take(&vcpu->lapic, (uint8_t)vector);
	}
	if (backend->lapic_sync != NULL) {
		backend->lapic_sync(vcpu);
	}
}

/* Have the CPU hold the vCPU's registers, let time pass for it, do what was asked of it: true when
 * it is to be entered now. */
static bool prepare(struct pcpu *cpu, struct vcpu *vcpu, uint64_t now)
{
	/* Who asks for more meanwhile sets LOOK again. */
	if (vcpu->requests & VCPU_REQUEST_LOOK) {
		atomic_fetch_and(&vcpu->requests, ~(unsigned)VCPU_REQUEST_LOOK);
	}
	/* Who is barred, also since the fetch: his registers may be somebody else's to use. */
	bool barred = vcpu->vm->held || vcpu->stopped;
	if (!barred && cpu->context != vcpu) {
		vcpu_fetch(vcpu);
		barred = vcpu->vm->held || vcpu->stopped;
	}
	if (barred) {
		return false;
	}
	if (vlapic_timer_next(&vcpu->lapic) <= now) {
		vlapic_timer_fire(&vcpu->lapic, now);
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_EVENT);
	}
	if (vcpu->requests & ~(unsigned)VCPU_REQUEST_EVENT) {
		heed_requests(vcpu);
	}
	if (vcpu->state == VCPU_RUNNING && vcpu->answer != ANSWER_GIVEN) {
		return true; /* as it is nearly always */
	}
	if (is_asleep(vcpu) &&
		((vcpu->requests & VCPU_REQUEST_NMI) ||
			(vlapic_pending(&vcpu->lapic) >= 0 &&
				(vcpu->state == VCPU_WAITS ||
					backend->can_take(vcpu, EVENT_INTERRUPT))))) {
		vcpu->state = VCPU_RUNNING;
	}
	if (vcpu->answer == ANSWER_GIVEN) {
		exit_again(vcpu);
	}
	return vcpu->state == VCPU_RUNNING && !vcpu->stopped;
}

/* Have the timer end a run or a sleep at `at`; the hardware is touched only for a change. */
static void arm_timer(struct pcpu *cpu, uint64_t at, uint64_t now)
{
	if (at != UINT64_MAX && (cpu->timer_at > at || cpu->timer_at <= now)) {
		uint64_t ticks = at > now ? min_u64(at - now, UINT32_MAX) : 1;
		cpu->timer_at = now + ticks;
		lapic_timer_arm(ticks);
	}
}

/*
 * Run the vCPU until the host has to look around: an interrupt of its own, the time `until`, or
 * something that the vCPU's own exits changed. An exit that concerns the guest alone goes straight
 * back.
 */
static void run(struct vcpu *vcpu, uint64_t until)
{
	struct vcpu_exit exit;

	for (uint64_t now = tsc_read(); now < until; now = tsc_read()) {
		unsigned requests = vcpu->requests;
		if (requests >= VCPU_REQUEST_LOOK) {
			break;
		}
		if (requests != 0) {
			inject_events(vcpu);
		}
		vcpu->ticks[vcpu->last] += now - vcpu->exited_at;
		backend->run(vcpu, &exit);
		vcpu->exited_at = tsc_read();
		vcpu->last = exit.kind;
		exit_handle(vcpu, &exit);
	}
	if (vcpu->answer == ANSWER_ASKED) {
		vcpu->asked = exit;
		vcpu->asked.interrupted.valid = false; /* that is noted already */
		vcpu->asked_rip = backend->get(vcpu, VCPU_RIP);
	}
	irq_take();
}

/* CPU 0's other work: the monitor, what the UART has for it, a look at the line now and then. */
static void serve_console(uint64_t now, uint64_t slice)
{
	static uint64_t look_at, sample_at;

	monitor_step();
	devices_poll();
	/* Also with an interrupt: it may be wired elsewhere than we believe. */
	if (now >= look_at) {
		console_poll();
		look_at = now + (console_polled ? slice : 25 * slice);
		if (now >= sample_at) {
			dispatch_sample();
			sample_at = now + time_frequency;
		}
	}
}

/* Whom this CPU runs now; NULL: nobody, or to be asked again. Who goes to sleep makes place for
 * another one at once: often it is whom it waits for, or who waits for it. */
static struct vcpu *choose(struct pcpu *cpu, uint64_t now)
{
	struct vcpu *vcpu = cpu->vcpu;
	bool lends = vcpu != NULL && vcpu->state == VCPU_WAITS;

	if (now >= cpu->alarm_at) {
		dispatch_alarm(now);
	}
	if (!lends && (cpu->resched || cpu->yields || now >= cpu->until)) {
		vcpu = dispatch_next(cpu->yields ? SCHED_YIELDS : SCHED_GOES_ON, now);
	}
	for (unsigned tries = 2; vcpu != NULL && tries != 0; tries--) {
		if (prepare(cpu, vcpu, now)) {
			if (lends && cpu->resched) {
				return NULL; /* it goes on: there is something to choose */
			}
			if (vcpu->steal != 0 && vcpu->stolen != vcpu->sched.waited) {
				pvclock_tell_steal(vcpu);
			}
			return vcpu;
		}
		struct vcpu *waiter = vcpu->waiter;
		now = tsc_read(); /* what it has cost is its own */
		if (waiter != NULL) {
			atomic_fetch_or(&waiter->requests, VCPU_REQUEST_GO);
			if (dispatch_swap(waiter, now)) {
				vcpu = waiter;
				continue;
			}
			vcpu_request(waiter, VCPU_REQUEST_GO);
		}
		vcpu = dispatch_next(SCHED_SLEEPS, now);
	}
	return NULL;
}

void cpu_loop(void)
{
	struct pcpu *cpu = this_cpu();
	bool boots = cpu->index == 0;
	/* QEMU's CPUs forget an interrupt now and then, when it comes in the middle of a world
	 * switch: below another hypervisor each looks again soon. */
	bool looks = boots || (cpuid_read(1, 0).ecx & BIT(31));
	uint64_t slice = time_to_tsc(RUN_MAX_NS);

	cpu->alarm_at = cpu->until = cpu->timer_at = UINT64_MAX; /* never */
	for (;;) {
		irq_disable();
		if (cpu->nmi_rip != 0) {
			trap_report_nmis();
		}
		uint64_t now = tsc_read();
		if (boots) {
			serve_console(now, slice);
		}
		struct vcpu *vcpu = choose(cpu, now);
		uint64_t until = min_u64(cpu->until, cpu->alarm_at);
		until = min_u64(until, looks ? now + slice : UINT64_MAX);
		if (vcpu == NULL) {
			if (cpu->vcpu == NULL && !cpu->resched) {
				arm_timer(cpu, until, now);
				irq_wait();
			} else {
				irq_take(); /* however many there are that only begin */
			}
			continue;
		}
		until = min_u64(until, vlapic_timer_next(&vcpu->lapic));
		/* AMD-V cannot always tell when an NMI can be taken. */
		if (vcpu->requests & VCPU_REQUEST_NMI) {
			until = min_u64(until, now + time_to_tsc(100000));
		}
		arm_timer(cpu, until, now);
		/* With a look around even if no interrupt ends it: Bochs takes none by VT-x while
		 * the guest has them off. */
		run(vcpu, min_u64(until, now + slice));
	}
}
