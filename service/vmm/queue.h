/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/queue.h - the device's end of a virtqueue, split or packed (virtio 1.2, 2.7 and 2.8).
 *
 * A device takes chains of buffers with virtq_pop(), and gives each back once: virtq_fill() any
 * number, then virtq_flush() shows them to the driver at once, then virtq_interrupt(). What the
 * driver wrote is read once and checked; when it breaks a rule the device breaks (virtio_break())
 * and virtq_pop() has nothing more. All with device->lock held.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#include "service/vmm/virtio.h"

/* The longest chain that any device takes, and the longest indirect table. */
#define VIRTQ_CHAIN_MAX 1024u

/* A chain of guest buffers: first those that the device reads, then those that it writes. */
struct virtq_chain {
	struct iovec *segment; /* the caller's */
	unsigned capacity;     /* of them; a longer chain breaks the device */
	unsigned out_count;    /* readable */
	unsigned in_count;     /* writable, behind them */
	uint64_t out_bytes;
	uint64_t in_bytes;
	uint16_t id;          /* to give it back by */
	uint16_t descriptors; /* it takes so many of the ring's */
};

/* Check what the transport wrote into the queue and enable it, or break the device. */
void virtq_enable(struct virtio_device *device, struct virtqueue *queue);
/* As after a reset. */
void virtq_disable(struct virtqueue *queue);

/* Take the next chain; false when there is none, or the device broke. */
bool virtq_pop(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain);
/* The last chain that was taken goes back as if it had not been; in reverse order for several. */
void virtq_unpop(struct virtqueue *queue, const struct virtq_chain *chain);

/* Give a chain back, with so many bytes written into it, unseen until virtq_flush(). */
void virtq_fill(struct virtqueue *queue, const struct virtq_chain *chain, uint32_t written);
void virtq_flush(struct virtqueue *queue);
/* Interrupt the driver if it wants to know of what it was shown since the last call. */
void virtq_interrupt(struct virtio_device *device, struct virtqueue *queue);

/*
 * Whether the driver should notify the device of new chains: a hint. Returns whether there is a
 * chain now: a device that goes to sleep asks for notifications, and stays awake when there is.
 */
bool virtq_notify(struct virtqueue *queue, bool wanted);

/* Copy out of (into) a chain's readable (writable) bytes from offset on; how many there were. */
size_t virtq_read(const struct virtq_chain *chain, uint64_t offset, void *to, size_t len);
size_t virtq_write(const struct virtq_chain *chain, uint64_t offset, const void *from, size_t len);
