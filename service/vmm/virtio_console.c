/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/virtio_console.c - the console device (virtio 1.2, 5.3): ports, each a stream of
 * bytes both ways. Port 0 is a console for drivers that know nothing of ports, too.
 *
 * pump() moves whatever can be moved, in all directions; everything that happens leads there. What
 * the driver still has to be told of a port is a set of bits, so that it can never be too much.
 * Runs: with device->lock held.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_console.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "service/vmm/queue.h"
#include "service/vmm/say.h"
#include "service/vmm/stream.h"

#define PORTS      VIRTIO_CONSOLE_PORTS
#define QUEUE_SIZE 128u
#define SEGMENTS   QUEUE_SIZE /* of a chain: a driver may use them all */
#define NAME_SIZE  32u
#define CHAINS     32u        /* that a port moves at one go */
#define OUT_MAX    (1u << 20) /* bytes that it writes at one go */

/* The control queues come behind port 0's: 5.3.2. */
#define CONTROL_IN  2u
#define CONTROL_OUT 3u

/* What the driver is to be told of a port, in this order. */
static const uint16_t news[] = {
	VIRTIO_CONSOLE_PORT_ADD,
	VIRTIO_CONSOLE_CONSOLE_PORT,
	VIRTIO_CONSOLE_PORT_NAME,
	VIRTIO_CONSOLE_PORT_OPEN,
};

struct port {
	struct stream stream;
	struct console *console;
	char name[NAME_SIZE];
	bool terminal;    /* a console, not only a stream */
	bool added, open; /* by the driver */
	bool told_open;   /* what PORT_OPEN said last */
	unsigned pending; /* 1 << event of those in `news` */
	bool held;        /* a chain whose output was not taken yet: */
	struct virtq_chain chain;
	struct iovec segment[SEGMENTS];
	unsigned next; /* the segment to go on with */
};

struct console {
	struct virtio_device device;
	struct virtqueue queue[2 + 2 * PORTS];
	struct virtio_console_config config;
	unsigned port_count;
	struct port port[PORTS];
};

static struct console *console_of(struct virtio_device *device)
{
	return (struct console *)device;
}

static bool multiport(const struct console *console)
{
	return (console->device.features & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT)) != 0;
}

static struct virtqueue *queue_in(struct port *port)
{
	unsigned index = (unsigned)(port - port->console->port);
	return &port->console->queue[index == 0 ? 0 : 2 + 2 * index];
}

static struct virtqueue *queue_out(struct port *port)
{
	return queue_in(port) + 1;
}

/* What was given back is shown; whether the queue has more. */
static bool show(struct console *console, struct virtqueue *queue)
{
	virtq_flush(queue);
	virtq_interrupt(&console->device, queue);
	return virtq_notify(queue, true);
}

/* Ports' bytes. ------------------------------------------------------------------------------- */

/* Write a held chain on, up to so many bytes; false when the rest of it has to wait. */
static bool write_held(struct port *port, size_t *budget)
{
	while (port->next < port->chain.out_count) {
		struct iovec *segment = &port->segment[port->next];
		size_t size = segment->iov_len < *budget ? segment->iov_len : *budget;
		struct iovec part = {segment->iov_base, size};
		size_t len = size != 0 ? stream_write(&port->stream, &part, 1) : 0;
		if (len == 0 && segment->iov_len != 0) {
			return false;
		}
		*budget -= len;
		segment->iov_base = (char *)segment->iov_base + len;
		segment->iov_len -= len;
		port->next += segment->iov_len == 0;
	}
	virtq_fill(queue_out(port), &port->chain, 0);
	port->held = false;
	return true;
}

/* Guest to stream. Whether to wait until it takes more. */
static bool pump_out(struct port *port)
{
	struct console *console = port->console;
	struct virtqueue *queue = queue_out(port);
	size_t budget = OUT_MAX;
	bool full = false;
	for (unsigned i = 0; i < CHAINS && !full; i++) {
		if (!port->held) {
			port->chain.segment = port->segment;
			port->chain.capacity = SEGMENTS;
			port->next = 0;
			port->held = virtq_pop(&console->device, queue, &port->chain);
		}
		if (!port->held) {
			break;
		}
		full = !write_held(port, &budget);
	}
	bool more = show(console, queue) || port->held;
	full = full && budget != 0;
	if (more && !full) {
		virtio_kick_later(&console->device, (unsigned)(queue - console->queue));
	}
	return full;
}

