/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/devices.c - from options to virtio devices on the bus.
 */
#include "service/vmm/devices.h"

#include <errno.h>

#include "service/vmm/virtio.h"
#include "service/vmm/virtio_pci.h"

#define DEVICES_MAX (OPTIONS_DISK_MAX + OPTIONS_NET_MAX + 2u)

static struct virtio_pci *devices[DEVICES_MAX]; /* the main thread's */
static unsigned device_count;

/* device: NULL after a failure that was said. */
static int add(struct vm *vm, struct virtio_device *device)
{
	if (device == NULL) {
		return -EINVAL;
	}
	struct virtio_pci *pci = virtio_pci_create(vm, device);
	if (pci == NULL) {
		virtio_destroy(device);
		return -ENOMEM;
	}
	devices[device_count++] = pci;
	return 0;
}

static struct virtio_device *create_net(struct memory *memory, const struct options_net *net)
{
	return net->kind == OPTIONS_NET_TAP ? virtio_net_create_tap(memory, net->name, NULL)
					    : virtio_net_create_passt(memory, net->name, NULL);
}

int devices_create(const struct options *options, struct memory *memory, struct vm *vm)
{
	int err = 0;
	for (unsigned i = 0; err == 0 && i < options->disk_count; i++) {
		const struct virtio_blk_options disk = {.path = options->disk[i].path,
			.read_only = options->disk[i].read_only,
			.queues = options->cpus < 4 ? options->cpus : 4};
		err = add(vm, virtio_blk_create(memory, &disk));
	}
	for (unsigned i = 0; err == 0 && i < options->net_count; i++) {
		err = add(vm, create_net(memory, &options->net[i]));
	}
	if (err == 0 && options->console != NULL) {
		err = add(vm, virtio_console_create(memory, options->console));
	}
	if (err == 0 && options->rng) {
		err = add(vm, virtio_rng_create(memory));
	}
	return err;
}

void devices_reset(void)
{
	for (unsigned i = 0; i < device_count; i++) {
		virtio_pci_reset(devices[i]);
	}
}

void devices_destroy(void)
{
	while (device_count != 0) {
		virtio_pci_destroy(devices[--device_count]);
	}
}
