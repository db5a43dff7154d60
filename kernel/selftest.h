/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/selftest.h - checks that need the real machine.
 */
#pragma once

/* Run them all, a line each on the console, then "selftest: N passed, N failed". Interrupts on, no
 * locks held. */
void selftest_run(void);
