/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/lapic.c - the virtual local APIC: registers by one table, priorities, timer, destinations.
 * SDM vol. 3, chapter 11 (11.4 xAPIC, 11.5 local interrupts, 11.6 IPIs, 11.8 priorities, 11.12
 * x2APIC); APM vol. 2, chapter 16.
 */
#include "vdev/lapic.h"

/* SDM vol. 3, 11.4.4 and 11.12.1. */
#define BASE_BOOT_CPU 0x100ull
#define BASE_MODE     (APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define BASE_ADDRESS  0xfee00000ull

#define SVR_ENABLE   0x100u
#define LVT_MODE     0x60000u /* of the timer; 0: one-shot */
#define LVT_PERIODIC 0x20000u
#define DFR_FLAT     0xf0000000u
#define VECTOR_MIN   16u /* those below are the exceptions' (SDM vol. 3, 11.5.2) */
#define CLASS_SHIFT  4
#define XAPIC_SHIFT  24 /* where an xAPIC register holds an id */

/* SDM vol. 3, 11.6.1 and 11.12.9. */
#define ICR_LEVEL       0x8000u
#define ICR_SELF        0x40000u
#define ICR_ALL         0x80000u /* with ICR_SELF: all others */
#define ICR_DESTINATION 32

/* Rights to a register in xAPIC mode; those in x2APIC mode are two bits higher. */
#define READ         1u
#define WRITE        2u
#define X2APIC_SHIFT 2
#define XAPIC_ONLY   0x3u
#define X2APIC_WRITE 0x8u
#define RO           0x5u
#define WO           0xau
#define RW           0xfu

static const struct {
	uint8_t rights;
	uint64_t writable;
	uint32_t readonly, reset;
} rules[LAPIC_REGISTERS] = {
#define RULE(id, number, count, ...) [LAPIC_##id... LAPIC_##id + (count)-1] = {__VA_ARGS__},
	LAPIC_REGISTER_LIST(RULE)};

bool vlapic_is_x2apic(const struct vlapic *v)
{
	return (v->base_msr & APIC_BASE_X2APIC) != 0;
}

bool vlapic_takes(const struct vlapic *v)
{
	return (v->base_msr & APIC_BASE_ENABLE) && (v->reg[LAPIC_SVR].value & SVR_ENABLE);
}

/* Interrupts ---------------------------------------------------------------------------------- */

/* The highest vector in the eight registers from `first`; 0: none. */
static unsigned highest(const struct vlapic *v, unsigned first)
{
	for (unsigned i = 8; i-- > 0;) {
		uint32_t word = v->reg[first + i].value;
		if (word != 0) {
			return i * 32 + 31 - (unsigned)__builtin_clz(word);
		}
	}
	return 0;
}

/* What was sent comes to IRR, on the CPU that runs the vCPU. */
static void collect(struct vlapic *v)
{
	for (unsigned i = 0; i < ARRAY_COUNT(v->sent); i++) {
		if (v->sent[i] != 0) {
			uint32_t news = atomic_exchange(&v->sent[i], 0);
			v->reg[LAPIC_IRR + i].value |= news;
			v->reg[LAPIC_TMR + i].value &= ~news;
		}
	}
}

bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level)
{
	uint32_t bit = 1u << vector % 32;
	if (!(v->reg[LAPIC_SVR].value & SVR_ENABLE) || vector < VECTOR_MIN) {
		return false;
	}
	if (level) {
		v->reg[LAPIC_TMR + vector / 32].value |= bit;
		v->reg[LAPIC_IRR + vector / 32].value |= bit;
		return true;
	}
	bool first = !(atomic_fetch_or(&v->sent[vector / 32], bit) & bit);
	if (!(v->reg[LAPIC_SVR].value & SVR_ENABLE)) { /* an INIT came between: it is lost */
		atomic_fetch_and(&v->sent[vector / 32], ~bit);
	}
	return first;
}

