/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_acpi.h - a machine made of ACPI tables, in an array that stands for its memory.
 * Tables are written one after another, at odd addresses; what is mapped is a copy of just that
 * size, so that ASan sees every byte read outside it, or after it was given back.
 */
#pragma once

#include "boot/acpi.h"
#include "kernel/paging.h"
#include "kernel/string.h"

#define FAKE_RAM_BASE 0x7f000003ull
#define FAKE_RAM_SIZE (3 * MIB)
#define FAKE_RAM_HIGH BIT(40) /* the same memory is seen again from here + FAKE_RAM_BASE */
#define FAKE_RSDP_MAX 64u
#define FAKE_LIST_MAX 128u

/* ACPI 6.5, 5.2.3.2. */
#define SPACE_MEMORY 0
#define SPACE_PORT   1

#define assert_logged(text)     assert_non_null(strstr(fake_log, text))
#define assert_not_logged(text) assert_null(strstr(fake_log, text))

static uint8_t fake_ram[FAKE_RAM_SIZE];
static size_t fake_ram_used;
static size_t fake_table; /* the table that is being written */
static uint64_t fake_list[FAKE_LIST_MAX];
static unsigned fake_list_count;
static uint8_t fake_rsdp[FAKE_RSDP_MAX];
static unsigned fake_mapped;
static unsigned fake_maps_left; /* then no more is mapped */
static size_t fake_mapped_size;
static struct acpi fake_acpi;

static inline void fake_require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "not so: %s\n", what);
		abort();
	}
}

/* More memory, seen before that of the machine; NULL: none there. */
static const uint8_t *(*fake_overlay)(uint64_t base, size_t size);

static inline const uint8_t *fake_find(uint64_t base, size_t size)
{
	const uint8_t *found = fake_overlay != NULL ? fake_overlay(base, size) : NULL;
	uint64_t offset = (base >= FAKE_RAM_HIGH ? base - FAKE_RAM_HIGH : base) - FAKE_RAM_BASE;
	if (found == NULL && offset <= FAKE_RAM_SIZE && size <= FAKE_RAM_SIZE - offset) {
		found = fake_ram + offset;
	}
	return found;
}

void *window_map(hpa_t base, uint64_t size, unsigned flags)
{
	const uint8_t *found = fake_find(base.raw, size);
	fake_require(fake_mapped == 0 && flags == 0, "one range is mapped at a time, to be read");
	fake_require(size > 0 && size <= ACPI_TABLE_LIMIT, "ranges have a sensible size");
	if (found == NULL || fake_maps_left == 0) {
		return NULL;
	}
	uint8_t *copy = malloc(size);
	fake_require(copy != NULL, "there is memory");
	memcpy(copy, found, size);
	fake_mapped++;
	fake_maps_left--;
	fake_mapped_size = size;
	return copy;
}

void window_unmap(const volatile void *base, uint64_t size)
{
	fake_require(fake_mapped == 1 && size == fake_mapped_size, "what is unmapped was mapped");
	fake_mapped--;
	free((void *)(uintptr_t)base);
}

bool window_copy(void *to, hpa_t from, size_t size)
{
	const void *bytes = window_map(from, size, 0);
	if (bytes != NULL) {
		memcpy(to, bytes, size);
		window_unmap(bytes, size);
	}
	return bytes != NULL;
}

static inline void fake_machine_start(void)
{
	memset(fake_ram, 0, sizeof(fake_ram));
	memset(fake_rsdp, 0, sizeof(fake_rsdp));
	fake_ram_used = 0;
	fake_list_count = 0;
	fake_mapped = 0;
	fake_maps_left = UINT32_MAX;
}

static inline uint8_t fake_sum(const uint8_t *bytes, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++) {
		sum = (uint8_t)(sum + bytes[i]);
	}
	return (uint8_t)-sum;
}

/* Append to memory. */
static inline void put_bytes(const void *bytes, size_t size)
{
	fake_require(size <= FAKE_RAM_SIZE - fake_ram_used, "the tables fit in the fake memory");
	memcpy(fake_ram + fake_ram_used, bytes, size);
	fake_ram_used += size;
}

static inline void put(uint64_t value, size_t size)
{
	put_bytes(&value, size);
}

static inline void put_zeros(size_t size)
{
	for (size_t i = 0; i < size; i++) {
		put(0, 1);
	}
}

/* Set bytes of the table that is being written. */
static inline void set(size_t offset, uint64_t value, size_t size)
{
	memcpy(fake_ram + fake_table + offset, &value, size);
}

static inline void set_gas(
	size_t offset, uint8_t space, uint8_t width, uint8_t access, uint64_t address)
{
	set(offset, space, 1);
	set(offset + 1, width, 1);
	set(offset + 2, 0, 1);
	set(offset + 3, access, 1);
	set(offset + 4, address, 8);
}

