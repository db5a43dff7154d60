/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/stream.c - a console's other end.
 */
#define _GNU_SOURCE 1
#include "service/vmm/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/vmm/loop.h"
#include "service/vmm/say.h"

#define LISTEN_PREFIX "listen:"
/* A pseudo-terminal that somebody opens says nothing: it has to be looked at. */
#define PTY_LOOK_NS   200000000
/* What a description that blocks takes at once when poll() says that it takes something. */
#define LITTLE        256u

static void on_event(void *argument, uint32_t events)
{
	struct stream *stream = argument;
	(void)events;
	stream->ready(stream->argument);
}

/* The event loop looks at fd or not, as wanted. */
static void watch(struct stream *stream, int fd, uint32_t events, bool wanted, bool *watched)
{
	if (wanted == *watched) {
		return;
	}
	*watched = wanted;
	if (!wanted) {
		loop_remove(fd);
	} else if (loop_add(fd, events, on_event, stream) != 0) {
		*watched = false; /* a file: always ready, and never waited for */
	}
}

void stream_want(struct stream *stream, bool in, bool out)
{
	watch(stream, stream->in, EPOLLIN, in && stream->in >= 0 && stream->connected,
		&stream->reading);
	watch(stream, stream->out, EPOLLOUT, out && stream->out >= 0 && stream->connected,
		&stream->writing);
	watch(stream, stream->wait, EPOLLIN, stream->wait >= 0 && !stream->connected,
		&stream->waiting);
}

/* The other end has gone: for good, or until the next one comes. */
static void disconnect(struct stream *stream)
{
	bool again = stream->kind == STREAM_PTY || stream->kind == STREAM_LISTEN;
	stream->connected = false;
	stream_want(stream, false, false);
	if (stream->kind != STREAM_PTY) {
		if (stream->in >= 0) {
			close(stream->in);
		}
		if (stream->out >= 0) {
			close(stream->out);
		}
		stream->in = stream->out = -1;
	}
	if (!again) {
		say("nobody reads %s any more: what is written there is lost", stream->path);
	}
}

/* Input has ended; of what has one end only, output may go on. */
static void end_input(struct stream *stream)
{
	if (stream->kind != STREAM_STDIO && stream->kind != STREAM_FILE) {
		disconnect(stream);
		return;
	}
	watch(stream, stream->in, EPOLLIN, false, &stream->reading);
	if (stream->in >= 0) {
		close(stream->in);
	}
	stream->in = -1;
}

static void connected(struct stream *stream, int fd)
{
	stream->in = fd;
	stream->out = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the loop has one watch a descriptor */
	stream->connected = stream->out >= 0;
	if (!stream->connected) {
		say("cannot use %s: %s", stream->path, strerror(errno));
		close(fd);
		stream->in = -1;
	}
}

void stream_check(struct stream *stream)
{
	if (stream->connected || stream->wait < 0) {
		return;
	}
	if (stream->kind == STREAM_LISTEN) {
		int fd = accept4(stream->wait, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			connected(stream, fd);
		}
		return;
	}
	uint64_t times;
	ssize_t len = read(stream->wait, &times, sizeof(times));
	(void)len; /* only that it has passed counts */
	struct pollfd state = {.fd = stream->in};
	stream->connected = poll(&state, 1, 0) == 0; /* else POLLHUP */
}

/* Can it be read, written without a wait? Of what blocks one asks before, and then takes little. */
static bool is_ready(int fd, bool blocks, short event)
{
	struct pollfd state = {.fd = fd, .events = event};
	return !blocks || poll(&state, 1, 0) > 0;
}

size_t stream_read(struct stream *stream, const struct iovec *segment, unsigned count)
{
	if (stream->in < 0 || !stream->connected || count == 0 ||
		!is_ready(stream->in, stream->shared[0], POLLIN)) {
		return 0;
	}
	ssize_t len = readv(stream->in, segment, (int)count);
	if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR)) {
		end_input(stream);
	}
	return len > 0 ? (size_t)len : 0;
}

size_t stream_write(struct stream *stream, const struct iovec *segment, unsigned count)
{
	size_t all = 0;
	for (unsigned i = 0; i < count; i++) {
		all += segment[i].iov_len;
	}
	if (stream->out < 0 || !stream->connected) {
		return all;
	}
	if (!is_ready(stream->out, stream->shared[1], POLLOUT)) {
		return 0;
	}
	struct iovec little = *segment;
	if (stream->shared[1]) {
		little.iov_len = little.iov_len < LITTLE ? little.iov_len : LITTLE;
		segment = &little;
		count = 1;
	}
	ssize_t len = writev(stream->out, segment, (int)count);
	if (len < 0 && errno != EAGAIN && errno != EINTR) {
		disconnect(stream);
		return all;
	}
	return len > 0 ? (size_t)len : 0;
}

/* How each kind is opened. -------------------------------------------------------------------- */

/* Keys one by one and as they are, but for those that send signals. */
static void set_raw(struct stream *stream)
{
	struct termios raw;
	if (tcgetattr(STDIN_FILENO, &stream->settings) != 0) {
		return;
	}
	raw = stream->settings;
	raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | ISTRIP | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN);
	stream->restore = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* A description of our own can be non-blocking without being that for the shell as well; where we
 * get none, it is shared. */