/* SDM vol. 3, 11.8.3.1. */
static uint32_t processor_priority(const struct vlapic *v)
{
	uint32_t class = highest(v, LAPIC_ISR) >> CLASS_SHIFT, tpr = v->reg[LAPIC_TPR].value;
	return tpr >> CLASS_SHIFT >= class ? tpr : class << CLASS_SHIFT;
}

int vlapic_pending(struct vlapic *v)
{
	collect(v);
	unsigned vector = highest(v, LAPIC_IRR);
	return vector >> CLASS_SHIFT > processor_priority(v) >> CLASS_SHIFT ? (int)vector : -1;
}

unsigned vlapic_status(const struct vlapic *v)
{
	return highest(v, LAPIC_ISR) << 8 | highest(v, LAPIC_IRR);
}

void vlapic_take(struct vlapic *v, uint8_t vector)
{
	v->reg[LAPIC_IRR + vector / 32].value &= ~(1u << vector % 32);
	v->reg[LAPIC_ISR + vector / 32].value |= 1u << vector % 32;
}

/* Timer: SDM vol. 3, 11.5.4 ------------------------------------------------------------------- */

/* TSC ticks for one count, by the divide register: it counts as fast as the TSC. */
static uint64_t timer_unit(uint32_t divide)
{
	uint32_t code = (divide & 3) | (divide >> 1 & 4);
	return 1ull << ((code + 1) & 7);
}

/* When the count that runs at `now` ends, if one that began before has; 0: none runs. */
static uint64_t timer_end(const struct vlapic *v, uint64_t now)
{
	if (v->timer_next == 0 || v->timer_next > now) {
		return v->timer_next;
	}
	if ((v->reg[LAPIC_LVT_TIMER].value & LVT_MODE) != LVT_PERIODIC) {
		return 0;
	}
	uint64_t period =
		v->reg[LAPIC_TIMER_COUNT].value * timer_unit(v->reg[LAPIC_TIMER_DIVIDE].value);
	return v->timer_next + ((now - v->timer_next) / period + 1) * period;
}

static uint32_t timer_count(const struct vlapic *v, uint64_t now, uint32_t divide)
{
	uint64_t end = timer_end(v, now), unit = timer_unit(divide);
	bool counts = end != 0 && !(v->reg[LAPIC_LVT_TIMER].value & LVT_DEADLINE);
	return !counts ? 0 : (uint32_t)((end - now + unit - 1) / unit);
}

void vlapic_write_deadline(struct vlapic *v, uint64_t deadline)
{
	if (v->reg[LAPIC_LVT_TIMER].value & LVT_DEADLINE) {
		v->timer_next = deadline;
	}
}

uint64_t vlapic_read_deadline(const struct vlapic *v)
{
	return v->reg[LAPIC_LVT_TIMER].value & LVT_DEADLINE ? v->timer_next : 0;
}

void vlapic_timer_fire(struct vlapic *v, uint64_t now)
{
	if (now >= vlapic_timer_next(v)) {
		uint32_t entry = v->reg[LAPIC_LVT_TIMER].value;
		v->timer_next = timer_end(v, now);
		if (!(entry & LVT_MASKED)) {
			vlapic_accept(v, (uint8_t)entry, false);
		}
	}
}

/* A register of the timer was written; `old` is what it held. */
static void timer_written(struct vlapic *v, unsigned reg, uint32_t old, uint64_t now)
{
	uint32_t value = v->reg[reg].value;
	uint32_t deadline = v->reg[LAPIC_LVT_TIMER].value & LVT_DEADLINE;
	if (deadline != 0) {
		v->reg[LAPIC_TIMER_COUNT].value = 0;
	} else if (reg == LAPIC_TIMER_COUNT) {
		uint64_t period = value * timer_unit(v->reg[LAPIC_TIMER_DIVIDE].value);
		v->timer_next = value == 0 ? 0 : now + period;
	} else if (reg == LAPIC_TIMER_DIVIDE && v->timer_next > now) {
		/* The count goes on from where it is, at the new pace. */
		v->timer_next = now + timer_count(v, now, old) * timer_unit(value);
	}
	/* 11.5.4.1: there is either a deadline or a count; a change between them ends what ran. */
	if (reg == LAPIC_LVT_TIMER && (old & LVT_DEADLINE) != deadline) {
		v->timer_next = 0;
	}
}

