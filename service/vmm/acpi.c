/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/acpi.c - the ACPI tables of this machine (ACPI 6.5, chapter 5). Pure.
 */
#include "service/vmm/acpi.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "service/vmm/aml.h"
#include "service/vmm/ioapic.h"
#include "service/vmm/irq.h"
#include "service/vmm/pci.h"
#include "service/vmm/platform.h"
#include "service/vmm/serial.h"

#define OEM_ID       "PINTLE"
#define OEM_TABLE_ID "PINTLVMM"
#define CREATOR_ID   "PNTL"

#define RSDP_SIZE   36u
#define HEADER_SIZE 36u
#define FADT_SIZE   276u
#define FACS_SIZE   64u
#define LAPIC_BASE  0xfee00000u

#define TABLE_ALIGN 64u /* the FACS's */

/* Where tables are written, one behind the other. */
struct place {
	uint64_t at;
	uint8_t *to;
	size_t size, room;
};

/* Room for so many bytes, zeroed; NULL when there is none. */
static uint8_t *reserve(struct place *place, size_t bytes)
{
	size_t begin = (place->size + TABLE_ALIGN - 1) & ~(size_t)(TABLE_ALIGN - 1);
	if (begin > place->room || bytes > place->room - begin) {
		return NULL;
	}
	place->size = begin + bytes;
	return memset(place->to + begin, 0, bytes);
}

static uint64_t address_of(const struct place *place, const uint8_t *table)
{
	return place->at + (uint64_t)(table - place->to);
}

static void put(uint8_t *table, size_t offset, uint64_t value, size_t bytes)
{
	memcpy(table + offset, &value, bytes);
}

static uint8_t checksum(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	return (uint8_t)-sum;
}

/* 5.2.6: the head that tables have in common; called when all else is written. */
static void finish(uint8_t *table, const char *signature, uint8_t revision, size_t size)
{
	memcpy(table, signature, 4);
	put(table, 4, size, 4);
	put(table, 8, revision, 1);
	memcpy(table + 10, OEM_ID, 6);
	memcpy(table + 16, OEM_TABLE_ID, 8);
	put(table, 24, 1, 4);
	memcpy(table + 28, CREATOR_ID, 4);
	put(table, 32, 1, 4);
	put(table, 9, 0, 1);
	put(table, 9, checksum(table, size), 1);
}

static void add_cpus(struct aml *aml, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[8];
		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		size_t device = aml_open_device(aml, name);
		aml_name(aml, "_HID");
		aml_string(aml, "ACPI0007"); /* a processor */
		aml_name(aml, "_UID");
		aml_integer(aml, i);
		aml_close(aml, device);
	}
}

/* 6.2.13: which pin of which device leads to which global interrupt. */
static void add_prt(struct aml *aml, uint32_t devices)
{
	aml_name(aml, "_PRT");
	size_t all = aml_open_package(aml, (uint8_t)__builtin_popcount(devices));
	for (unsigned device = 0; device < PCI_DEVICES; device++) {
		if ((devices >> device & 1) != 0) {
			size_t one = aml_open_package(aml, 4);
			aml_integer(aml, device << 16 | 0xffff); /* all its functions, */
			aml_integer(aml, 0);                     /* INTA, */
			aml_integer(aml, 0);                     /* wired to */
			aml_integer(aml, PCI_PIN(device));       /* this */
			aml_close(aml, one);
		}
	}
	aml_close(aml, all);
}

static void add_pci(struct aml *aml, uint32_t devices)
{
	size_t pci = aml_open_device(aml, "PCI0");
	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0A03");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	aml_name(aml, "_CRS");
	size_t resources = aml_open_resources(aml);
	aml_bus_window(aml, 0, 0);
	aml_ports(aml, PCI_PORT, 8);
	aml_port_window(aml, 0x1000, 0xffff);
	aml_memory_window(aml, (uint32_t)PCI_WINDOW, (uint32_t)(PCI_WINDOW_END - 1));
	aml_close_resources(aml, resources);
	add_prt(aml, devices);
	aml_close(aml, pci);
}

static void add_isa(struct aml *aml, const char *name, const char *id, uint16_t port, uint8_t ports,
	unsigned irq)
{
	size_t device = aml_open_device(aml, name);
	aml_name(aml, "_HID");
	aml_eisa_id(aml, id);
	aml_name(aml, "_UID");
	aml_integer(aml, 1);
	aml_name(aml, "_CRS");
	size_t resources = aml_open_resources(aml);
	aml_ports(aml, port, ports);
	aml_irq(aml, irq);
	aml_close_resources(aml, resources);
	aml_close(aml, device);
}

static uint8_t *write_dsdt(struct place *place, const struct acpi_machine *machine)
{
	uint8_t *table = reserve(place, HEADER_SIZE);
	if (table == NULL) {
		return NULL;
	}
	struct aml aml = {.bytes = table + HEADER_SIZE, .room = place->room - place->size};
	size_t scope = aml_open_scope(&aml, "\\_SB");
	add_cpus(&aml, machine->cpus);
	add_pci(&aml, machine->pci_devices);
	add_isa(&aml, "COM1", "PNP0501", SERIAL_PORT, SERIAL_PORTS, IRQ_SERIAL);
	add_isa(&aml, "RTC", "PNP0B00", PORT_CMOS, 2, IRQ_RTC);
	aml_close(&aml, scope);
	aml_name(&aml, "\\_S5");
	size_t off = aml_open_package(&aml, 4);
	aml_integer(&aml, SLEEP_TYPE_OFF);
	for (unsigned i = 0; i < 3; i++) {
		aml_integer(&aml, 0);
	}
	aml_close(&aml, off);
	if (aml.full) {
		return NULL;
	}
	place->size += aml.size;
	finish(table, "DSDT", 2, HEADER_SIZE + aml.size);
	return table;
}

