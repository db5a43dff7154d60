/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/pidfile.h - a file that tells who runs this guest.
 */
#pragma once

/* Take the file, empty; -errno after a sentence, when another pintle-vmm has it. */
int pidfile_create(const char *path);

/* The guest runs: the process's number, if there is a file. -errno after a sentence. */
int pidfile_write(void);

/* The guest has ended: the file is empty again. */
void pidfile_destroy(void);
