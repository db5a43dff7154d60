/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/lapic.h - a virtual local APIC (SDM vol. 3, 11; APM vol. 2, 16), as xAPIC or x2APIC. Pure:
 * time comes in as an argument (TSC ticks of the guest), effects go out as a value.
 *
 * Other CPUs may call vlapic_accept() and vlapic_matches() at any time, hence the atomic fields;
 * all else is for the CPU that runs the vCPU. What may have made an interrupt deliverable has no
 * effect of its own: ask vlapic_pending() after each call.
 */
#pragma once

#include <stdatomic.h>

#include "kernel/apic.h"

struct vlapic {
	/* By enum lapic_register; PPR and the current count are not kept here. A page of the
	 * owner's, laid out as the hardware's, so that it can be VT-x's virtual-APIC page (SDM
	 * vol. 3, 30.1). Other CPUs read, never write it. */
	struct {
		volatile uint32_t value;
		uint32_t unused[3];
	} * reg;
	uint32_t id;               /* the APIC id */
	_Atomic uint64_t base_msr; /* IA32_APIC_BASE */
	atomic_uint sent[8];       /* interrupts on their way to IRR, a bit for each vector */
	uint64_t timer_next; /* TSC when the timer fires: the count reaches 0, or the deadline; 0:
				never */
};

/* What a write asks the owner to do; TIMER: to look at vlapic_timer_next again. */
enum vlapic_effect_kind { VLAPIC_NOTHING, VLAPIC_IPI, VLAPIC_TIMER, VLAPIC_FAULT };
struct vlapic_effect {
	enum vlapic_effect_kind kind; /* FAULT: #GP (x2APIC) */
	uint64_t icr;   /* IPI: as the x2APIC ICR (destination in bits 63:32; an xAPIC destination
			   shifted there) */
	uint8_t vector; /* that an EOI ended */
};

/* `reg` is set by then, and stays. */
void vlapic_init(struct vlapic *v, uint32_t id, bool boot_cpu);
void vlapic_reset(struct vlapic *v); /* as INIT does: the id and base MSR stay */

/* IA32_APIC_BASE: false is #GP (reserved bits, an illegal change of mode, or a moved base, which
 * Pintle does not do). */
bool vlapic_write_base(struct vlapic *v, uint64_t value);
bool vlapic_is_x2apic(const struct vlapic *v);
/* Fixed interrupts are taken: enabled by the base MSR and by software (SVR bit 8). */
bool vlapic_takes(const struct vlapic *v);

/* Read or write a register in the present mode; one that this mode lacks is a #GP (false, FAULT) in
 * x2APIC mode, else reads 0. */
bool vlapic_read(struct vlapic *v, unsigned reg, uint64_t now, uint64_t *value);
void vlapic_write(
	struct vlapic *v, unsigned reg, uint64_t value, uint64_t now, struct vlapic_effect *effect);
/* IA32_TSC_DEADLINE. */
void vlapic_write_deadline(struct vlapic *v, uint64_t deadline);
uint64_t vlapic_read_deadline(const struct vlapic *v);

/* A fixed interrupt comes in. Any CPU; a level-triggered one from the vCPU's own alone. Vectors
 * below 16 are not taken (the error status stays 0). True: it was not on its way already. */
bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level);

/* The vector that would be taken now (IRR over PPR), or -1. vlapic_take moves it from IRR to ISR.
 */
int vlapic_pending(struct vlapic *v);
void vlapic_take(struct vlapic *v, uint8_t vector);

/* The highest vectors in IRR (bits 7:0) and ISR (15:8), as of the last vlapic_pending(); 0: none.
 * VT-x has them so in a VMCS (SDM vol. 3, 25.4.2). */
unsigned vlapic_status(const struct vlapic *v);

/* When the timer fires next (guest TSC; UINT64_MAX: never), and firing it: sets IRR and re-arms a
 * periodic one. */
static inline uint64_t vlapic_timer_next(const struct vlapic *v)
{
	return v->timer_next == 0 ? UINT64_MAX : v->timer_next;
}
void vlapic_timer_fire(struct vlapic *v, uint64_t now);

/* Does an IPI or MSI with this destination mean this APIC? SDM vol. 3, 11.6.2. `source`: the
 * sender, for shorthands; or NULL. */
bool vlapic_matches(const struct vlapic *v, uint64_t icr, const struct vlapic *source);
