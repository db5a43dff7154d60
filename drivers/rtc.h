/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/rtc.h - the date in the CMOS clock.
 */
#pragma once

#include "kernel/types.h"

/* Seconds since 1970, the clock taken for UTC and this century's; 0: there is none that counts 24
 * hours. At most 20 ms. Once, boot CPU. */
uint64_t rtc_read(void);
