/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vcpu_state.c - a stopped vCPU's state, value by value, for its VMM. Runs: on the CPU that
 * has taken it (vcpu_take()), interrupts off.
 */
#include "kernel/exit.h"

/* MSRs that are registers of the backend. */
static const struct {
	uint32_t msr;
	enum vcpu_register reg;
} registers[] = {{0x174, VCPU_SYSENTER_CS}, {0x175, VCPU_SYSENTER_ESP}, {0x176, VCPU_SYSENTER_EIP},
	{0xc0000081, VCPU_STAR}, {0xc0000082, VCPU_LSTAR}, {0xc0000083, VCPU_CSTAR},
	{0xc0000084, VCPU_SFMASK}, {0xc0000102, VCPU_KERNEL_GS}};

static bool in_backend(struct vcpu *vcpu, enum vcpu_register reg, uint64_t *value, bool set)
{
	if (set) {
		backend->set(vcpu, reg, *value);
	} else {
		*value = backend->get(vcpu, reg);
	}
	return true;
}

static bool in_memory(uint64_t *place, uint64_t *value, bool set)
{
	if (set) {
		*place = *value;
	} else {
		*value = *place;
	}
	return true;
}

static bool segment_field(struct vcpu *vcpu, uint64_t n, uint64_t *value, bool set)
{
	struct segment segment;

	if (n >= 4 * SEG_COUNT) {
		return false;
	}
	backend->get_segment(vcpu, (enum segment_name)(n / 4), &segment);
	uint64_t old[] = {segment.base, segment.limit, segment.selector, segment.attributes};
	in_memory(&old[n % 4], value, set);
	segment = (struct segment){
		old[0], (uint32_t)old[1], (uint16_t)old[2], (uint16_t)(old[3] & 0xfff)};
	if (set) {
		backend->set_segment(vcpu, (enum segment_name)(n / 4), &segment);
	}
	return true;
}

/* What this CPU takes: these are loaded without a check when the vCPU comes to a CPU. */
static bool msr_takes(uint32_t number, uint64_t value)
{
	uint64_t old;
	return msr_try_read(number, &old) && msr_try_write(number, value) &&
		msr_try_write(number, old);
}

static bool msr(struct vcpu *vcpu, uint32_t number, uint64_t *value, bool set)
{
	uint64_t *moves = context_msr(vcpu, number);
	bool fs = number == 0xc0000100, gs = number == 0xc0000101;

	for (unsigned i = 0; i < ARRAY_COUNT(registers); i++) {
		if (registers[i].msr == number) {
			return (!set || msr_takes(number, *value)) &&
				in_backend(vcpu, registers[i].reg, value, set);
		}
	}
	if (fs || gs) {
		return segment_field(vcpu, 4 * (fs ? SEG_FS : SEG_GS), value, set);
	}
	if (moves != NULL) {
		return (!set || msr_takes(number, *value)) && in_memory(moves, value, set);
	}
	if (number - MSR_X2APIC < 0x100 || number == 0x49) {
		return false; /* these act */
	}
	return set ? number == 0x10 || msr_emulate_write(vcpu, number, *value)
		   : msr_emulate_read(vcpu, number, value);
}

/* Those that no backend has. */
#define EVENTS_TAKEN (BIT(EVENT_INTERRUPT) | BIT(EVENT_NMI) | BIT(EVENT_EXCEPTION))
static bool other(struct vcpu *vcpu, uint64_t reg, uint64_t *value, bool set)
{
	const struct vcpu_event *e = vcpu->reinject.valid ? &vcpu->reinject : &vcpu->exception;
	uint64_t event =
		EVENT_VALID | (uint64_t)e->error << 32 | (unsigned)e->type << 8 | e->vector;
	const uint64_t now[] = {
		[PINTLE_XCR0] = vcpu->context.xcr0,
		[PINTLE_CR8] = vcpu->lapic.reg[LAPIC_TPR].value >> 4,
		[PINTLE_ACTIVITY] = vcpu->state,
		[PINTLE_EVENT] = e->valid ? event | (e->has_error ? EVENT_HAS_ERROR : 0) : 0,
		[PINTLE_NMI_PENDING] = (vcpu->requests & VCPU_REQUEST_NMI) != 0,
	};
	unsigned type = *value >> 8 & 7;
	bool known = reg < ARRAY_COUNT(now);
	struct vlapic_effect effect;

	if (known && !set) {
		*value = now[reg];
	} else if (reg == PINTLE_XCR0) {
		return context_set_xcr0(vcpu, *value);
	} else if (reg == PINTLE_CR8) {
		vlapic_write(&vcpu->lapic, LAPIC_TPR, *value << 4 & 0xf0, 0, &effect);
	} else if (reg == PINTLE_ACTIVITY && *value <= PINTLE_HALTED) {
		vcpu->state = (unsigned)*value;
	} else if (reg == PINTLE_EVENT && BIT(type) & EVENTS_TAKEN) {
		vcpu->exception.valid = false;
		vcpu->reinject = (struct vcpu_event){*value & EVENT_VALID, (uint8_t)type,
			(uint8_t)*value, 0, *value & EVENT_HAS_ERROR, (uint32_t)(*value >> 32)};
		vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	} else if (reg == PINTLE_NMI_PENDING) {
		atomic_fetch_and(&vcpu->requests, ~(unsigned)VCPU_REQUEST_NMI);
		vcpu_request(vcpu, *value ? VCPU_REQUEST_NMI : 0);
	} else {
		return false;
	}
	return known;
}

