/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/ioapic.c - the I/O APIC's registers and pins. Pure.
 */
#include "service/vmm/ioapic.h"

/* Offsets in its page, and the registers behind them (82093AA, 3.1 and 3.2). */
#define REG_SELECT 0x00u
#define REG_WINDOW 0x10u
#define REG_EOI    0x40u

#define INDEX_ID          0x00u
#define INDEX_VERSION     0x01u
#define INDEX_ARBITRATION 0x02u
#define INDEX_ENTRY       0x10u

#define VERSION ((VM_IOAPIC_PINS - 1) << 16 | 0x20u) /* 20h: with an EOI register */

/* A redirection entry. */
#define ENTRY_VECTOR      UINT64_C(0xff)
#define ENTRY_DELIVERY    UINT64_C(0x700)
#define ENTRY_LOGICAL     UINT64_C(0x800)
#define ENTRY_STATUS      UINT64_C(0x1000)
#define ENTRY_REMOTE_IRR  UINT64_C(0x4000)
#define ENTRY_LEVEL       UINT64_C(0x8000)
#define ENTRY_MASKED      UINT64_C(0x10000)
#define ENTRY_READ_ONLY   (ENTRY_STATUS | ENTRY_REMOTE_IRR)
#define ENTRY_WRITABLE    (UINT64_C(0xff0000000001ffff) & ~ENTRY_READ_ONLY)
#define ENTRY_DESTINATION 56

#define DELIVERY_LOWEST UINT64_C(0x100)

void ioapic_reset(struct ioapic *io)
{
	io->id = 0;
	io->select = 0;
	for (unsigned pin = 0; pin < VM_IOAPIC_PINS; pin++) {
		io->entry[pin] = ENTRY_MASKED;
	}
}

/* A level that is asserted, allowed and not yet being served goes out. */
static uint32_t send_level(struct ioapic *io, unsigned pin)
{
	uint64_t *entry = &io->entry[pin];
	uint32_t bit = UINT32_C(1) << pin;
	if ((*entry & (ENTRY_LEVEL | ENTRY_MASKED | ENTRY_REMOTE_IRR)) != ENTRY_LEVEL ||
		(io->lines & bit) == 0) {
		return 0;
	}
	*entry |= ENTRY_REMOTE_IRR;
	return bit;
}

uint32_t ioapic_read(const struct ioapic *io, uint64_t offset)
{
	if (offset == REG_SELECT) {
		return io->select;
	}
	if (offset != REG_WINDOW) {
		return 0;
	}
	switch (io->select) {
	case INDEX_ID:
	case INDEX_ARBITRATION:
		return (uint32_t)io->id << 24;
	case INDEX_VERSION:
		return VERSION;
	default:
		break;
	}
	unsigned pin = (io->select - INDEX_ENTRY) / 2u;
	if (io->select < INDEX_ENTRY || pin >= VM_IOAPIC_PINS) {
		return 0;
	}
	return (uint32_t)(io->entry[pin] >> (io->select % 2 ? 32 : 0));
}

static uint32_t write_entry(struct ioapic *io, unsigned pin, bool high, uint32_t value)
{
	uint64_t old = io->entry[pin];
	uint64_t written = high ? (uint64_t)value << 32 | (uint32_t)old
				: (old & ~(uint64_t)UINT32_MAX) | value;
	uint64_t entry = (written & ENTRY_WRITABLE) | (old & ENTRY_READ_ONLY);
	if ((entry & ENTRY_LEVEL) == 0) {
		entry &= ~ENTRY_REMOTE_IRR; /* how drivers end a level that nobody ends */
	}
	io->entry[pin] = entry;
	return send_level(io, pin);
}

uint32_t ioapic_write(struct ioapic *io, uint64_t offset, uint32_t value)
{
	if (offset == REG_SELECT) {
		io->select = (uint8_t)value;
	} else if (offset == REG_EOI) {
		return ioapic_eoi(io, (uint8_t)value);
	} else if (offset == REG_WINDOW && io->select == INDEX_ID) {
		io->id = value >> 24 & 0xf;
	} else if (offset == REG_WINDOW && io->select >= INDEX_ENTRY &&
		io->select < INDEX_ENTRY + 2 * VM_IOAPIC_PINS) {
		return write_entry(io, (io->select - INDEX_ENTRY) / 2u, io->select % 2 != 0, value);
	}
	return 0;
}

uint32_t ioapic_set_line(struct ioapic *io, unsigned pin, bool asserted)
{
	uint32_t bit = UINT32_C(1) << pin, before = io->lines;
	io->lines = asserted ? before | bit : before & ~bit;
	if ((io->entry[pin] & ENTRY_LEVEL) != 0) {
		return send_level(io, pin);
	}
	bool rises = asserted && (before & bit) == 0;
	return rises && (io->entry[pin] & ENTRY_MASKED) == 0 ? bit : 0;
}

uint32_t ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	uint32_t send = 0;
	for (unsigned pin = 0; pin < VM_IOAPIC_PINS; pin++) {
		uint64_t *entry = &io->entry[pin];
		if ((*entry & ENTRY_REMOTE_IRR) != 0 && (*entry & ENTRY_VECTOR) == vector) {
			*entry &= ~ENTRY_REMOTE_IRR;
			send |= send_level(io, pin);
		}
	}
	return send;
}

/* SDM vol. 3, 11.11: the message's address holds the destination, its data the rest. */
struct msi ioapic_message(const struct ioapic *io, unsigned pin)
{
	uint64_t entry = io->entry[pin];
	uint64_t address = UINT64_C(0xfee00000) | (entry >> ENTRY_DESTINATION) << 12;
	if ((entry & ENTRY_LOGICAL) != 0) {
		address |= 1u << 2;
	}
	if ((entry & ENTRY_DELIVERY) == DELIVERY_LOWEST) {
		address |= 1u << 3; /* redirection hint */
	}
	uint64_t data = entry & (ENTRY_VECTOR | ENTRY_DELIVERY);
	if ((entry & ENTRY_LEVEL) != 0) {
		data |= 1u << 15 | 1u << 14; /* level-triggered, asserted */
	}
	return (struct msi){address, (uint32_t)data};
}

bool ioapic_wants_eoi(const struct ioapic *io, unsigned pin)
{
	return (io->entry[pin] & ENTRY_LEVEL) != 0 && (io->entry[pin] & ENTRY_VECTOR) >= 16;
}
