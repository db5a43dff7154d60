/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio_net.c - the network device (virtio 1.2, 5.1): one pair of queues, on a backend
 * that has frames or takes them; or served by the kernel, when that offers to (vhost).
 * Runs: with device->lock held.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "service/vmm/loop.h"
#include "service/vmm/net.h"
#include "service/vmm/say.h"

#define MERGED 64u /* buffers for one frame, at most */
#define FRAMES 64u /* at one go */

/* What vhost has a say in, besides the rings' layout. */
#define VHOST_KNOWS (VIRTIO_FEATURES_RINGS | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF))

/* Buffers that were taken for a frame. */
struct taken {
	struct virtq_chain chain[MERGED];
	uint32_t written[MERGED];
	struct iovec first[NET_SEGMENTS]; /* of chain[0] */
	unsigned count;
	unsigned descriptors, longest; /* of the ring that they are, all and one at most */
	size_t done;                   /* bytes of the frame */
};

struct net {
	struct virtio_device device;
	struct virtqueue queue[NET_QUEUES];
	struct virtio_net_config config;
	struct net_backend *backend;
	struct taken taken;
	uint32_t watched; /* events of the backend that the loop waits for */
	bool use_vhost;
	struct net_vhost vhost;
};

static struct net *net_of(struct virtio_device *device)
{
	return (struct net *)device;
}

static void net_ready(void *argument, uint32_t events);

static void watch(struct net *net, uint32_t events)
{
	if (events == net->watched) {
		return;
	}
	if (net->watched != 0 && events != 0) {
		loop_change(net->backend->fd, events);
	} else if (events != 0) {
		int error = loop_add(net->backend->fd, events, net_ready, net);
		if (error != 0) {
			say("cannot wait for %s: %s", net->backend->name, strerror(-error));
			return;
		}
	} else {
		loop_remove(net->backend->fd);
	}
	net->watched = events;
}

/* To the guest. ------------------------------------------------------------------------------- */

/* The header of a frame in its first buffer, which knows now how many there are. */
static void write_header(struct taken *taken, const struct net_frame *frame)
{
	struct virtio_net_hdr_v1 header = frame->header;
	header.num_buffers = htole16((uint16_t)taken->count);
	virtq_write(&taken->chain[0], 0, &header, NET_HEADER);
}

/* Take one more buffer, and write on; false when there is none. */
static bool fill_one(struct net *net, const struct net_frame *frame)
{
	struct taken *taken = &net->taken;
	struct virtq_chain *chain = &taken->chain[taken->count];
	struct iovec segment[NET_SEGMENTS];
	uint32_t skip = taken->count == 0 ? NET_HEADER : 0;
	chain->segment = taken->count == 0 ? taken->first : segment;
	chain->capacity = NET_SEGMENTS;
	if (!virtq_pop(&net->device, &net->queue[NET_RX], chain)) {
		return false;
	}
	size_t len = virtq_write(chain, skip, frame->data + taken->done, frame->len - taken->done);
	taken->written[taken->count++] = skip + (uint32_t)len;
	taken->done += len;
	taken->descriptors += chain->descriptors;
	taken->longest = chain->descriptors > taken->longest ? chain->descriptors : taken->longest;
	return true;
}

/* Whether the driver could put one more buffer like these into the ring, and we could take it. */
static bool another_fits(const struct net *net)
{
	const struct taken *taken = &net->taken;
	return taken->count < MERGED &&
		taken->descriptors + taken->longest <= net->queue[NET_RX].size;
}

static void forget_taken(struct taken *taken)
{
	taken->count = taken->descriptors = taken->longest = 0;
	taken->done = 0;
}

/*
 * Give a frame to the guest, or lose it when no number of buffers would be enough. False: there are
 * too few. Those that were taken stay taken, so that a driver with event indices will notify of the
 * next one; the same frame goes on when that is there.
 */