/* Interprocessor interrupts ------------------------------------------------------------------- */

/* As the x2APIC register. */
static uint64_t icr_of(const struct vlapic *v)
{
	unsigned shift = vlapic_is_x2apic(v) ? 0 : XAPIC_SHIFT;
	return (uint64_t)v->reg[LAPIC_ICR_HIGH].value >> shift << ICR_DESTINATION |
		v->reg[LAPIC_ICR].value;
}

/* SDM vol. 3, 11.6.1. */
static void send(uint64_t icr, struct vlapic_effect *effect)
{
	/* To de-assert INIT, mode 5, is nothing since the Pentium 4. */
	if ((icr >> 8 & 7) != 5 || (icr & 0xc000) != ICR_LEVEL) {
		effect->kind = VLAPIC_IPI;
		effect->icr = icr;
	}
}

/* SDM vol. 3, 11.6.2.2 and 11.12.10.1: the low bits of a logical id name CPUs of a cluster. */
static bool logical_matches(const struct vlapic *v, uint32_t destination)
{
	bool x2apic = vlapic_is_x2apic(v);
	uint32_t id = x2apic ? v->reg[LAPIC_LDR].value : v->reg[LAPIC_LDR].value >> XAPIC_SHIFT;
	unsigned bits = x2apic ? 16 : v->reg[LAPIC_DFR].value >= DFR_FLAT ? 8 : 4;
	return (destination ^ id) >> bits == 0 && (destination & id & ((1u << bits) - 1)) != 0;
}

bool vlapic_matches(const struct vlapic *v, uint64_t icr, const struct vlapic *source)
{
	uint32_t destination = (uint32_t)(icr >> ICR_DESTINATION);
	if (!(v->base_msr & APIC_BASE_ENABLE)) {
		return false;
	}
	if (icr & (ICR_SELF | ICR_ALL)) {
		return icr & ICR_ALL ? !(icr & ICR_SELF) || v != source : v == source;
	}
	/* All ones mean all, in the width that the sender speaks; an MSI has eight bits. */
	uint32_t all = source != NULL && vlapic_is_x2apic(source) ? UINT32_MAX : UINT8_MAX;
	return destination == all ||
		(icr & 0x800 /* logical */ ? logical_matches(v, destination)
					   : destination == v->id);
}

/* Registers ----------------------------------------------------------------------------------- */

/* Does the present mode allow it? */
static bool allowed(const struct vlapic *v, unsigned reg, uint32_t right)
{
	bool enabled = v->base_msr & APIC_BASE_ENABLE;
	uint32_t rights = enabled && reg < LAPIC_REGISTERS ? rules[reg].rights : 0;
	return (rights >> (vlapic_is_x2apic(v) ? X2APIC_SHIFT : 0) & right) != 0;
}

bool vlapic_read(struct vlapic *v, unsigned reg, uint64_t now, uint64_t *value)
{
	*value = 0;
	if (!allowed(v, reg, READ)) {
		return !vlapic_is_x2apic(v);
	}
	collect(v);
	*value = reg == LAPIC_PPR        ? processor_priority(v)
		: reg == LAPIC_TIMER_NOW ? timer_count(v, now, v->reg[LAPIC_TIMER_DIVIDE].value)
		: reg == LAPIC_ICR && vlapic_is_x2apic(v) ? icr_of(v)
							  : v->reg[reg].value;
	return true;
}

