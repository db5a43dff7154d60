/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/pit.c - the counters of a PC's timer (8254 data sheet) and the port that gates the
 * third one. They count by the host's clock; the first one raises an interrupt.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "service/vmm/bus.h"
#include "service/vmm/irq.h"
#include "service/vmm/loop.h"
#include "service/vmm/platform.h"

#define PIT_HZ     UINT64_C(1193182)
#define NS         UINT64_C(1000000000)
#define CHANNELS   3u
#define PERIOD_MIN (NS / 5000) /* a guest shall not keep the host busy with interrupts */
#define SPEAKER    2u          /* the channel behind PORT_SYSTEM */

#define SYSTEM_GATE    0x01u
#define SYSTEM_STAYS   0x03u
#define SYSTEM_REFRESH 0x10u /* toggles all the time */
#define SYSTEM_OUT     0x20u

struct channel {
	uint8_t control; /* access, mode */
	bool gate, counting;
	bool low_written, high_next; /* halves of a 16-bit access */
	bool latched, status_latched;
	uint8_t low, status;
	uint16_t latch;
	uint32_t reload; /* 1 to 10000h */
	uint64_t start;  /* ns */
};

static pthread_mutex_t pit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct channel channels[CHANNELS]; /* [pit_lock] */
static uint8_t system_port;               /* [pit_lock] */
static struct irq_source irq = {.pin = IRQ_TIMER};
static int timer_fd = -1; /* constant after pit_create() */

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static unsigned mode_of(const struct channel *c)
{
	unsigned mode = c->control >> 1 & 7;
	return mode > 5 ? mode - 4 : mode; /* 6 and 7 are 2 and 3 */
}

static uint64_t ticks_of(const struct channel *c)
{
	uint64_t ns = c->counting ? now_ns() - c->start : 0;
	return ns / NS * PIT_HZ + ns % NS * PIT_HZ / NS;
}

static uint16_t count_of(const struct channel *c)
{
	uint64_t ticks = ticks_of(c);
	switch (mode_of(c)) {
	case 2:
		return (uint16_t)(c->reload - ticks % c->reload);
	case 3: /* by two, twice in a period */
		return (uint16_t)(c->reload - 2 * ticks % c->reload);
	default:
		return (uint16_t)(c->reload - ticks);
	}
}

static bool out_of(const struct channel *c)
{
	uint64_t ticks = ticks_of(c);
	switch (mode_of(c)) {
	case 2:
		return ticks % c->reload != c->reload - 1;
	case 3:
		return ticks % c->reload < (c->reload + 1) / 2;
	default:
		return c->counting && ticks >= c->reload;
	}
}

/* Have the timer of the host fire when the first counter does; or not any more. */
static void arm(const struct channel *c)
{
	uint64_t ns = c->counting ? c->reload * NS / PIT_HZ : 0;
	ns = ns != 0 && ns < PERIOD_MIN ? PERIOD_MIN : ns;
	bool periodic = mode_of(c) == 2 || mode_of(c) == 3;
	struct timespec time = {.tv_nsec = (long)ns}; /* below a second: 65536 ticks at most */
	struct itimerspec setting = {
		.it_value = time, .it_interval = periodic ? time : (struct timespec){0}};
	timerfd_settime(timer_fd, 0, &setting, NULL);
}

static void on_timer(void *argument, uint32_t events)
{
	(void)argument;
	(void)events;
	uint64_t count;
	if (read(timer_fd, &count, sizeof(count)) == sizeof(count)) {
		irq_set(&irq, true); /* an edge, however many were missed */
		irq_set(&irq, false);
	}
}

static void load(struct channel *c, uint16_t value)
{
	c->reload = value != 0 ? value : 0x10000;
	c->start = now_ns();
	c->counting = c->gate;
	if (c == &channels[0]) {
		arm(c);
	}
}

