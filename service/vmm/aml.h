/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/aml.h - write the ACPI Machine Language (ACPI 6.5, 20.2) that a DSDT of ours needs.
 *
 * What has a length is opened and closed: the open functions return a mark, aml_close() takes it.
 * Lengths always take three bytes, so that nothing moves when one becomes known. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *bytes;
	size_t size, room;
	bool full; /* more than the room was written: nothing of it is to be used */
};

size_t aml_open_scope(struct aml *aml, const char *path);  /* Scope (path) */
size_t aml_open_device(struct aml *aml, const char *name); /* Device (name) */
size_t aml_open_package(struct aml *aml, uint8_t count);   /* Package (count) */
void aml_close(struct aml *aml, size_t mark);

void aml_name(struct aml *aml, const char *name); /* Name (name, what comes next) */
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
void aml_eisa_id(struct aml *aml, const char *id); /* EisaId ("PNP0A03") */

/* ResourceTemplate () { what is between } (6.4). */
size_t aml_open_resources(struct aml *aml);
void aml_close_resources(struct aml *aml, size_t mark);
void aml_ports(struct aml *aml, uint16_t base, uint8_t count);
void aml_irq(struct aml *aml, unsigned irq); /* edge, high: an ISA interrupt */
void aml_bus_window(struct aml *aml, uint16_t first, uint16_t last);
void aml_port_window(struct aml *aml, uint16_t first, uint16_t last);
void aml_memory_window(struct aml *aml, uint32_t first, uint32_t last);
