/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/com.c - the first serial port, between the guest's UART and a stream.
 *
 * What the stream does not take at once is kept; when there is much of it the UART looks busy, so
 * that nothing is lost.
 */
#include "service/vmm/com.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "service/vmm/bus.h"
#include "service/vmm/irq.h"
#include "service/vmm/serial.h"
#include "service/vmm/stream.h"

#define OUT_MAX  4096u
#define OUT_BUSY (OUT_MAX / 2)

/* [I] constant after com_create()  [C] com_lock. The IRQ's and the loop's locks may be taken
 * within. */
static pthread_mutex_t com_lock = PTHREAD_MUTEX_INITIALIZER;
static struct serial serial; /* [C] */
static struct irq_source irq = {.pin = IRQ_SERIAL};
static bool there;           /* [I] there is a stream */
static struct stream stream; /* [C] */
static uint8_t out[OUT_MAX]; /* [C] */
static size_t out_size;      /* [C] */

/* Lock held. */
static void flush(void)
{
	size_t done = 1;
	while (out_size != 0 && done != 0) {
		struct iovec rest = {out, out_size};
		done = there ? stream_write(&stream, &rest, 1) : out_size;
		out_size -= done;
		memmove(out, out + done, out_size);
	}
}

/* Lock held. */
static void receive(void)
{
	uint8_t bytes[SERIAL_FIFO];
	struct iovec room = {bytes, serial_room(&serial)};
	size_t count = room.iov_len != 0 && there ? stream_read(&stream, &room, 1) : 0;
	for (size_t i = 0; i < count; i++) {
		serial_receive(&serial, bytes[i]);
	}
}

/* Wait for what is needed, and set the interrupt line. Lock held. */
static void update(void)
{
	if (there) {
		stream_want(&stream, serial_room(&serial) != 0, out_size != 0);
	}
	serial_set_blocked(&serial, out_size >= OUT_BUSY);
	irq_set(&irq, serial_irq(&serial));
}

static void on_ready(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&com_lock);
	stream_check(&stream);
	flush();
	receive();
	update();
	pthread_mutex_unlock(&com_lock);
}

static uint64_t access(void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)len;
	uint64_t result = 0;
	pthread_mutex_lock(&com_lock);
	if (write) {
		int byte = serial_write(&serial, (unsigned)offset, (uint8_t)value);
		if (byte != SERIAL_NOTHING && out_size < OUT_MAX) {
			out[out_size++] = (uint8_t)byte;
			flush();
		}
	} else {
		result = serial_read(&serial, (unsigned)offset);
	}
	update();
	pthread_mutex_unlock(&com_lock);
	return result;
}

int com_create(const char *path)
{
	pthread_mutex_lock(&com_lock);
	serial_reset(&serial);
	bool wanted = strcmp(path, "none") != 0;
	there = wanted && stream_open(&stream, path, "the serial port", on_ready, NULL);
	update();
	pthread_mutex_unlock(&com_lock);
	if (wanted && !there) {
		return -EIO;
	}
	return bus_add(BUS_PORT, SERIAL_PORT, SERIAL_PORTS, access, NULL);
}

void com_reset(void)
{
	pthread_mutex_lock(&com_lock);
	serial_reset(&serial);
	update();
	pthread_mutex_unlock(&com_lock);
}

void com_destroy(void)
{
	pthread_mutex_lock(&com_lock);
	flush();
	if (there) {
		stream_close(&stream);
		there = false;
	}
	pthread_mutex_unlock(&com_lock);
}
