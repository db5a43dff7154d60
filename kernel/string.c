/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/string.c - the C library functions that Pintle uses. Pure: any context.
 *
 * Compilers turn a loop that looks like one of these functions into a call of it, which inside the
 * function itself would never end. The copies are string instructions (SDM vol. 1, 7.3.9; APM
 * vol. 3, MOVS and STOS), and the loops at risk hold a barrier.
 */
#include "kernel/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	void *to = dst;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

void *memset(void *dst, int byte, size_t len)
{
	void *to = dst;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;
	while (i < len && x[i] == y[i]) {
		i++;
	}
	return i < len ? x[i] - y[i] : 0;
}

size_t strnlen(const char *s, size_t max)
{
	size_t len = 0;
	while (len < max && s[len] != '\0') {
		len++;
		__asm__ volatile("" ::: "memory"); /* not an idiom */
	}
	return len;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

/* The memcmp above reads nothing behind the first difference, and so nothing behind an end. */
int strncmp(const char *a, const char *b, size_t max)
{
	return memcmp(a, b, min_u64(strnlen(a, max) + 1, max));
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	while (*s != (char)c && *s != '\0') {
		s++;
	}
	return *s == (char)c ? (char *)(uintptr_t)s : NULL;
}
