/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/bus.h - which device answers at a port or an address that is not RAM.
 *
 * Devices are never taken away, only their ranges: a handler may still be called once by another
 * vCPU while its range goes. No lock is held while a handler runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum bus_kind {
	BUS_PORT,
	BUS_MMIO,
};

#define BUS_RANGE_MAX 128u

/*
 * A guest's access of len (1, 2, 4 or 8) bytes at `offset` in the range. A write stores the low len
 * bytes of `value`, the others being zero; the result of a read is returned, more bytes than len
 * being cut off.
 */
typedef uint64_t bus_fn(void *argument, uint64_t offset, unsigned len, bool write, uint64_t value);

/*
 * [base, base + size) belongs to this handler; where ranges overlap, to the first that holds the
 * whole access. 0, -EINVAL when the range has no sense, -ENOSPC.
 */
int bus_add(enum bus_kind kind, uint64_t base, uint64_t size, bus_fn *handler, void *argument);

/* Undo a bus_add() with the same arguments. */
void bus_remove(enum bus_kind kind, uint64_t base, bus_fn *handler, void *argument);

/* A guest's access. Where nothing is, reads give ones and writes nothing. */
uint64_t bus_read(enum bus_kind kind, uint64_t address, unsigned len);
void bus_write(enum bus_kind kind, uint64_t address, unsigned len, uint64_t value);
