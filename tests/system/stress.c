// SPDX-License-Identifier: GPL-2.0-only
/*
 * tests/system/stress.c - keep every CPU of a Linux busy with what makes a hypervisor stumble: IPIs
 * (wake-ups and TLB shoot-downs across CPUs), timers, page-table changes, and CPUs that go and come
 * back.
 *
 * stress SECONDS [plug] prints a line of counts and exits with 0 when all was right. It is linked
 * statically and runs in the service VM's initial file system. Only with `plug` does it take CPUs
 * offline: as root it would do that to the machine of whoever tries it.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
	CPUS_MAX = 64,
	PAGE = 4096,
	PAGES = 16,
	PIN_ROUNDS = 64
};
enum {
	TIMER_NS = 500000,
	SLEEP_NS = 200000,
	PLUG_NS = 100000000
};
#define EXTRA_NS 10000000000LL

static int64_t end_ns;
static bool plugging;
static atomic_ulong timers, pings, mappings, plugs, faults;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Somewhat longer where not all has been done once: a CPU takes its time to go and come back. */
static bool running(void)
{
	bool all = timers != 0 && pings != 0 && mappings != 0 && (plugs != 0 || !plugging);
	return now_ns() < end_ns + (all ? 0 : EXTRA_NS);
}

static void sleep_ns(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void report(const char *text, long value)
{
	if (atomic_fetch_add(&faults, 1) < 10) {
		printf("stress: %s (%ld)\n", text, value);
	}
}

/* A CPU that is away just now makes this fail: then the thread runs where it may, until it tries
 * again. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Timers that wake this CPU thousands of times a second, and never too early. */
static void *use_timers(void *argument)
{
	int cpu = (int)(intptr_t)argument;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec period = {.it_interval.tv_nsec = TIMER_NS, .it_value.tv_nsec = TIMER_NS};
	int64_t begin = now_ns();
	uint64_t expired = 0;

	timerfd_settime(timer, 0, &period, NULL);
	for (unsigned long round = 0; running(); round++) {
		uint64_t count = 0;
		int64_t before = now_ns();

		if (round % PIN_ROUNDS == 0) {
			pin(cpu);
		}
		sleep_ns(SLEEP_NS);
		if (now_ns() - before < SLEEP_NS) {
			report("a sleep was too short, ns", (long)(now_ns() - before));
		}
		if (read(timer, &count, sizeof(count)) != sizeof(count)) {
			report("no timer", errno);
		}
		expired += count;
		if (now_ns() - begin < (int64_t)expired * TIMER_NS) {
			report("the timer runs ahead, times", (long)expired);
		}
		atomic_fetch_add(&timers, count + 1);
	}
	close(timer);
	return NULL;
}

/* Two threads of different CPUs that take turns; the page between them is another one each time. */
struct pair {
	int cpus[2];
	atomic_uint turn; /* odd: the reader's */
	unsigned *page;   /* always at the same address */
};

static void futex(atomic_uint *word, int operation, unsigned value)
{
	struct timespec limit = {.tv_nsec = 100000000}; /* the other thread may have ended */

	syscall(SYS_futex, word, operation, value, operation == FUTEX_WAIT_PRIVATE ? &limit : NULL,
		NULL, 0);
}

/* Wait until it is our turn; false when time is over. */
static bool await_turn(struct pair *pair, unsigned side, unsigned *turn)
{
	for (;;) {
		*turn = atomic_load(&pair->turn);
		if (*turn % 2 == side) {
			return running();
		}
		if (!running()) {
			return false;
		}
		futex(&pair->turn, FUTEX_WAIT_PRIVATE, *turn);
	}
}

static void pass_turn(struct pair *pair, unsigned turn)
{
	atomic_store(&pair->turn, turn + 1);
	futex(&pair->turn, FUTEX_WAKE_PRIVATE, 1);
	atomic_fetch_add(&pings, 1);
}

static void *change_page(void *argument)
{
	struct pair *pair = argument;
	unsigned turn;

	for (unsigned long round = 0; await_turn(pair, 0, &turn); round++) {
		if (round % PIN_ROUNDS == 0) {
			pin(pair->cpus[0]);
		}
		if (mmap(pair->page, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != pair->page) {
			report("no page", errno);
		}
		*pair->page = turn;
		mprotect(pair->page, PAGE, PROT_READ);
		pass_turn(pair, turn);
	}
	return NULL;
}

static void *read_page(void *argument)
{
	struct pair *pair = argument;
	unsigned turn;

	for (unsigned long round = 0; await_turn(pair, 1, &turn); round++) {
		if (round % PIN_ROUNDS == 0) {
			pin(pair->cpus[1]);
		}
		/* A CPU that missed the shoot-down would read the page before this one. */
		if (*(volatile unsigned *)pair->page != turn - 1) {
			report("an old page is seen, turns behind", (long)(turn - 1 - *pair->page));
		}
		pass_turn(pair, turn);
	}
	return NULL;
}

/* Mappings that come, change and go; each change is a shoot-down on every CPU, for all run threads
 * of this process. */
static void *change_mappings(void *argument)
{
	int cpu = (int)(intptr_t)argument;

	for (unsigned long round = 0; running(); round++) {
		unsigned char *area;

		if (round % PIN_ROUNDS == 0) {
			pin(cpu);
		}
		area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
		if (area == MAP_FAILED) {
			report("no mapping", errno);
			continue;
		}
		memset(area, cpu + 1, PAGES * PAGE);
		mprotect(area, PAGES * PAGE / 2, PROT_READ);
		madvise(area + PAGES * PAGE / 2, PAGES * PAGE / 2, MADV_DONTNEED);
		if (area[PAGE] != cpu + 1 || area[PAGES * PAGE - 1] != 0) {
			report("memory has other contents on CPU", cpu);
		}
		munmap(area, PAGES * PAGE);
		atomic_fetch_add(&mappings, 1);
	}
	return NULL;
}

static void set_online(int cpu, const char *state)
{
	char path[64];
	int file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	file = open(path, O_WRONLY);
	if (file < 0 || write(file, state, 1) != 1) {
		report(state[0] == '0' ? "this CPU does not go" : "this CPU does not come back",
			cpu);
	}
	close(file);
}

static void *plug_cpus(void *argument)
{
	int count = (int)(intptr_t)argument;

	for (int cpu = 1; running(); cpu = cpu % (count - 1) + 1) {
		set_online(cpu, "0");
		sleep_ns(PLUG_NS);
		set_online(cpu, "1");
		sleep_ns(PLUG_NS);
		atomic_fetch_add(&plugs, 1);
	}
	return NULL;
}

static pthread_t threads[CPUS_MAX * 4 + 1];
static size_t thread_count;

static void start(void *(*function)(void *), void *argument)
{
	if (pthread_create(&threads[thread_count], NULL, function, argument) != 0) {
		report("no thread", (long)thread_count);
		return;
	}
	thread_count++;
}

int main(int argc, char **argv)
{
	static struct pair pairs[CPUS_MAX];
	int count = (int)sysconf(_SC_NPROCESSORS_ONLN);

	if (argc < 2 || count > CPUS_MAX) {
		return 2;
	}
	end_ns = now_ns() + atoi(argv[1]) * 1000000000LL;
	plugging = count > 1 && argc > 2 && strcmp(argv[2], "plug") == 0;
	for (int cpu = 0; cpu < count; cpu++) {
		void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		pairs[cpu] = (struct pair){.cpus = {cpu, (cpu + 1) % count}, .page = page};
		start(use_timers, (void *)(intptr_t)cpu);
		start(change_mappings, (void *)(intptr_t)cpu);
		start(change_page, &pairs[cpu]);
		start(read_page, &pairs[cpu]);
	}
	if (plugging) {
		start(plug_cpus, (void *)(intptr_t)count);
	}
	for (size_t index = 0; index < thread_count; index++) {
		pthread_join(threads[index], NULL);
	}
	printf("stress: %lu timers, %lu turns, %lu mappings, %lu plugs, %lu faults\n", timers,
		pings, mappings, plugs, faults);
	return faults ? 1 : 0;
}