static uint8_t *write_facs(struct place *place)
{
	uint8_t *table = reserve(place, FACS_SIZE);
	if (table != NULL) {
		memcpy(table, "FACS", 4);
		put(table, 4, FACS_SIZE, 4);
		put(table, 32, 2, 1); /* version */
	}
	return table;
}

/* Flags of the FADT (table 5.10) and of its IAPC_BOOT_ARCH (table 5.11). */
#define FADT_WBINVD         (1u << 0)
#define FADT_C1             (1u << 2)
#define FADT_NO_SLEEP_FIXED (1u << 5)
#define FADT_TIMER_32       (1u << 8)
#define FADT_RESET          (1u << 10)
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_NO_VGA         (1u << 2)

static uint8_t *write_fadt(struct place *place, uint64_t facs, uint64_t dsdt)
{
	uint8_t *table = reserve(place, FADT_SIZE);
	if (table == NULL) {
		return NULL;
	}
	const struct {
		uint16_t offset, bytes;
		uint64_t value;
	} fields[] = {
		{36, 4, facs},
		{40, 4, dsdt},
		{45, 1, 4}, /* a server for the preferred profile */
		{46, 2, IRQ_ACPI},
		{56, 4, PORT_PM_EVENT},
		{64, 4, PORT_PM_CONTROL},
		{76, 4, PORT_PM_TIMER},
		{88, 1, 4},      /* bytes of the event, */
		{89, 1, 2},      /* the control */
		{91, 1, 4},      /* and the timer block */
		{96, 2, 0xffff}, /* no C2, */
		{98, 2, 0xffff}, /* no C3 */
		{108, 1, 0x32},  /* where the clock has the century */
		{109, 2, BOOT_LEGACY_DEVICES | BOOT_NO_VGA},
		{112, 4, FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_FIXED | FADT_TIMER_32 | FADT_RESET},
		/* The reset register: a generic address of 8 bits in port space (5.2.3.2). */
		{116, 4, 1 | 8 << 8 | 1 << 24},
		{120, 8, PORT_RESET},
		{128, 1, RESET_VALUE},
		{131, 1, 5}, /* minor version */
		{140, 8, dsdt},
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		put(table, fields[i].offset, fields[i].value, fields[i].bytes);
	}
	finish(table, "FACP", 6, FADT_SIZE);
	return table;
}

/* 5.2.12: local APICs, the I/O APIC, where ISA's wiring differs, and the NMI pin. */
static uint8_t *write_madt(struct place *place, unsigned cpus)
{
	size_t size = HEADER_SIZE + 8 + (size_t)8 * cpus + 12 + 2 * 10 + 6;
	uint8_t *table = reserve(place, size);
	if (table == NULL) {
		return NULL;
	}
	put(table, 36, LAPIC_BASE, 4);
	uint8_t *entry = table + HEADER_SIZE + 8;
	for (unsigned i = 0; i < cpus; i++, entry += 8) {
		const uint8_t lapic[] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};
		memcpy(entry, lapic, sizeof(lapic));
	}
	put(entry, 0, 1 | 12 << 8, 4);
	put(entry, 4, IOAPIC_BASE, 4);
	entry += 12;
	/* ACPI's interrupt is a level, active high. */
	const uint8_t overrides[] = {2, 10, 0, 0, IRQ_TIMER, 0, 0, 0, 0, 0, /* */
		2, 10, 0, IRQ_ACPI, IRQ_ACPI, 0, 0, 0, 0xd, 0};
	memcpy(entry, overrides, sizeof(overrides));
	entry += sizeof(overrides);
	const uint8_t nmi[] = {4, 6, 0xff, 0, 0, 1}; /* LINT1 of all */
	memcpy(entry, nmi, sizeof(nmi));
	finish(table, "APIC", 4, size);
	return table;
}

static uint8_t *write_xsdt(struct place *place, uint64_t fadt, uint64_t madt)
{
	uint8_t *table = reserve(place, HEADER_SIZE + 16);
	if (table != NULL) {
		put(table, 36, fadt, 8);
		put(table, 44, madt, 8);
		finish(table, "XSDT", 1, HEADER_SIZE + 16);
	}
	return table;
}

size_t acpi_write(const struct acpi_machine *machine, uint64_t at, uint8_t *to, size_t room)
{
	struct place place = {at, to, 0, room};
	uint8_t *rsdp = reserve(&place, RSDP_SIZE);
	uint8_t *facs = write_facs(&place);
	uint8_t *dsdt = write_dsdt(&place, machine);
	if (rsdp == NULL || facs == NULL || dsdt == NULL) {
		return 0;
	}
	uint8_t *fadt = write_fadt(&place, address_of(&place, facs), address_of(&place, dsdt));
	uint8_t *madt = write_madt(&place, machine->cpus);
	if (fadt == NULL || madt == NULL) {
		return 0;
	}
	uint8_t *xsdt = write_xsdt(&place, address_of(&place, fadt), address_of(&place, madt));
	if (xsdt == NULL) {
		return 0;
	}
	memcpy(rsdp, "RSD PTR ", 8); /* 5.2.5.3 */
	memcpy(rsdp + 9, OEM_ID, 6);
	put(rsdp, 15, 2, 1);
	put(rsdp, 20, RSDP_SIZE, 4);
	put(rsdp, 24, address_of(&place, xsdt), 8);
	put(rsdp, 8, checksum(rsdp, 20), 1);
	put(rsdp, 32, checksum(rsdp, RSDP_SIZE), 1);
	return place.size;
}
