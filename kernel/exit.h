/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/exit.h - what is done about an exit: policies, devices, KVM's clock; or what the VMM of a
 * guest is asked, whose devices are served in the service VM, with doorbells and events.
 */
#pragma once

#include "kernel/dispatch.h"

/* True: the instruction is done, and the guest goes on behind it. */
typedef bool exit_fn(struct vcpu *vcpu, struct vcpu_exit *exit);

/* Handle one exit of `vcpu` on its CPU, interrupts off. */
void exit_handle(struct vcpu *vcpu, struct vcpu_exit *exit);

/* The same for the exit that it stopped for, with its VMM's answer, as long as it stands there. */
void exit_again(struct vcpu *vcpu);

/* Policies, as tables (kernel/cpuid.c, kernel/msr.c). */
exit_fn cpuid_emulate;
bool msr_emulate_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value); /* false: #GP */
bool msr_emulate_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void msr_open_all(struct vm *vm); /* those that need no exit */

/* devices.c: the service VM's emulated devices (vdev/) wired to its vCPUs, the real hardware and
 * the console. */

/* Make the I/O APICs' and the UART's virtual twins for the service VM, and open all ports
 * that need no watch. */
void devices_init(void);

/* As they are after power-on, all pins masked; no vCPU runs. */
void devices_reset(void);

/* A port or page that exits. On the vCPU's CPU. False: the VMM was asked, the vCPU has stopped. */
bool devices_port(struct vcpu *vcpu, uint16_t port, uint8_t size, bool write, uint32_t *value);
bool devices_stage2_fault(struct vcpu *vcpu, struct vcpu_exit *exit); /* as exit.c's exit_fn */

/* A message as an ICR, of an I/O APIC entry, a device or, with its `source`, an IPI: to each vCPU
 * that it is meant for; how many. `level`: each owes its EOI. Any CPU. */
unsigned devices_message(struct vm *vm, uint64_t icr, struct vcpu *source, bool level);

/* Raise the vector of the PCI function that tells a service CPU of events. Any context but NMI. */
void devices_event(unsigned cpu);

/* Carry out what a write to the local APIC asks for. */
void devices_lapic_effect(struct vcpu *vcpu, const struct vlapic_effect *effect);

/* Give up the level-triggered interrupts that the vCPU has taken and not ended: INIT, a new start.
 * On its CPU. */
void devices_drop_interrupts(struct vcpu *vcpu);

/* An interrupt of a device came to this CPU with a vector that the service VM chose. True: it was
 * its. */
bool devices_host_interrupt(uint8_t vector);

/* Let the UART go on when the console has room again, and hand it a byte that was typed (false: it
 * has no room). CPU 0. */
void devices_poll(void);
bool devices_uart_input(uint8_t byte);

/*
 * pvclock.c: KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst). A guest's TSC is
 * the host's, so what it is told never changes: both records are written once, when it asks for
 * them, and are the same for all its CPUs.
 */
#define MSR_PVCLOCK_WALL 0x4b564d00u
#define MSR_PVCLOCK_TIME 0x4b564d01u

/* It is now `seconds` after 1970; 0: nobody knows, and guests are told so. Once, at boot. */
void pvclock_set_date(uint64_t seconds);

/*
 * A write to either MSR: fill in the record at the guest-physical address that it has. False, a
 * #GP, when that is not aligned to 4 or part of it is not the guest's RAM. On the vCPU's CPU,
 * interrupts off.
 */
bool pvclock_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* Tell the guest, if it asked by MSR_STEAL_TIME, how long it has waited for a CPU. On the vCPU's
 * CPU, interrupts off. */
#define MSR_STEAL_TIME 0x4b564d03u
void pvclock_tell_steal(struct vcpu *vcpu);

/*
 * vmm.c. An exit that is the VMM's stops the vCPU: what is asked goes to its record page, the exit
 * itself stays here. PINTLE_VCPU_RUN brings the answer, and the exit is handled again with it at
 * hand.
 */

/* Ask the VMM for `size` bytes at a port or address (enum pintle_exit says which), or tell it a
 * write. True: it was answered (a doorbell at once), *value has the answer of a read. False: the
 * vCPU has stopped, and nothing of the instruction may have an effect. On the vCPU's CPU. */
bool vmm_ask(struct vcpu *vcpu, enum pintle_exit exit, uint64_t address, uint8_t size, bool write,
	uint64_t *value);

/* Stop the vCPU, with this in its record. On its CPU. */
void vmm_stop(struct vcpu *vcpu, enum pintle_exit exit, uint64_t value);

/* An event, by its number (abi/pintle.h). Any CPU, any context but NMI. */
void vmm_event(uint32_t event);

/* Where a service CPU's events go, which is kept (shared_keep()); NULL: nowhere. */
void vmm_set_event_page(unsigned cpu, struct pintle_events *page);

/* The VM's doorbell of this number is from now on that, with the VM's `busy` held. */
void vmm_doorbell(struct vm *vm, unsigned number, const struct pintle_doorbell *bell);

/* vcpu_state.c: one value of a vCPU that this CPU has taken, by the ABI's id; false: there is no
 * such, or it cannot be. Its APIC's registers, 1 KiB. */
bool vcpu_state(struct vcpu *vcpu, uint64_t id, uint64_t *value, bool set);
void vcpu_lapic(struct vcpu *vcpu, void *page, bool set);

/* hypercall.c: one of Pintle's, from the service VM. On the exiting CPU. */
void hypercall_handle(struct vcpu *vcpu);

/* All guests with a VMM end: the service VM starts anew. No locks. */
void hypercall_reset(void);
