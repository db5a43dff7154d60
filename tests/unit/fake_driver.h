/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_driver.h - a guest's end of a virtio device: negotiates, fills queues of both
 * formats, takes back what the device used, and stands in for the transport. Written from virtio
 * 1.2 without a look at service/vmm/queue*.c, so that an error must be made twice to go unseen.
 */
#pragma once

#include "tests/unit/fake.h"

#include <linux/virtio_ring.h>
#include <semaphore.h>

#include "service/vmm/memory.h"
#include "service/vmm/queue.h"
#include "service/vmm/virtio.h"

#define DRIVER_QUEUES 16u
#define DRIVER_TABLE  64u /* descriptors in an indirect table */
#define DRIVER_RAM    (32u * 1024 * 1024)

#define FEATURES_SPLIT  VIRTIO_FEATURE(VIRTIO_F_VERSION_1)
#define FEATURES_PACKED (FEATURES_SPLIT | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED))
#define FEATURES_MORE                                                                              \
	(VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

struct driver_buffer {
	uint64_t gpa;
	uint32_t len;
	bool write;    /* by the device */
	bool indirect; /* a table of descriptors, not data */
};

struct driver_queue {
	struct driver *driver;
	unsigned index;
	uint16_t size;
	bool packed, event_idx, indirect;
	uint64_t desc, avail, used;          /* guest-physical: the ring's three areas */
	uint64_t tables;                     /* room for an indirect table for each descriptor */
	uint16_t next, seen;                 /* the next to make available, to find used */
	bool next_wrap, seen_wrap;           /* packed */
	uint16_t kicked;                     /* split: `next` when the device was last notified */
	uint32_t added;                      /* packed: descriptors since then */
	uint16_t free_count;                 /* descriptors */
	uint16_t free_list[VIRTQ_CHAIN_MAX]; /* split: descriptors; packed: ids; as a stack */
	uint16_t free_top;
	uint16_t taken[VIRTQ_CHAIN_MAX]; /* by id: descriptors of the ring in use */
	uint16_t next_of[VIRTQ_CHAIN_MAX];
	unsigned kicks;      /* notifications that were sent */
	unsigned interrupts; /* and that came; under the device's lock */
};

struct driver {
	struct virtio_device *device;
	struct memory memory;
	struct virtio_transport transport;
	struct driver_queue queue[DRIVER_QUEUES];
	uint64_t free_at; /* guest RAM from here on is free */
	unsigned config_interrupts;
	sem_t interrupt; /* posted by each */
	sem_t ended;     /* posted by driver_end() in the loop */
};

/* Make guest RAM; once, before the device that uses it. */
void driver_create(struct driver *driver);
void driver_destroy(struct driver *driver);

/* The same with the event loop in a thread of its own; and the end of that. For main(). */
void driver_create_with_loop(struct driver *driver);
void driver_loop_stop(void);

/* Destroy the device on the thread of loop_run(), as it is not there then. */
void driver_end(struct driver *driver);

/* Reset, negotiate, set up every queue with `size` descriptors (0: the most), set DRIVER_OK. */
void driver_start(
	struct driver *driver, struct virtio_device *device, uint64_t features, uint16_t size);
void driver_reset(struct driver *driver);

/* Guest RAM that nobody else has, and where it is. */
uint64_t driver_alloc(struct driver *driver, uint64_t len);
void *driver_at(struct driver *driver, uint64_t gpa);

/* Make a chain available; its id, or -1 when the ring is full. The device is not notified. */
int driver_add(struct driver_queue *queue, const struct driver_buffer *buffer, unsigned count);
/* Notify the device when it wants to know. Takes the device's lock. */
void driver_kick(struct driver_queue *queue);
/* Take back the next used chain: its id, or -1. */
int driver_get(struct driver_queue *queue, uint32_t *written);
/* Ask for an interrupt at the next used chain (or for none); whether one is there already. */
bool driver_want_interrupt(struct driver_queue *queue, bool wanted);

/* Wait for one interrupt of any kind; fails after a minute. */
void driver_wait(struct driver *driver);
