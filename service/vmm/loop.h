/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/loop.h - the event loop: one thread waits for all file descriptors and calls back.
 *
 * Callbacks run in the thread of loop_run(), one at a time, without a lock held. All functions may
 * be called from any thread. After loop_remove() from another thread a callback that is already on
 * its way may still run once: descriptors are non-blocking, and what a callback uses stays.
 */
#pragma once

#include <stdint.h>

typedef void loop_ready_fn(void *argument, uint32_t events); /* events: EPOLLIN and so on */

/* Once, before all else. 0 or a negative errno. */
int loop_create(void);

/* Call ready(argument, events) while one of these events holds. 0 or a negative errno. */
int loop_add(int fd, uint32_t events, loop_ready_fn *ready, void *argument);

/* Wait for other events on a descriptor that was added; 0: for none but its end. */
int loop_change(int fd, uint32_t events);

/* Forget a descriptor, before it is closed. One that was never added is no error. */
void loop_remove(int fd);

/* Until loop_stop(), also one before; then it may run again. */
void loop_run(void);
void loop_stop(void);