/* Stream to guest. Whether to wait until it has more. */
static bool pump_in(struct port *port)
{
	struct console *console = port->console;
	struct virtqueue *queue = queue_in(port);
	struct iovec segment[SEGMENTS];
	struct virtq_chain chain = {.segment = segment, .capacity = SEGMENTS};
	bool empty = !port->open;
	unsigned budget = CHAINS;
	while (!empty && budget != 0 && virtq_pop(&console->device, queue, &chain)) {
		budget--;
		size_t len = stream_read(&port->stream, segment + chain.out_count, chain.in_count);
		if (len == 0 && chain.in_count != 0) {
			empty = true;
			virtq_unpop(queue, &chain);
		} else {
			virtq_fill(queue, &chain, (uint32_t)len);
		}
	}
	bool more = show(console, queue);
	if (more && port->open && budget == 0) {
		virtio_kick_later(&console->device, (unsigned)(queue - console->queue));
	}
	return more && port->open;
}

/* Control. ------------------------------------------------------------------------------------ */

static uint16_t news_value(struct port *port, uint16_t event)
{
	if (event != VIRTIO_CONSOLE_PORT_OPEN) {
		return 1;
	}
	port->told_open = port->terminal || port->stream.connected;
	return port->told_open;
}

/* Tell the driver one thing; false when it has no buffer for it. */
static bool tell(struct port *port, uint16_t event)
{
	struct console *console = port->console;
	struct iovec segment[SEGMENTS];
	struct virtq_chain chain = {.segment = segment, .capacity = SEGMENTS};
	if (!virtq_pop(&console->device, &console->queue[CONTROL_IN], &chain)) {
		return false;
	}
	struct virtio_console_control control = {
		.id = htole32((uint32_t)(port - console->port)),
		.event = htole16(event),
		.value = htole16(news_value(port, event)),
	};
	size_t len = virtq_write(&chain, 0, &control, sizeof(control));
	if (event == VIRTIO_CONSOLE_PORT_NAME) {
		len += virtq_write(&chain, sizeof(control), port->name, strlen(port->name));
	}
	virtq_fill(&console->queue[CONTROL_IN], &chain, (uint32_t)len);
	port->pending &= ~(1u << event);
	return true;
}

static void pump_news(struct console *console)
{
	bool room = true;
	for (unsigned i = 0; i < console->port_count && room; i++) {
		struct port *port = &console->port[i];
		bool open = port->terminal || port->stream.connected;
		if (port->added && open != port->told_open) {
			port->pending |= 1u << VIRTIO_CONSOLE_PORT_OPEN;
		}
		for (unsigned n = 0; n < sizeof(news) / sizeof(news[0]) && room; n++) {
			room = (port->pending & 1u << news[n]) == 0 || tell(port, news[n]);
		}
	}
	show(console, &console->queue[CONTROL_IN]);
}

static void port_added(struct port *port)
{
	port->added = true;
	port->pending |= 1u << VIRTIO_CONSOLE_PORT_NAME | 1u << VIRTIO_CONSOLE_PORT_OPEN;
	if (port->terminal) {
		port->pending |= 1u << VIRTIO_CONSOLE_CONSOLE_PORT;
	}
}

static void control(struct console *console, const struct virtio_console_control *message)
{
	uint32_t id = le32toh(message->id);
	uint16_t event = le16toh(message->event), value = le16toh(message->value);
	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		for (unsigned i = 0; i < console->port_count && value == 1; i++) {
			console->port[i].pending |= 1u << VIRTIO_CONSOLE_PORT_ADD;
		}
	} else if (id < console->port_count && event == VIRTIO_CONSOLE_PORT_READY && value == 1) {
		port_added(&console->port[id]);
	} else if (id < console->port_count && event == VIRTIO_CONSOLE_PORT_OPEN) {
		console->port[id].open = value == 1;
	}
}

static void pump_control(struct console *console)
{
	struct virtqueue *queue = &console->queue[CONTROL_OUT];
	struct iovec segment[SEGMENTS];
	struct virtq_chain chain = {.segment = segment, .capacity = SEGMENTS};
	for (unsigned i = 0; i < CHAINS && virtq_pop(&console->device, queue, &chain); i++) {
		struct virtio_console_control message;
		if (virtq_read(&chain, 0, &message, sizeof(message)) == sizeof(message)) {
			control(console, &message);
		}
		virtq_fill(queue, &chain, 0);
	}
	if (show(console, queue)) {
		virtio_kick_later(&console->device, CONTROL_OUT);
	}
}

/* The device. --------------------------------------------------------------------------------- */

static bool working(const struct console *console)
{
	return (console->device.status & VIRTIO_CONFIG_S_DRIVER_OK) != 0 && !console->device.broken;
}

