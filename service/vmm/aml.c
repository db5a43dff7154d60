/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/aml.c - an encoder for the ACPI Machine Language. Pure.
 */
#include "service/vmm/aml.h"

#include <string.h>

/* ACPI 6.5, table 20.2. */
#define OP_NAME    0x08u
#define OP_BYTE    0x0au
#define OP_WORD    0x0bu
#define OP_DWORD   0x0cu
#define OP_STRING  0x0du
#define OP_QWORD   0x0eu
#define OP_SCOPE   0x10u
#define OP_BUFFER  0x11u
#define OP_PACKAGE 0x12u
#define OP_EXT     0x5bu
#define EXT_DEVICE 0x82u

#define LENGTH_BYTES 3u
#define NAME_BYTES   4u

/* ACPI 6.5, 6.4.2 and 6.4.3. */
#define SMALL_IRQ     0x22u
#define SMALL_PORTS   0x47u
#define SMALL_END     0x79u
#define LARGE_DWORD   0x87u
#define LARGE_WORD    0x88u
#define WINDOW_MEMORY 0u
#define WINDOW_PORTS  1u
#define WINDOW_BUS    2u
#define WINDOW_FIXED  0x0cu /* both ends are where they are */

static void put(struct aml *aml, uint64_t value, unsigned bytes)
{
	if (bytes > aml->room - aml->size) {
		aml->full = true;
		return;
	}
	memcpy(aml->bytes + aml->size, &value, bytes);
	aml->size += bytes;
}

static size_t open_length(struct aml *aml)
{
	size_t mark = aml->size;
	put(aml, 0, LENGTH_BYTES);
	return mark;
}

/* 20.2.4: the first byte has the lowest four bits, and says how many bytes follow. */
void aml_close(struct aml *aml, size_t mark)
{
	size_t length = aml->size - mark;
	if (!aml->full) {
		aml->bytes[mark] = (uint8_t)(2u << 6 | (length & 0xf));
		aml->bytes[mark + 1] = (uint8_t)(length >> 4);
		aml->bytes[mark + 2] = (uint8_t)(length >> 12);
	}
}

/* A name of up to four characters, or \ and one: shorter ones are padded (20.2.2). */
static void put_name(struct aml *aml, const char *name)
{
	if (*name == '\\') {
		put(aml, (uint8_t)*name++, 1);
	}
	size_t length = strlen(name);
	for (size_t i = 0; i < NAME_BYTES; i++) {
		put(aml, (uint8_t)(i < length ? name[i] : '_'), 1);
	}
}

size_t aml_open_scope(struct aml *aml, const char *path)
{
	put(aml, OP_SCOPE, 1);
	size_t mark = open_length(aml);
	put_name(aml, path);
	return mark;
}

size_t aml_open_device(struct aml *aml, const char *name)
{
	put(aml, OP_EXT | EXT_DEVICE << 8, 2);
	size_t mark = open_length(aml);
	put_name(aml, name);
	return mark;
}

size_t aml_open_package(struct aml *aml, uint8_t count)
{
	put(aml, OP_PACKAGE, 1);
	size_t mark = open_length(aml);
	put(aml, count, 1);
	return mark;
}

void aml_name(struct aml *aml, const char *name)
{
	put(aml, OP_NAME, 1);
	put_name(aml, name);
}

void aml_integer(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		put(aml, value, 1); /* ZeroOp, OneOp */
	} else if (value <= UINT8_MAX) {
		put(aml, OP_BYTE | value << 8, 2);
	} else if (value <= UINT16_MAX) {
		put(aml, OP_WORD | value << 8, 3);
	} else if (value <= UINT32_MAX) {
		put(aml, OP_DWORD | value << 8, 5);
	} else {
		put(aml, OP_QWORD, 1);
		put(aml, value, 8);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	put(aml, OP_STRING, 1);
	do {
		put(aml, (uint8_t)*text, 1);
	} while (*text++ != '\0');
}

static unsigned hex_digit(char digit)
{
	return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'A' + 10);
}

/* 19.3.4: three letters of five bits, four digits; the highest byte first. */
void aml_eisa_id(struct aml *aml, const char *id)
{
	unsigned letters = 0, digits = 0;
	for (unsigned i = 0; i < 3; i++) {
		letters = letters << 5 | (unsigned)(id[i] - 'A' + 1);
	}
	for (unsigned i = 3; i < 7; i++) {
		digits = digits << 4 | hex_digit(id[i]);
	}
	put(aml, OP_DWORD, 1);
	put(aml, __builtin_bswap32(letters << 16 | digits), 4);
}

/* A buffer's length comes twice: of all, and as an integer of its contents. */
size_t aml_open_resources(struct aml *aml)
{
	put(aml, OP_BUFFER, 1);
	size_t mark = open_length(aml);
	put(aml, OP_WORD, 1);
	put(aml, 0, 2);
	return mark;
}

void aml_close_resources(struct aml *aml, size_t mark)
{
	put(aml, SMALL_END, 2); /* with a checksum of 0: not used */
	size_t contents = aml->size - mark - LENGTH_BYTES - 3;
	if (!aml->full) {
		memcpy(aml->bytes + mark + LENGTH_BYTES + 1, &contents, 2);
	}
	aml_close(aml, mark);
}

void aml_ports(struct aml *aml, uint16_t base, uint8_t count)
{
	put(aml, SMALL_PORTS | 1u << 8, 2); /* decodes 16 bits */
	put(aml, base | (uint32_t)base << 16, 4);
	put(aml, 1u | (unsigned)count << 8, 2);
}

void aml_irq(struct aml *aml, unsigned irq)
{
	put(aml, SMALL_IRQ | UINT32_C(1) << irq << 8, 3);
}

static void put_word_window(struct aml *aml, unsigned kind, uint16_t first, uint16_t last)
{
	unsigned specific = kind == WINDOW_PORTS ? 3 : 0; /* all ports, not only ISA's */
	put(aml, LARGE_WORD | 13u << 8, 3);
	put(aml, kind | WINDOW_FIXED << 8 | specific << 16, 3);
	put(aml, 0, 2);
	put(aml, first, 2);
	put(aml, last, 2);
	put(aml, 0, 2);
	put(aml, (uint64_t)last - first + 1, 2);
}

void aml_bus_window(struct aml *aml, uint16_t first, uint16_t last)
{
	put_word_window(aml, WINDOW_BUS, first, last);
}

void aml_port_window(struct aml *aml, uint16_t first, uint16_t last)
{
	put_word_window(aml, WINDOW_PORTS, first, last);
}

void aml_memory_window(struct aml *aml, uint32_t first, uint32_t last)
{
	put(aml, LARGE_DWORD | 23u << 8, 3);
	put(aml, WINDOW_MEMORY | WINDOW_FIXED << 8 | 1u << 16, 3); /* to be written */
	put(aml, 0, 4);
	put(aml, first, 4);
	put(aml, last, 4);
	put(aml, 0, 4);
	put(aml, (uint64_t)last - first + 1, 4);
}
