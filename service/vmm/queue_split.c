/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/queue_split.c - split virtqueues; virtio 1.2, 2.7. Three areas: descriptors, the
 * available ring (flags, index, entries, used_event), the used ring (the same, avail_event).
 * Runs: with device->lock held.
 */
#include "service/vmm/queue_format.h"

_Static_assert(sizeof(struct vring_avail) == 4, "virtio 1.2, 2.7.6");
_Static_assert(sizeof(struct vring_used_elem) == 8, "virtio 1.2, 2.7.8");

static struct vring_avail *avail_ring(const struct virtqueue *queue)
{
	return queue->driver_at;
}

static struct vring_used *used_ring(const struct virtqueue *queue)
{
	return queue->device_at;
}

bool split_more(const struct virtqueue *queue)
{
	return guest_load16(&avail_ring(queue)->idx) != queue->avail;
}

/*
 * Follow one list from descriptor `next` of a table of `count`. In the ring's own table an indirect
 * descriptor may end it, and its table is stored; in an indirect table it may not (table: NULL).
 */
static bool follow(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain,
	const void *at, unsigned count, uint16_t next, struct vring_desc *table)
{
	const struct vring_desc *descriptors = at;
	for (unsigned steps = 0; steps < count; steps++) {
		struct vring_desc d;
		chain->descriptors = (uint16_t)(chain->descriptors + (table != NULL));
		if (next >= count) {
			virtio_break(device, "descriptor %u of %u", next, count);
			return false;
		}
		guest_copy(&d, (const char *)at + (size_t)next * sizeof(*descriptors), sizeof(d));
		if ((d.flags & VRING_DESC_F_INDIRECT) != 0) {
			if (table == NULL || (d.flags & VRING_DESC_F_NEXT) != 0) {
				virtio_break(device, "an indirect descriptor in the wrong place");
				return false;
			}
			*table = d;
			return true;
		}
		if (!virtq_add(device, queue, chain, d.addr, d.len, d.flags)) {
			return false;
		}
		if ((d.flags & VRING_DESC_F_NEXT) == 0) {
			return true;
		}
		next = d.next;
	}
	virtio_break(device, "a chain that never ends");
	return false;
}

bool split_pop(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain)
{
	uint16_t waiting = (uint16_t)(guest_load16(&avail_ring(queue)->idx) - queue->avail);
	if (waiting == 0) {
		return false;
	}
	if (waiting > queue->size) {
		virtio_break(device, "%u chains at once in a queue of %u", waiting, queue->size);
		return false;
	}
	chain->id = guest_load16(&avail_ring(queue)->ring[queue->avail & (queue->size - 1)]);
	chain->descriptors = 0;
	struct vring_desc table = {0};
	if (!follow(device, queue, chain, queue->desc_at, queue->size, chain->id, &table)) {
		return false;
	}
	if ((table.flags & VRING_DESC_F_INDIRECT) != 0) {
		unsigned count;
		const void *at = virtq_table(device, queue, table.addr, table.len, &count);
		if (at == NULL || !follow(device, queue, chain, at, count, 0, NULL)) {
			return false;
		}
	}
	queue->avail++;
	return true;
}

void split_unpop(struct virtqueue *queue, const struct virtq_chain *chain)
{
	(void)chain;
	queue->avail--;
}

void split_fill(struct virtqueue *queue, const struct virtq_chain *chain, uint32_t written)
{
	struct vring_used_elem *element = &used_ring(queue)->ring[queue->used & (queue->size - 1)];
	*element = (struct vring_used_elem){.id = chain->id, .len = written};
	queue->used++;
	queue->since++;
	queue->staged = true;
}

void split_flush(struct virtqueue *queue)
{
	guest_store16(&used_ring(queue)->idx, queue->used);
}

bool split_wants_interrupt(const struct virtqueue *queue, uint32_t since)
{
	if (!queue->event_idx) {
		return (guest_load16(&avail_ring(queue)->flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
	}
	uint16_t used_event = guest_load16(&avail_ring(queue)->ring[queue->size]);
	return vring_need_event(used_event, queue->used, (uint16_t)(queue->used - since)) != 0;
}

void split_notify(struct virtqueue *queue, bool wanted)
{
	if (!queue->event_idx) {
		guest_store16(&used_ring(queue)->flags, wanted ? 0 : VRING_USED_F_NO_NOTIFY);
	} else if (wanted) {
		guest_store16(&used_ring(queue)->ring[queue->size], queue->avail); /* avail_event */
	}
}