static void pump(struct console *console)
{
	bool works = working(console);
	if (works && multiport(console)) {
		pump_control(console);
	}
	for (unsigned i = 0; i < console->port_count; i++) {
		struct port *port = &console->port[i];
		bool used = works && (i == 0 || multiport(console));
		bool out = used && pump_out(port);
		bool in = used && pump_in(port);
		stream_want(&port->stream, in, out);
	}
	if (works && multiport(console)) {
		pump_news(console);
	}
}

static void console_kick(struct virtio_device *device, unsigned index)
{
	(void)index;
	pump(console_of(device));
}

static void console_start(struct virtio_device *device)
{
	struct console *console = console_of(device);
	console->port[0].open = !multiport(console);
	pump(console);
}

/* The event loop: a port's stream has something, or takes something, or somebody has come. */
static void console_ready(void *argument)
{
	struct port *port = argument;
	struct virtio_device *device = &port->console->device;
	pthread_mutex_lock(&device->lock);
	stream_check(&port->stream);
	pump(port->console);
	pthread_mutex_unlock(&device->lock);
}

/* A letter from a kernel that has no queues yet, or no longer: 5.3.5. */
static void console_config_write(
	struct virtio_device *device, uint32_t offset, const void *data, uint32_t len)
{
	if (offset == offsetof(struct virtio_console_config, emerg_wr) && len != 0) {
		uint8_t byte = *(const uint8_t *)data;
		struct iovec segment = {&byte, 1};
		stream_write(&console_of(device)->port[0].stream, &segment, 1);
	}
}

static void console_reset(struct virtio_device *device)
{
	struct console *console = console_of(device);
	for (unsigned i = 0; i < console->port_count; i++) {
		struct port *port = &console->port[i];
		port->added = port->open = port->told_open = port->held = false;
		port->pending = 0;
		stream_want(&port->stream, false, false);
	}
}

static void console_destroy(struct virtio_device *device)
{
	struct console *console = console_of(device);
	for (unsigned i = 0; i < console->port_count; i++) {
		stream_close(&console->port[i].stream);
	}
	free(console);
}

static const struct virtio_ops console_ops = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.start = console_start,
	.kick = console_kick,
	.config_write = console_config_write,
	.reset = console_reset,
	.destroy = console_destroy,
};

static void describe(struct console *console)
{
	struct winsize size;
	console->config.max_nr_ports = htole32(console->port_count);
	console->device.offered = VIRTIO_FEATURES_RINGS |
		VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) |
		VIRTIO_FEATURE(VIRTIO_CONSOLE_F_EMERG_WRITE);
	if (console->port[0].stream.kind == STREAM_STDIO &&
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0) {
		console->config.cols = htole16(size.ws_col);
		console->config.rows = htole16(size.ws_row);
		console->device.offered |= VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE);
	}
}

static bool open_ports(
	struct console *console, const struct virtio_console_port *ports, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct port *port = &console->port[i];
		port->console = console;
		port->terminal = i == 0 || ports[i].terminal;
		strncpy(port->name, ports[i].name, sizeof(port->name) - 1);
		console->port_count = i + 1;
		if (!stream_open(&port->stream, ports[i].path, "the virtio console", console_ready,
			    port)) {
			return false;
		}
	}
	return true;
}

struct virtio_device *virtio_console_create_ports(
	struct memory *memory, const struct virtio_console_port *ports, unsigned count)
{
	struct console *console = calloc(1, sizeof(*console));
	if (console == NULL || count == 0 || count > PORTS) {
		say("a virtio console has from 1 to %u ports", PORTS);
		free(console);
		return NULL;
	}
	console->device = (struct virtio_device){
		.ops = &console_ops,
		.memory = memory,
		.queue = console->queue,
		.queue_count = (uint16_t)(2 + 2 * count),
		.config = &console->config,
		.config_size = sizeof(console->config),
	};
	for (unsigned i = 0; i < console->device.queue_count; i++) {
		console->queue[i].max_size = QUEUE_SIZE;
	}
	virtio_init(&console->device);
	/* The loop may call from now on: it waits, then finds a device that no driver has started.
	 */
	pthread_mutex_lock(&console->device.lock);
	bool opened = open_ports(console, ports, count);
	if (opened) {
		describe(console);
	}
	pthread_mutex_unlock(&console->device.lock);
	if (!opened) {
		virtio_destroy(&console->device);
		return NULL;
	}
	console->device.offered |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	return &console->device;
}

struct virtio_device *virtio_console_create(struct memory *memory, const char *path)
{
	struct virtio_console_port port = {.name = "console", .path = path, .terminal = true};
	return virtio_console_create_ports(memory, &port, 1);
}
