/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/exit.c - turn one decoded vCPU exit into one action.
 * Runs: on the exiting CPU, interrupts off, no locks held.
 */
#include "kernel/exit.h"

#include "drivers/power.h"
#include "kernel/devices.h"
#include "kernel/gmem.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/x86.h"

#define MSR_LOW(vcpu)  (vcpu)->regs.gpr[GPR_RAX]
#define MSR_HIGH(vcpu) (vcpu)->regs.gpr[GPR_RDX]
#define KVM_ENOSYS     1000
#define STRING_BURST   16u /* iterations of string I/O an exit */
#define RFLAGS_DF      BIT(10)
#define VECTOR_STACK   12u
/* Of a segment's type (SDM vol. 3, table 3-1). */
#define SEGMENT_CODE   0x8u
#define SEGMENT_DOWN   0x4u
#define SEGMENT_ACCESS 0x2u /* data may be written, code be read */

/* True: the instruction is done, and the guest goes on behind it. */
typedef bool exit_fn(struct vcpu *vcpu, struct vcpu_exit *exit);

/* The opcodes of exits that some CPUs give no length for (insn.h). */
static const struct {
	uint8_t bytes[3], len;
} opcodes[EXIT_COUNT] = {
	[EXIT_CPUID] = {{0x0f, 0xa2}, 2},
	[EXIT_HLT] = {{0xf4}, 1},
	[EXIT_INVD] = {{0x0f, 0x08}, 2},
	[EXIT_XSETBV] = {{0x0f, 0x01, 0xd1}, 3},
	[EXIT_HYPERCALL] = {{0x0f, 0x01, 0xd9}, 3},
	[EXIT_MSR_READ] = {{0x0f, 0x32}, 2},
	[EXIT_MSR_WRITE] = {{0x0f, 0x30}, 2},
	[EXIT_CR_READ] = {{0x0f, 0x20}, 2},
	[EXIT_CR_WRITE] = {{0x0f, 0x22}, 2},
};

static bool is_cr(const struct vcpu_exit *exit)
{
	return exit->kind == EXIT_CR_READ || exit->kind == EXIT_CR_WRITE;
}

/* Where the CPU gives no length, find it, and the register of a move to or from a CR; false: the
 * instruction is not there (any more): it is run again. */
NOINLINE static bool find_length(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint8_t bytes[INSN_MAX];
	size_t len = gmem_fetch(vcpu, bytes);
	uint8_t length = insn_length(bytes, len, gmem_mode(vcpu), opcodes[exit->kind].bytes,
		opcodes[exit->kind].len, is_cr(exit));
	if (is_cr(exit) && length != 0) {
		bool high = length >= 4 && (bytes[length - 4] & 0xf1) == 0x41;
		exit->cr.gpr = (uint8_t)((bytes[length - 1] & 7) | (high ? 8 : 0));
		exit->cr.value = vcpu->regs.gpr[exit->cr.gpr];
	}
	exit->length = length;
	return length != 0;
}

static bool nothing(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	return false;
}

