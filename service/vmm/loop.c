/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/loop.c - the event loop, on epoll.
 */
#include "service/vmm/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 32

/* [I] constant after loop_add()  [L] loop_lock */
struct watch {
	int fd;               /* [I] */
	loop_ready_fn *ready; /* [L] NULL once removed */
	void *argument;       /* [I] */
	struct watch *next;   /* [L] */
};

static pthread_mutex_t loop_lock = PTHREAD_MUTEX_INITIALIZER;
static struct watch *watches; /* [L] */
static struct watch *removed; /* [L] freed when no event of theirs can be on its way */
static int epoll_fd = -1;     /* [I] */
static int wake_fd = -1;      /* [I] */
static atomic_bool stopping;

int loop_create(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll_fd < 0 || wake_fd < 0 ||
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
		return -errno;
	}
	return 0;
}

/* The link that leads to the watch of fd. Lock held. */
static struct watch **find(int fd)
{
	struct watch **link = &watches;
	while (*link != NULL && (*link)->fd != fd) {
		link = &(*link)->next;
	}
	return link;
}

int loop_add(int fd, uint32_t events, loop_ready_fn *ready, void *argument)
{
	struct watch *watch = malloc(sizeof(*watch));
	if (watch == NULL) {
		return -ENOMEM;
	}
	*watch = (struct watch){.fd = fd, .ready = ready, .argument = argument};
	struct epoll_event event = {.events = events, .data.ptr = watch};
	pthread_mutex_lock(&loop_lock);
	int err = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
	if (err == 0) {
		watch->next = watches;
		watches = watch;
	}
	pthread_mutex_unlock(&loop_lock);
	if (err != 0) {
		free(watch);
	}
	return err;
}

int loop_change(int fd, uint32_t events)
{
	pthread_mutex_lock(&loop_lock);
	struct epoll_event event = {.events = events, .data.ptr = *find(fd)};
	int err = -ENOENT;
	if (event.data.ptr != NULL) {
		err = epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
	}
	pthread_mutex_unlock(&loop_lock);
	return err;
}

void loop_remove(int fd)
{
	pthread_mutex_lock(&loop_lock);
	struct watch **link = find(fd), *watch = *link;
	if (watch != NULL) {
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		*link = watch->next;
		watch->ready = NULL;
		watch->next = removed;
		removed = watch;
	}
	pthread_mutex_unlock(&loop_lock);
}

static void deliver(struct watch *watch, uint32_t events)
{
	pthread_mutex_lock(&loop_lock);
	loop_ready_fn *ready = watch->ready;
	void *argument = watch->argument;
	pthread_mutex_unlock(&loop_lock);
	if (ready != NULL) {
		ready(argument, events);
	}
}

/* Between two waits, no event that was reported leads to a removed watch. */
static void free_removed(void)
{
	pthread_mutex_lock(&loop_lock);
	struct watch *watch = removed;
	removed = NULL;
	pthread_mutex_unlock(&loop_lock);
	while (watch != NULL) {
		struct watch *next = watch->next;
		free(watch);
		watch = next;
	}
}

void loop_run(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	while (!atomic_load(&stopping)) {
		free_removed();
		int count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr != NULL) {
				deliver(events[i].data.ptr, events[i].events);
			} else {
				uint64_t stops;
				ssize_t got = read(wake_fd, &stops, sizeof(stops));
				(void)got; /* stopping says all */
			}
		}
	}
	atomic_store(&stopping, false);
}

void loop_stop(void)
{
	uint64_t one = 1;
	atomic_store(&stopping, true);
	/* Fails only when it is awake already: the count is at its limit. */
	ssize_t written = write(wake_fd, &one, sizeof(one));
	(void)written;
}