void vlapic_write(
	struct vlapic *v, unsigned reg, uint64_t value, uint64_t now, struct vlapic_effect *effect)
{
	bool x2apic = vlapic_is_x2apic(v), may = allowed(v, reg, WRITE);
	uint64_t writable = may ? rules[reg].writable : 0;
	bool reserved = x2apic && may && (value & ~(writable | rules[reg].readonly));
	effect->kind = x2apic && (!may || reserved) ? VLAPIC_FAULT : VLAPIC_NOTHING;
	if (!may || reserved) {
		return;
	}
	if (x2apic && reg == LAPIC_ICR) {
		v->reg[LAPIC_ICR_HIGH].value = (uint32_t)(value >> ICR_DESTINATION);
	}
	uint32_t old = v->reg[reg].value;
	v->reg[reg].value = (uint32_t)((value & writable) | (rules[reg].reset & ~writable));
	switch (reg) {
	case LAPIC_EOI:
		effect->vector = (uint8_t)highest(v, LAPIC_ISR);
		v->reg[LAPIC_ISR + effect->vector / 32].value &= ~(1u << effect->vector % 32);
		break;
	case LAPIC_ICR:
		send(icr_of(v), effect);
		break;
	case LAPIC_SELF_IPI:
		send(ICR_SELF | v->reg[reg].value, effect);
		break;
	case LAPIC_LVT_TIMER:
	case LAPIC_TIMER_COUNT:
	case LAPIC_TIMER_DIVIDE:
		timer_written(v, reg, old, now);
		effect->kind = VLAPIC_TIMER;
	}
	/* 11.4.7.2: switched off by software, every LVT entry is masked and stays so. */
	for (unsigned i = 0; i < LAPIC_REGISTERS && !(v->reg[LAPIC_SVR].value & SVR_ENABLE); i++) {
		v->reg[i].value |= rules[i].reset & LVT_MASKED;
	}
}

/* Life ---------------------------------------------------------------------------------------- */

/* SDM vol. 3, 11.12.5.1 and 11.12.10.2: what follows from the id and the mode. */
static void identify(struct vlapic *v)
{
	v->reg[LAPIC_ID].value = v->id << XAPIC_SHIFT;
	if (vlapic_is_x2apic(v)) {
		v->reg[LAPIC_ID].value = v->id;
		v->reg[LAPIC_LDR].value = v->id >> 4 << 16 | 1u << (v->id & 15);
	}
}

void vlapic_reset(struct vlapic *v)
{
	for (unsigned reg = 0; reg < LAPIC_REGISTERS; reg++) {
		v->reg[reg].value = rules[reg].reset;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(v->sent); i++) {
		v->sent[i] = 0; /* after SVR: nothing more is let in */
	}
	identify(v);
	v->timer_next = 0;
}

void vlapic_init(struct vlapic *v, uint32_t id, bool boot_cpu)
{
	v->id = id;
	v->base_msr = BASE_ADDRESS | APIC_BASE_ENABLE | (boot_cpu ? BASE_BOOT_CPU : 0);
	vlapic_reset(v);
}

/* SDM vol. 3, 11.12.5: the modes are a ring, disabled, xAPIC, x2APIC. Switched off, all is lost. */
bool vlapic_write_base(struct vlapic *v, uint64_t value)
{
	uint64_t from = v->base_msr & BASE_MODE, to = value & BASE_MODE;
	if (((value ^ BASE_ADDRESS) & ~(BASE_MODE | BASE_BOOT_CPU)) || to == APIC_BASE_X2APIC ||
		(from == 0 && to == BASE_MODE) || (from == BASE_MODE && to == APIC_BASE_ENABLE)) {
		return false;
	}
	v->base_msr = (v->base_msr & ~BASE_MODE) | to;
	to == 0 ? vlapic_reset(v) : identify(v);
	return true;
}
