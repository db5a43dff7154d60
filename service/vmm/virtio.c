/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio.c - what every virtio device does alike: features, status, queues coming and
 * going, the configuration space, and breaking when the driver breaks a rule (virtio 1.2, 2 and 3).
 * Runs: on a vCPU's thread or the I/O thread, with device->lock held.
 */
#include "service/vmm/virtio.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "service/vmm/loop.h"
#include "service/vmm/queue.h"
#include "service/vmm/say.h"

/* Of a device's breaks, so many are printed: a guest shall not fill a log. */
#define BREAKS_PRINTED 5u

void virtio_init(struct virtio_device *device)
{
	assert(device->queue_count <= VIRTIO_QUEUES);
	pthread_mutex_init(&device->lock, NULL);
	device->later_fd = -1;
	device->offered |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	for (unsigned i = 0; i < device->queue_count; i++) {
		virtq_disable(&device->queue[i]);
	}
}

void virtio_destroy(struct virtio_device *device)
{
	if (device->ops->reset != NULL) {
		device->ops->reset(device);
	}
	if (device->later_fd >= 0) {
		loop_remove(device->later_fd);
		close(device->later_fd);
	}
	pthread_mutex_destroy(&device->lock);
	device->ops->destroy(device);
}

void virtio_break(struct virtio_device *device, const char *why, ...)
{
	if (device->broken) {
		return;
	}
	device->broken = true;
	va_list list;
	va_start(list, why);
	vsnprintf(device->why, sizeof(device->why), why, list);
	va_end(list);
	if (device->breaks++ < BREAKS_PRINTED) {
		say("the guest's driver broke virtio-%s, which stops until it is reset: %s",
			device->ops->name, device->why);
	}
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	/* Only a driver that is at work is told: virtio 1.2, 2.1.2. */
	if ((device->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
		device->transport->config_changed(device);
	}
}

void virtio_config_changed(struct virtio_device *device)
{
	device->config_generation++;
	if ((device->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
		device->transport->config_changed(device);
	}
}

void virtio_set_features(struct virtio_device *device, uint64_t features)
{
	if ((device->status & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
		device->features = features;
	}
}

static bool features_acceptable(const struct virtio_device *device)
{
	return (device->features & ~device->offered) == 0 &&
		(device->features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)) != 0;
}

static void reset(struct virtio_device *device)
{
	if (device->ops->reset != NULL) {
		device->ops->reset(device);
	}
	for (unsigned i = 0; i < device->queue_count; i++) {
		virtq_disable(&device->queue[i]);
	}
	device->later = 0;
	device->features = 0;
	device->status = 0;
	device->broken = false;
}

/* The driver is ready. It may have filled queues before, without a notification that counts. */
static void start(struct virtio_device *device)
{
	if (device->ops->start != NULL) {
		device->ops->start(device);
	}
	for (unsigned i = 0; i < device->queue_count; i++) {
		virtio_kick(device, i);
	}
}

void virtio_set_status(struct virtio_device *device, uint8_t status)
{
	if (status == 0) {
		reset(device);
		return;
	}
	/* Bits only come; NEEDS_RESET is the device's own. */
	uint8_t came = (uint8_t)(status & ~device->status & ~VIRTIO_CONFIG_S_NEEDS_RESET);
	if ((came & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && !features_acceptable(device)) {
		came = (uint8_t)(came & ~VIRTIO_CONFIG_S_FEATURES_OK);
	}
	device->status |= came;
	if ((device->status & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
		device->status = (uint8_t)(device->status & ~VIRTIO_CONFIG_S_DRIVER_OK);
	} else if ((came & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && !device->broken) {
		start(device);
	}
}

void virtio_queue_enable(struct virtio_device *device, unsigned queue)
{
	bool negotiated = (device->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
	if (queue < device->queue_count && negotiated && !device->broken) {
		virtq_enable(device, &device->queue[queue]);
	}
}

void virtio_kick(struct virtio_device *device, unsigned queue)
{
	bool ready = (device->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && !device->broken;
	if (queue < device->queue_count && ready && device->queue[queue].enabled) {
		device->ops->kick(device, queue);
	}
}

static void kick_now(void *argument, uint32_t events)
{
	struct virtio_device *device = argument;
	uint64_t count;
	(void)events;
	pthread_mutex_lock(&device->lock);
	ssize_t len = read(device->later_fd, &count, sizeof(count));
	(void)len; /* it is not blocking, and a wake-up too many does no harm */
	uint64_t queues = device->later;
	device->later = 0;
	for (unsigned i = 0; i < device->queue_count; i++) {
		if ((queues >> i & 1) != 0) {
			virtio_kick(device, i);
		}
	}
	pthread_mutex_unlock(&device->lock);
}

void virtio_kick_later(struct virtio_device *device, unsigned queue)
{
	if (device->later_fd < 0) {
		device->later_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		int error = device->later_fd < 0
			? -errno
			: loop_add(device->later_fd, EPOLLIN, kick_now, device);
		if (error != 0) {
			say("virtio-%s cannot go on: %s", device->ops->name, strerror(-error));
			return;
		}
	}
	device->later |= UINT64_C(1) << queue;
	uint64_t one = 1;
	ssize_t len = write(device->later_fd, &one, sizeof(one));
	(void)len; /* fails only when it is awake already */
}

void virtio_config_read(struct virtio_device *device, uint32_t offset, void *data, uint32_t len)
{
	memset(data, 0, len);
	if (offset < device->config_size) {
		uint32_t there = device->config_size - offset;
		memcpy(data, (const char *)device->config + offset, len < there ? len : there);
	}
}

void virtio_config_write(
	struct virtio_device *device, uint32_t offset, const void *data, uint32_t len)
{
	if (device->ops->config_write != NULL && offset < device->config_size &&
		len <= device->config_size - offset) {
		device->ops->config_write(device, offset, data, len);
	}
}
