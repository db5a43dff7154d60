/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/msix.c - MSI-X vectors on irqfds.
 */
#include "service/vmm/msix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* An entry's words. */
enum msix_word {
	MSIX_ADDRESS,
	MSIX_ADDRESS_HIGH,
	MSIX_DATA,
	MSIX_CONTROL,
};
#define CONTROL_MASKED 1u

int msix_create(struct msix *msix, struct vm *vm, unsigned count)
{
	*msix = (struct msix){.vm = vm, .vector = calloc(count, sizeof(*msix->vector))};
	if (msix->vector == NULL) {
		return -ENOMEM;
	}
	while (msix->count < count) {
		struct msix_vector *vector = &msix->vector[msix->count];
		int gsi = vm_new_gsi(vm);
		vector->fd = gsi >= 0 ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
		if (vector->fd < 0) {
			return gsi < 0 ? gsi : -errno;
		}
		vector->gsi = (uint32_t)gsi;
		vector->entry[MSIX_CONTROL] = CONTROL_MASKED;
		msix->count++;
	}
	return 0;
}

void msix_destroy(struct msix *msix)
{
	for (unsigned i = 0; i < msix->count; i++) {
		close(msix->vector[i].fd);
	}
	free(msix->vector);
	*msix = (struct msix){0};
}

/* What has been written to the eventfd is taken from it; false when nothing was. */
static bool take(const struct msix_vector *vector)
{
	uint64_t count;
	return read(vector->fd, &count, sizeof(count)) == sizeof(count);
}

static void put(const struct msix_vector *vector)
{
	uint64_t one = 1;
	ssize_t written = write(vector->fd, &one, sizeof(one));
	(void)written; /* fails only when very much is pending */
}

static struct msi message(const struct msix_vector *vector)
{
	const uint32_t *entry = vector->entry;
	return (struct msi){
		entry[MSIX_ADDRESS] | (uint64_t)entry[MSIX_ADDRESS_HIGH] << 32, entry[MSIX_DATA]};
}

/* Give the eventfd to the kernel or take it back, as the masks want it. */
static void update(struct msix *msix, struct msix_vector *vector)
{
	bool wanted = msix->enabled && !msix->masked &&
		(vector->entry[MSIX_CONTROL] & CONTROL_MASKED) == 0;
	struct msi msi = message(vector);
	if (wanted) {
		wanted = vm_route(msix->vm, vector->gsi, &msi) == 0;
	}
	if (wanted == vector->connected) {
		return;
	}
	bool pending = wanted && take(vector);
	if (vm_irqfd(msix->vm, vector->fd, vector->gsi, wanted) == 0) {
		vector->connected = wanted;
	}
	if (pending) {
		vm_send(msix->vm, &msi);
	}
}

void msix_control(struct msix *msix, bool enabled, bool masked)
{
	if (msix->enabled == enabled && msix->masked == masked) {
		return;
	}
	msix->enabled = enabled;
	msix->masked = masked;
	for (unsigned i = 0; i < msix->count; i++) {
		update(msix, &msix->vector[i]);
	}
}

void msix_reset(struct msix *msix)
{
	msix_control(msix, false, false);
	for (unsigned i = 0; i < msix->count; i++) {
		struct msix_vector *vector = &msix->vector[i];
		memset(vector->entry, 0, sizeof(vector->entry));
		vector->entry[MSIX_CONTROL] = CONTROL_MASKED;
		take(vector);
	}
}

static uint64_t access_word(struct msix *msix, uint64_t offset, bool write, uint64_t value)
{
	if (offset / MSIX_ENTRY >= msix->count) {
		return 0;
	}
	struct msix_vector *vector = &msix->vector[offset / MSIX_ENTRY];
	uint32_t *word = &vector->entry[offset % MSIX_ENTRY / 4];
	if (write && *word != (uint32_t)value) {
		*word = (uint32_t)value;
		update(msix, vector);
	}
	return *word;
}

/* 6.8.2: the driver uses whole words or pairs of them; anything else is ignored. */
uint64_t msix_table(struct msix *msix, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	if ((len != 4 && len != 8) || offset % len != 0) {
		return 0;
	}
	uint64_t result = access_word(msix, offset, write, value);
	if (len == 8) {
		result |= access_word(msix, offset + 4, write, value >> 32) << 32;
	}
	return result;
}

uint64_t msix_pending(const struct msix *msix, uint64_t offset)
{
	uint64_t bits = 0;
	for (unsigned i = 0; i < 64 && offset * 8 + i < msix->count; i++) {
		const struct msix_vector *vector = &msix->vector[offset * 8 + i];
		if (!vector->connected && take(vector)) {
			put(vector);
			bits |= UINT64_C(1) << i;
		}
	}
	return bits;
}

void msix_raise(struct msix *msix, unsigned vector)
{
	if (vector < msix->count) {
		put(&msix->vector[vector]);
	}
}
