/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/say.h - how pintle-vmm speaks to people: sentences on stderr.
 */
#pragma once

/* Write "pintle-vmm: " and the text as one line on stderr. Any thread. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* What a guest can do again and again is told so many times: logs are in memory. */
#define TOLD 100u
