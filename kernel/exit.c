/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/exit.c - turn one decoded vCPU exit into one action.
 * Runs: on the exiting CPU, interrupts off, no locks held.
 */
#include "kernel/exit.h"

#include "drivers/power.h"
#include "kernel/gmem.h"

#define STRING_BURST 16u /* iterations of string I/O an exit */

static bool nothing(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	return false;
}

static bool look(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	return false;
}

/* Last of all: what the handler does may take the vCPU from this CPU. */
static bool interrupt(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_LOOK); /* it is this CPU's own */
	if (exit->event.vector != 0) {
		trap_interrupt(exit->event.vector);
	}
	return false;
}

static bool undefined(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu_raise(vcpu, VECTOR_UNDEFINED, false, 0);
	return false;
}

static bool protection(struct vcpu *vcpu)
{
	vcpu_raise(vcpu, VECTOR_PROTECTION, true, 0);
	return false;
}

static bool exception(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (exit->event.vector == VECTOR_MACHINE_CHECK) {
		panic("machine check while a guest ran");
	}
	/* It was only looked at, so that it cannot recur for ever without us. */
	vcpu->exception = exit->event;
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	return false;
}

static bool hlt(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	if (!(backend->get(vcpu, VCPU_RFLAGS) & RFLAGS_TF)) { /* else its trap ends it at once */
		vcpu->state = VCPU_HALTED;
		vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	}
	return true;
}

/* INVD and WBINVD, the second of guests alone: their caches are everybody's, and coherent. */
static bool invd(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	/* Without the write-back it would throw away what others wrote. */
	if (!vcpu->closed) {
		__asm__ volatile("wbinvd" : : : "memory");
	}
	return true;
}

static uint64_t edx_eax(const struct vcpu *vcpu)
{
	return vcpu->regs.gpr[GPR_RDX] << 32 | (uint32_t)vcpu->regs.gpr[GPR_RAX];
}

static bool xsetbv(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct segment stack;
	backend->get_segment(vcpu, SEG_SS, &stack);
	return (!(stack.attributes & SEGMENT_DPL) && (uint32_t)vcpu->regs.gpr[GPR_RCX] == 0 &&
		       !(edx_eax(vcpu) & XCR0_TILES) && xcr0_try_write(edx_eax(vcpu))) ||
		protection(vcpu);
}

/* It waits for something that another one of its VM does, which may be waiting for a CPU: the one
 * that was sent the last IPI, then the others in turn. */
static bool spin(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	dispatch_yield(vcpu->vm->vcpu[vcpu->ipi_target]);
	vcpu->ipi_target = (vcpu->ipi_target + 1) % vcpu->vm->vcpu_count;
	return false;
}

NOINLINE static uint64_t yield_to(const struct vm *vm, uint32_t apic_id)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpu[i]->lapic.id == apic_id) {
			dispatch_yield(vm->vcpu[i]);
		}
	}
	return 0;
}

/* KVM's (Linux, Documentation/virt/kvm/x86/hypercalls.rst): KVM_HC_SCHED_YIELD; else KVM_ENOSYS. */
static bool hypercall(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t *gpr = vcpu->regs.gpr;
	if ((uint32_t)gpr[GPR_RAX] - PINTLE_CALL < 0x100 && !vcpu->closed) {
		hypercall_handle(vcpu);
		return true;
	}
	gpr[GPR_RAX] = (uint32_t)gpr[GPR_RAX] == 11 ? yield_to(vcpu->vm, (uint32_t)gpr[GPR_RBX])
						    : (uint64_t)-1000;
	return true;
}

static bool msr(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t *gpr = vcpu->regs.gpr, value = edx_eax(vcpu);
	bool write = exit->kind == EXIT_MSR_WRITE;
	uint32_t number = (uint32_t)gpr[GPR_RCX];

	if (!(write ? msr_emulate_write(vcpu, number, value)
		    : msr_emulate_read(vcpu, number, &value))) {
		return protection(vcpu);
	}
	if (!write) {
		gpr[GPR_RAX] = (uint32_t)value;
		gpr[GPR_RDX] = value >> 32;
	}
	return true;
}

