/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/memory.c - a guest's RAM: one or two anonymous mappings.
 */
#include "service/vmm/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE (2 * MIB)

/* Aligned, so that the host can use large pages for it; what is mapped in excess is given back. */
static uint8_t *map_aligned(uint64_t size)
{
	uint8_t *whole = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (whole == MAP_FAILED) {
		return NULL;
	}
	uint64_t before = -(uint64_t)(uintptr_t)whole & (LARGE_PAGE - 1);
	if (before != 0) {
		munmap(whole, before);
	}
	if (before != LARGE_PAGE) {
		munmap(whole + before + size, LARGE_PAGE - before);
	}
	madvise(whole + before, size, MADV_HUGEPAGE); /* a wish: without it all works as well */
	return whole + before;
}

static int add_slot(struct memory *memory, uint64_t gpa, uint64_t size)
{
	uint8_t *host = map_aligned(size);
	if (host == NULL) {
		return -ENOMEM;
	}
	memory->slot[memory->slot_count++] = (struct memory_slot){gpa, size, host};
	return 0;
}

int memory_create(struct memory *memory, uint64_t bytes)
{
	uint64_t low = bytes < MEMORY_LOW_END ? bytes : MEMORY_LOW_END;
	*memory = (struct memory){0};
	int err = add_slot(memory, 0, low);
	if (err == 0 && bytes > low) {
		err = add_slot(memory, MEMORY_HIGH, bytes - low);
	}
	if (err != 0) {
		memory_destroy(memory);
	}
	return err;
}

void memory_destroy(struct memory *memory)
{
	for (unsigned i = 0; i < memory->slot_count; i++) {
		munmap(memory->slot[i].host, memory->slot[i].size);
	}
	memory->slot_count = 0;
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < memory->slot_count; i++) {
		const struct memory_slot *slot = &memory->slot[i];
		uint64_t offset = gpa - slot->gpa;
		if (gpa >= slot->gpa && offset <= slot->size && len <= slot->size - offset) {
			return slot->host + offset;
		}
	}
	return NULL;
}

bool memory_write(const struct memory *memory, uint64_t gpa, const void *data, uint64_t len)
{
	void *at = memory_at(memory, gpa, len);
	if (at != NULL) {
		memcpy(at, data, len);
	}
	return at != NULL;
}

uint64_t memory_low(const struct memory *memory)
{
	return memory->slot[0].size;
}

uint64_t memory_high(const struct memory *memory)
{
	return memory->slot_count > 1 ? memory->slot[1].size : 0;
}