STATIC_ASSERT((int)PINTLE_RIP == VCPU_RIP && (int)PINTLE_PAT == VCPU_PAT &&
		(int)PINTLE_RUNS == VCPU_RUNNING && (int)PINTLE_HALTED == VCPU_HALTED,
	"one order");

bool vcpu_state(struct vcpu *vcpu, uint64_t id, uint64_t *value, bool set)
{
	uint64_t n = id & 0xff;

	if (id >> 32 != 0) {
		return id >> 32 == 1 && msr(vcpu, (uint32_t)id, value, set);
	}
	switch (id >> 8) {
	case 0:
		return n == GPR_RSP ? in_backend(vcpu, VCPU_RSP, value, set)
				    : n < GPR_COUNT && in_memory(&vcpu->regs.gpr[n], value, set);
	case 1:
		return n <= VCPU_PAT ? in_backend(vcpu, (enum vcpu_register)n, value, set)
				     : other(vcpu, n, value, set);
	case 2:
		return segment_field(vcpu, n, value, set);
	case 3:
		return n < DEBUG_DR6
			? in_memory(&vcpu->context.debug[n], value, set)
			: n == DEBUG_DR6 && !(set && *value >> 32) /* would be a #GP */ &&
				in_backend(vcpu, VCPU_DR6, value, set);
	default:
		return false;
	}
}

/* What can be written of an APIC, and what it has come to. */
void vcpu_lapic(struct vcpu *vcpu, void *page, bool set)
{
	static const uint8_t written[] = {LAPIC_TPR, LAPIC_LDR, LAPIC_DFR, LAPIC_SVR,
		LAPIC_LVT_CMCI, LAPIC_LVT_TIMER, LAPIC_LVT_THERMAL, LAPIC_LVT_THERMAL + 1,
		LAPIC_LVT_LINT0, LAPIC_LVT_LINT0 + 1, LAPIC_LVT_ERROR, LAPIC_TIMER_DIVIDE,
		LAPIC_TIMER_COUNT};
	struct {
		uint32_t value, unused[3];
	} *reg = page;
	struct vlapic_effect effect;
	uint64_t value = 0;

	if (!set) {
		vlapic_pending(&vcpu->lapic); /* what was sent is in IRR then */
		memcpy(page, vcpu->lapic.reg, LAPIC_REGISTERS * sizeof(*reg));
		vlapic_read(&vcpu->lapic, LAPIC_TIMER_NOW, tsc_read(), &value);
		reg[LAPIC_TIMER_NOW].value = (uint32_t)value;
		for (unsigned i = 0; i < ARRAY_COUNT(vcpu->owed); i++) { /* pins send edges here */
			reg[LAPIC_TMR + i].value |= vcpu->owed[i];
		}
		return;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(written); i++) {
		vlapic_write(&vcpu->lapic, written[i], reg[written[i]].value, tsc_read(), &effect);
	}
	for (unsigned i = LAPIC_ISR; i < LAPIC_ISR + 24; i++) {
		/* No vectors below 16. */
		uint32_t mask = (i & 7) == 0 ? 0xffff0000 : UINT32_MAX;
		vcpu->lapic.reg[i].value = reg[i].value & mask;
		__atomic_fetch_or(&vcpu->owed[i % 8],
			reg[i].value & reg[LAPIC_TMR + i % 8].value & mask, __ATOMIC_SEQ_CST);
	}
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
}
