/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vdev/pcifn.c - the PCI function of Pintle: configuration space, MSI-X table. PCI Local Bus 3.0.
 */
#include "vdev/pcifn.h"

#include "abi/pintle.h"

#define COMMAND_MEMORY  2u
#define COMMAND_WRITES  0x406u /* memory, master, no INTx */
#define STATUS_LIST     0x10u
#define CAPABILITY      0x40u
#define CONTROL_ENABLE  0x8000u
#define CONTROL_MASK    0x4000u
#define CLASS_SYSTEM    0x08800000u /* another system peripheral, revision 0 */
#define PENDING_OFFSET  (2 * PAGE_SIZE)
#define MESSAGE_ADDRESS 0xfee00000u

STATIC_ASSERT(PCIFN_VECTORS * 16 <= PENDING_OFFSET, "the pending bits lie behind the table");

void pcifn_reset(struct pcifn *f, unsigned vectors)
{
	memset(f, 0, sizeof(*f));
	f->vectors = vectors;
	for (unsigned i = 0; i < vectors; i++) {
		f->table[i].control = 1;
	}
}

uint32_t pcifn_config_read(const struct pcifn *f, unsigned offset)
{
	switch (offset) {
	case 0x00:
		return PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR;
	case 0x04:
		return STATUS_LIST << 16 | f->command;
	case 0x08:
		return CLASS_SYSTEM;
	case 0x10:
		return f->bar;
	case 0x2c:
		return PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR; /* of the subsystem */
	case 0x34:
		return CAPABILITY;
	case 0x3c:
		return f->line;
	case CAPABILITY: /* MSI-X, the last one */
		return (f->vectors - 1) << 16 | (uint32_t)f->control << 16 | 0x11;
	case CAPABILITY + 8:
		return PENDING_OFFSET; /* in BAR 0, as the table at 0 is */
	default:
		return 0;
	}
}

void pcifn_config_write(struct pcifn *f, unsigned offset, uint32_t value, uint32_t mask)
{
	uint32_t now = (pcifn_config_read(f, offset) & ~mask) | (value & mask);

	switch (offset) {
	case 0x04:
		f->command = now & COMMAND_WRITES;
		break;
	case 0x10:
		f->bar = now & ~(uint32_t)(PCIFN_BAR_SIZE - 1);
		break;
	case 0x3c:
		f->line = (uint8_t)now;
		break;
	case CAPABILITY:
		f->control = now >> 16 & (CONTROL_ENABLE | CONTROL_MASK);
		break;
	}
}

uint64_t pcifn_base(const struct pcifn *f)
{
	return f->command & COMMAND_MEMORY ? f->bar : 0;
}

uint32_t pcifn_read(const struct pcifn *f, unsigned offset)
{
	unsigned n = offset / 16;

	if (offset >= PENDING_OFFSET && offset < PENDING_OFFSET + sizeof(f->pending)) {
		return ((const uint32_t *)f->pending)[(offset - PENDING_OFFSET) / 4];
	}
	return n < f->vectors ? ((const uint32_t *)&f->table[n])[offset / 4 % 4] : 0;
}

void pcifn_write(struct pcifn *f, unsigned offset, uint32_t value)
{
	unsigned n = offset / 16;

	if (n < f->vectors) {
		((uint32_t *)&f->table[n])[offset / 4 % 4] = value;
	}
}

static bool is_open(const struct pcifn *f, unsigned vector)
{
	return (f->control & (CONTROL_ENABLE | CONTROL_MASK)) == CONTROL_ENABLE &&
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
