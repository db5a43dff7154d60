/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/memory.h - a guest's RAM: where it lies for the guest, and where for us.
 *
 * What a pointer from memory_at() leads to may change at any moment, because the guest runs: read a
 * value once, into a variable of one's own, and check and use that one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* RAM ends here and goes on at 4 GiB: between them are the devices. */
#define MEMORY_LOW_END  (3 * GIB)
#define MEMORY_HIGH     (4 * GIB)
#define MEMORY_SLOT_MAX 2u

struct memory_slot {
	uint64_t gpa, size; /* in bytes, of whole pages */
	uint8_t *host;
};

/* Constant after memory_create(). */
struct memory {
	unsigned slot_count;
	struct memory_slot slot[MEMORY_SLOT_MAX];
};

/* Make RAM of so many bytes, whole pages, all zero. 0, or -ENOMEM. */
int memory_create(struct memory *memory, uint64_t bytes);

void memory_destroy(struct memory *memory);

/* Where the guest's [gpa, gpa + len) is for us; NULL unless it lies in one slot. */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t len);

/* Copy to the guest; false, without effect, unless all of it lies in one slot. */
bool memory_write(const struct memory *memory, uint64_t gpa, const void *data, uint64_t len);

/* Bytes of RAM below MEMORY_LOW_END, and from MEMORY_HIGH on. */
uint64_t memory_low(const struct memory *memory);
uint64_t memory_high(const struct memory *memory);
