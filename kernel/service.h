/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/service.h - the service VM: what boot/ has planned, and its start.
 */
#pragma once

#include "kernel/types.h"

/* What its memory holds at the start. Params: what Linux is told, GDT and page tables. */
enum { SERVICE_PARAMS, SERVICE_KERNEL, SERVICE_INITRD, SERVICE_PIECES };
#define SERVICE_ENTRY       0x200u  /* from the kernel's place: the 64-bit boot protocol's */
#define SERVICE_GDT         0x2000u /* from the params' place */
#define SERVICE_PAGE_TABLES 0x3000u /* six pages, the PML4 first: 4 GiB identity */
#define SERVICE_PARAMS_SIZE (128 * KIB)

/* Where it goes, and from where it is copied there at each start: host-physical, which is
 * guest-physical. All 0: there is no plan. [I] after service_prepare() */
struct service_piece {
	uint64_t to, from, size;
};
extern struct service_piece service_plan[SERVICE_PIECES];
extern uint8_t service_params[SERVICE_PARAMS_SIZE]; /* the params' source */

/*
 * The boot CPU's way from boot/ to its main loop, in which the vCPUs run: first boot/ is taken out
 * of Pintle's page tables; then the service VM is started, if there is a plan, and the log says why
 * not when it cannot be. Once, when all CPUs are up.
 */
NORETURN void service_start(void);

/* Start it anew, from what boot/ has left. Returns 0 or an error, with the VM held. */
int service_restart(void);
