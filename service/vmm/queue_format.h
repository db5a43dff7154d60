/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/queue_format.h - private to queue*.c: what the two ring formats share, and what each
 * of them does. queue.c chooses by queue->packed.
 */
#pragma once

#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <string.h>

#include "service/vmm/queue.h"

#define DESCRIPTOR_SIZE 16u
_Static_assert(sizeof(struct vring_desc) == DESCRIPTOR_SIZE, "virtio 1.2, 2.7.5");
_Static_assert(sizeof(struct vring_packed_desc) == DESCRIPTOR_SIZE, "virtio 1.2, 2.8.13");

/* Copy what the guest may be changing: the compiler then works on the copy alone. */
static inline void guest_copy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline uint16_t guest_load16(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static inline void guest_store16(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

/* queue.c: append a buffer to a chain; false when the device broke. */
bool virtq_add(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain,
	uint64_t address, uint32_t len, uint16_t flags);
/* The table of an indirect descriptor, and how many descriptors there are; NULL: it broke. */
const void *virtq_table(struct virtio_device *device, struct virtqueue *queue, uint64_t address,
	uint32_t len, unsigned *count);

/* As their namesakes in queue.h. The ring's parts are mapped, and fit the size. */
bool split_more(const struct virtqueue *queue);
bool split_pop(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain);
void split_unpop(struct virtqueue *queue, const struct virtq_chain *chain);
void split_fill(struct virtqueue *queue, const struct virtq_chain *chain, uint32_t written);
void split_flush(struct virtqueue *queue);
bool split_wants_interrupt(const struct virtqueue *queue, uint32_t since);
void split_notify(struct virtqueue *queue, bool wanted);

bool packed_more(const struct virtqueue *queue);
bool packed_pop(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain);
void packed_unpop(struct virtqueue *queue, const struct virtq_chain *chain);
void packed_fill(struct virtqueue *queue, const struct virtq_chain *chain, uint32_t written);
void packed_flush(struct virtqueue *queue);
bool packed_wants_interrupt(const struct virtqueue *queue, uint32_t since);
void packed_notify(struct virtqueue *queue, bool wanted);
