/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/ioapic.c - the I/O APICs (Intel 82093AA data sheet, 3; ICH9 data sheet, 13.5).
 */
#include "drivers/ioapic.h"

#include "kernel/errno.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/x86.h"

#define WINDOW_SIZE    0x20u
#define SELECT         0x00u
#define DATA           0x10u
#define REG_VERSION    0x01u
#define REG_ENTRY(pin) (0x10u + 2 * (pin))
#define PINS_MAX       240u
#define DELIVERY_MODE  0x700u
#define DELIVERY_SMI   0x200u

static struct spinlock ioapic_lock = SPINLOCK(IOAPIC); /* every index/data pair */
static struct ioapic {
	volatile void *registers; /* [I] */
	struct ioapic_info info;  /* [I] */
} ioapics[ACPI_IOAPICS_MAX];
static unsigned ioapic_count; /* [I] */

static uint32_t read_register(const struct ioapic *ioapic, unsigned reg)
{
	mmio_write32(ioapic->registers, SELECT, reg);
	return mmio_read32(ioapic->registers, DATA);
}

static void write_register(const struct ioapic *ioapic, unsigned reg, uint32_t value)
{
	mmio_write32(ioapic->registers, SELECT, reg);
	mmio_write32(ioapic->registers, DATA, value);
}

/* Masked first, so that no half-written entry is ever live. */
static void write_entry(const struct ioapic *ioapic, unsigned pin, uint64_t entry)
{
	write_register(ioapic, REG_ENTRY(pin), IOAPIC_MASKED);
	write_register(ioapic, REG_ENTRY(pin) + 1, (uint32_t)(entry >> 32));
	write_register(ioapic, REG_ENTRY(pin), (uint32_t)entry);
}

/* A pin that is the firmware's own way into SMM. */
static bool is_smi(const struct ioapic *ioapic, unsigned pin)
{
	return (read_register(ioapic, REG_ENTRY(pin)) & DELIVERY_MODE) == DELIVERY_SMI;
}

void ioapic_set_entry(unsigned n, unsigned pin, uint64_t entry)
{
	uint64_t flags = lock_acquire(&ioapic_lock);
	if (!is_smi(&ioapics[n], pin)) {
		write_entry(&ioapics[n], pin, entry);
	}
	lock_release(&ioapic_lock, flags);
}

void ioapic_init(const struct acpi_ioapic *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct ioapic *ioapic = &ioapics[ioapic_count];
		ioapic->registers =
			window_map(list[i].base, WINDOW_SIZE, PAGING_WRITE | PAGING_UNCACHED);
		unsigned pins = ioapic->registers == NULL
			? 0
			: (read_register(ioapic, REG_VERSION) >> 16 & 0xff) + 1;
		if (pins == 0 || pins > PINS_MAX) {
			log_warning("ioapic: nothing answers at 0x%lx: left out", list[i].base.raw);
			continue;
		}
		ioapic->info =
			(struct ioapic_info){list[i].id, list[i].base, list[i].gsi_base, pins};
		for (unsigned pin = 0; pin < pins; pin++) {
			ioapic_set_entry(ioapic_count, pin, IOAPIC_MASKED);
		}
		ioapic_count++;
	}
}

int ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool level, bool active_low)
{
	if (apic_id > 0xfe) {
		return trace_err(-ERANGE);
	}
	uint64_t entry = vector | (uint64_t)apic_id << 56;
	entry |= level ? IOAPIC_LEVEL : 0;
	entry |= active_low ? IOAPIC_ACTIVE_LOW : 0;
	for (unsigned i = 0; i < ioapic_count; i++) {
		uint32_t pin = gsi - ioapics[i].info.gsi_base;
		if (pin < ioapics[i].info.pins) {
			uint64_t flags = lock_acquire(&ioapic_lock);
			write_entry(&ioapics[i], pin, entry);
			lock_release(&ioapic_lock, flags);
			return 0;
		}
	}
	return trace_err(-ENOENT);
}

bool ioapic_info(unsigned n, struct ioapic_info *info)
{
	if (n >= ioapic_count) {
		return false;
	}
	*info = ioapics[n].info;
	return true;
}

uint64_t ioapic_entry(unsigned n, unsigned pin)
{
	uint64_t flags = lock_acquire(&ioapic_lock);
	uint64_t low = read_register(&ioapics[n], REG_ENTRY(pin));
	uint64_t high = read_register(&ioapics[n], REG_ENTRY(pin) + 1);
	lock_release(&ioapic_lock, flags);
	return high << 32 | low;
}
