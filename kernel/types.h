/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/types.h - the words that every file speaks: sizes, physical addresses, small macros.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/errno.h"
#include "kernel/string.h"

/* A host-physical address. Wrapped, so that it is never mistaken for a virtual or guest one. */
typedef struct {
	uint64_t raw;
} hpa_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (PAGE_SIZE - 1)
#define LARGE_SIZE (1ul << 21)
#define KIB        1024ul
#define MIB        (1024 * KIB)
#define GIB        (1024 * MIB)

#define CPUS_MAX 512u /* logical CPUs; further ones are reported and left out */

#define ARRAY_COUNT(a)             (sizeof(a) / sizeof((a)[0]))
#define ALIGN_DOWN(x, a)           ((x) & ~((a)-1)) /* a: a power of two of the type of x */
#define ALIGN_UP(x, a)             (((x) + (a)-1) & ~((a)-1))
#define PAGES_OF(bytes)            (((bytes) + PAGE_SIZE - 1) / PAGE_SIZE)
#define BIT(n)                     (1ull << (n))
#define PACKED                     __attribute__((packed))
#define NORETURN                   __attribute__((noreturn))
#define NOINLINE                   __attribute__((noinline)) /* keeps the registers it needs off a fast path */
#define ALWAYS_INLINE              inline __attribute__((always_inline))
#define PRINTF_LIKE(fmt, a)        __attribute__((format(printf, fmt, a)))
#define STATIC_ASSERT              _Static_assert
#define OWNER_OF(at, type, member) ((type *)((char *)(at)-offsetof(type, member)))
#define LIST_NAME(id, name)        name, /* of a list of X(id, name): its names, by id */

/* DEBUG_BUILD, 0 or 1 by the build: the debug flavour pays for checks that a release does not. Both
 * branches always compile. */

static inline hpa_t hpa(uint64_t raw)
{
	return (hpa_t){raw};
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
