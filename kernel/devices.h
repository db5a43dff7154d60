/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/devices.h - the service VM's emulated devices (vdev/) wired to its vCPUs, the real
 * hardware and the console.
 */
#pragma once

#include "kernel/vcpu.h"

/* Make the I/O APICs' and the UART's virtual twins for `vm`, and open all ports that need no watch.
 * `uart_port`: of the console, 0: none; `uart_gsi`: its interrupt. */
void devices_init(struct vm *vm, uint16_t uart_port, uint32_t uart_gsi);

/* As they are after power-on, all pins masked; no vCPU runs. */
void devices_reset(void);

/* A port or page that exits. On the vCPU's CPU. A read gives the value; a write, whatever. */
uint32_t devices_port(uint16_t port, uint8_t size, bool write, uint32_t value);
bool devices_stage2_fault(struct vcpu *vcpu, struct vcpu_exit *exit); /* as exit.c's exit_fn */

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
