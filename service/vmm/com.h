/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/com.h - the first serial port and what it is connected to.
 */
#pragma once

/* path: "none", or as stream_open() takes it. 0 or a negative errno after a message. */
int com_create(const char *path);
void com_reset(void);
void com_destroy(void); /* writes out what is left, as far as it is taken at once */
