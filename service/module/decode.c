// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/decode.c - what requests say and may say: slots, routes, doorbells.
 */
#include <linux/errno.h>
#include <linux/kvm.h>
#include <linux/string.h>
#include <linux/types.h>

#include "service/module/decode.h"

#define SMALL_PAGE 4096ull

int decode_region(const struct kvm_userspace_memory_region *region)
{
	__u64 size = region->memory_size;
	__u64 all = region->guest_phys_addr | size | region->userspace_addr;

	if (region->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY) ||
		region->slot >= DECODE_SLOTS_MAX) {
		return -EINVAL;
	}
	if (all % SMALL_PAGE != 0 || size / SMALL_PAGE > DECODE_SLOT_PAGES_MAX) {
		return -EINVAL;
	}
	if (region->guest_phys_addr >> DECODE_GPA_BITS ||
		(region->guest_phys_addr + size) >> DECODE_GPA_BITS) {
		return -EINVAL;
	}
	return 0;
}

__u32 decode_routes_count(const struct kvm_irq_routing_entry *entries, __u32 count)
{
	__u32 i, result = 0;

	for (i = 0; i < count; i++) {
		if (entries[i].gsi < DECODE_ROUTES_MAX && entries[i].gsi >= result) {
			result = entries[i].gsi + 1;
		}
	}
	return result;
}

/* SDM vol. 3, 11.11.2: the trigger mode. */
#define DATA_LEVEL 0x8000u

int decode_routes(
	struct routes *routes, const struct kvm_irq_routing_entry *entries, __u32 count, __u32 pins)
{
	__u32 i;

	for (i = 0; i < count; i++) {
		const struct kvm_irq_routing_entry *entry = &entries[i];
		struct route *route = &routes->route[entry->gsi];
		__u8 vector = (__u8)entry->u.msi.data;

		if (entry->gsi >= routes->count || entry->type != KVM_IRQ_ROUTING_MSI ||
			entry->flags || route->valid) {
			return -EINVAL;
		}
		route->address = (__u64)entry->u.msi.address_hi << 32 | entry->u.msi.address_lo;
		route->data = entry->u.msi.data;
		route->valid = 1;
		if (entry->gsi < pins && route_is_level(route, vector)) {
			routes->eoi[vector / 64] |= 1ull << (vector % 64);
		}
	}
	return 0;
}

bool route_is_level(const struct route *route, __u8 vector)
{
	return route->valid && (route->data & DATA_LEVEL) && (__u8)route->data == vector;
}

#define DOORBELL_FLAGS                                                                             \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN)

int decode_doorbell(const struct kvm_ioeventfd *request, struct pintle_doorbell *doorbell)
{
	__u64 last = request->addr + (request->len ? request->len - 1 : 0);
	bool is_port = request->flags & KVM_IOEVENTFD_FLAG_PIO;
	bool match = request->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;

	if ((request->flags | DOORBELL_FLAGS) != DOORBELL_FLAGS || last < request->addr) {
		return -EINVAL;
	}
	if (request->len > 8 || (request->len & (request->len - 1))) {
		return -EINVAL;
	}
	if ((is_port && (last > 0xffff || request->len > 4)) || (match && request->len == 0)) {
		return -EINVAL;
	}
	memset(doorbell, 0, sizeof(*doorbell));
	doorbell->address = request->addr;
	doorbell->data = match ? request->datamatch : 0;
	doorbell->size = (__u8)request->len;
	doorbell->place = is_port ? PINTLE_PORT : PINTLE_MEMORY;
	doorbell->match = match;
	return 0;
}
