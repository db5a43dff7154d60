/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vmm.h - guests whose devices are served in the service VM: what is asked there, doorbells,
 * events.
 *
 * An exit that is the VMM's stops the vCPU: what is asked goes to its record page, the exit itself
 * stays here. PINTLE_VCPU_RUN brings the answer, and the exit is handled again with it at hand.
 */
#pragma once

#include "abi/pintle.h"
#include "kernel/vcpu.h"

/* Ask the VMM for `size` bytes at a port or address (enum pintle_exit says which), or tell it a
 * write. True: it was answered (a doorbell at once), *value has the answer of a read. False: the
 * vCPU has stopped, and nothing of the instruction may have an effect. On the vCPU's CPU. */
bool vmm_ask(struct vcpu *vcpu, enum pintle_exit exit, uint64_t address, uint8_t size, bool write,
	uint64_t *value);

/* Stop the vCPU, with this in its record. On its CPU. */
void vmm_stop(struct vcpu *vcpu, enum pintle_exit exit, uint64_t value);

/* An event, by its number (abi/pintle.h). Any CPU, any context but NMI. */
void vmm_event(uint32_t event);

/* Where a service CPU's events go; NULL: nowhere. */
void vmm_set_event_page(unsigned cpu, struct pintle_events *page);

/* Add one, or remove it, with the VM's `busy` held. 0; -EEXIST; -ENOSPC; -ENOENT. */
int vmm_doorbell(struct vm *vm, const struct pintle_doorbell *bell, bool add);

/* vcpu_state.c: one value of a vCPU that this CPU has taken, by the ABI's id; false: there is no
 * such, or it cannot be. Its APIC's registers, 1 KiB. */
bool vcpu_state(struct vcpu *vcpu, uint64_t id, uint64_t *value, bool set);
void vcpu_lapic(struct vcpu *vcpu, void *page, bool set);

/* hypercall.c: one of Pintle's, from the service VM. On the exiting CPU. */
void hypercall_handle(struct vcpu *vcpu);

/* All guests with a VMM end: the service VM starts anew. No locks. */
void hypercall_reset(void);
