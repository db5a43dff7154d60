/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/bus.c - a table of ranges for ports and memory-mapped devices.
 */
#include "service/vmm/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

struct range {
	enum bus_kind kind;
	uint64_t base, size;
	bus_fn *handler;
	void *argument;
};

/* A leaf lock: taken with any other held, and none after it. */
static pthread_rwlock_t bus_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct range ranges[BUS_RANGE_MAX]; /* [bus_lock] */
static unsigned range_count;               /* [bus_lock] */

int bus_add(enum bus_kind kind, uint64_t base, uint64_t size, bus_fn *handler, void *argument)
{
	int err = 0;
	if (size == 0 || base + size - 1 < base) {
		return -EINVAL;
	}
	pthread_rwlock_wrlock(&bus_lock);
	if (range_count == BUS_RANGE_MAX) {
		err = -ENOSPC;
	} else {
		ranges[range_count++] = (struct range){kind, base, size, handler, argument};
	}
	pthread_rwlock_unlock(&bus_lock);
	return err;
}

void bus_remove(enum bus_kind kind, uint64_t base, bus_fn *handler, void *argument)
{
	unsigned kept = 0;
	pthread_rwlock_wrlock(&bus_lock);
	for (unsigned i = 0; i < range_count; i++) {
		const struct range range = ranges[i];
		if (range.kind != kind || range.base != base || range.handler != handler ||
			range.argument != argument) {
			ranges[kept++] = range;
		}
	}
	range_count = kept;
	pthread_rwlock_unlock(&bus_lock);
}

static bool find(enum bus_kind kind, uint64_t address, unsigned len, struct range *found)
{
	bool any = false;
	pthread_rwlock_rdlock(&bus_lock);
	for (unsigned i = 0; i < range_count && !any; i++) {
		const struct range *range = &ranges[i];
		uint64_t offset = address - range->base;
		any = range->kind == kind && address >= range->base && offset < range->size &&
			len <= range->size - offset;
		*found = *range;
	}
	pthread_rwlock_unlock(&bus_lock);
	return any;
}

static uint64_t mask_of(unsigned len)
{
	return len >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * len)) - 1;
}

uint64_t bus_read(enum bus_kind kind, uint64_t address, unsigned len)
{
	struct range range;
	uint64_t value = UINT64_MAX;
	if (find(kind, address, len, &range)) {
		value = range.handler(range.argument, address - range.base, len, false, 0);
	}
	return value & mask_of(len);
}

void bus_write(enum bus_kind kind, uint64_t address, unsigned len, uint64_t value)
{
	struct range range;
	if (find(kind, address, len, &range)) {
		range.handler(
			range.argument, address - range.base, len, true, value & mask_of(len));
	}
}
