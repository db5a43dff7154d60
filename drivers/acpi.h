/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi.h - what Pintle keeps of the ACPI tables (boot/acpi.c reads them). ACPI 6.5,
 * chapter 5.
 */
#pragma once

#include "kernel/types.h"

#define ACPI_TABLES_MAX    64u
#define ACPI_IOAPICS_MAX   64u
#define ACPI_REMAPPERS_MAX 32u
#define ACPI_ISA_IRQS      16u
#define ACPI_HEADER_SIZE   36u /* of each table but the RSDP: ACPI 6.5, 5.2.6 */

struct acpi_table {
	char signature[5];
	bool valid;    /* length and checksum hold */
	uint32_t size; /* bytes, as its header says */
	hpa_t base;
};

struct acpi_ioapic {
	uint8_t id;
	hpa_t base;
	uint32_t gsi_base;
	unsigned pins; /* this and the next: drivers/ioapic.c's to set */
	volatile void *registers;
};

/* Where an ISA interrupt comes in, and how; not overridden: the GSI of its number, edge, high. */
struct acpi_line {
	uint32_t gsi;
	bool active_low, level, overridden;
};

/* A register that Pintle can reach (ACPI 6.5, 5.2.3.2). */
struct acpi_gas {
	bool in_memory;   /* else a port */
	uint8_t width;    /* bits; 0: not said */
	uint64_t address; /* 0: not there */
};

struct acpi_spcr {
	struct acpi_gas base; /* of a 16550 that Pintle can drive */
	uint32_t baud;        /* bit/s; 0: leave as it is */
	uint32_t gsi;         /* UINT32_MAX: not said */
};

/* Zero where there is no FADT. A port of 0 is not there. */
struct acpi_fadt {
	bool present, has_s5; /* the FADT is there; the \_S5 package was found */
	uint8_t s5_type[2];
	hpa_t dsdt;
	bool no_8042;         /* the keyboard controller can't be used for a reset */
	uint16_t smi_command; /* port */
	uint8_t acpi_enable;  /* value for it */
	uint16_t pm1_event, pm1_control[2], pm_timer;
	struct acpi_gas reset;
	uint8_t reset_value;
};

struct acpi {
	unsigned refused; /* wrong things that were left out */
	unsigned table_count;
	unsigned cpu_count,
		cpus_over; /* enabled CPUs kept in apic_id[], and left out beyond CPUS_MAX */
	unsigned ioapic_count, remapper_count;
	unsigned segment_count; /* sound entries of the MCFG */
	hpa_t hpet;             /* 0: none */
	struct acpi_fadt fadt;
	struct acpi_spcr spcr;
	struct acpi_table table[ACPI_TABLES_MAX]; /* the root first; the DSDT last */
	uint32_t apic_id[CPUS_MAX];               /* of CPUs, in MADT order, none twice */
	struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
	struct acpi_line isa[ACPI_ISA_IRQS];
	hpa_t remapper[ACPI_REMAPPERS_MAX]; /* IOMMUs, from DMAR or IVRS */
};
