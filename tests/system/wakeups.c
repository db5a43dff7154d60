// SPDX-License-Identifier: GPL-2.0-only
/*
 * tests/system/wakeups.c - sleep a millisecond, again and again: how late does Linux wake us?
 * `wakeups COUNT` prints the median, the 99th percentile and the worst, in microseconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define SLEEP_NS 1000000

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
	size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	uint64_t *late = calloc(count, sizeof(*late));
	struct timespec sleep = {.tv_nsec = SLEEP_NS};

	if (count == 0 || late == NULL) {
		fprintf(stderr, "usage: wakeups COUNT\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1); /* else Linux takes 50 us more by itself */
	for (size_t i = 0; i < count; i++) {
		uint64_t begin = now_ns();
		if (nanosleep(&sleep, NULL) != 0) {
			return 1;
		}
		late[i] = now_ns() - begin - SLEEP_NS;
	}
	qsort(late, count, sizeof(*late), compare);
	printf("late us: median %lu, 99th %lu, worst %lu\n", late[count / 2] / 1000,
		late[count * 99 / 100] / 1000, late[count - 1] / 1000);
	return 0;
}
