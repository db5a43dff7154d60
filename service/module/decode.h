/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/decode.h - what requests say and may say: slots, routes, doorbells. Pure.
 */
#pragma once

#include <linux/kvm.h>
#include <linux/types.h>

#include "abi/pintle.h"

#define DECODE_SLOTS_MAX      512u
#define DECODE_SLOT_PAGES_MAX (1ull << 28) /* 1 TiB */
#define DECODE_GPA_BITS       46u          /* no guest needs more, and sums do not overflow */

/* May a slot be like this (other slots apart)? 0, -EINVAL. */
int decode_region(const struct kvm_userspace_memory_region *region);

#define DECODE_ROUTES_MAX 4096u
struct route {
	__u64 address;
	__u32 data;
	__u32 valid;
};
struct routes {
	__u32 count;
	__u64 eoi[4];         /* vectors whose end the VMM's I/O APIC wants to know, a bit each */
	struct route route[]; /* by GSI */
};

/* How many routes a table of these entries needs. */
__u32 decode_routes_count(const struct kvm_irq_routing_entry *entries, __u32 count);

/*
 * Fill in a table, which is zero and as long as that. The first `pins` GSIs are the VMM's I/O
 * APIC's. -EINVAL: no messages, or two for one GSI.
 */
int decode_routes(struct routes *routes, const struct kvm_irq_routing_entry *entries, __u32 count,
	__u32 pins);

/* Is this the message of a level-triggered interrupt with this vector? */
bool route_is_level(const struct route *route, __u8 vector);

/* 0, or -EINVAL; `event` is left out. */
int decode_doorbell(const struct kvm_ioeventfd *request, struct pintle_doorbell *doorbell);