static bool deliver(struct net *net, const struct net_frame *frame)
{
	struct virtqueue *queue = &net->queue[NET_RX];
	struct taken *taken = &net->taken;
	bool merge = (net->device.features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)) != 0;
	while (taken->count == 0 || (merge && taken->done < frame->len && another_fits(net))) {
		if (!fill_one(net, frame)) {
			return false;
		}
	}
	if (taken->done == frame->len && taken->chain[0].in_bytes >= NET_HEADER) {
		write_header(taken, frame);
		for (unsigned i = 0; i < taken->count; i++) {
			virtq_fill(queue, &taken->chain[i], taken->written[i]);
		}
		virtq_flush(queue);
	} else {
		for (unsigned i = taken->count; i != 0; i--) {
			virtq_unpop(queue, &taken->chain[i - 1]);
		}
	}
	forget_taken(taken);
	return true;
}

/* Whether to wait for more frames; else for buffers. */
static bool pump_rx(struct net *net)
{
	struct virtqueue *queue = &net->queue[NET_RX];
	struct net_frame frame;
	unsigned budget = FRAMES;
	bool room = true;
	virtq_notify(queue, false);
	while (room && budget != 0 && net->backend->ops->peek(net->backend, &frame)) {
		room = deliver(net, &frame);
		if (room) {
			net->backend->ops->consume(net->backend);
			budget--;
		}
	}
	virtq_interrupt(&net->device, queue);
	if (budget == 0 || (!room && virtq_notify(queue, true))) {
		virtio_kick_later(&net->device, NET_RX);
	}
	return room;
}

/* From the guest. ----------------------------------------------------------------------------- */

/* Whether to wait until the backend takes more. */
static bool pump_tx(struct net *net)
{
	struct virtqueue *queue = &net->queue[NET_TX];
	struct iovec segment[NET_SEGMENTS];
	struct virtq_chain chain = {.segment = segment, .capacity = NET_SEGMENTS};
	bool full = false;
	virtq_notify(queue, false);
	for (unsigned i = 0; i < FRAMES && virtq_pop(&net->device, queue, &chain); i++) {
		if (chain.out_bytes < NET_HEADER) {
			virtio_break(&net->device, "a frame without its header");
			break;
		}
		bool fits = chain.out_bytes > NET_HEADER &&
			chain.out_bytes <= NET_HEADER + NET_FRAME_MAX;
		if (fits && !net->backend->ops->send(net->backend, &chain)) {
			virtq_unpop(queue, &chain);
			full = true;
			break;
		}
		virtq_fill(queue, &chain, 0);
	}
	full = !net->backend->ops->flush(net->backend) || full;
	virtq_flush(queue);
	virtq_interrupt(&net->device, queue);
	if (!full && virtq_notify(queue, true)) {
		virtio_kick_later(&net->device, NET_TX);
	}
	return full;
}

/* The device. --------------------------------------------------------------------------------- */

