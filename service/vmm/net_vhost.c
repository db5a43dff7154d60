/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/net_vhost.c - /dev/vhost-net: the kernel moves frames between a tap and the guest's
 * queues, notified by the guest and interrupting it without this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "service/vmm/memory.h"
#include "service/vmm/net.h"
#include "service/vmm/say.h"

#define DEVICE "/dev/vhost-net"

/* Whether the kernel or this process serves the queues, the driver may take the same offloads. */
uint64_t net_vhost_features(void)
{
	uint64_t features = 0;
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		features = ioctl(fd, VHOST_GET_FEATURES, &features) == 0 ? features : 0;
		close(fd);
	}
	return (features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)) != 0 ? features : 0;
}

static bool set_memory(int fd, const struct memory *memory)
{
	size_t size =
		sizeof(struct vhost_memory) + MEMORY_SLOT_MAX * sizeof(struct vhost_memory_region);
	struct vhost_memory *table = calloc(1, size);
	if (table == NULL) {
		return false;
	}
	table->nregions = memory->slot_count;
	for (unsigned i = 0; i < memory->slot_count; i++) {
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = memory->slot[i].gpa,
			.memory_size = memory->slot[i].size,
			.userspace_addr = (uintptr_t)memory->slot[i].host,
		};
	}
	bool done = ioctl(fd, VHOST_SET_MEM_TABLE, table) == 0;
	free(table);
	return done;
}

/* A ring as it lies in this process, and the eventfds at its ends. */
static bool set_queue(struct net_vhost *vhost, struct virtio_device *device, unsigned index)
{
	const struct virtqueue *queue = &device->queue[index];
	struct vhost_vring_state size = {.index = index, .num = queue->size};
	struct vhost_vring_state base = {.index = index, .num = 0};
	struct vhost_vring_addr address = {
		.index = index,
		.desc_user_addr = (uintptr_t)queue->desc_at,
		.avail_user_addr = (uintptr_t)queue->driver_at,
		.used_user_addr = (uintptr_t)queue->device_at,
		.log_guest_addr = queue->device,
	};
	struct vhost_vring_file call = {
		.index = index, .fd = device->transport->interrupt_fd(device, index)};
	struct vhost_vring_file error = {.index = index, .fd = vhost->error};
	if (call.fd < 0) {
		errno = ENODEV;
		return false;
	}
	return ioctl(vhost->fd, VHOST_SET_VRING_NUM, &size) == 0 &&
		ioctl(vhost->fd, VHOST_SET_VRING_BASE, &base) == 0 &&
		ioctl(vhost->fd, VHOST_SET_VRING_ADDR, &address) == 0 &&
		ioctl(vhost->fd, VHOST_SET_VRING_CALL, &call) == 0 &&
		ioctl(vhost->fd, VHOST_SET_VRING_ERR, &error) == 0;
}

/* From here on notifications of the guest do not come here: last of all that may fail. */
static bool set_backend(struct net_vhost *vhost, struct virtio_device *device, int tap)
{
	for (unsigned i = 0; i < NET_QUEUES; i++) {
		struct vhost_vring_file kick = {
			.index = i, .fd = device->transport->kick_fd(device, i)};
		struct vhost_vring_file backend = {.index = i, .fd = tap};
		uint64_t one = 1;
		if (kick.fd < 0 || ioctl(vhost->fd, VHOST_SET_VRING_KICK, &kick) != 0 ||
			ioctl(vhost->fd, VHOST_NET_SET_BACKEND, &backend) != 0) {
			return false;
		}
		/* What was notified before counts. */
		ssize_t len = write(kick.fd, &one, sizeof(one));
		(void)len;
	}
	return true;
}

bool net_vhost_start(struct net_vhost *vhost, struct virtio_device *device, int tap)
{
	vhost->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	vhost->error = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t features = 0;
	if (vhost->fd < 0 || vhost->error < 0 ||
		ioctl(vhost->fd, VHOST_GET_FEATURES, &features) != 0) {
		net_vhost_stop(vhost);
		return false;
	}
	features &= device->features;
	bool done = ioctl(vhost->fd, VHOST_SET_OWNER, NULL) == 0 &&
		ioctl(vhost->fd, VHOST_SET_FEATURES, &features) == 0 &&
		set_memory(vhost->fd, device->memory);
	for (unsigned i = 0; i < NET_QUEUES && done; i++) {
		done = set_queue(vhost, device, i);
	}
	if (!done) {
		net_vhost_stop(vhost);
		return false;
	}
	if (!set_backend(vhost, device, tap)) {
		virtio_break(device, "the kernel does not take its queues: %s", strerror(errno));
		net_vhost_stop(vhost);
		return false;
	}
	return true;
}

void net_vhost_stop(struct net_vhost *vhost)
{
	/* Closing waits until the kernel is through with the guest's memory. */
	if (vhost->fd >= 0) {
		close(vhost->fd);
	}
	if (vhost->error >= 0) {
		close(vhost->error);
	}
	vhost->fd = vhost->error = -1;
}
