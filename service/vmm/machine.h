/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/machine.h - the guest as a whole: made, started, restarted, ended.
 */
#pragma once

#include "service/vmm/memory.h"
#include "service/vmm/options.h"
#include "service/vmm/vm.h"

/* What becomes of the machine; of several at once the last in this list. */
enum machine_event {
	MACHINE_GOES_ON,
	MACHINE_RESET, /* the guest wants to restart */
	MACHINE_OFF,   /* it has switched itself off, or is told to stop */
	MACHINE_FAILED,
};

/* Run a guest to its end. The exit status of the process: 0 when it went as asked. */
int machine_run(const struct options *options);

/* Something has happened, said already; any thread, at any time. */
void machine_tell(enum machine_event event);
