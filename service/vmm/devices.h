/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/devices.h - the virtio devices that the options ask for.
 */
#pragma once

#include "service/vmm/memory.h"
#include "service/vmm/options.h"
#include "service/vmm/vm.h"

/* Make them and put them on the bus. 0 or a negative errno after a message. */
int devices_create(const struct options *options, struct memory *memory, struct vm *vm);

/* Make them forget the driver. While no vCPU runs. */
void devices_reset(void);

void devices_destroy(void);
