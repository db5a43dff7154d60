/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio_pci.c - the PCI transport of virtio devices (virtio 1.2, 4.1): one function
 * each, whose BAR holds the device's registers and MSI-X table.
 *
 * The guest's notifications come through eventfds, which a vCPU adds to without leaving the kernel.
 * Interrupts go out through MSI-X; by the pin when the driver does not use that.
 */
#include "service/vmm/virtio_pci.h"

#include <errno.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "service/vmm/loop.h"
#include "service/vmm/msix.h"
#include "service/vmm/pci.h"
#include "service/vmm/say.h"

/* The BAR: regions of a page each. */
#define PAGE          UINT64_C(0x1000)
#define REGION_COMMON 0u
#define REGION_ISR    1u
#define REGION_DEVICE 2u
#define REGION_NOTIFY 3u
#define REGION_TABLE  4u
#define REGION_PBA    5u
#define BAR_SIZE      UINT64_C(0x8000)

#define NOTIFY_STEP  4u /* between the queues' notification addresses */
#define NOTIFY_BYTES 2u
#define VECTORS_MAX  (PAGE / MSIX_ENTRY)
#define NO_VECTOR    0xffffu
_Static_assert(VIRTIO_QUEUES *NOTIFY_STEP <= PAGE && VIRTIO_QUEUES < VECTORS_MAX, "they fit");

#define CAP_VENDOR 0x09u
#define CAP_MSIX   0x11u

#define MSIX_ENABLE 0x8000u
#define MSIX_MASK   0x4000u

/* The ISR status (4.1.4.5). */
#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

/* All under device->lock but what is [I]: constant when it is made. */
struct virtio_pci {
	struct pci_function function; /* the first */
	struct virtio_device *device; /* [I] */
	struct vm *vm;                /* [I] */
	struct msix msix;
	struct irq_source pin;
	unsigned msix_at, window_at; /* [I] capabilities in the configuration space */
	uint8_t isr;
	uint32_t feature_select[2]; /* the device's, the driver's */
	uint64_t driver_features;
	uint16_t queue_select;
	uint16_t config_vector;
	struct queue_link {
		struct virtio_pci *pci; /* [I] */
		unsigned index;         /* [I] */
		int fd;                 /* [I] the guest's notifications */
		bool watched;           /* by our loop */
		bool bound;             /* the guest's writes reach the eventfd */
		uint16_t vector;
	} * queue;
	unsigned queue_count; /* [I] */
};

/* Interrupts. --------------------------------------------------------------------------------- */

static void update_pin(struct virtio_pci *pci)
{
	uint8_t *status = &pci->function.config[PCI_STATUS];
	bool raised = pci->isr != 0 && !pci->msix.enabled;
	bool allowed = (pci_get(&pci->function, PCI_COMMAND, 2) & PCI_COMMAND_NO_INTX) == 0;
	*status = (uint8_t)((*status & ~PCI_STATUS_INTX) | (raised ? PCI_STATUS_INTX : 0));
	irq_set(&pci->pin, raised && allowed);
}

static void raise_interrupt(struct virtio_pci *pci, uint16_t vector, uint8_t cause)
{
	if (pci->msix.enabled) {
		msix_raise(&pci->msix, vector);
	} else {
		pci->isr |= cause;
		update_pin(pci);
	}
}

static void interrupt(struct virtio_device *device, unsigned queue)
{
	struct virtio_pci *pci = device->transport_data;
	raise_interrupt(pci, pci->queue[queue].vector, ISR_QUEUE);
}

static void config_changed(struct virtio_device *device)
{
	struct virtio_pci *pci = device->transport_data;
	raise_interrupt(pci, pci->config_vector, ISR_CONFIG);
}

static int interrupt_fd(struct virtio_device *device, unsigned queue)
{
	struct virtio_pci *pci = device->transport_data;
	uint16_t vector = pci->queue[queue].vector;
	return pci->msix.enabled && vector < pci->msix.count ? pci->msix.vector[vector].fd : -1;
}

/* Notifications. ------------------------------------------------------------------------------ */

static void on_notify(void *argument, uint32_t events)
{
	const struct queue_link *link = argument;
	struct virtio_device *device = link->pci->device;
	uint64_t count;
	(void)events;
	pthread_mutex_lock(&device->lock);
	/* Not ours any more if it was given away since the event came. */
	if (link->watched && read(link->fd, &count, sizeof(count)) == sizeof(count)) {
		virtio_kick(device, link->index);
	}
	pthread_mutex_unlock(&device->lock);
}

