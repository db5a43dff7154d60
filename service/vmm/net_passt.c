/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/net_passt.c - passt(1), which connects a guest without privileges: frames on a UNIX
 * stream socket, each behind its length in 4 bytes, big-endian. No header, no offloads.
 *
 * Each frame is sent by one call, which the kernel takes whole or not at all as long as it fits
 * into one of its buffers: so the other side rarely finds the beginning of one alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/vmm/net.h"
#include "service/vmm/say.h"

#define LENGTH 4u
#define ROOM   (4 * (LENGTH + NET_FRAME_MAX))

struct passt {
	struct net_backend backend;
	size_t in_start, in_end;   /* bytes that were received and not consumed */
	size_t out_start, out_end; /* what is left of a frame that was not taken whole */
	uint8_t in[ROOM], out[LENGTH + NET_FRAME_MAX];
};

static struct passt *passt_of(struct net_backend *backend)
{
	return (struct passt *)backend;
}

/* Frames of a former driver may still come: as on a wire. */
static void passt_start(struct net_backend *backend, uint64_t features)
{
	(void)backend;
	(void)features;
}

static void lose(struct net_backend *backend, const char *why)
{
	say("the connection to passt at %s has ended: %s", backend->name, why);
	backend->gone = true;
}

static bool passt_flush(struct net_backend *backend)
{
	struct passt *passt = passt_of(backend);
	while (!backend->gone && passt->out_start != passt->out_end) {
		ssize_t len = send(backend->fd, passt->out + passt->out_start,
			passt->out_end - passt->out_start, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (len < 0 && errno == EAGAIN) {
			return false;
		}
		if (len < 0 && errno != EINTR) {
			lose(backend, strerror(errno));
		}
		passt->out_start += len > 0 ? (size_t)len : 0;
	}
	passt->out_start = passt->out_end = 0;
	return true;
}

/* The frame's length and its bytes, without virtio's header; how many segments. */
static unsigned lay_out(struct iovec *to, uint32_t *length, const struct virtq_chain *chain)
{
	size_t skip = NET_HEADER;
	unsigned count = 0;
	*length = htonl((uint32_t)(chain->out_bytes - NET_HEADER));
	to[count++] = (struct iovec){length, LENGTH};
	for (unsigned i = 0; i < chain->out_count; i++) {
		struct iovec segment = chain->segment[i];
		size_t less = skip < segment.iov_len ? skip : segment.iov_len;
		skip -= less;
		if (less != segment.iov_len) {
			to[count++] = (struct iovec){
				(char *)segment.iov_base + less, segment.iov_len - less};
		}
	}
	return count;
}

/* Keep what the socket did not take. */
static void keep_rest(
	struct passt *passt, const struct virtq_chain *chain, uint32_t length, size_t done)
{
	size_t len = (size_t)chain->out_bytes - NET_HEADER;
	memcpy(passt->out, &length, LENGTH);
	virtq_read(chain, NET_HEADER, passt->out + LENGTH, len);
	passt->out_start = done;
	passt->out_end = LENGTH + len;
}

static bool passt_send(struct net_backend *backend, const struct virtq_chain *chain)
{
	struct iovec segment[NET_SEGMENTS + 1];
	uint32_t length;
	if (!passt_flush(backend)) {
		return false;
	}
	struct msghdr message = {.msg_iov = segment};
	message.msg_iovlen = lay_out(segment, &length, chain);
	ssize_t len =
		backend->gone ? 0 : sendmsg(backend->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (len < 0) {
		lose(backend, strerror(errno));
	} else if (!backend->gone &&
		(size_t)len != LENGTH + (size_t)chain->out_bytes - NET_HEADER) {
		keep_rest(passt_of(backend), chain, length, (size_t)len);
	}
	return true; /* or lost, as on a wire that was cut */
}

/* Read more into the buffer; false when nothing came. */
static bool fill(struct passt *passt)
{
	struct net_backend *backend = &passt->backend;
	if (passt->in_start != 0) {
		passt->in_end -= passt->in_start;
		memmove(passt->in, passt->in + passt->in_start, passt->in_end);
		passt->in_start = 0;
	}
	ssize_t len =
		recv(backend->fd, passt->in + passt->in_end, ROOM - passt->in_end, MSG_DONTWAIT);
	if (len == 0) {
		lose(backend, "it has stopped");
	} else if (len < 0 && errno != EAGAIN && errno != EINTR) {
		lose(backend, strerror(errno));
	}
	passt->in_end += len > 0 ? (size_t)len : 0;
	return len > 0;
}

static bool passt_peek(struct net_backend *backend, struct net_frame *frame)
{
	struct passt *passt = passt_of(backend);
	while (!backend->gone) {
		size_t there = passt->in_end - passt->in_start;
		uint32_t length = 0;
		if (there >= LENGTH) {
			memcpy(&length, passt->in + passt->in_start, LENGTH);
			length = ntohl(length);
		}
		if (length > NET_FRAME_MAX || (there >= LENGTH && length == 0)) {
			lose(backend, "it does not speak passt's protocol");
		} else if (there >= LENGTH && there - LENGTH >= length) {
			*frame = (struct net_frame){
				.data = passt->in + passt->in_start + LENGTH, .len = length};
			return true;
		} else if (!fill(passt)) {
			return false;
		}
	}
	return false;
}

static void passt_consume(struct net_backend *backend)
{
	struct passt *passt = passt_of(backend);
	uint32_t length;
	memcpy(&length, passt->in + passt->in_start, LENGTH);
	passt->in_start += LENGTH + ntohl(length);
}

static void passt_destroy(struct net_backend *backend)
{
	close(backend->fd);
	free(backend);
}

static const struct net_backend_ops passt_ops = {
	.start = passt_start,
	.send = passt_send,
	.flush = passt_flush,
	.peek = passt_peek,
	.consume = passt_consume,
	.destroy = passt_destroy,
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path)) {
		say("the path of passt's socket is too long: %s", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		say("cannot connect to passt at %s: %s; start it first: passt --socket %s", path,
			strerror(errno), path);
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

struct net_backend *net_passt_create(const char *path)
{
	struct passt *passt = calloc(1, sizeof(*passt));
	int fd = passt != NULL ? connect_to(path) : -1;
	if (fd < 0) {
		free(passt);
		return NULL;
	}
	passt->backend = (struct net_backend){.ops = &passt_ops, .fd = fd, .name = path};
	return &passt->backend;
}
