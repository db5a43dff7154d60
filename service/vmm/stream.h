/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/stream.h - where a console's bytes come from and go to: this terminal, a
 * pseudo-terminal, a file, a socket. Nothing here waits.
 *
 * While nobody is at the other end, output is thrown away. All functions under one lock of the
 * caller's; ready() is called from the event loop without it.
 */
#pragma once

#include <stdbool.h>
#include <sys/uio.h>
#include <termios.h>

enum stream_kind {
	STREAM_STDIO,
	STREAM_PTY,
	STREAM_FILE,   /* output only, or a terminal or FIFO */
	STREAM_SOCKET, /* of somebody who listens */
	STREAM_LISTEN, /* one after another may connect */
};

struct stream {
	enum stream_kind kind;
	int in, out;    /* -1: no input, no output (any more); never the same number */
	int wait;       /* STREAM_LISTEN: the listening socket; STREAM_PTY: a timer; -1 */
	bool connected; /* somebody is there */
	bool reading, writing, waiting; /* the event loop looks at in, out, wait */
	bool shared[2];                 /* in, out are others' too, who want them to block */
	bool restore;                   /* the terminal's settings, */
	struct termios settings;        /* which were these */
	const char *path;               /* the caller's */
	void (*ready)(void *argument);
	void *argument;
};

/*
 * path: "-", "pty", "listen:PATH", or a file; a socket is connected to, a file that is not there is
 * made, one that is there is appended to. `what` names it in messages. False after a message.
 * When ready() is called: stream_check(), then read and write, then stream_want().
 */
bool stream_open(struct stream *stream, const char *path, const char *what,
	void (*ready)(void *argument), void *argument);
void stream_close(struct stream *stream);

/* Somebody may have come. */
void stream_check(struct stream *stream);

/* Bytes that were read; 0: none now. */
size_t stream_read(struct stream *stream, const struct iovec *segment, unsigned count);
/* Bytes that are dealt with; 0: not now. */
size_t stream_write(struct stream *stream, const struct iovec *segment, unsigned count);

/* Call ready() when bytes can be read, written; always when somebody comes. */
void stream_want(struct stream *stream, bool in, bool out);