static void watch(struct queue_link *link, bool on)
{
	if (on && !link->watched) {
		link->watched = loop_add(link->fd, EPOLLIN, on_notify, link) == 0;
	} else if (!on && link->watched) {
		loop_remove(link->fd);
		link->watched = false;
	}
}

static int kick_fd(struct virtio_device *device, unsigned queue)
{
	struct virtio_pci *pci = device->transport_data;
	watch(&pci->queue[queue], false);
	return pci->queue[queue].fd;
}

/* The BAR has moved: so have the addresses that the guest notifies at. */
static void moved(struct pci_function *function, uint64_t from, uint64_t to)
{
	struct virtio_pci *pci = (struct virtio_pci *)function;
	for (unsigned i = 0; i < pci->device->queue_count; i++) {
		struct queue_link *link = &pci->queue[i];
		uint64_t offset = REGION_NOTIFY * PAGE + i * NOTIFY_STEP;
		if (link->bound) {
			vm_ioeventfd(pci->vm, link->fd, from + offset, NOTIFY_BYTES, false);
		}
		/* Without it, the guest's write comes to access_notify(). */
		link->bound = to != 0 &&
			vm_ioeventfd(pci->vm, link->fd, to + offset, NOTIFY_BYTES, true) == 0;
	}
}

static void access_notify(const struct virtio_pci *pci, uint64_t offset)
{
	uint64_t queue = offset / NOTIFY_STEP, one = 1;
	if (queue < pci->device->queue_count) {
		ssize_t written = write(pci->queue[queue].fd, &one, sizeof(one));
		(void)written; /* fails only when very much is there already */
	}
}

/* Common configuration (4.1.4.3). ------------------------------------------------------------- */

static struct virtqueue *selected_queue(const struct virtio_pci *pci)
{
	bool there = pci->queue_select < pci->device->queue_count;
	return there ? &pci->device->queue[pci->queue_select] : NULL;
}

static uint64_t read_common(const struct virtio_pci *pci, uint64_t offset)
{
	const struct virtio_device *device = pci->device;
	const struct virtqueue *queue = selected_queue(pci);
	struct virtio_pci_common_cfg common = {
		.device_feature_select = pci->feature_select[0],
		.guest_feature_select = pci->feature_select[1],
		.msix_config = pci->config_vector,
		.num_queues = device->queue_count,
		.device_status = device->status,
		.config_generation = device->config_generation,
		.queue_select = pci->queue_select,
	};
	uint8_t bytes[sizeof(common) + sizeof(uint64_t)] = {0};
	if (pci->feature_select[0] < 2) {
		common.device_feature =
			(uint32_t)(device->offered >> (32 * pci->feature_select[0]));
	}
	if (pci->feature_select[1] < 2) {
		common.guest_feature =
			(uint32_t)(pci->driver_features >> (32 * pci->feature_select[1]));
	}
	if (queue != NULL) {
		common.queue_size = queue->size;
		common.queue_msix_vector = pci->queue[pci->queue_select].vector;
		common.queue_enable = queue->enabled;
		common.queue_notify_off = pci->queue_select;
		common.queue_desc_lo = (uint32_t)queue->desc;
		common.queue_desc_hi = (uint32_t)(queue->desc >> 32);
		common.queue_avail_lo = (uint32_t)queue->driver;
		common.queue_avail_hi = (uint32_t)(queue->driver >> 32);
		common.queue_used_lo = (uint32_t)queue->device;
		common.queue_used_hi = (uint32_t)(queue->device >> 32);
	}
	uint64_t value = 0;
	memcpy(bytes, &common, sizeof(common));
	if (offset < sizeof(common)) {
		memcpy(&value, bytes + offset, sizeof(value));
	}
	return value;
}

static void forget_driver(struct virtio_pci *pci)
{
	pci->feature_select[0] = pci->feature_select[1] = 0;
	pci->driver_features = 0;
	pci->queue_select = 0;
	pci->config_vector = NO_VECTOR;
	pci->isr = 0;
	for (unsigned i = 0; i < pci->device->queue_count; i++) {
		pci->queue[i].vector = NO_VECTOR;
		watch(&pci->queue[i], true);
	}
	update_pin(pci);
}

static void write_status(struct virtio_pci *pci, uint8_t status)
{
	virtio_set_status(pci->device, status);
	if (status == 0) {
		forget_driver(pci);
	}
}

