/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/disk.h - a raw file or block device, used by many operations at once: by io_uring, or
 * one after another where the kernel does not offer that.
 *
 * One caller at a time. Operations end in any order, each with one call of its done().
 */
#pragma once

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum disk_what {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,        /* what has ended before is on the medium afterwards */
	DISK_DISCARD,      /* the contents are not needed; -EOPNOTSUPP where that cannot be told */
	DISK_UNMAP,        /* becomes zero, and need not take room */
	DISK_ZERO,         /* becomes zero */
	DISK_WRITE_ZEROES, /* private: what the two above fall back to */
};

struct disk_op {
	enum disk_what what;
	bool through;          /* a write: on the medium before it ends */
	uint64_t offset, len;  /* bytes; inside of the disk, multiples of 512 */
	struct iovec *segment; /* of a read or write: len bytes; changed while it runs */
	unsigned count;
	unsigned room; /* for zeroes: so many segments may be used, at least one */
	void (*done)(struct disk_op *op, int error); /* 0 or a negative errno; op is free again */
};

struct disk {
	int fd;
	bool read_only;
	bool uring;
	uint64_t bytes; /* a multiple of 512 */
	uint32_t block; /* the device's own sector size, for the guest to know */
	unsigned in_flight;
	struct io_uring ring;
};

/* Open and lock it; false after a message. At most `depth` operations will be under way. */
bool disk_open(struct disk *disk, const char *path, bool read_only, unsigned depth);
void disk_close(struct disk *disk);

/* Readable when something has ended; -1 when everything ends in disk_start(). */
int disk_fd(const struct disk *disk);

/* Begin; it may wait for disk_commit(). False when that must be called again, later. */
void disk_start(struct disk *disk, struct disk_op *op);
bool disk_commit(struct disk *disk);

/* Call done() of what has ended; do not wait. */
void disk_reap(struct disk *disk);
/* Wait until all has ended. */
void disk_drain(struct disk *disk);
