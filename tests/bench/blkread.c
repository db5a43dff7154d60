/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/bench/blkread.c - `blkread DEVICE`: what it takes a process to read 4 KiB of a disk, past
 * all caches, in ticks of the time stamp counter: the lowest and the middle of many.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <x86intrin.h>

#define ROUNDS 201u
#define SIZE   4096u

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[SIZE] __attribute__((aligned(SIZE)));
	uint64_t took[ROUNDS];
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECT) : -1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t begin = __rdtsc();
		if (pread(fd, bytes, SIZE, (off_t)(i * 37 % ROUNDS) * SIZE) != SIZE) {
			perror("blkread");
			return 1;
		}
		took[i] = __rdtsc() - begin;
	}
	qsort(took, ROUNDS, sizeof(*took), by_size);
	printf("bench: blk_read_4k %lu %lu\n", took[0], took[ROUNDS / 2]);
	return 0;
}