static bool look(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu_request(vcpu, VCPU_REQUEST_LOOK);
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

static bool cpuid(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	cpuid_emulate(vcpu);
	return true;
}

static bool hlt(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu->state = VCPU_HALTED;
	vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	return true;
}

static bool invd(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	/* Without the write-back it would throw away what others wrote. */
	__asm__ volatile("wbinvd" : : : "memory");
	return true;
}

static bool xsetbv(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t value = (uint32_t)MSR_LOW(vcpu) | MSR_HIGH(vcpu) << 32;
	struct segment stack;
	backend->get_segment(vcpu, SEG_SS, &stack);
	return (!(stack.attributes & SEGMENT_DPL) && (uint32_t)vcpu->regs.gpr[GPR_RCX] == 0 &&
		       xcr0_try_write(value)) ||
		protection(vcpu);
}

static bool hypercall(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu->regs.gpr[GPR_RAX] = (uint64_t)-KVM_ENOSYS;
	return true;
}

static bool msr_read_exit(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t value;
	if (!msr_emulate_read(vcpu, (uint32_t)vcpu->regs.gpr[GPR_RCX], &value)) {
		return protection(vcpu);
	}
	MSR_LOW(vcpu) = (uint32_t)value;
	MSR_HIGH(vcpu) = value >> 32;
	return true;
}

static bool msr_write_exit(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	uint64_t value = (uint32_t)MSR_LOW(vcpu) | MSR_HIGH(vcpu) << 32;
	return msr_emulate_write(vcpu, (uint32_t)vcpu->regs.gpr[GPR_RCX], value) ||
		protection(vcpu);
}

/* Only CR8, the task priority, is for us to do; RSP as its operand is nobody's habit. */
static bool cr(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct vlapic_effect effect;

	if (exit->kind == EXIT_CR_READ) {
		vcpu->regs.gpr[exit->cr.gpr % GPR_COUNT] = vcpu->lapic.reg[VLAPIC_TPR].value >> 4;
	} else if (exit->cr.value <= 15) {
		vlapic_write(&vcpu->lapic, VLAPIC_TPR, exit->cr.value << 4, tsc_read(), &effect);
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	} else {
		return protection(vcpu);
	}
	return true;
}

/* May the access be, by the segment (SDM vol. 3, 5.3)? Not asked in 64-bit mode. */
static bool is_inside(const struct segment *segment, uint64_t offset, unsigned size, bool write)
{
	bool code = segment->attributes & SEGMENT_CODE, down = segment->attributes & SEGMENT_DOWN;
	uint64_t last = offset + size - 1;

	if (!(segment->attributes & SEGMENT_PRESENT) || (write && code) ||
		(write != code && !(segment->attributes & SEGMENT_ACCESS))) {
		return false;
	}
	return !down || code ? last <= segment->limit
			     : offset > segment->limit &&
			last <= (segment->attributes & SEGMENT_BIG ? UINT32_MAX : UINT16_MAX);
}

/* One iteration of INS or OUTS; false: it faults, and nothing has changed. */
static bool move_string(
	struct vcpu *vcpu, const struct vcpu_exit *exit, enum segment_name name, uint64_t offset)
{
	bool in = exit->io.in;
	uint8_t size = exit->io.size;
	uint32_t value = 0, error = UINT32_MAX;
	uint64_t at = gmem_linear(vcpu, name, offset);
	struct segment segment;
	size_t done = 0;

	backend->get_segment(vcpu, name, &segment);
	if (gmem_mode(vcpu) == INSN_64 || is_inside(&segment, offset, size, in)) {
		done = gmem_access(
			vcpu, at, in ? NULL : &value, size, in ? GUEST_WRITE : GUEST_READ, &error);
	}
	if (done == size) {
		value = devices_port(exit->io.port, size, !in, value);
		return !in || gmem_access(vcpu, at, &value, size, GUEST_WRITE, &error) == size;
	}
	if (error == UINT32_MAX) {
		vcpu_raise(vcpu, name == SEG_SS ? VECTOR_STACK : VECTOR_PROTECTION, true, 0);
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
	uint64_t step = flags & RFLAGS_DF ? -(uint64_t)exit->io.size : exit->io.size;
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
	uint32_t value = devices_port(exit->io.port, exit->io.size, !exit->io.in, (uint32_t)*rax);
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

static bool fatal(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	static const char *const reasons[EXIT_COUNT] = {
		[EXIT_SHUTDOWN] = "triple fault",
		[EXIT_ENTRY_FAILED] = "its state was refused",
		/* AMD's CPUs do it themselves (docs/decisions.md). */
		[EXIT_TASK_SWITCH] = "a task switch through a TSS, which VT-x leaves to software",
	};
	const char *why = reasons[exit->kind];

	log_error("vcpu %u: ended by exit 0x%lx", vcpu->index, exit->raw);
	vcpu_kill(vcpu, why != NULL ? why : "an unknown exit");
	backend->dump(vcpu);
	return false;
}

static exit_fn *const exit_table[EXIT_COUNT] = {
	[EXIT_INTERRUPT] = look,
	[EXIT_NMI] = look,
	[EXIT_WINDOW] = nothing,
	[EXIT_NMI_WINDOW] = nothing,
	[EXIT_TIMER] = look,
	[EXIT_PAUSE] = nothing,
	[EXIT_EXCEPTION] = exception,
	[EXIT_CPUID] = cpuid,
	[EXIT_HLT] = hlt,
	[EXIT_INVD] = invd,
	[EXIT_XSETBV] = xsetbv,
	[EXIT_HYPERCALL] = hypercall,
	[EXIT_FORBIDDEN] = undefined,
	[EXIT_MWAIT] = undefined,
	[EXIT_MONITOR] = undefined,
	[EXIT_IO] = io,
	[EXIT_MSR_READ] = msr_read_exit,
	[EXIT_MSR_WRITE] = msr_write_exit,
	[EXIT_CR_READ] = cr,
	[EXIT_CR_WRITE] = cr,
	[EXIT_STAGE2] = devices_stage2_fault,
	[EXIT_EOI] = eoi,
	[EXIT_RESET] = reset,
}; /* an empty slot ends the vCPU, with a report */

void exit_handle(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	vcpu->exits[exit->kind]++;
	if (exit->interrupted.valid) {
		vcpu->reinject = exit->interrupted;
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	}
	/* No length: only some CPUs tell it; a register that is not known goes with no length. */
	if (exit->length == 0 && opcodes[exit->kind].len != 0 && !find_length(vcpu, exit)) {
		return;
	}
	exit_fn *handle = exit_table[exit->kind] != NULL ? exit_table[exit->kind] : fatal;
	if (handle(vcpu, exit)) {
		backend->skip(vcpu, exit->length);
	}
}
