/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/acpi_tables.h - private to ACPI: the layouts of the tables, and a decoder for each of
 * them.
 */
#pragma once

#include "drivers/acpi.h"

struct acpi_header { /* ACPI 6.5, 5.2.6 */
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	uint32_t creator_id;
	uint32_t creator_revision;
} PACKED;
STATIC_ASSERT(sizeof(struct acpi_header) == 36, "ACPI 6.5, 5.2.6");

struct gas {
	uint8_t space;
	uint8_t width;
	uint8_t offset;
	uint8_t access;
	uint64_t address;
} PACKED;
STATIC_ASSERT(sizeof(struct gas) == 12, "ACPI 6.5, 5.2.3.2");

struct fadt {
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved0[4];
	uint32_t smi_command;
	uint8_t acpi_enable;
	uint8_t reserved1[11];
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint8_t reserved2[29];
	uint16_t boot_arch;
	uint8_t reserved3;
	uint32_t flags;
	struct gas reset; /* ACPI 1.0 ends before it */
	uint8_t reset_value;
	uint8_t reserved4[3];
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct gas x_events[2];
	struct gas x_pm1a_control;
	struct gas x_pm1b_control;
	struct gas x_pm2_control;
	struct gas x_pm_timer;
	struct gas x_gpe[2];
	struct gas sleep_control;
	struct gas sleep_status;
	uint64_t hypervisor;
} PACKED;
STATIC_ASSERT(offsetof(struct fadt, pm1a_control) == 64, "ACPI 6.5, 5.2.9");
STATIC_ASSERT(offsetof(struct fadt, boot_arch) == 109, "ACPI 6.5, 5.2.9");
STATIC_ASSERT(offsetof(struct fadt, x_facs) == 132, "ACPI 6.5, 5.2.9");
STATIC_ASSERT(offsetof(struct fadt, sleep_control) == 244, "ACPI 6.5, 5.2.9");
STATIC_ASSERT(sizeof(struct fadt) == 276, "ACPI 6.5, 5.2.9");
#define FADT_V1_SIZE               offsetof(struct fadt, reset)
#define FADT_BOOT_ARCH_8042        BIT(1)
#define FADT_FLAG_TIMER_32         BIT(8)
#define FADT_FLAG_RESET            BIT(10)
#define FADT_FLAG_HARDWARE_REDUCED BIT(20)
STATIC_ASSERT(FADT_V1_SIZE == 116, "ACPI 1.0, 5.2.5");

struct madt {
	struct acpi_header header;
	uint32_t lapic_base;
	uint32_t flags;
} PACKED;
STATIC_ASSERT(sizeof(struct madt) == 44, "ACPI 6.5, 5.2.12");
#define MADT_FLAG_8259   BIT(0)
#define MADT_CPU_ENABLED BIT(0) /* of the flags of a CPU */

struct madt_lapic {
	uint8_t type;
	uint8_t length;
	uint8_t acpi_uid;
	uint8_t apic_id;
	uint32_t flags;
} PACKED;
STATIC_ASSERT(sizeof(struct madt_lapic) == 8, "ACPI 6.5, 5.2.12.2");

struct madt_ioapic {
	uint8_t type;
	uint8_t length;
	uint8_t id;
	uint8_t reserved;
	uint32_t base;
	uint32_t gsi_base;
} PACKED;
STATIC_ASSERT(sizeof(struct madt_ioapic) == 12, "ACPI 6.5, 5.2.12.3");

struct madt_override {
	uint8_t type;
	uint8_t length;
	uint8_t bus;
	uint8_t irq;
	uint32_t gsi;
	uint16_t flags;
} PACKED;
STATIC_ASSERT(sizeof(struct madt_override) == 10, "ACPI 6.5, 5.2.12.5");
#define ISA_IRQS          16u
#define MPS_POLARITY_MASK 0x3u
#define MPS_ACTIVE_LOW    0x3u
#define MPS_TRIGGER_MASK  0xcu
#define MPS_LEVEL         0xcu

struct madt_lapic_base {
	uint8_t type;
	uint8_t length;
	uint16_t reserved;
	uint64_t base;
} PACKED;
STATIC_ASSERT(sizeof(struct madt_lapic_base) == 12, "ACPI 6.5, 5.2.12.8");

struct madt_x2apic {
	uint8_t type;
	uint8_t length;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t acpi_uid;
} PACKED;
STATIC_ASSERT(sizeof(struct madt_x2apic) == 16, "ACPI 6.5, 5.2.12.12");

struct mcfg_segment {
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first;
	uint8_t bus_last;
	uint32_t reserved;
} PACKED;
STATIC_ASSERT(sizeof(struct mcfg_segment) == 16, "PCI Firmware Specification 3.3, 4.1.2");
#define MCFG_FIRST (sizeof(struct acpi_header) + 8)
#define BUS_SIZE   MIB /* of one bus's configuration space */

struct hpet {
	struct acpi_header header;
	uint32_t block_id;
	struct gas base;
	uint8_t number;
	uint16_t tick_min;
	uint8_t protection;
} PACKED;
STATIC_ASSERT(sizeof(struct hpet) == 56, "IA-PC HPET Specification 1.0a, 3.2.4");

struct spcr {
	struct acpi_header header;
	uint8_t interface;
	uint8_t reserved0[3];
	struct gas base;
	uint8_t interrupt_type;
	uint8_t irq;
	uint32_t gsi;
	uint8_t baud;
	uint8_t reserved1[21];
} PACKED;
STATIC_ASSERT(sizeof(struct spcr) == 80, "SPCR 1.02");
#define SPCR_INTERRUPT_GSI BIT(1)

struct drhd {
	uint16_t type;
	uint16_t length;
	uint8_t flags;
	uint8_t size;
	uint16_t segment;
	uint64_t base;
} PACKED;
STATIC_ASSERT(sizeof(struct drhd) == 16, "VT-d 4.1, 8.3");
#define DMAR_FIRST 48u

struct ivhd {
	uint8_t type;
	uint8_t flags;
	uint16_t length;
	uint16_t device;
	uint16_t capability;
	uint64_t base;
	uint16_t segment;
	uint16_t info;
	uint32_t features;
} PACKED;
STATIC_ASSERT(sizeof(struct ivhd) == 24, "AMD IOMMU Specification 3.08, 5.2.2");
#define IVRS_FIRST 48u

struct acpi_links { /* the tables to which only the FADT leads; 0: none */
	hpa_t dsdt;
	hpa_t facs;
};

/*
 * The decoders: bytes[0..size) is a table with a whole header and a right checksum; nothing else
 * is known of it. What a decoder refuses, it says in the log and leaves out.
 */
struct acpi_links acpi_decode_fadt(struct acpi_fadt *fadt, const uint8_t *bytes, uint32_t size);
void acpi_decode_madt(struct acpi *acpi, const uint8_t *bytes, uint32_t size);
void acpi_decode_mcfg(struct acpi *acpi, const uint8_t *bytes, uint32_t size);
void acpi_decode_hpet(struct acpi *acpi, const uint8_t *bytes, uint32_t size);
void acpi_decode_spcr(struct acpi *acpi, const uint8_t *bytes, uint32_t size);
void acpi_decode_dmar(struct acpi *acpi, const uint8_t *bytes, uint32_t size);
void acpi_decode_ivrs(struct acpi *acpi, const uint8_t *bytes, uint32_t size);

/* Look for \_S5 in a DSDT or an SSDT; true, with has_s5 and the types set, when a sound one is
 * there. */
bool acpi_find_s5(struct acpi_fadt *fadt, const uint8_t *bytes, uint32_t size);