static void pump(struct net *net)
{
	bool works = (net->device.status & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && !net->device.broken;
	if (!works) {
		watch(net, 0); /* else what waits there wakes us for ever */
		return;
	}
	if (net->vhost.fd >= 0) {
		return;
	}
	bool in = !net->backend->gone && pump_rx(net), out = pump_tx(net);
	if (!net->backend->gone) {
		watch(net, (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0));
	} else if (net->config.status != 0) {
		watch(net, 0);
		net->config.status = 0; /* the cable is out */
		virtio_config_changed(&net->device);
	}
}

static void net_kick(struct virtio_device *device, unsigned index)
{
	(void)index;
	pump(net_of(device));
}

static void net_ready(void *argument, uint32_t events)
{
	struct net *net = argument;
	(void)events;
	pthread_mutex_lock(&net->device.lock);
	pump(net);
	pthread_mutex_unlock(&net->device.lock);
}

/* The kernel has found a ring that it does not go on with. */
static void vhost_refuses(void *argument, uint32_t events)
{
	struct net *net = argument;
	(void)events;
	pthread_mutex_lock(&net->device.lock);
	if (net->vhost.fd >= 0) {
		loop_remove(net->vhost.error);
		net_vhost_stop(&net->vhost);
		virtio_break(&net->device, "the kernel found a ring that makes no sense");
	}
	pthread_mutex_unlock(&net->device.lock);
}

static void net_start(struct virtio_device *device)
{
	struct net *net = net_of(device);
	net->backend->ops->start(net->backend, device->features);
	bool enabled = net->queue[NET_RX].enabled && net->queue[NET_TX].enabled;
	if (net->use_vhost && enabled && net_vhost_start(&net->vhost, device, net->backend->fd)) {
		if (loop_add(net->vhost.error, EPOLLIN, vhost_refuses, net) != 0) {
			say("the kernel's reports of bad rings of %s are not heard",
				net->backend->name);
		}
	}
	pump(net);
}

static void net_reset(struct virtio_device *device)
{
	struct net *net = net_of(device);
	if (net->vhost.fd >= 0) {
		loop_remove(net->vhost.error);
		net_vhost_stop(&net->vhost);
	}
	watch(net, 0);
	forget_taken(&net->taken);
	net->backend->ops->start(net->backend, 0);
}

static void net_destroy(struct virtio_device *device)
{
	struct net *net = net_of(device);
	net->backend->ops->destroy(net->backend);
	free(net);
}

static const struct virtio_ops net_ops = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.start = net_start,
	.kick = net_kick,
	.reset = net_reset,
	.destroy = net_destroy,
};

/* An address that stays the same for a backend's name, of those that anybody may use. */
static void choose_mac(uint8_t mac[6], const uint8_t *wanted, const char *name)
{
	if (wanted != NULL) {
		memcpy(mac, wanted, 6);
		return;
	}
	uint32_t hash = 2166136261u;
	for (; *name != '\0'; name++) {
		hash = (hash ^ (uint8_t)*name) * 16777619u; /* FNV-1a */
	}
	const uint8_t made[6] = {
		0x52, 0x54, 0x00, (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash};
	memcpy(mac, made, 6);
}

static struct virtio_device *net_create(
	struct memory *memory, struct net_backend *backend, const uint8_t *mac, uint64_t vhost)
{
	struct net *net = calloc(1, sizeof(*net));
	if (net == NULL) {
		say("no memory for the network device on %s", backend->name);
		backend->ops->destroy(backend);
		return NULL;
	}
	net->backend = backend;
	net->vhost.fd = net->vhost.error = -1;
	net->use_vhost = vhost != 0;
	net->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	choose_mac(net->config.mac, mac, backend->name);
	net->device = (struct virtio_device){
		.ops = &net_ops,
		.memory = memory,
		.queue = net->queue,
		.queue_count = NET_QUEUES,
		.config = &net->config,
		.config_size = sizeof(net->config),
		.offered = VIRTIO_FEATURES_RINGS | VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |
			VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) |
			VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | backend->offered,
	};
	if (net->use_vhost) {
		net->device.offered &= ~VHOST_KNOWS | vhost;
	}
	for (unsigned i = 0; i < NET_QUEUES; i++) {
		net->queue[i].max_size = NET_QUEUE_SIZE;
	}
	virtio_init(&net->device);
	return &net->device;
}

struct virtio_device *virtio_net_create_tap(
	struct memory *memory, const char *name, const uint8_t *mac)
{
	struct net_backend *backend = net_tap_create(name);
	return backend == NULL ? NULL : net_create(memory, backend, mac, net_vhost_features());
}

struct virtio_device *virtio_net_create_passt(
	struct memory *memory, const char *socket_path, const uint8_t *mac)
{
	struct net_backend *backend = net_passt_create(socket_path);
	return backend == NULL ? NULL : net_create(memory, backend, mac, 0);
}