static void write_driver_features(struct virtio_pci *pci, uint32_t value)
{
	unsigned half = pci->feature_select[1];
	uint64_t *features = &pci->driver_features;
	if (half == 0) {
		*features = (*features & ~(uint64_t)UINT32_MAX) | value;
	} else if (half == 1) {
		*features = (*features & UINT32_MAX) | (uint64_t)value << 32;
	} else if (value != 0) {
		return; /* there is nothing to accept */
	}
	virtio_set_features(pci->device, *features);
}

static uint16_t vector_of(const struct virtio_pci *pci, uint64_t value)
{
	return value < pci->msix.count ? (uint16_t)value : NO_VECTOR;
}

/* Half of a 64-bit address, or all of it. */
static void write_address(uint64_t *address, uint64_t offset, unsigned len, uint64_t value)
{
	if (len == 8) {
		*address = value;
	} else if (offset == 0) {
		*address = (*address & ~(uint64_t)UINT32_MAX) | (uint32_t)value;
	} else {
		*address = (*address & UINT32_MAX) | value << 32;
	}
}

/* What belongs to the selected queue; it can be changed until it is enabled. */
static void write_queue(struct virtio_pci *pci, uint64_t offset, unsigned len, uint64_t value)
{
	struct virtqueue *queue = selected_queue(pci);
	if (queue == NULL) {
		return;
	}
	if (offset == VIRTIO_PCI_COMMON_Q_MSIX && len == 2) {
		pci->queue[pci->queue_select].vector = vector_of(pci, value);
	} else if (queue->enabled) {
		return;
	} else if (offset == VIRTIO_PCI_COMMON_Q_SIZE && len == 2) {
		queue->size = (uint16_t)value;
	} else if (offset == VIRTIO_PCI_COMMON_Q_ENABLE && len == 2 && value == 1) {
		virtio_queue_enable(pci->device, pci->queue_select);
	} else if (offset >= VIRTIO_PCI_COMMON_Q_DESCLO && len >= 4 && offset % len == 0) {
		uint64_t *const addresses[] = {&queue->desc, &queue->driver, &queue->device};
		uint64_t which = (offset - VIRTIO_PCI_COMMON_Q_DESCLO) / 8;
		if (which < sizeof(addresses) / sizeof(addresses[0])) {
			write_address(addresses[which], offset % 8, len, value);
		}
	}
}

