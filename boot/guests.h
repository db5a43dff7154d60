/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/guests.h - guests that GRUB loads: boot modules named "guest", each a flat image that starts
 * as a boot sector does. What they are given is said behind the name: docs/options.md.
 */
#pragma once

#include "boot/mbi.h"

/* Keep memory for them, before the service VM is given its own. Once. */
void guests_place(const struct boot_info *info);

/* Copy from one host-physical place to another, through windows: 0 or -ENOMEM. (service.c) */
int boot_copy(uint64_t to, uint64_t from, uint64_t size);

/* Make and start them. Once, when the CPUs can run guests. */
void guests_start(void);
