/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/queue.c - virtqueues: what does not depend on the ring's format.
 * Runs: with device->lock held.
 */
#include "service/vmm/queue.h"

#include <inttypes.h>

#include "service/vmm/memory.h"
#include "service/vmm/queue_format.h"

static unsigned queue_index(const struct virtio_device *device, const struct virtqueue *queue)
{
	return (unsigned)(queue - device->queue);
}

/* A part of the ring, or NULL and the device is broken. */
static void *map_part(struct virtio_device *device, const struct virtqueue *queue, const char *part,
	uint64_t address, uint64_t len, uint64_t alignment)
{
	void *at = address % alignment == 0 ? memory_at(device->memory, address, len) : NULL;
	if (at == NULL) {
		virtio_break(device,
			"queue %u: its %s at 0x%" PRIx64 " are not in memory or not aligned",
			queue_index(device, queue), part, address);
	}
	return at;
}

/* Bytes, and what they are aligned to; virtio 1.2, 2.7 and 2.8.10.1. */
static bool map_ring(struct virtio_device *device, struct virtqueue *queue)
{
	uint64_t size = queue->size;
	uint64_t driver_len = queue->packed ? 4 : 6 + 2 * size;
	uint64_t device_len = queue->packed ? 4 : 6 + 8 * size;
	queue->desc_at = map_part(device, queue, "descriptors", queue->desc, 16 * size, 16);
	if (queue->desc_at == NULL) {
		return false;
	}
	queue->driver_at = map_part(
		device, queue, "driver's bytes", queue->driver, driver_len, queue->packed ? 4 : 2);
	if (queue->driver_at == NULL) {
		return false;
	}
	queue->device_at = map_part(device, queue, "device's bytes", queue->device, device_len, 4);
	return queue->device_at != NULL;
}

