/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/pcifn.h - the PCI function by which the service VM finds Pintle: configuration space with an
 * MSI-X capability (PCI Local Bus 3.0, 6.1 and 6.8.2), and its table in BAR 0, an entry for each
 * service CPU. Pure: what a write asks for goes out as a value.
 */
#pragma once

#include "kernel/types.h"

#define PCIFN_VECTORS  512u
#define PCIFN_BAR_SIZE (4 * PAGE_SIZE) /* table, then pending bits */

struct pcifn {
	unsigned vectors;
	uint32_t config[64]; /* its configuration space, to read */
	union {
		struct {
			struct {
				uint32_t address, address_high, data, control; /* bit 0: masked */
			} table[PCIFN_VECTORS];
			uint64_t pending[PCIFN_VECTORS / 64];
		};
		uint32_t memory[PCIFN_VECTORS * 4 + PCIFN_VECTORS / 32]; /* as the guest sees it */
	};
};

void pcifn_reset(struct pcifn *f, unsigned vectors);

/* A dword of the configuration space at `offset` (a multiple of 4 below 256), and which of its bits
 * are written. */
void pcifn_config_write(struct pcifn *f, unsigned offset, uint32_t value, uint32_t mask);

/* Its memory, where it answers: a guest-physical address; 0: nowhere. */
uint64_t pcifn_base(const struct pcifn *f);

/* The table, a dword. */
uint32_t pcifn_read(const struct pcifn *f, unsigned offset);
void pcifn_write(struct pcifn *f, unsigned offset, uint32_t value);

/* Raise `vector`: the message that goes out, as an ICR (destination in bits 63:32); 0: it waits. */
uint64_t pcifn_raise(struct pcifn *f, unsigned vector);

/* The lowest vector that waits and may go out now; -1: none. pcifn_raise() it. */
int pcifn_waiting(const struct pcifn *f);
