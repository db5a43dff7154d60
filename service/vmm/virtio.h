/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio.h - what a virtio transport (PCI) and a virtio device know of each other.
 *
 * A device is made by its own function (virtio_blk_create() ...), given to the transport, and from
 * then on driven by the functions virtio_*() below, which the transport calls with device->lock
 * held. They check what the guest asks for and call the device's operations. What a device wants of
 * the transport goes through struct virtio_transport, with the lock held as well.
 *
 * Threads: vCPUs reach a device through its registers, the I/O thread through its file
 * descriptors; the lock makes them one at a time. Whoever comes from the event loop takes it.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct memory;
struct virtio_device;

/* A feature bit as a mask; the bits are in linux/virtio_*.h (VIRTIO_F_VERSION_1 ...). */
#define VIRTIO_FEATURE(bit) (UINT64_C(1) << (bit))

/* What queue.c can do, for every device to offer. */
#define VIRTIO_FEATURES_RINGS                                                                      \
	(VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |          \
		VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

/* So many chains a device serves at one kick; for more there is virtio_kick_later(). */
#define VIRTIO_BUDGET 256u
#define VIRTIO_QUEUES 64u /* of a device, at most */

/*
 * One queue. Legend: [D] the device, once, when it is made; [T] the transport, while ->enabled is
 * false; [Q] private to queue.c. All under device->lock.
 */
struct virtqueue {
	uint16_t max_size; /* [D] a power of two */

	uint16_t size;   /* [T] max_size after reset; virtio_queue_enable() checks it */
	uint64_t desc;   /* [T] guest-physical: the descriptors */
	uint64_t driver; /* [T] the available ring, or the driver's event suppression */
	uint64_t device; /* [T] the used ring, or the device's event suppression */

	bool enabled; /* [Q] */
	bool packed, event_idx, indirect;
	uint16_t avail;     /* the next to take: a count (split), an index (packed) */
	uint16_t used;      /* the next to give back, in the same way */
	uint16_t in_flight; /* chains taken and not given back */
	uint32_t since;     /* how much was given back since an interrupt was considered */
	bool avail_wrap, used_wrap;
	bool staged;           /* virtq_fill() has put something there that virtq_flush() shows */
	uint16_t staged_at;    /* packed: the descriptor that comes last, */
	uint16_t staged_flags; /* and what is written there */
	void *desc_at, *driver_at, *device_at;
};

/* What kind of device this is. Every operation runs with the lock held. */
struct virtio_ops {
	const char *name; /* in messages: "blk" */
	uint16_t id;      /* VIRTIO_ID_* */
	/* The driver has set DRIVER_OK: queues and features are final. NULL: nothing to do. */
	void (*start)(struct virtio_device *device);
	/* The driver has put something into this enabled queue. */
	void (*kick)(struct virtio_device *device, unsigned queue);
	/* The driver wrote to the configuration space, which the device may take or ignore. */
	void (*config_write)(
		struct virtio_device *device, uint32_t offset, const void *data, uint32_t len);
	/* Forget the driver: on return nothing of it is in flight and its memory is not touched. */
	void (*reset)(struct virtio_device *device);
	/* Also let go of files; the device is not used afterwards. */
	void (*destroy)(struct virtio_device *device);
};

/* What the transport does for a device. */
struct virtio_transport {
	/* Raise the queue's interrupt. Whether the driver wants one is already decided. */
	void (*interrupt)(struct virtio_device *device, unsigned queue);
	/* Raise the configuration interrupt: the space or the status has changed. */
	void (*config_changed)(struct virtio_device *device);
	/*
	 * For a queue that something else than this process serves (vhost): an eventfd that the
	 * guest's notifications add to, which from this call to the next reset the transport does
	 * not wait for itself; and one that raises the queue's interrupt when written. -1 when
	 * there is none. They stay the transport's to close. Called from ops->start.
	 */
	int (*kick_fd)(struct virtio_device *device, unsigned queue);
	int (*interrupt_fd)(struct virtio_device *device, unsigned queue);
};

struct virtio_device {
	const struct virtio_ops *ops;             /* [D] */
	const struct virtio_transport *transport; /* the transport's, with transport_data, */
	void *transport_data;                     /* before the first virtio_*() call */
	struct memory *memory;                    /* [D] the guest's RAM */
	pthread_mutex_t lock;
	uint64_t offered;          /* [D] feature bits */
	uint64_t features;         /* negotiated; only by virtio_set_features() */
	uint8_t status;            /* VIRTIO_CONFIG_S_*; only by virtio_set_status() */
	bool broken;               /* the driver broke a rule; until reset nothing is served */
	char why[120];             /* which, the last time */
	unsigned breaks;           /* how often; only the first few are printed */
	uint8_t config_generation; /* counts changes of the configuration space */
	uint16_t queue_count;      /* [D] */
	struct virtqueue *queue;   /* [D] queue_count of them */
	const void *config;        /* [D] the configuration space, little-endian */
	uint32_t config_size;      /* [D] bytes; what lies beyond reads as zero */
	int later_fd;              /* virtio_kick_later(): wakes the event loop, */
	uint64_t later;            /* to kick these queues */
};

/* For the transport; device->lock held. ------------------------------------------------------- */

/*
 * The driver writes the features that it accepts: any value, in halves as well, and ignored once
 * they are final. They are judged when the driver sets FEATURES_OK.
 */
void virtio_set_features(struct virtio_device *device, uint64_t features);

/*
 * The driver writes the status: 0 resets the device. What device->status is afterwards is what the
 * driver reads (FEATURES_OK missing when the features were refused).
 */
void virtio_set_status(struct virtio_device *device, uint8_t status);

/* Enable a queue with the size and addresses in it; when they are impossible the device breaks. */
void virtio_queue_enable(struct virtio_device *device, unsigned queue);

/* The driver notified this queue: any value may be given, at any time. */
void virtio_kick(struct virtio_device *device, unsigned queue);

/* Any offset and length; what does not exist reads as zero and is not written. */
void virtio_config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t len);
void virtio_config_write(
	struct virtio_device *device, uint32_t offset, const void *data, uint32_t len);

