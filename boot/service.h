/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/service.h - the service VM: made from the boot modules "kernel" and "initrd".
 */
#pragma once

#include "boot/mbi.h"

/*
 * Start the service VM if there is a module named "kernel" and the CPUs can virtualise; say why not
 * otherwise. Once, on the boot CPU, when all CPUs are up; its vCPUs then run in the CPUs' main
 * loops.
 */
void service_start(struct boot_info *info);