static void write_counter(struct channel *c, uint8_t value)
{
	switch (c->control >> 4 & 3) {
	case 1:
		load(c, value);
		break;
	case 2:
		load(c, (uint16_t)(value << 8));
		break;
	default:
		if (c->low_written) {
			load(c, (uint16_t)(value << 8 | c->low));
		}
		c->low = value;
		c->low_written = !c->low_written;
		break;
	}
}

static uint8_t read_counter(struct channel *c)
{
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	uint16_t count = c->latched ? c->latch : count_of(c);
	unsigned access = c->control >> 4 & 3;
	bool high = access == 2 || (access == 3 && c->high_next);
	bool last = access != 3 || c->high_next;
	c->high_next = access == 3 && !c->high_next;
	c->latched = c->latched && !last;
	return (uint8_t)(high ? count >> 8 : count);
}

static void latch_count(struct channel *c)
{
	if (!c->latched) {
		c->latch = count_of(c);
		c->latched = true;
	}
}

/* The read-back command: several channels, their count or status or both. */
static void read_back(uint8_t value)
{
	for (unsigned i = 0; i < CHANNELS; i++) {
		struct channel *c = &channels[i];
		if ((value >> (i + 1) & 1) == 0) {
			continue;
		}
		if ((value & 0x20) == 0) {
			latch_count(c);
		}
		if ((value & 0x10) == 0) {
			c->status = (uint8_t)(c->control | (out_of(c) ? 0x80 : 0));
			c->status_latched = true;
		}
	}
}

static void write_control(uint8_t value)
{
	unsigned which = value >> 6;
	if (which == CHANNELS) {
		read_back(value);
	} else if ((value & 0x30) == 0) {
		latch_count(&channels[which]);
	} else {
		channels[which] = (struct channel){
			.control = value & 0x3f, .gate = channels[which].gate, .reload = 0x10000};
	}
}

static uint64_t access_ports(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)len;
	uint64_t result = 0xff;
	pthread_mutex_lock(&pit_lock);
	if (offset < CHANNELS && write) {
		write_counter(&channels[offset], (uint8_t)value);
	} else if (offset < CHANNELS) {
		result = read_counter(&channels[offset]);
	} else if (write) {
		write_control((uint8_t)value);
	}
	pthread_mutex_unlock(&pit_lock);
	return result;
}

static uint64_t access_system(
	void *argument, uint64_t offset, unsigned len, bool write, uint64_t value)
{
	(void)argument;
	(void)offset;
	(void)len;
	uint64_t result = 0;
	pthread_mutex_lock(&pit_lock);
	struct channel *c = &channels[SPEAKER];
	if (write) {
		bool gate = (value & SYSTEM_GATE) != 0;
		if (gate && !c->gate) { /* begins anew */
			c->start = now_ns();
			c->counting = true;
		}
		c->gate = gate;
		system_port = value & SYSTEM_STAYS;
	} else {
		result = system_port | (out_of(c) ? SYSTEM_OUT : 0) |
			(now_ns() / 15000 % 2 != 0 ? SYSTEM_REFRESH : 0);
	}
	pthread_mutex_unlock(&pit_lock);
	return result;
}

int pit_create(void)
{
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer_fd < 0) {
		return -errno;
	}
	pit_reset();
	int err = loop_add(timer_fd, EPOLLIN, on_timer, NULL);
	err = err != 0 ? err : bus_add(BUS_PORT, PORT_PIT, 4, access_ports, NULL);
	return err != 0 ? err : bus_add(BUS_PORT, PORT_SYSTEM, 1, access_system, NULL);
}

void pit_reset(void)
{
	pthread_mutex_lock(&pit_lock);
	for (unsigned i = 0; i < CHANNELS; i++) {
		channels[i] =
			(struct channel){.control = 0x30, .gate = i != SPEAKER, .reload = 0x10000};
	}
	system_port = 0;
	arm(&channels[0]);
	pthread_mutex_unlock(&pit_lock);
}
