/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/linux_image.h - a bzImage without a kernel in it, and reading the zero page back.
 */
#pragma once

#include "boot/linux.h"
#include "kernel/errno.h"

#define IMAGE_SETUP  (5 * 512u) /* setup_sects is 4 */
#define IMAGE_KERNEL 4096u
#define IMAGE_SIZE   (IMAGE_SETUP + IMAGE_KERNEL)
#define IMAGE_INIT   (24 * MIB)
#define IMAGE_START  (16 * MIB) /* pref_address */

static uint8_t image[IMAGE_SIZE];
static _Alignas(4096) uint8_t params[SERVICE_PARAMS_SIZE];
static struct memmap map;
static struct linux_kernel kernel;

static inline void image_set(size_t offset, uint64_t value, size_t bytes)
{
	memcpy(image + offset, &value, bytes);
}

/* The head of a relocatable kernel of Linux 6.1. */
static inline void image_start(void)
{
	memset(image, 0xcc, sizeof(image));
	memset(image + 0x1f1, 0, 0x26c - 0x1f1);
	image_set(0x1f1, 4, 1);
	image_set(0x1f4, IMAGE_KERNEL / 16, 4);
	image_set(0x1fe, 0xaa55, 2);
	image_set(0x200, 0x6aeb, 2);
	memcpy(image + 0x202, "HdrS", 4);
	image_set(0x206, 0x20f, 2);
	image_set(0x211, 1, 1);
	image_set(0x22c, 0x7fffffff, 4);
	image_set(0x230, 2 * MIB, 4);
	image_set(0x234, 1, 1);
	image_set(0x236, 3, 2);
	image_set(0x238, 2047, 4);
	image_set(0x258, IMAGE_START, 8);
	image_set(0x260, IMAGE_INIT, 4);
}

static inline uint64_t params_get(size_t offset, size_t bytes)
{
	uint64_t value = 0;
	memcpy(&value, params + offset, bytes);
	return value;
}
