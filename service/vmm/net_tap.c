/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/net_tap.c - a network interface of this machine. Its frames carry virtio's header, so
 * that checksums and segmentation are left to whoever is last to need them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "service/vmm/net.h"
#include "service/vmm/say.h"

struct tap {
	struct net_backend backend;
	size_t waiting; /* bytes of a frame in buffer, with its header; 0: none */
	uint8_t buffer[NET_HEADER + NET_FRAME_MAX];
};

static struct tap *tap_of(struct net_backend *backend)
{
	return (struct tap *)backend;
}

/* What the guest can do without, the kernel does before a frame comes here. */
static void tap_start(struct net_backend *backend, uint64_t features)
{
	static const struct {
		unsigned feature, flag;
	} pairs[] = {
		{VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM},
		{VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4},
		{VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6},
		{VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN},
	};
	unsigned flags = 0;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		flags |= (features & VIRTIO_FEATURE(pairs[i].feature)) != 0 ? pairs[i].flag : 0;
	}
	/* Segmentation without checksums cannot be, and ECN is of segments. */
	flags = (flags & TUN_F_CSUM) != 0 ? flags : 0;
	flags &= (flags & (TUN_F_TSO4 | TUN_F_TSO6)) != 0 ? ~0u : ~(unsigned)TUN_F_TSO_ECN;
	if (ioctl(backend->fd, TUNSETOFFLOAD, (unsigned long)flags) != 0 && !backend->gone) {
		say("cannot set the offloads of %s: %s", backend->name, strerror(errno));
	}
	tap_of(backend)->waiting = 0;
}

static bool tap_send(struct net_backend *backend, const struct virtq_chain *chain)
{
	/* A header that makes no sense, an interface that is down: the frame is lost, as on a wire.
	 */
	ssize_t len = writev(backend->fd, chain->segment, (int)chain->out_count);
	return len >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static bool tap_flush(struct net_backend *backend)
{
	(void)backend;
	return true;
}

static bool tap_peek(struct net_backend *backend, struct net_frame *frame)
{
	struct tap *tap = tap_of(backend);
	if (tap->waiting == 0 && !backend->gone) {
		ssize_t len = read(backend->fd, tap->buffer, sizeof(tap->buffer));
		if (len < 0 && errno != EAGAIN && errno != EINTR) {
			say("the interface %s has gone: %s", backend->name, strerror(errno));
			backend->gone = true;
		}
		tap->waiting = len > (ssize_t)NET_HEADER ? (size_t)len : 0;
	}
	if (tap->waiting == 0) {
		return false;
	}
	memcpy(&frame->header, tap->buffer, NET_HEADER);
	frame->data = tap->buffer + NET_HEADER;
	frame->len = tap->waiting - NET_HEADER;
	return true;
}

static void tap_consume(struct net_backend *backend)
{
	tap_of(backend)->waiting = 0;
}

static void tap_destroy(struct net_backend *backend)
{
	close(backend->fd);
	free(backend);
}

static const struct net_backend_ops tap_ops = {
	.start = tap_start,
	.send = tap_send,
	.flush = tap_flush,
	.peek = tap_peek,
	.consume = tap_consume,
	.destroy = tap_destroy,
};

/* What to do about it. */
static void say_refused(const char *name, int error)
{
	if (error == EBUSY) {
		say("the interface %s is in use by another process", name);
	} else if (error == EPERM) {
		say("not allowed to use the interface %s; make it yours: ip tuntap add %s mode tap user "
		    "$USER",
			name, name);
	} else {
		say("cannot use the interface %s: %s", name, strerror(error));
	}
}

static int open_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int header = (int)NET_HEADER, little_endian = 1;
	if (strlen(name) >= sizeof(request.ifr_name)) {
		say("%s is too long for an interface's name", name);
		return -1;
	}
	strcpy(request.ifr_name, name);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		say("cannot open /dev/net/tun for the interface %s: %s", name, strerror(errno));
		return -1;
	}
	if (ioctl(fd, TUNSETIFF, &request) != 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) != 0 ||
		ioctl(fd, TUNSETVNETLE, &little_endian) != 0) {
		say_refused(name, errno);
		close(fd);
		return -1;
	}
	return fd;
}

struct net_backend *net_tap_create(const char *name)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int fd = tap != NULL ? open_tap(name) : -1;
	if (fd < 0) {
		free(tap);
		return NULL;
	}
	tap->backend = (struct net_backend){
		.ops = &tap_ops,
		.fd = fd,
		.name = name,
		.offered = VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) |
			VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
			VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |
			VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) |
			VIRTIO_FEATURE(VIRTIO_NET_F_HOST_ECN) |
			VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
			VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) |
			VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ECN),
	};
	return &tap->backend;
}
