/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/pcifn.c - the PCI function of Pintle: configuration space, MSI-X table. PCI Local Bus 3.0.
 */
#include "vdev/pcifn.h"

#include "abi/pintle.h"

#define COMMAND         1u /* dwords of the configuration space; status above it */
#define CLASS           2u
#define BAR             4u
#define SUBSYSTEM       11u
#define LIST            13u
#define LINE            15u
#define MSIX            16u /* the only capability: control in the upper half */
#define COMMAND_MEMORY  2u
#define COMMAND_WRITES  0x406u /* memory, master, no INTx */
#define STATUS_LIST     0x100000u
#define MSIX_ENABLE     0x80000000u
#define MSIX_MASK       0x40000000u
#define CLASS_SYSTEM    0x08800000u /* another system peripheral, revision 0 */
#define MESSAGE_ADDRESS 0xfee00000u

void pcifn_reset(struct pcifn *f, unsigned vectors)
{
	*f = (struct pcifn){vectors,
		.config = {PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR, [COMMAND] = STATUS_LIST,
			[CLASS] = CLASS_SYSTEM,
			[SUBSYSTEM] = PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR,
			[LIST] = 4 * MSIX, [MSIX] = (vectors - 1) << 16 | 0x11,
			[MSIX + 2] = sizeof(f->table)}}; /* in BAR 0, as the table at 0 is */
	for (unsigned i = 0; i < vectors; i++) {
		f->table[i].control = 1;
	}
}

void pcifn_config_write(struct pcifn *f, unsigned offset, uint32_t value, uint32_t mask)
{
	static const uint32_t writable[ARRAY_COUNT(f->config)] = {
		[COMMAND] = COMMAND_WRITES,
		[BAR] = ~(uint32_t)(PCIFN_BAR_SIZE - 1),
		[LINE] = 0xff,
		[MSIX] = MSIX_ENABLE | MSIX_MASK,
	};
	uint32_t *dword = &f->config[offset / 4];

	*dword ^= (*dword ^ value) & mask & writable[offset / 4];
}

uint64_t pcifn_base(const struct pcifn *f)
{
	return f->config[COMMAND] & COMMAND_MEMORY ? f->config[BAR] : 0;
}

uint32_t pcifn_read(const struct pcifn *f, unsigned offset)
{
	return offset / 4 < ARRAY_COUNT(f->memory) ? f->memory[offset / 4] : 0;
}

void pcifn_write(struct pcifn *f, unsigned offset, uint32_t value)
{
	if (offset / sizeof(f->table[0]) < f->vectors) {
		f->memory[offset / 4] = value;
	}
}

static bool is_open(const struct pcifn *f, unsigned vector)
{
	return (f->config[MSIX] & (MSIX_ENABLE | MSIX_MASK)) == MSIX_ENABLE &&
		!(f->table[vector].control & 1);
}

/* SDM vol. 3, 11.11: the destination in bits 19:12 of the address, logical by bit 2; an ICR has the
 * mode in bit 11. */
uint64_t pcifn_raise(struct pcifn *f, unsigned vector)
{
	uint32_t address = f->table[vector].address, data = f->table[vector].data;
	uint64_t bit = BIT(vector % 64);

	if (vector >= f->vectors || !is_open(f, vector)) {
		f->pending[vector / 64] |= bit;
		return 0;
	}
	f->pending[vector / 64] &= ~bit;
	return (address & 0xfff00000) != MESSAGE_ADDRESS
		? 0
		: (uint64_t)(address >> 12 & 0xff) << 32 | (data & 0x7ff) | (address & BIT(2)) << 9;
}

int pcifn_waiting(const struct pcifn *f)
{
	for (unsigned i = 0; i < f->vectors; i++) {
		if ((f->pending[i / 64] & BIT(i % 64)) && is_open(f, i)) {
			return (int)i;
		}
	}
	return -1;
}