/* The VMM ends: reset, and let go of everything. Takes no lock: nobody else may be there. */
void virtio_destroy(struct virtio_device *device);

/* For devices; device->lock held but for virtio_init(). --------------------------------------- */

/* Fill in what is [D] above first, with zeroes elsewhere. */
void virtio_init(struct virtio_device *device);

/* A driver broke a rule: say so on stderr, set NEEDS_RESET, serve nothing more until reset. */
__attribute__((format(printf, 2, 3))) void virtio_break(
	struct virtio_device *device, const char *why, ...);

/* Kick the queue again from the event loop, when others have had their turn. */
void virtio_kick_later(struct virtio_device *device, unsigned queue);

/* The configuration space has new contents. */
void virtio_config_changed(struct virtio_device *device);

/* How devices are made. ----------------------------------------------------------------------- */

/* Each returns NULL after a message on stderr that names what was asked for and what to do. */
struct virtio_device *virtio_rng_create(struct memory *memory);

struct virtio_blk_options {
	const char *path; /* a raw file or a block device */
	bool read_only;
	unsigned queues;    /* 0: one */
	const char *serial; /* up to 20 bytes; NULL: made from the path */
};
struct virtio_device *virtio_blk_create(
	struct memory *memory, const struct virtio_blk_options *options);

/* mac: six bytes, or NULL for one that is made from the backend's name. */
struct virtio_device *virtio_net_create_tap(
	struct memory *memory, const char *name, const uint8_t *mac);
struct virtio_device *virtio_net_create_passt(
	struct memory *memory, const char *socket_path, const uint8_t *mac);

/* path: "-" for stdin and stdout, "pty", "listen:SOCKET", a socket to connect to, or a file. */
struct virtio_device *virtio_console_create(struct memory *memory, const char *path);

/* With more ports than one; the first is always a console. */
#define VIRTIO_CONSOLE_PORTS 8u
struct virtio_console_port {
	const char *name; /* for the guest */
	const char *path;
	bool terminal; /* a console for the guest, not only a stream of bytes */
};
struct virtio_device *virtio_console_create_ports(
	struct memory *memory, const struct virtio_console_port *ports, unsigned count);
