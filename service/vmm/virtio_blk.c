/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio_blk.c - the block device (virtio 1.2, 5.2) on a disk.
 *
 * A request is a chain of a 16-byte header, data, and a status byte, cut into buffers in any way.
 * It is checked whole, then becomes one disk operation, or for discard and zeroes one a range.
 * Runs: with device->lock held.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "service/vmm/disk.h"
#include "service/vmm/loop.h"
#include "service/vmm/queue.h"
#include "service/vmm/say.h"

#define SECTOR     512u
#define QUEUE_SIZE 256u
#define QUEUES_MAX 16u
#define SEG_MAX    126u
#define SEGMENTS   (SEG_MAX + 2) /* header and status */
#define RANGES     16u           /* of one discard or write-zeroes request */
#define RANGE_MAX  (1u << 21)    /* sectors */
#define BYTES_MAX  (UINT64_C(128) << 20)

struct request {
	struct disk_op op;
	struct blk *blk;
	struct request *next; /* of the free ones */
	unsigned queue;
	struct virtq_chain chain;
	struct iovec segment[SEGMENTS];
	uint8_t *status; /* in the guest's memory */
	uint32_t written;
	unsigned range, range_count;
	struct virtio_blk_discard_write_zeroes ranges[RANGES];
};

struct blk {
	struct virtio_device device;
	struct virtqueue queue[QUEUES_MAX];
	struct virtio_blk_config config;
	struct disk disk;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct request *requests, *free;
	bool resetting;
};

static struct blk *blk_of(struct virtio_device *device)
{
	return (struct blk *)device;
}

/* The ends of requests. ----------------------------------------------------------------------- */

static void request_end(struct request *request, uint8_t status)
{
	struct blk *blk = request->blk;
	struct virtqueue *queue = &blk->queue[request->queue];
	if (!blk->resetting) {
		*request->status = status;
		virtq_fill(queue, &request->chain,
			status == VIRTIO_BLK_S_OK ? request->written + 1 : 1);
	}
	request->next = blk->free;
	blk->free = request;
}

static uint8_t status_of(int error)
{
	return error == 0 ? VIRTIO_BLK_S_OK
			  : (error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR);
}

static void transfer_done(struct disk_op *op, int error)
{
	request_end((struct request *)op, status_of(error));
}

static void flush(struct request *request)
{
	request->op.what = DISK_FLUSH;
	request->op.done = transfer_done;
	disk_start(&request->blk->disk, &request->op);
}

static void range_start(struct request *request);

static void range_done(struct disk_op *op, int error)
{
	struct request *request = (struct request *)op;
	request->range++;
	if (error != 0 || request->blk->resetting) {
		request_end(request, status_of(error));
	} else if (request->range != request->range_count) {
		range_start(request);
	} else if (op->through && op->what != DISK_DISCARD) {
		flush(request);
	} else {
		request_end(request, VIRTIO_BLK_S_OK);
	}
}

/* What has been given back so far is shown to the driver. */
static void show_all(struct blk *blk)
{
	for (unsigned i = 0; i < blk->device.queue_count; i++) {
		if (blk->queue[i].staged) {
			virtq_flush(&blk->queue[i]);
			virtq_interrupt(&blk->device, &blk->queue[i]);
		}
	}
}

/* Requests. ----------------------------------------------------------------------------------- */

/* The data's segments: the readable ones without the header, or the writable without the status. */
static void aim_at_data(struct request *request, bool in)
{
	struct virtq_chain *chain = &request->chain;
	uint64_t skip = in ? 0 : sizeof(struct virtio_blk_outhdr);
	struct iovec *segment = request->segment + (in ? chain->out_count : 0);
	unsigned count = in ? chain->in_count : chain->out_count;
	if (in && --segment[count - 1].iov_len == 0) {
		count--;
	}
	while (count != 0 && skip >= segment->iov_len) {
		skip -= segment->iov_len;
		segment++;
		count--;
	}
	if (count != 0) {
		segment->iov_base = (char *)segment->iov_base + skip;
		segment->iov_len -= skip;
	}
	request->op.segment = segment;
	request->op.count = count;
}