static inline void table_start(const char *signature, uint8_t revision)
{
	fake_ram_used = ALIGN_UP(fake_ram_used, 16ul);
	fake_table = fake_ram_used;
	put_bytes(signature, 4);
	put(0, 4);
	put(revision, 1);
	put(0, 1);
	put_bytes("PINTLEfakemach", 14);
	put_zeros(12);
}

static inline uint64_t table_address(void)
{
	return FAKE_RAM_BASE + fake_table;
}

/* Make the checksum right for the length that the header says. */
static inline void table_sum(void)
{
	uint32_t size;
	memcpy(&size, fake_ram + fake_table + 4, sizeof(size));
	set(9, 0, 1);
	set(9, fake_sum(fake_ram + fake_table, size), 1);
}

/* Make length and checksum right, and return the address. */
static inline uint64_t table_end(void)
{
	set(4, fake_ram_used - fake_table, 4);
	table_sum();
	return table_address();
}

static inline void list_add(uint64_t address)
{
	fake_require(fake_list_count < FAKE_LIST_MAX, "the list of tables is not full");
	fake_list[fake_list_count++] = address;
}

static inline void list_table(void)
{
	list_add(table_end());
}

/* A root table with all that was listed; width 8: XSDT, 4: RSDT. */
static inline uint64_t put_root(size_t width)
{
	table_start(width == 8 ? "XSDT" : "RSDT", 1);
	for (unsigned i = 0; i < fake_list_count; i++) {
		put(fake_list[i], width);
	}
	return table_end();
}

static inline void rsdp_set(size_t offset, uint64_t value, size_t size)
{
	memcpy(fake_rsdp + offset, &value, size);
}

static inline void rsdp_sum(size_t size)
{
	rsdp_set(8, 0, 1);
	rsdp_set(8, fake_sum(fake_rsdp, 20), 1);
	rsdp_set(32, 0, 1);
	rsdp_set(32, fake_sum(fake_rsdp, size), 1);
}

static inline void rsdp_write(uint8_t revision, uint64_t rsdt, uint64_t xsdt)
{
	memcpy(fake_rsdp, "RSD PTR ", 8);
	memcpy(fake_rsdp + 9, "PINTLE", 6);
	rsdp_set(15, revision, 1);
	rsdp_set(16, rsdt, 4);
	rsdp_set(20, 36, 4);
	rsdp_set(24, xsdt, 8);
	rsdp_sum(36);
}

/* Read what the RSDP leads to; the RSDP too is copied, so that ASan watches its end. */
static inline int machine_read_rsdp(size_t size)
{
	uint8_t *copy = calloc(1, size + 1);
	fake_require(copy != NULL, "there is memory");
	memcpy(copy + 1, fake_rsdp, size);
	memset(&fake_acpi, 0xa5, sizeof(fake_acpi));
	int err = acpi_read(&fake_acpi, copy + 1, size);
	free(copy);
	fake_require(fake_mapped == 0, "all that was mapped was given back");
	return err;
}

/* Read the machine through an XSDT. */
static inline int machine_read(void)
{
	rsdp_write(2, 0, put_root(8));
	return machine_read_rsdp(36);
}

/* The first listed table with the signature, or NULL. */
static inline const struct acpi_table *find(const char *signature)
{
	for (unsigned i = 0; i < fake_acpi.table_count; i++) {
		if (strcmp(fake_acpi.table[i].signature, signature) == 0) {
			return &fake_acpi.table[i];
		}
	}
	return NULL;
}

/* A DSDT that holds \_S5 = {sleep_type, 0, 0, 0}. */
static inline uint64_t put_dsdt(uint8_t sleep_type)
{
	table_start("DSDT", 1);
	put_bytes("\x08_S5_\x12\x06\x04\x0a", 9);
	put(sleep_type, 1);
	put_zeros(3);
	return table_end();
}

static inline void put_fadt(uint64_t dsdt)
{
	table_start("FACP", 1);
	put_zeros(80);
	set(40, dsdt, 4);
}

/* Read a machine whose only table is the one that was written. */
static inline void read_table(void)
{
	fake_log_clear();
	fake_list_count = 0;
	list_table();
	assert_int_equal(machine_read(), 0);
	assert_true(fake_acpi.table[1].valid);
}

/* A new machine, and a table of `size` bytes that are zero behind its header. */
static inline void start(const char *signature, uint8_t revision, size_t size)
{
	fake_machine_start();
	table_start(signature, revision);
	put_zeros(size - 36);
}

/* A table of zeros is reported at any length below `size`, and taken at it. */
static inline void assert_cut_is_reported(const char *signature, size_t size)
{
	for (size_t cut = 36; cut < size; cut++) {
		start(signature, 1, cut);
		read_table();
		assert_logged("table or entry too short");
	}
	start(signature, 1, size);
	read_table();
	assert_not_logged("table or entry too short");
}

static inline void assert_gas(struct acpi_gas gas, uint8_t space, uint8_t width, uint64_t address)
{
	assert_int_equal(gas.in_memory, space == SPACE_MEMORY);
	assert_int_equal(gas.width, width);
	assert_int_equal(gas.address, address);
}
