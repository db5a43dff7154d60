/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/basic.h - what nearly every file but the pure ones uses: text, locks, the log, panics,
 * Pintle's memory, time, the processor. Drivers need no more of the kernel.
 */
#pragma once

#include "kernel/fmt.h"
#include "kernel/frame.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/panic.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "kernel/x86.h"