static bool inside(const struct blk *blk, uint64_t sector, uint64_t sectors)
{
	uint64_t all = blk->disk.bytes / SECTOR;
	return sector <= all && sectors <= all - sector;
}

static bool writes_through(const struct blk *blk)
{
	bool flushes = (blk->device.features & VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH)) != 0;
	return !flushes || blk->config.wce == 0;
}

static void transfer(struct request *request, uint64_t sector, bool in)
{
	struct blk *blk = request->blk;
	uint64_t len = in ? request->chain.in_bytes - 1
			  : request->chain.out_bytes - sizeof(struct virtio_blk_outhdr);
	if (len % SECTOR != 0 || len > BYTES_MAX || !inside(blk, sector, len / SECTOR) ||
		(!in && blk->disk.read_only)) {
		request_end(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	request->written = in ? (uint32_t)len : 0;
	if (len == 0) {
		request_end(request, VIRTIO_BLK_S_OK);
		return;
	}
	aim_at_data(request, in);
	request->op.what = in ? DISK_READ : DISK_WRITE;
	request->op.through = !in && writes_through(blk);
	request->op.offset = sector * SECTOR;
	request->op.len = len;
	request->op.done = transfer_done;
	disk_start(&blk->disk, &request->op);
}

static void get_id(struct request *request)
{
	if (request->chain.in_bytes < VIRTIO_BLK_ID_BYTES + 1) {
		request_end(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	request->written = VIRTIO_BLK_ID_BYTES;
	virtq_write(&request->chain, 0, request->blk->serial, VIRTIO_BLK_ID_BYTES);
	request_end(request, VIRTIO_BLK_S_OK);
}

static void range_start(struct request *request)
{
	const struct virtio_blk_discard_write_zeroes *range = &request->ranges[request->range];
	struct disk_op *op = &request->op;
	op->offset = range->sector * SECTOR;
	op->len = (uint64_t)range->num_sectors * SECTOR;
	op->segment = request->segment; /* the chain's, which are not needed any more */
	op->room = SEGMENTS;
	op->done = range_done;
	op->through = writes_through(request->blk);
	if (op->what != DISK_DISCARD) {
		bool unmap = (range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0;
		op->what = unmap ? DISK_UNMAP : DISK_ZERO;
	}
	if (op->len == 0) {
		range_done(op, 0);
	} else {
		disk_start(&request->blk->disk, op);
	}
}

/* All ranges of a discard or write-zeroes request; 5.2.6.2 says what is refused how. */
static uint8_t ranges_check(struct request *request, bool discard)
{
	const struct blk *blk = request->blk;
	uint32_t allowed = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	for (unsigned i = 0; i < request->range_count; i++) {
		struct virtio_blk_discard_write_zeroes *range = &request->ranges[i];
		range->sector = le64toh(range->sector);
		range->num_sectors = le32toh(range->num_sectors);
		range->flags = le32toh(range->flags);
		if ((range->flags & ~allowed) != 0) {
			return VIRTIO_BLK_S_UNSUPP;
		}
		if (range->num_sectors > RANGE_MAX ||
			!inside(blk, range->sector, range->num_sectors)) {
			return VIRTIO_BLK_S_IOERR;
		}
	}
	return VIRTIO_BLK_S_OK;
}

static void clear(struct request *request, bool discard)
{
	const size_t header = sizeof(struct virtio_blk_outhdr), each = sizeof(request->ranges[0]);
	uint64_t len = request->chain.out_bytes - header;
	if (len == 0 || len % each != 0 || len > sizeof(request->ranges) ||
		request->blk->disk.read_only) {
		request_end(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	virtq_read(&request->chain, header, request->ranges, (size_t)len);
	request->range = 0;
	request->range_count = (unsigned)(len / each);
	uint8_t status = ranges_check(request, discard);
	if (status != VIRTIO_BLK_S_OK) {
		request_end(request, status);
		return;
	}
	request->op.what = discard ? DISK_DISCARD : DISK_ZERO;
	range_start(request);
}

/* What a request type is offered with; a driver that did not take it gets "unsupported". */
static bool taken(const struct blk *blk, unsigned feature)
{
	return (blk->device.features & VIRTIO_FEATURE(feature)) != 0;
}

static void request_run(struct request *request, uint32_t type, uint64_t sector)
{
	const struct blk *blk = request->blk;
	if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_OUT) {
		transfer(request, sector, type == VIRTIO_BLK_T_IN);
	} else if (type == VIRTIO_BLK_T_FLUSH) {
		flush(request);
	} else if (type == VIRTIO_BLK_T_GET_ID) {
		get_id(request);
	} else if (type == VIRTIO_BLK_T_DISCARD && taken(blk, VIRTIO_BLK_F_DISCARD)) {
		clear(request, true);
	} else if (type == VIRTIO_BLK_T_WRITE_ZEROES && taken(blk, VIRTIO_BLK_F_WRITE_ZEROES)) {
		clear(request, false);
	} else {
		request_end(request, VIRTIO_BLK_S_UNSUPP);
	}
}

/* Take one request from the queue and begin it; false when there is none. */
static bool request_take(struct blk *blk, unsigned index)
{
	struct request *request = blk->free;
	struct virtio_blk_outhdr header;
	if (request == NULL) {
		return false; /* cannot be: there is one for each chain of each queue */
	}
	request->chain.segment = request->segment;
	request->chain.capacity = SEGMENTS;
	if (!virtq_pop(&blk->device, &blk->queue[index], &request->chain)) {
		return false;
	}
	const struct virtq_chain *chain = &request->chain;
	if (virtq_read(chain, 0, &header, sizeof(header)) != sizeof(header) ||
		chain->in_bytes == 0) {
		virtio_break(&blk->device, "queue %u: a request without header or status", index);
		return false;
	}
	blk->free = request->next;
	request->queue = index;
	request->written = 0;
	const struct iovec *last = &request->segment[chain->out_count + chain->in_count - 1];
	request->status = (uint8_t *)last->iov_base + last->iov_len - 1;
	request_run(request, le32toh(header.type), le64toh(header.sector));
	return true;
}

/* The device. --------------------------------------------------------------------------------- */

static void commit(struct blk *blk, unsigned index)
{
	if (!disk_commit(&blk->disk)) {
		virtio_kick_later(&blk->device, index);
	}
	show_all(blk);
}

static void blk_kick(struct virtio_device *device, unsigned index)
{
	struct blk *blk = blk_of(device);
	unsigned budget = VIRTIO_BUDGET;
	virtq_notify(&blk->queue[index], false);
	while (budget != 0 && request_take(blk, index)) {
		budget--;
	}
	if (virtq_notify(&blk->queue[index], true)) {
		virtio_kick_later(device, index);
	}
	commit(blk, index);
}

/* The event loop: operations have ended. */
static void blk_ready(void *argument, uint32_t events)
{
	struct blk *blk = argument;
	(void)events;
	pthread_mutex_lock(&blk->device.lock);
	disk_reap(&blk->disk);
	commit(blk, 0);
	pthread_mutex_unlock(&blk->device.lock);
}

static void blk_config_write(
	struct virtio_device *device, uint32_t offset, const void *data, uint32_t len)
{
	struct blk *blk = blk_of(device);
	if (offset == offsetof(struct virtio_blk_config, wce) && len == 1 &&
		taken(blk, VIRTIO_BLK_F_CONFIG_WCE)) {
		blk->config.wce = *(const uint8_t *)data != 0;
	}
}

static void blk_reset(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);
	blk->resetting = true;
	disk_drain(&blk->disk);
	blk->resetting = false;
	blk->config.wce = 1;
	/* Also those that a broken driver left in the middle. */
	blk->free = NULL;
	for (unsigned i = 0; i < device->queue_count * QUEUE_SIZE; i++) {
		blk->requests[i].next = blk->free;
		blk->free = &blk->requests[i];
	}
}

static void blk_destroy(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);
	if (disk_fd(&blk->disk) >= 0) {
		loop_remove(disk_fd(&blk->disk));
	}
	disk_close(&blk->disk);
	free(blk->requests);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.kick = blk_kick,
	.config_write = blk_config_write,
	.reset = blk_reset,
	.destroy = blk_destroy,
};

static void describe(struct blk *blk, const struct virtio_blk_options *options)
{
	blk->config = (struct virtio_blk_config){
		.capacity = htole64(blk->disk.bytes / SECTOR),
		.seg_max = htole32(SEG_MAX),
		.blk_size = htole32(blk->disk.block),
		.wce = 1,
		.num_queues = htole16(blk->device.queue_count),
		.max_discard_sectors = htole32(RANGE_MAX),
		.max_discard_seg = htole32(RANGES),
		.discard_sector_alignment = htole32(4096 / SECTOR),
		.max_write_zeroes_sectors = htole32(RANGE_MAX),
		.max_write_zeroes_seg = htole32(RANGES),
		.write_zeroes_may_unmap = 1,
	};
	const char *slash = strrchr(options->path, '/');
	const char *serial = slash != NULL ? slash + 1 : options->path;
	serial = options->serial != NULL ? options->serial : serial;
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
}

static uint64_t features(const struct blk *blk)
{
	uint64_t writing =
		VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) | VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
	return VIRTIO_FEATURES_RINGS | VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
		VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) | VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
		VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) |
		(blk->device.queue_count > 1 ? VIRTIO_FEATURE(VIRTIO_BLK_F_MQ) : 0) |
		(blk->disk.read_only ? VIRTIO_FEATURE(VIRTIO_BLK_F_RO) : writing);
}

static void blk_init(
	struct blk *blk, struct memory *memory, const struct virtio_blk_options *options)
{
	blk->device = (struct virtio_device){
		.ops = &blk_ops,
		.memory = memory,
		.queue = blk->queue,
		.queue_count = blk->device.queue_count,
		.config = &blk->config,
		.config_size = sizeof(blk->config),
	};
	blk->device.offered = features(blk);
	for (unsigned i = 0; i < blk->device.queue_count; i++) {
		blk->queue[i].max_size = QUEUE_SIZE;
	}
	for (unsigned i = 0; i < blk->device.queue_count * QUEUE_SIZE; i++) {
		blk->requests[i].blk = blk;
	}
	describe(blk, options);
	virtio_init(&blk->device);
	blk_reset(&blk->device);
}

struct virtio_device *virtio_blk_create(
	struct memory *memory, const struct virtio_blk_options *options)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	unsigned queues = options->queues == 0 ? 1 : options->queues;
	queues = queues < QUEUES_MAX ? queues : QUEUES_MAX;
	if (blk != NULL) {
		blk->requests = calloc((size_t)queues * QUEUE_SIZE, sizeof(*blk->requests));
	}
	if (blk == NULL || blk->requests == NULL) {
		say("no memory for the disk %s", options->path);
		free(blk);
		return NULL;
	}
	if (!disk_open(&blk->disk, options->path, options->read_only, queues * QUEUE_SIZE)) {
		free(blk->requests);
		free(blk);
		return NULL;
	}
	blk->device.queue_count = (uint16_t)queues;
	blk_init(blk, memory, options);
	int fd = disk_fd(&blk->disk);
	int error = fd >= 0 ? loop_add(fd, EPOLLIN, blk_ready, blk) : 0;
	if (error != 0) {
		say("cannot wait for the disk %s: %s", options->path, strerror(-error));
		virtio_destroy(&blk->device);
		return NULL;
	}
	return &blk->device;
}