static int reopen(int fd, const char *path, int flags, bool *shared)
{
	struct stat st;
	int own = -1;
	if (fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
		own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	*shared = own < 0;
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static bool open_stdio(struct stream *stream)
{
	stream->kind = STREAM_STDIO;
	stream->in = reopen(STDIN_FILENO, "/proc/self/fd/0", O_RDONLY, &stream->shared[0]);
	stream->out = reopen(STDOUT_FILENO, "/proc/self/fd/1", O_WRONLY, &stream->shared[1]);
	stream->connected = true;
	set_raw(stream);
	return stream->out >= 0;
}

static bool open_pty(struct stream *stream, const char *what)
{
	stream->kind = STREAM_PTY;
	stream->in = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	char name[64];
	if (stream->in < 0 || grantpt(stream->in) != 0 || unlockpt(stream->in) != 0 ||
		ptsname_r(stream->in, name, sizeof(name)) != 0) {
		return false;
	}
	/* Opened once, and closed: only from then on does it tell whether somebody is there. */
	int other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios raw;
	if (other < 0 || tcgetattr(other, &raw) != 0) {
		return false;
	}
	cfmakeraw(&raw);
	tcsetattr(other, TCSANOW, &raw);
	close(other);
	stream->out = fcntl(stream->in, F_DUPFD_CLOEXEC, 0);
	stream->wait = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec often = {{0, PTY_LOOK_NS}, {0, PTY_LOOK_NS}};
	if (stream->out < 0 || stream->wait < 0 ||
		timerfd_settime(stream->wait, 0, &often, NULL) != 0) {
		return false;
	}
	say("%s is %s", what, name);
	return true;
}

static bool socket_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(address->sun_path, path, strlen(path));
	return true;
}

/* A socket that is connected to path, or -1. */
static int connect_to(const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -1;
	}
	if (!socket_address(&address, path) ||
		connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static bool open_socket(struct stream *stream, const char *path)
{
	stream->kind = STREAM_SOCKET;
	int fd = connect_to(path);
	if (fd >= 0) {
		connected(stream, fd);
	}
	return stream->connected;
}

/* Take away what a former run left behind; false when somebody listens there now. */
static bool remove_stale(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		return true;
	}
	int fd = connect_to(path);
	if (fd < 0 && errno != ECONNREFUSED) {
		return false; /* somebody's, who has no place for more, or is no stream */
	}
	if (fd >= 0) {
		close(fd);
		errno = EADDRINUSE;
		return false;
	}
	return unlink(path) == 0;
}

static bool open_listener(struct stream *stream, const char *path)
{
	struct sockaddr_un address;
	if (!socket_address(&address, path) || !remove_stale(path)) {
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(fd, 1) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return false;
	}
	stream->kind = STREAM_LISTEN;
	stream->wait = fd;
	return true;
}

static bool open_file(struct stream *stream, const char *path)
{
	struct stat st;
	stream->kind = STREAM_FILE;
	int flags = O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, flags, 0666);
	if (fd < 0 || fstat(fd, &st) != 0) {
		return false;
	}
	connected(stream, fd);
	if (stream->connected && S_ISREG(st.st_mode)) {
		close(stream->in);
		stream->in = -1;
	}
	return stream->connected;
}

static bool open_kind(struct stream *stream, const char *path, const char *what)
{
	const size_t prefix = sizeof(LISTEN_PREFIX) - 1;
	struct stat st;
	if (strcmp(path, "-") == 0) {
		return open_stdio(stream);
	}
	if (strcmp(path, "pty") == 0) {
		return open_pty(stream, what);
	}
	if (strncmp(path, LISTEN_PREFIX, prefix) == 0) {
		return open_listener(stream, path + prefix);
	}
	if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		return open_socket(stream, path);
	}
	return open_file(stream, path);
}

bool stream_open(struct stream *stream, const char *path, const char *what,
	void (*ready)(void *argument), void *argument)
{
	*stream = (struct stream){.in = -1,
		.out = -1,
		.wait = -1,
		.path = path,
		.ready = ready,
		.argument = argument};
	signal(SIGPIPE, SIG_IGN); /* it comes as an error */
	if (!open_kind(stream, path, what)) {
		say("cannot open %s for %s: %s", path, what, strerror(errno));
		stream_close(stream);
		return false;
	}
	stream_want(stream, false, false);
	return true;
}

void stream_close(struct stream *stream)
{
	stream->connected = false;
	watch(stream, stream->wait, 0, false, &stream->waiting);
	watch(stream, stream->in, 0, false, &stream->reading);
	watch(stream, stream->out, 0, false, &stream->writing);
	if (stream->restore) {
		tcsetattr(STDIN_FILENO, TCSANOW, &stream->settings);
	}
	const int all[] = {stream->in, stream->out, stream->wait};
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i] >= 0) {
			close(all[i]);
		}
	}
	stream->in = stream->out = stream->wait = -1;
	if (stream->kind == STREAM_LISTEN) {
		unlink(stream->path + sizeof(LISTEN_PREFIX) - 1);
	}
}