static void write_common(struct virtio_pci *pci, uint64_t offset, unsigned len, uint64_t value)
{
	/* 4.1.3.1: a driver uses the width of the field. */
	switch (offset << 8 | len) {
	case VIRTIO_PCI_COMMON_DFSELECT << 8 | 4:
		pci->feature_select[0] = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT << 8 | 4:
		pci->feature_select[1] = (uint32_t)value;
		break;
	case VIRTIO_PCI_COMMON_GF << 8 | 4:
		write_driver_features(pci, (uint32_t)value);
		break;
	case VIRTIO_PCI_COMMON_MSIX << 8 | 2:
		pci->config_vector = vector_of(pci, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS << 8 | 1:
		write_status(pci, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT << 8 | 2:
		pci->queue_select = (uint16_t)value;
		break;
	default:
		write_queue(pci, offset, len, value);
		break;
	}
}

/* The BAR. ------------------------------------------------------------------------------------ */

static uint64_t access_isr(struct virtio_pci *pci, uint64_t offset, bool write)
{
	uint64_t isr = pci->isr;
	if (offset != 0 || write) {
		return 0;
	}
	pci->isr = 0; /* reading it acknowledges */
	update_pin(pci);
	return isr;
}

static uint64_t access_device(
	struct virtio_pci *pci, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	if (write) {
		virtio_config_write(pci->device, (uint32_t)offset, &value, len);
	} else {
		value = 0;
		virtio_config_read(pci->device, (uint32_t)offset, &value, len);
	}
	return value;
}

/* Lock held. */
static uint64_t access_bar(
	struct virtio_pci *pci, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	uint64_t region = offset / PAGE;
	offset %= PAGE;
	switch (region) {
	case REGION_COMMON:
		if (write) {
			write_common(pci, offset, len, value);
			return 0;
		}
		return read_common(pci, offset);
	case REGION_ISR:
		return access_isr(pci, offset, write);
	case REGION_DEVICE:
		return access_device(pci, offset, len, write, value);
	case REGION_NOTIFY:
		if (write) {
			access_notify(pci, offset);
		}
		return 0;
	case REGION_TABLE:
		return msix_table(&pci->msix, offset, len, write, value);
	case REGION_PBA:
		return write ? 0 : msix_pending(&pci->msix, offset);
	default:
		return 0;
	}
}

static uint64_t access_mmio(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	struct virtio_pci *pci = argument;
	pthread_mutex_lock(&pci->device->lock);
	uint64_t result = access_bar(pci, offset, len, write, value);
	pthread_mutex_unlock(&pci->device->lock);
	return result;
}

/* The configuration space. -------------------------------------------------------------------- */

/* The window through which firmware without MMIO reaches the BAR (4.1.4.9). */
static bool window_target(const struct virtio_pci *pci, uint64_t *offset, unsigned *len)
{
	const struct pci_function *f = &pci->function;
	*offset = pci_get(f, pci->window_at + (unsigned)offsetof(struct virtio_pci_cap, offset), 4);
	*len = pci_get(f, pci->window_at + (unsigned)offsetof(struct virtio_pci_cap, length), 4);
	return f->config[pci->window_at + offsetof(struct virtio_pci_cap, bar)] == 0 &&
		(*len == 1 || *len == 2 || *len == 4) && *offset <= BAR_SIZE - *len &&
		*offset % *len == 0;
}

static bool in_window(const struct virtio_pci *pci, unsigned offset, unsigned len)
{
	unsigned data =
		pci->window_at + (unsigned)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
	return offset < data + 4 && data < offset + len && len <= 4;
}

static void before_read(struct pci_function *function, unsigned offset, unsigned len)
{
	struct virtio_pci *pci = (struct virtio_pci *)function;
	uint64_t target;
	unsigned width;
	if (in_window(pci, offset, len) && window_target(pci, &target, &width)) {
		uint64_t mask = (UINT64_C(1) << (8 * width)) - 1;
		uint32_t value = (uint32_t)(access_bar(pci, target, width, false, 0) & mask);
		memcpy(function->config + pci->window_at +
				offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
			&value, sizeof(value));
	}
}

static void written(struct pci_function *function, unsigned offset, unsigned len)
{
	struct virtio_pci *pci = (struct virtio_pci *)function;
	uint64_t target;
	unsigned width;
	if (in_window(pci, offset, len) && window_target(pci, &target, &width)) {
		uint64_t value = pci_get(function,
			pci->window_at +
				(unsigned)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
			width);
		access_bar(pci, target, width, true, value);
	}
	uint32_t control = pci_get(function, pci->msix_at + 2, 2);
	msix_control(&pci->msix, (control & MSIX_ENABLE) != 0, (control & MSIX_MASK) != 0);
	update_pin(pci);
}

static const struct pci_ops function_ops = {
	.before_read = before_read,
	.written = written,
	.moved = moved,
	.access = access_mmio,
};

static const struct virtio_transport transport = {
	.interrupt = interrupt,
	.config_changed = config_changed,
	.kick_fd = kick_fd,
	.interrupt_fd = interrupt_fd,
};

/* A capability that says where a region is; its offset. */
static unsigned add_region(
	struct virtio_pci *pci, uint8_t type, unsigned region, uint32_t size, uint8_t bytes)
{
	struct pci_function *f = &pci->function;
	unsigned at = pci_add_capability(f, CAP_VENDOR, bytes);
	f->config[at + offsetof(struct virtio_pci_cap, cap_len)] = bytes;
	f->config[at + offsetof(struct virtio_pci_cap, cfg_type)] = type;
	pci_set(f, at + (unsigned)offsetof(struct virtio_pci_cap, offset), 4,
		(uint32_t)(region * PAGE), 0);
	pci_set(f, at + (unsigned)offsetof(struct virtio_pci_cap, length), 4, size, 0);
	return at;
}

/* Class and subclass by the device's type (PCI Code and ID Assignment 1.11, 1). */
static uint32_t class_of(uint16_t id)
{
	switch (id) {
	case VIRTIO_ID_NET:
		return 0x020000;
	case VIRTIO_ID_BLOCK:
		return 0x018000;
	case VIRTIO_ID_CONSOLE:
		return 0x078000;
	default:
		return 0xff0000;
	}
}

static void fill_config(struct virtio_pci *pci)
{
	const struct virtio_device *device = pci->device;
	struct pci_function *f = &pci->function;
	const uint8_t plain = sizeof(struct virtio_pci_cap);
	uint32_t id = 0x1040u + device->ops->id;
	f->bar_size = BAR_SIZE;
	pci_set(f, PCI_ID, 4, 0x1af4 | id << 16, 0);
	pci_set(f, PCI_CLASS, 4, class_of(device->ops->id) << 8 | 1, 0);
	pci_set(f, PCI_SUBSYSTEM, 4, 0x1af4 | id << 16, 0);
	unsigned window =
		add_region(pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, sizeof(struct virtio_pci_cfg_cap));
	/* Its place, length and data are the driver's. */
	pci_set(f, window + (unsigned)offsetof(struct virtio_pci_cap, bar), 1, 0, 0xff);
	for (unsigned at = 8; at < sizeof(struct virtio_pci_cfg_cap); at += 4) {
		pci_set(f, window + at, 4, 0, UINT32_MAX);
	}
	pci->window_at = window;
	add_region(pci, VIRTIO_PCI_CAP_DEVICE_CFG, REGION_DEVICE, (uint32_t)PAGE, plain);
	add_region(pci, VIRTIO_PCI_CAP_ISR_CFG, REGION_ISR, 1, plain);
	unsigned notify = add_region(pci, VIRTIO_PCI_CAP_NOTIFY_CFG, REGION_NOTIFY,
		device->queue_count * NOTIFY_STEP, sizeof(struct virtio_pci_notify_cap));
	pci_set(f, notify + (unsigned)offsetof(struct virtio_pci_notify_cap, notify_off_multiplier),
		4, NOTIFY_STEP, 0);
	add_region(pci, VIRTIO_PCI_CAP_COMMON_CFG, REGION_COMMON,
		sizeof(struct virtio_pci_common_cfg), plain);
	pci->msix_at = pci_add_capability(f, CAP_MSIX, 12);
	pci_set(f, pci->msix_at + 2, 2, pci->msix.count - 1, MSIX_ENABLE | MSIX_MASK);
	pci_set(f, pci->msix_at + 4, 4, (uint32_t)(REGION_TABLE * PAGE), 0);
	pci_set(f, pci->msix_at + 8, 4, (uint32_t)(REGION_PBA * PAGE), 0);
}

static int create_queues(struct virtio_pci *pci)
{
	unsigned count = pci->device->queue_count;
	pci->queue = calloc(count, sizeof(*pci->queue));
	if (pci->queue == NULL) {
		return -ENOMEM;
	}
	pci->queue_count = count;
	for (unsigned i = 0; i < count; i++) {
		pci->queue[i] = (struct queue_link){.pci = pci, .index = i, .fd = -1};
	}
	for (unsigned i = 0; i < count; i++) {
		pci->queue[i].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (pci->queue[i].fd < 0) {
			return -errno;
		}
	}
	return 0;
}

/* All but the device, which may be gone. */
static void release(struct virtio_pci *pci)
{
	for (unsigned i = 0; i < pci->queue_count; i++) {
		watch(&pci->queue[i], false);
		if (pci->queue[i].fd >= 0) {
			close(pci->queue[i].fd);
		}
	}
	msix_destroy(&pci->msix);
	free(pci->queue);
	free(pci);
}

struct virtio_pci *virtio_pci_create(struct vm *vm, struct virtio_device *device)
{
	struct virtio_pci *pci = calloc(1, sizeof(*pci));
	int err = -ENOMEM;
	if (pci != NULL) {
		pci->function.ops = &function_ops;
		pci->function.lock = &device->lock;
		pci->device = device;
		pci->vm = vm;
		device->transport = &transport;
		device->transport_data = pci;
		err = msix_create(&pci->msix, vm, device->queue_count + 1u);
		err = err != 0 ? err : create_queues(pci);
		if (err == 0) {
			fill_config(pci);
			err = pci_add(&pci->function);
		}
	}
	if (err != 0) {
		say("cannot put virtio-%s on the bus: %s", device->ops->name, strerror(-err));
		if (pci != NULL) {
			release(pci);
		}
		return NULL;
	}
	pci->pin.pin = PCI_PIN(pci->function.device);
	virtio_pci_reset(pci);
	return pci;
}

void virtio_pci_reset(struct virtio_pci *pci)
{
	pthread_mutex_lock(&pci->device->lock);
	virtio_set_status(pci->device, 0);
	msix_reset(&pci->msix);
	forget_driver(pci);
	pthread_mutex_unlock(&pci->device->lock);
}

void virtio_pci_destroy(struct virtio_pci *pci)
{
	virtio_destroy(pci->device);
	release(pci);
}
