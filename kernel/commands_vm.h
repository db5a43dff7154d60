/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands_vm.h - how the monitor's commands name virtual machines and their CPUs.
 */
#pragma once

#include "kernel/vcpu.h"

/* vCPUs `first` to `end` - 1 of `vm`. */
struct vm_range {
	struct vm *vm;
	unsigned first, end;
};

/* Read "VM", all of its vCPUs, "VM.VCPU", or "", the service VM's. Empty, and of NULL, after a
 * complaint. */
struct vm_range vm_range_read(const char *text);
