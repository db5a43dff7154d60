/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi.h - the ACPI tables that Pintle needs, without AML.
 *
 * Tables are untrusted: every length, checksum and entry is checked, and what is wrong is reported
 * in the log and left out; a bad table is never followed. All that is used is copied; memory
 * is seen through windows (kernel/paging.h). ACPI 6.5, chapter 5; SPCR, DMAR and IVRS by their own
 * specifications.
 */
#pragma once

#include "kernel/types.h"

#define ACPI_TABLES_MAX    64u
#define ACPI_IOAPICS_MAX   64u
#define ACPI_OVERRIDES_MAX 32u
#define ACPI_SEGMENTS_MAX  16u
#define ACPI_REMAPPERS_MAX 32u
#define ACPI_TABLE_LIMIT   (1 * MIB) /* bytes; a longer table is refused */
#define ACPI_REFUSED_SHOWN 16u       /* warnings about what is left out; the rest is counted */

struct acpi_table {
	char signature[5];
	char oem_id[7];
	uint8_t revision;
	bool valid;    /* length and checksum hold */
	uint32_t size; /* bytes, as its header says */
	hpa_t base;
};

struct acpi_cpu {
	uint32_t apic_id, acpi_uid;
};

struct acpi_ioapic {
	uint8_t id;
	hpa_t base;
	uint32_t gsi_base;
};

/* An ISA interrupt that is not wired to the same GSI, edge, active high. */
struct acpi_override {
	uint8_t irq;
	uint32_t gsi;
	bool active_low, level;
};

/* A Generic Address Structure (ACPI 6.5, 5.2.3.2). */
struct acpi_gas {
	uint8_t space;    /* 0 memory, 1 port */
	uint8_t width;    /* bits; 0: not said */
	uint64_t address; /* 0: not there */
};
#define ACPI_SPACE_MEMORY 0u
#define ACPI_SPACE_PORT   1u

struct acpi_segment { /* one MCFG entry */
	hpa_t base;   /* of bus 0's configuration space */
	uint16_t segment;
	uint8_t bus_first, bus_last;
};

struct acpi_spcr {
	bool present; /* and names a 16550 that Pintle can drive */
	struct acpi_gas base;
	uint32_t baud; /* bit/s; 0: leave as it is */
	bool has_gsi;
	uint32_t gsi;
};

struct acpi_fadt {
	bool present;
	hpa_t dsdt;
	bool hardware_reduced;
	bool has_8042;        /* the keyboard controller may be used for a reset */
	uint16_t smi_command; /* port; 0: none */
	uint8_t acpi_enable;  /* value for it */
	struct acpi_gas pm1a_control, pm1b_control, pm_timer;
	bool pm_timer_32; /* 32 bits wide, not 24 */
	struct acpi_gas reset;
	uint8_t reset_value;
	struct acpi_gas sleep_control; /* hardware-reduced machines */
	bool has_s5;                   /* the \_S5 package was found */
	uint8_t s5_type_a, s5_type_b;
};

enum acpi_remapper_kind {
	ACPI_REMAPPER_VTD,
	ACPI_REMAPPER_AMDVI
};

struct acpi_remapper { /* one IOMMU, from DMAR or IVRS */
	enum acpi_remapper_kind kind;
	hpa_t base;
};

struct acpi {
	unsigned refused; /* wrong things that were left out */
	unsigned table_count;
	unsigned cpu_count; /* enabled CPUs kept in cpu[] */
	unsigned cpus_over; /* enabled CPUs beyond CPUS_MAX, left out */
	unsigned ioapic_count, override_count, segment_count, remapper_count;
	bool has_madt, has_hpet;
	hpa_t hpet_base;
	struct acpi_fadt fadt;
	struct acpi_spcr spcr;
	struct acpi_table table[ACPI_TABLES_MAX]; /* the root first; the DSDT last */
	struct acpi_cpu cpu[CPUS_MAX];            /* in MADT order, no APIC id twice */
	struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
	struct acpi_override override[ACPI_OVERRIDES_MAX];
	struct acpi_segment segment[ACPI_SEGMENTS_MAX];
	struct acpi_remapper remapper[ACPI_REMAPPERS_MAX];
};

/*
 * Read all tables that the RSDP copy rsdp[0..size) leads to into *acpi.
 * Returns 0, -ENOENT when size is 0 (a machine without ACPI), or -EBADMSG when the RSDP or the root
 * table is broken (said in the log). *acpi is valid in every case: it holds what was found.
 */
int acpi_read(struct acpi *acpi, const uint8_t *rsdp, size_t size);

#define ACPI_ISA_IRQS 16u
/* The GSI of ISA interrupt `irq` with its trigger and polarity, overrides applied. */
struct acpi_override acpi_isa_interrupt(const struct acpi *acpi, uint8_t irq);
