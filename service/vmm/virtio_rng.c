/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio_rng.c - the entropy device (virtio 1.2, 5.4): each buffer comes back full of
 * random bytes. The smallest device, and the one to read before the others.
 * Runs: with device->lock held.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "service/vmm/queue.h"
#include "service/vmm/say.h"

#define QUEUE_SIZE 64u
#define SEGMENTS   QUEUE_SIZE /* of a chain: a driver may use them all */
#define AT_ONCE    4096u      /* bytes for one chain; a driver asks again */

struct rng {
	struct virtio_device device;
	struct virtqueue queue[1];
};

static void rng_kick(struct virtio_device *device, unsigned index)
{
	struct virtqueue *queue = &device->queue[index];
	struct iovec segment[SEGMENTS];
	struct virtq_chain chain = {.segment = segment, .capacity = SEGMENTS};
	virtq_notify(queue, false);
	for (unsigned i = 0; i < VIRTIO_BUDGET && virtq_pop(device, queue, &chain); i++) {
		uint8_t bytes[AT_ONCE];
		size_t wanted = chain.in_bytes < AT_ONCE ? (size_t)chain.in_bytes : AT_ONCE;
		ssize_t len = getrandom(bytes, wanted, 0);
		virtq_fill(queue, &chain,
			(uint32_t)virtq_write(&chain, 0, bytes, len > 0 ? (size_t)len : 0));
	}
	virtq_flush(queue);
	virtq_interrupt(device, queue);
	if (virtq_notify(queue, true)) {
		virtio_kick_later(device, index);
	}
}

static void rng_destroy(struct virtio_device *device)
{
	free(device);
}

static const struct virtio_ops rng_ops = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.kick = rng_kick,
	.destroy = rng_destroy,
};

struct virtio_device *virtio_rng_create(struct memory *memory)
{
	struct rng *rng = calloc(1, sizeof(*rng));
	if (rng == NULL) {
		say("no memory for the random number device");
		return NULL;
	}
	rng->queue[0].max_size = QUEUE_SIZE;
	rng->device = (struct virtio_device){
		.ops = &rng_ops,
		.offered = VIRTIO_FEATURES_RINGS,
		.memory = memory,
		.queue = rng->queue,
		.queue_count = 1,
	};
	virtio_init(&rng->device);
	return &rng->device;
}
