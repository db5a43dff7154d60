/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/ioapic.c - the I/O APICs (Intel 82093AA data sheet, 3; ICH9 data sheet, 13.5), and the
 * 8259s, only to silence them (8259A data sheet, initialisation command words).
 */
#include "drivers/ioapic.h"

#include "kernel/basic.h"

#define REG_ENTRY(pin) (0x10u + 2 * (pin))

static struct spinlock ioapic_lock = SPINLOCK(IOAPIC); /* every index/data pair */
struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
unsigned ioapic_count;

static uint32_t read_register(unsigned n, unsigned reg)
{
	mmio_write32(ioapics[n].registers, 0, reg);
	return mmio_read32(ioapics[n].registers, 0x10);
}

static void write_register(unsigned n, unsigned reg, uint32_t value)
{
	mmio_write32(ioapics[n].registers, 0, reg);
	mmio_write32(ioapics[n].registers, 0x10, value);
}

void ioapic_set_entry(unsigned n, unsigned pin, uint64_t entry)
{
	LOCK_HOLD(&ioapic_lock);
	/* Delivered as an SMI it is the firmware's own. */
	if ((read_register(n, REG_ENTRY(pin)) & 0x700) != 0x200) {
		/* Masked first, so that no half-written entry is ever live. */
		write_register(n, REG_ENTRY(pin), IOAPIC_MASKED);
		write_register(n, REG_ENTRY(pin) + 1, (uint32_t)(entry >> 32));
		write_register(n, REG_ENTRY(pin), (uint32_t)entry);
	}
}

uint64_t ioapic_entry(unsigned n, unsigned pin)
{
	LOCK_HOLD(&ioapic_lock);
	uint64_t low = read_register(n, REG_ENTRY(pin));
	return (uint64_t)read_register(n, REG_ENTRY(pin) + 1) << 32 | low;
}

void ioapic_init(const struct acpi_ioapic *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct acpi_ioapic *ioapic = &ioapics[ioapic_count];
		*ioapic = list[i];
		ioapic->registers = window_map(ioapic->base, 0x20, PAGING_DEVICE);
		/* The version register; where nothing answers it is all ones. */
		uint32_t version =
			ioapic->registers != NULL ? read_register(ioapic_count, 1) : UINT32_MAX;
		ioapic->pins = (version >> 16 & 0xff) + 1;
		if (ioapic->pins > 240) { /* data sheets: up to 240 entries */
			log_warning("ioapic: nothing answers at 0x%lx: left out", list[i].base.raw);
			continue;
		}
		for (unsigned pin = 0; pin < ioapic->pins; pin++) {
			ioapic_set_entry(ioapic_count, pin, IOAPIC_MASKED);
		}
		ioapic_count++;
	}
}

int ioapic_route(const struct acpi_line *line, uint8_t vector, uint32_t apic_id)
{
	uint64_t entry = vector | (uint64_t)apic_id << 56 | (line->level ? IOAPIC_LEVEL : 0) |
		(line->active_low ? IOAPIC_ACTIVE_LOW : 0);
	for (unsigned n = 0; n < ioapic_count && apic_id < 0xff; n++) {
		uint32_t pin = line->gsi - ioapics[n].gsi_base;
		if (pin < ioapics[n].pins) {
			ioapic_set_entry(n, pin, entry);
			return 0;
		}
	}
	return trace_err(-ENOENT);
}

void pic_disable(void)
{
	/* ICW1: cascade, ICW4 follows; ICW2: the vectors; ICW3: line 2; ICW4: 8086 mode; mask. */
	static const uint8_t words[][2] = {
		{0x11, 0x11}, {0x20, 0x28}, {1 << 2, 2}, {1, 1}, {0xff, 0xff}};
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		port_write8((uint16_t)(0x20 + (i != 0)), words[i][0]);
		port_write8((uint16_t)(0xa0 + (i != 0)), words[i][1]);
	}
}