/* Only CR8, the task priority, is for us to do; RSP as its operand is nobody's habit. */
static bool cr(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct vlapic_effect effect;

	if (exit->kind == EXIT_CR_READ) {
		vcpu->regs.gpr[exit->cr.gpr % GPR_COUNT] = vcpu->lapic.reg[LAPIC_TPR].value >> 4;
	} else if (exit->cr.value <= 15) {
		vlapic_write(&vcpu->lapic, LAPIC_TPR, exit->cr.value << 4, tsc_read(), &effect);
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	} else {
		return protection(vcpu);
	}
	return true;
}

/* One iteration of INS or OUTS; false: it faults, and nothing has changed. */
static bool move_string(
	struct vcpu *vcpu, const struct vcpu_exit *exit, enum segment_name name, uint64_t offset)
{
	bool in = exit->io.in;
	uint8_t size = exit->io.size;
	uint32_t value = 0, error = UINT32_MAX;
	uint64_t at;
	size_t done = 0;

	if (gmem_linear(vcpu, name, offset, size, in, &at)) {
		done = gmem_access(
			vcpu, at, in ? NULL : &value, size, in ? GUEST_WRITE : GUEST_READ, &error);
	}
	if (done == size) {
		if (!devices_port(vcpu, exit->io.port, size, !in, &value)) {
			return false;
		}
		return !in || gmem_access(vcpu, at, &value, size, GUEST_WRITE, &error) == size;
	}
	if (error == UINT32_MAX) {
		vcpu_raise(vcpu, name == SEG_SS ? 12 : VECTOR_PROTECTION, true, 0);
	} else {
		backend->set(vcpu, VCPU_CR2, at + done);
		vcpu_raise(vcpu, VECTOR_PAGE_FAULT, true, error);
	}
	return false;
}

/*
 * INS and OUTS, as far as STRING_BURST allows; then the guest goes on at the same rip. The address
 * size and the segment are in the instruction: not all CPUs tell them.
 */
static bool io_string(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t *gpr = vcpu->regs.gpr, flags = backend->get(vcpu, VCPU_RFLAGS);
	uint8_t bytes[INSN_MAX];
	struct insn insn;
	size_t len = gmem_fetch(vcpu, bytes);

	if (insn_decode(bytes, len, gmem_mode(vcpu), &insn) != 0 ||
		insn.kind != (exit->io.in ? INSN_INS : INSN_OUTS)) {
		return false; /* it is not there any more: what is there is run */
	}
	uint64_t *index = &gpr[exit->io.in ? GPR_RDI : GPR_RSI];
	uint64_t mask = UINT64_MAX >> (64 - 8 * insn.address_size);
	uint64_t step = flags & BIT(10) /* DF */ ? -(uint64_t)exit->io.size : exit->io.size;
	uint64_t left = exit->io.rep ? gpr[GPR_RCX] & mask : 1;
	unsigned burst = flags & RFLAGS_TF ? 1 : STRING_BURST;

	for (; left != 0 && burst != 0; burst--) {
		enum segment_name name = exit->io.in ? SEG_ES : insn.segment;
		if (!move_string(vcpu, exit, name, *index & mask)) {
			return false;
		}
		left--;
		insn_write_gpr(index, insn.address_size, *index + step);
		if (exit->io.rep) {
			insn_write_gpr(&gpr[GPR_RCX], insn.address_size, left);
		}
	}
	exit->length = left == 0 ? insn.length : 0;
	return true;
}

static bool io(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t *rax = &vcpu->regs.gpr[GPR_RAX];

	if (exit->io.string) {
		return io_string(vcpu, exit);
	}
	uint32_t value = (uint32_t)*rax;
	if (!devices_port(vcpu, exit->io.port, exit->io.size, !exit->io.in, &value)) {
		return false;
	}
	if (exit->io.in) {
		insn_write_gpr(rax, exit->io.size, value);
	}
	return true;
}

static bool reset(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	power_reset();
}

static bool eoi(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct vlapic_effect effect = {.vector = exit->event.vector};
	devices_lapic_effect(vcpu, &effect);
	return false;
}

/* What each exit does, if it does not end the VM, with its reason; and the opcodes of those that
 * some CPUs give no length for (insn.h). */
