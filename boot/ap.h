/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/ap.h - bringing up the application processors.
 */
#pragma once

/*
 * Start CPUs that the MADT lists, until `wanted` run, this one included: with INIT-SIPI-SIPI (SDM
 * vol. 3, 9.4.4), all at once, waiting until each has come up or its time is over. Says which
 * cannot be used.
 */
void ap_start(unsigned wanted);
