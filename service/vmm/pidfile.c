/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/pidfile.c - a file that tells who runs this guest.
 *
 * Its lock ends with the process, however that ends. The file itself stays: who removes a locked
 * file lets the next one lock another of the same name.
 */
#include "service/vmm/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "service/vmm/say.h"

static int pidfile = -1;

int pidfile_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0) {
		pidfile = fd;
		return 0;
	}
	int error = errno;
	if (error == EWOULDBLOCK) {
		say("another pintle-vmm runs with the pidfile %s", path);
	} else {
		say("cannot write the pidfile %s: %s", path, strerror(error));
	}
	if (fd >= 0) {
		close(fd);
	}
	return -error;
}

int pidfile_write(void)
{
	if (pidfile >= 0 && dprintf(pidfile, "%d\n", (int)getpid()) < 0) {
		int error = errno;
		say("cannot write the pidfile: %s", strerror(error));
		return -error;
	}
	return 0;
}

void pidfile_destroy(void)
{
	if (pidfile >= 0) {
		int err = ftruncate(pidfile, 0);
		(void)err; /* the lock tells it, too */
		close(pidfile);
		pidfile = -1;
	}
}
