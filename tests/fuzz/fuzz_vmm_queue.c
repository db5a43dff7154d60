/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_vmm_queue.c - whatever a guest writes into a virtqueue, at whatever time, its
 * device takes only buffers in guest RAM, no more than there can be, or breaks.
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/loop.c service/vmm/memory.c service/vmm/say.c
 */
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "service/vmm/memory.h"
#include "service/vmm/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM      0x4000u /* of the heap, so that ASan sees its ends */
#define DESC     0x0000u
#define AVAIL    0x0800u
#define USED     0x0c00u
#define TABLES   0x1000u
#define CAPACITY 12u
#define LONGEST  64u

static uint8_t *ram;
static struct memory memory;
static struct virtqueue queues[1];
static struct virtio_device device;
static struct held {
	struct iovec segment[CAPACITY];
	struct virtq_chain chain;
} held[LONGEST];
static unsigned held_count;

/* What is left of the input. */
static const uint8_t *input;
static size_t input_left;

static unsigned next8(void)
{
	return input_left == 0 ? 0 : (input_left--, *input++);
}

static unsigned next16(void)
{
	unsigned low = next8();
	return low | next8() << 8;
}

static void require(bool condition)
{
	if (!condition) {
		abort();
	}
}

static void check_chain(const struct virtq_chain *chain)
{
	uint64_t bytes = 0;
	require(chain->out_count + chain->in_count <= CAPACITY);
	for (unsigned i = 0; i < chain->out_count + chain->in_count; i++) {
		const uint8_t *base = chain->segment[i].iov_base;
		size_t len = chain->segment[i].iov_len;
		require(base >= ram && len != 0 && len <= RAM && (size_t)(base - ram) <= RAM - len);
		bytes += len;
	}
	require(bytes == chain->out_bytes + chain->in_bytes);
	require(chain->descriptors != 0 && chain->descriptors <= queues[0].size);
}

static void take(struct virtio_device *d, unsigned queue)
{
	require(queue == 0);
	for (;;) {
		struct held spare, *h = held_count < LONGEST ? &held[held_count] : &spare;
		h->chain.segment = h->segment;
		h->chain.capacity = CAPACITY;
		if (!virtq_pop(d, &d->queue[0], &h->chain)) {
			break;
		}
		require(held_count < queues[0].size);
		held_count++;
		check_chain(&h->chain);
	}
	require(d->broken || queues[0].in_flight == held_count);
}

static void give(unsigned which)
{
	if (held_count == 0) {
		return;
	}
	which %= held_count;
	struct held *h = &held[which];
	static uint8_t bytes[RAM];
	size_t len = virtq_read(&h->chain, which, bytes, sizeof(bytes));
	len = virtq_write(&h->chain, which, bytes, len);
	virtq_fill(&queues[0], &h->chain, (uint32_t)len);
	*h = held[--held_count];
	h->chain.segment = h->segment;
}

static void forget(struct virtio_device *d)
{
	(void)d;
	held_count = 0;
}

static void no_interrupt(struct virtio_device *d, unsigned queue)
{
	require(d == &device && queue == 0);
}

static void no_change(struct virtio_device *d)
{
	require(d == &device && d->broken);
}

static const struct virtio_ops ops = {.name = "fuzz", .kick = take, .reset = forget};
static const struct virtio_transport transport = {no_interrupt, no_change, NULL, NULL};

static void start(unsigned how)
{
	static const uint16_t sizes[] = {1, 2, 4, 8, 16, 64, 3, 15};
	virtio_set_status(&device, 0);
	virtio_set_features(&device,
		VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
			((how & 1) != 0 ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0) |
			((how & 2) != 0 ? VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0) |
			((how & 4) != 0 ? VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) : 0));
	virtio_set_status(&device, VIRTIO_CONFIG_S_FEATURES_OK);
	queues[0].size = sizes[(how >> 3) & 7];
	queues[0].desc = DESC + ((how & 0x80) != 0 ? next16() : 0);
	queues[0].driver = AVAIL;
	queues[0].device = USED;
	virtio_queue_enable(&device, 0);
	virtio_set_status(&device, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A descriptor in the ring or in a table; addresses and lengths near to what is allowed. */
static void write_descriptor(void)
{
	unsigned where = next8();
	uint64_t addr = next16();
	uint32_t len = next8();
	len |= (len & 0x80) != 0 ? next16() << 8 : 0;
	uint16_t flags = (uint16_t)next8(), other = (uint16_t)next8();
	uint8_t *at = ram + ((where & 0x80) != 0 ? TABLES : DESC) + 16 * (where & 0x3f);
	if ((where & 0x40) != 0) {
		addr |= UINT64_C(0xffffffffffff0000);
	}
	if (queues[0].packed) {
		/* Of flags, bits 6 and 7 become AVAIL and USED. */
		struct vring_packed_desc d = {addr, len, other,
			(uint16_t)((flags & 7) | (flags & 0x40) << 1 | (flags & 0x80) << 8)};
		memcpy(at, &d, sizeof(d));
	} else {
		struct vring_desc d = {addr, len, flags, other};
		memcpy(at, &d, sizeof(d));
	}
}

static void make_available(void)
{
	struct vring_avail *avail = (void *)(ram + AVAIL);
	unsigned head = next8();
	avail->ring[avail->idx % LONGEST % (queues[0].size + 1u)] = (uint16_t)head;
	avail->idx = (uint16_t)(avail->idx + 1);
}

static void step(void)
{
	unsigned op = next8();
	switch (op & 7) {
	case 0:
		ram[next16() % RAM] = (uint8_t)next8();
		break;
	case 1:
	case 2:
		write_descriptor();
		break;
	case 3:
		make_available();
		break;
	case 4:
		virtio_kick(&device, op >> 7);
		break;
	case 5:
		give(op >> 3);
		break;
	case 6:
		virtq_flush(&queues[0]);
		virtq_interrupt(&device, &queues[0]);
		virtq_notify(&queues[0], op >> 7);
		break;
	default:
		start(op >> 3 | (next8() & 7) << 5);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_left = size;
	ram = calloc(1, RAM);
	require(ram != NULL);
	memory = (struct memory){.slot_count = 1, .slot[0] = {0, RAM, ram}};
	held_count = 0;
	queues[0].max_size = LONGEST;
	device = (struct virtio_device){.ops = &ops,
		.transport = &transport,
		.memory = &memory,
		.breaks = 1000, /* quiet */
		.queue_count = 1,
		.queue = queues,
		.offered = VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) |
			VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |
			VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)};
	virtio_init(&device);
	start(next8());
	while (input_left != 0) {
		step();
	}
	free(ram);
	return 0;
}