void virtq_enable(struct virtio_device *device, struct virtqueue *queue)
{
	uint16_t size = queue->size;
	if (queue->enabled) {
		return;
	}
	queue->packed = (device->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)) != 0;
	queue->event_idx = (device->features & VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0;
	queue->indirect = (device->features & VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
	if (size == 0 || size > queue->max_size || (!queue->packed && (size & (size - 1)) != 0)) {
		virtio_break(
			device, "queue %u: impossible size %u", queue_index(device, queue), size);
		return;
	}
	if (!map_ring(device, queue)) {
		return;
	}
	queue->avail = queue->used = queue->in_flight = 0;
	queue->avail_wrap = queue->used_wrap = true;
	queue->since = 0;
	queue->staged = false;
	queue->enabled = true;
}

void virtq_disable(struct virtqueue *queue)
{
	*queue = (struct virtqueue){.max_size = queue->max_size, .size = queue->max_size};
}

bool virtq_add(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain,
	uint64_t address, uint32_t len, uint16_t flags)
{
	unsigned index = queue_index(device, queue);
	unsigned count = chain->out_count + chain->in_count;
	bool in = (flags & VRING_DESC_F_WRITE) != 0;
	if (!in && chain->in_count != 0) {
		virtio_break(device, "queue %u: a readable buffer behind a writable one", index);
		return false;
	}
	if (len == 0) {
		return true;
	}
	if (count == chain->capacity) {
		virtio_break(device, "queue %u: a chain of more than %u buffers", index, count);
		return false;
	}
	void *at = memory_at(device->memory, address, len);
	if (at == NULL) {
		virtio_break(device,
			"queue %u: a buffer outside of memory, %" PRIu32 " bytes at 0x%" PRIx64,
			index, len, address);
		return false;
	}
	chain->segment[count] = (struct iovec){.iov_base = at, .iov_len = len};
	*(in ? &chain->in_count : &chain->out_count) += 1;
	*(in ? &chain->in_bytes : &chain->out_bytes) += len;
	return true;
}

const void *virtq_table(struct virtio_device *device, struct virtqueue *queue, uint64_t address,
	uint32_t len, unsigned *count)
{
	unsigned index = queue_index(device, queue);
	if (!queue->indirect) {
		virtio_break(device, "queue %u: an indirect descriptor, which was not negotiated",
			index);
		return NULL;
	}
	*count = len / DESCRIPTOR_SIZE;
	if (len == 0 || len % DESCRIPTOR_SIZE != 0 || *count > VIRTQ_CHAIN_MAX) {
		virtio_break(
			device, "queue %u: an indirect table of %" PRIu32 " bytes", index, len);
		return NULL;
	}
	const void *table = memory_at(device->memory, address, len);
	if (table == NULL) {
		virtio_break(device, "queue %u: an indirect table outside of memory, at 0x%" PRIx64,
			index, address);
	}
	return table;
}

bool virtq_pop(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain)
{
	if (!queue->enabled || device->broken) {
		return false;
	}
	chain->out_count = chain->in_count = 0;
	chain->out_bytes = chain->in_bytes = 0;
	if (!(queue->packed ? packed_pop : split_pop)(device, queue, chain)) {
		return false;
	}
	if (queue->in_flight == queue->size) {
		virtio_break(device, "queue %u: more chains than it is long",
			queue_index(device, queue));
		return false;
	}
	queue->in_flight++;
	return true;
}

void virtq_unpop(struct virtqueue *queue, const struct virtq_chain *chain)
{
	(queue->packed ? packed_unpop : split_unpop)(queue, chain);
	queue->in_flight--;
}

void virtq_fill(struct virtqueue *queue, const struct virtq_chain *chain, uint32_t written)
{
	(queue->packed ? packed_fill : split_fill)(queue, chain, written);
	queue->in_flight--;
}

void virtq_flush(struct virtqueue *queue)
{
	if (queue->staged) {
		(queue->packed ? packed_flush : split_flush)(queue);
		queue->staged = false;
	}
}

void virtq_interrupt(struct virtio_device *device, struct virtqueue *queue)
{
	uint32_t since = queue->since;
	if (since == 0 || device->broken) {
		return;
	}
	queue->since = 0;
	/* What the driver was shown comes before what it asks for: pairs with its own barrier. */
	atomic_thread_fence(memory_order_seq_cst);
	if (since > queue->size ||
		(queue->packed ? packed_wants_interrupt : split_wants_interrupt)(queue, since)) {
		device->transport->interrupt(device, queue_index(device, queue));
	}
}

bool virtq_notify(struct virtqueue *queue, bool wanted)
{
	if (!queue->enabled) {
		return false;
	}
	(queue->packed ? packed_notify : split_notify)(queue, wanted);
	atomic_thread_fence(memory_order_seq_cst);
	return (queue->packed ? packed_more : split_more)(queue);
}

/* Move len bytes between a buffer and `count` segments from offset on; out of them or into them. */
static size_t copy_segments(const struct iovec *segment, unsigned count, uint64_t offset, void *to,
	const void *from, size_t len)
{
	size_t done = 0;
	for (unsigned i = 0; i < count && done < len; i++) {
		if (offset >= segment[i].iov_len) {
			offset -= segment[i].iov_len;
			continue;
		}
		size_t piece = segment[i].iov_len - offset;
		piece = piece < len - done ? piece : len - done;
		char *at = (char *)segment[i].iov_base + offset;
		if (to != NULL) {
			guest_copy((char *)to + done, at, piece);
		} else {
			memcpy(at, (const char *)from + done, piece);
		}
		done += piece;
		offset = 0;
	}
	return done;
}

size_t virtq_read(const struct virtq_chain *chain, uint64_t offset, void *to, size_t len)
{
	return copy_segments(chain->segment, chain->out_count, offset, to, NULL, len);
}

size_t virtq_write(const struct virtq_chain *chain, uint64_t offset, const void *from, size_t len)
{
	return copy_segments(
		chain->segment + chain->out_count, chain->in_count, offset, NULL, from, len);
}
