/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/net.h - private to virtio_net.c and net_*.c: where Ethernet frames come from and go
 * to. One caller at a time; nothing waits.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stddef.h>

#include "service/vmm/queue.h"

/* A frame with all that segmentation offload makes of it: an IP packet of 64 KiB, and Ethernet. */
#define NET_FRAME_MAX  (65535u + 14 + 4)
#define NET_HEADER     ((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define NET_QUEUE_SIZE 256u
#define NET_SEGMENTS   NET_QUEUE_SIZE /* of a chain: a driver may use them all */

enum {
	NET_RX, /* to the guest */
	NET_TX,
	NET_QUEUES,
};

struct net_frame {
	struct virtio_net_hdr_v1 header; /* but for num_buffers */
	const uint8_t *data;
	size_t len;
};

struct net_backend {
	const struct net_backend_ops *ops;
	int fd;           /* for the event loop; open until destroy() */
	bool gone;        /* there is nobody at the other end any more */
	uint64_t offered; /* features that it adds */
	const char *name; /* of the interface, or the socket's path: the caller's */
};

struct net_backend_ops {
	/* A driver has come, with these features (0: it has gone). */
	void (*start)(struct net_backend *backend, uint64_t features);
	/* Take a frame, its header in front: false when there is no room for it now. */
	bool (*send)(struct net_backend *backend, const struct virtq_chain *chain);
	/* Send on what was taken: false when some of it has to wait. */
	bool (*flush)(struct net_backend *backend);
	/* The next frame, the same until it is consumed; false when there is none now. */
	bool (*peek)(struct net_backend *backend, struct net_frame *frame);
	void (*consume)(struct net_backend *backend);
	void (*destroy)(struct net_backend *backend);
};

/* NULL after a message. */
struct net_backend *net_tap_create(const char *name);
struct net_backend *net_passt_create(const char *path);

/* The kernel's own virtio device for a tap. */
struct net_vhost {
	int fd;    /* -1: not in use */
	int error; /* an eventfd: it refuses a ring */
};

/* Which ring and header features it has; 0: there is none. */
uint64_t net_vhost_features(void);
/* Let it serve the device's queues, which are enabled; false: it cannot, serve them here. */
bool net_vhost_start(struct net_vhost *vhost, struct virtio_device *device, int tap);
void net_vhost_stop(struct net_vhost *vhost);