static const struct {
	exit_fn *handle;
	uint8_t len, opcode[3];
	const char *reason;
} exits[EXIT_COUNT] = {
	[EXIT_INTERRUPT] = {.handle = interrupt},
	[EXIT_NMI] = {.handle = look},
	[EXIT_WINDOW] = {.handle = nothing},
	[EXIT_NMI_WINDOW] = {.handle = nothing},
	[EXIT_TIMER] = {.handle = look},
	[EXIT_EXCEPTION] = {.handle = exception},
	[EXIT_CPUID] = {cpuid_emulate, 2, {0x0f, 0xa2}, NULL},
	[EXIT_HLT] = {hlt, 1, {0xf4}, NULL},
	[EXIT_INVD] = {invd, 2, {0x0f, 0x08}, NULL},
	[EXIT_WBINVD] = {invd, 2, {0x0f, 0x09}, NULL},
	[EXIT_XSETBV] = {xsetbv, 3, {0x0f, 0x01, 0xd1}, NULL},
	[EXIT_PAUSE] = {.handle = spin},
	[EXIT_HYPERCALL] = {hypercall, 3, {0x0f, 0x01, 0xd9}, NULL},
	[EXIT_FORBIDDEN] = {.handle = undefined},
	[EXIT_IO] = {.handle = io},
	[EXIT_MSR_READ] = {msr, 2, {0x0f, 0x32}, NULL},
	[EXIT_MSR_WRITE] = {msr, 2, {0x0f, 0x30}, NULL},
	[EXIT_CR_READ] = {cr, 2, {0x0f, 0x20}, NULL},
	[EXIT_CR_WRITE] = {cr, 2, {0x0f, 0x22}, NULL},
	[EXIT_STAGE2] = {.handle = devices_stage2_fault},
	/* AMD's CPUs do it themselves (docs/decisions.md). */
	[EXIT_TASK_SWITCH] = {.reason =
				      "a task switch through a TSS, which VT-x leaves to software"},
	[EXIT_EOI] = {.handle = eoi},
	[EXIT_SHUTDOWN] = {.reason = "triple fault"},
	[EXIT_RESET] = {.handle = reset},
	[EXIT_UNKNOWN] = {.reason = "an unknown exit"},
};

NOINLINE static void end(struct vcpu *vcpu, const struct vcpu_exit *exit)
{
	const char *reason = exits[exit->kind].reason;

	if (vcpu->record != NULL) {
		bool shutdown = exit->kind == EXIT_SHUTDOWN;
		vmm_stop(vcpu, shutdown ? PINTLE_EXIT_SHUTDOWN : PINTLE_EXIT_FAILED, exit->raw);
		return;
	}
	bool first = !vcpu->vm->held;
	log_error("%s: vcpu %u: ended by exit 0x%lx", vcpu->vm->name, vcpu->index, exit->raw);
	vcpu_kill(vcpu, reason != NULL ? reason : exit->why);
	if (first) {
		backend->dump(vcpu);
	}
}

/* Where the CPU gives no length, find it, and the register of a move to or from a CR; false: the
 * instruction is not there (any more): it is run again. */
NOINLINE static bool find_length(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	bool is_cr = exits[exit->kind].handle == cr;
	uint8_t bytes[INSN_MAX];
	size_t len = gmem_fetch(vcpu, bytes);
	exit->length = insn_length(bytes, len, gmem_mode(vcpu), exits[exit->kind].opcode,
		exits[exit->kind].len, is_cr);
	if (is_cr && exit->length != 0) {
		bool high = exit->length >= 4 && (bytes[exit->length - 4] & 0xf1) == 0x41;
		exit->cr.gpr = (uint8_t)((bytes[exit->length - 1] & 7) | (high ? 8 : 0));
		exit->cr.value = vcpu->regs.gpr[exit->cr.gpr];
	}
	return exit->length != 0;
}

void exit_again(struct vcpu *vcpu)
{
	if (backend->get(vcpu, VCPU_RIP) == vcpu->asked_rip) { /* else its VMM moved it */
		exit_handle(vcpu, &vcpu->asked);
	}
	if (vcpu->answer == ANSWER_GIVEN) {
		vcpu->answer = ANSWER_NONE;
	}
}

void exit_handle(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu->exits[exit->kind]++;
	if (exit->interrupted.valid) {
		vcpu->reinject = exit->interrupted;
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	}
	/* No length: only some CPUs tell it; a register that is not known goes with no length. */
	if (exit->length == 0 && exits[exit->kind].len != 0 && !find_length(vcpu, exit)) {
		return;
	}
	if (exits[exit->kind].handle == NULL) {
		end(vcpu, exit);
	} else if (exits[exit->kind].handle(vcpu, exit)) {
		backend->skip(vcpu, exit->length);
	}
}
