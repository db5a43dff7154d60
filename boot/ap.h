/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/ap.h - bringing up the application processors.
 */
#pragma once

#include "kernel/types.h"

/*
 * The CPUs that the MADT lists and `maxcpus` allows, this one included; 1 without a MADT. Says
 * which are left out and why. The answer is what ap_start() will try. Needs lapic_init().
 */
unsigned ap_count(unsigned maxcpus);

/*
 * Start them with INIT-SIPI-SIPI (SDM vol. 3, 9.4.4), all at once, and wait until each has come up
 * or its time is over. `trampoline`: a free page below 1 MiB. `count`: what ap_count() said.
 * Returns 0 or -ENOMEM, after which those that came up are in use all the same.
 */
int ap_start(hpa_t trampoline, unsigned count);
