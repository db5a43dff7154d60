/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/queue_packed.c - packed virtqueues; virtio 1.2, 2.8. One ring of descriptors, which
 * both sides write: its two bits say whose a descriptor is, their sense turns with every round.
 * Runs: with device->lock held.
 */
#include "service/vmm/queue_format.h"

_Static_assert(sizeof(struct vring_packed_desc_event) == 4, "virtio 1.2, 2.8.14");

#define FLAG_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED  (1u << VRING_PACKED_DESC_F_USED)

static struct vring_packed_desc *descriptor(const struct virtqueue *queue, uint16_t index)
{
	return (struct vring_packed_desc *)queue->desc_at + index;
}

/* Go on by count (up to the size, or back by size - count); the sense turns at the ring's end. */
static void advance(const struct virtqueue *queue, uint16_t *index, bool *wrap, uint16_t count)
{
	uint32_t next = (uint32_t)*index + count;
	if (next >= queue->size) {
		next -= queue->size;
		*wrap = !*wrap;
	}
	*index = (uint16_t)next;
}

static bool is_available(uint16_t flags, bool wrap)
{
	return ((flags & FLAG_AVAIL) != 0) == wrap && ((flags & FLAG_USED) != 0) != wrap;
}

bool packed_more(const struct virtqueue *queue)
{
	return is_available(
		guest_load16(&descriptor(queue, queue->avail)->flags), queue->avail_wrap);
}

/* Every descriptor of an indirect table, in order; only the write flag counts there. */
static bool add_table(struct virtio_device *device, struct virtqueue *queue,
	struct virtq_chain *chain, const struct vring_packed_desc *indirect)
{
	unsigned count;
	const char *table = virtq_table(device, queue, indirect->addr, indirect->len, &count);
	for (unsigned i = 0; table != NULL && i < count; i++) {
		struct vring_packed_desc d;
		guest_copy(&d, table + i * sizeof(d), sizeof(d));
		if (!virtq_add(device, queue, chain, d.addr, d.len, d.flags)) {
			return false;
		}
	}
	return table != NULL;
}

static bool add_one(struct virtio_device *device, struct virtqueue *queue,
	struct virtq_chain *chain, const struct vring_packed_desc *d)
{
	if ((d->flags & VRING_DESC_F_INDIRECT) == 0) {
		return virtq_add(device, queue, chain, d->addr, d->len, d->flags);
	}
	/* Lists are of one kind: 2.8.7. */
	if (chain->descriptors != 1 || (d->flags & VRING_DESC_F_NEXT) != 0) {
		virtio_break(device, "an indirect descriptor in the wrong place");
		return false;
	}
	return add_table(device, queue, chain, d);
}

bool packed_pop(struct virtio_device *device, struct virtqueue *queue, struct virtq_chain *chain)
{
	uint16_t index = queue->avail;
	bool wrap = queue->avail_wrap;
	/* The first one's flags say that the whole list is there; then they are not read again. */
	uint16_t flags = guest_load16(&descriptor(queue, index)->flags);
	if (!is_available(flags, wrap)) {
		return false;
	}
	for (chain->descriptors = 1; chain->descriptors <= queue->size; chain->descriptors++) {
		struct vring_packed_desc d;
		guest_copy(&d, descriptor(queue, index), sizeof(d));
		d.flags = chain->descriptors == 1 ? flags : d.flags;
		if (!add_one(device, queue, chain, &d)) {
			return false;
		}
		advance(queue, &index, &wrap, 1);
		if ((d.flags & VRING_DESC_F_NEXT) == 0) {
			chain->id = d.id;
			queue->avail = index;
			queue->avail_wrap = wrap;
			return true;
		}
	}
	virtio_break(device, "a chain that never ends");
	return false;
}

void packed_unpop(struct virtqueue *queue, const struct virtq_chain *chain)
{
	if (chain->descriptors > queue->avail) {
		queue->avail = (uint16_t)(queue->avail + queue->size);
		queue->avail_wrap = !queue->avail_wrap;
	}
	queue->avail = (uint16_t)(queue->avail - chain->descriptors);
}

void packed_fill(struct virtqueue *queue, const struct virtq_chain *chain, uint32_t written)
{
	struct vring_packed_desc *at = descriptor(queue, queue->used);
	unsigned flags = queue->used_wrap ? FLAG_AVAIL | FLAG_USED : 0;
	flags |= written != 0 ? VRING_DESC_F_WRITE : 0;
	at->id = chain->id;
	at->len = written;
	if (queue->staged) {
		guest_store16(&at->flags, (uint16_t)flags);
	} else {
		/* The driver looks here next, and must see all or nothing: 2.8.9. */
		queue->staged = true;
		queue->staged_at = queue->used;
		queue->staged_flags = (uint16_t)flags;
	}
	advance(queue, &queue->used, &queue->used_wrap, chain->descriptors);
	queue->since += chain->descriptors;
}

void packed_flush(struct virtqueue *queue)
{
	guest_store16(&descriptor(queue, queue->staged_at)->flags, queue->staged_flags);
}

bool packed_wants_interrupt(const struct virtqueue *queue, uint32_t since)
{
	struct vring_packed_desc_event event;
	guest_copy(&event, queue->driver_at, sizeof(event));
	if (event.flags == VRING_PACKED_EVENT_FLAG_DISABLE) {
		return false;
	}
	if (event.flags != VRING_PACKED_EVENT_FLAG_DESC || !queue->event_idx) {
		return true;
	}
	/* Both indices on one line: what was asked for in the round before lies size further back.
	 */
	unsigned wanted = event.off_wrap & ((1u << VRING_PACKED_EVENT_F_WRAP_CTR) - 1);
	if (((event.off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR) != 0) != queue->used_wrap) {
		wanted -= queue->size;
	}
	return vring_need_event((uint16_t)wanted, queue->used, (uint16_t)(queue->used - since)) !=
		0;
}

void packed_notify(struct virtqueue *queue, bool wanted)
{
	struct vring_packed_desc_event event = {.flags = VRING_PACKED_EVENT_FLAG_DISABLE};
	if (wanted) {
		event.off_wrap = (uint16_t)(queue->avail |
			(unsigned)queue->avail_wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
		event.flags = queue->event_idx ? VRING_PACKED_EVENT_FLAG_DESC
					       : VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	uint32_t both;
	memcpy(&both, &event, sizeof(both));
	__atomic_store_n((uint32_t *)queue->device_at, both, __ATOMIC_RELEASE);
}
