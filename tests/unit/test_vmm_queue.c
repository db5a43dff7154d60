/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_queue.c - virtqueues of both formats against a driver: random traffic that
 * must come back whole, with interrupts and notifications only as asked for and never lost.
 *
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/loop.c service/vmm/memory.c service/vmm/say.c
 * Links: tests/unit/fake_driver.c
 */
#include "tests/unit/fake_driver.h"

#define SEGMENTS  12u
#define HOLD_MAX  256u
#define BUFFER    512u /* bytes, at most */
#define CHAIN_MAX 5u

/* A device that gives back what it read: chains wait in it, and leave it in any order. */
static struct held {
	struct iovec segment[SEGMENTS];
	struct virtq_chain chain;
} held[HOLD_MAX];
static unsigned held_count, hold_limit;
static struct virtqueue echo_queues[1];
static struct virtio_device echo;
static struct driver driver;

static void echo_take(struct virtio_device *device)
{
	struct virtqueue *queue = &device->queue[0];
	do {
		virtq_notify(queue, false);
		while (held_count < hold_limit) {
			struct held *h = &held[held_count];
			h->chain.segment = h->segment;
			h->chain.capacity = SEGMENTS;
			if (!virtq_pop(device, queue, &h->chain)) {
				break;
			}
			held_count++;
		}
	} while (virtq_notify(queue, true) && held_count < hold_limit && !device->broken);
}

static void echo_kick(struct virtio_device *device, unsigned queue)
{
	assert_int_equal(queue, 0);
	echo_take(device);
}

static void echo_reset(struct virtio_device *device)
{
	(void)device;
	held_count = 0;
}

static void echo_destroy(struct virtio_device *device)
{
	(void)device;
}

static const struct virtio_ops echo_ops = {
	.name = "echo", .id = 42, .kick = echo_kick, .reset = echo_reset, .destroy = echo_destroy};

/* Give one held chain back, not yet shown. */
static void echo_give(struct held *h)
{
	uint8_t bytes[CHAIN_MAX * BUFFER];
	size_t len = virtq_read(&h->chain, 0, bytes, sizeof(bytes));
	assert_int_equal(len, h->chain.out_bytes);
	len = virtq_write(&h->chain, 0, bytes, len);
	virtq_fill(&echo.queue[0], &h->chain, (uint32_t)len);
}

static uint32_t seed;
static unsigned random_below(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* Give back some of what is held, in any order; then take more. */
static void echo_work(unsigned count)
{
	for (; count != 0 && held_count != 0; count--) {
		unsigned which = random_below(held_count);
		echo_give(&held[which]);
		held_count--;
		if (which != held_count) {
			held[which] = held[held_count];
			held[which].chain.segment = held[which].segment;
		}
	}
	virtq_flush(&echo.queue[0]);
	virtq_interrupt(&echo, &echo.queue[0]);
	echo_take(&echo);
}

/* What the driver remembers of a chain that is out, by id. */
static struct out {
	unsigned len; /* bytes that it gave, and has room for at least */
	uint64_t in[CHAIN_MAX];
	uint32_t in_len[CHAIN_MAX];
	unsigned in_count;
	uint8_t tag;
} out[VIRTQ_CHAIN_MAX];
static uint64_t buffers; /* guest RAM for them: BUFFER for each place in a chain of each id */

static uint8_t pattern(uint8_t tag, unsigned at)
{
	return (uint8_t)(tag + at * 7);
}

static uint64_t lay_out(struct out *o, unsigned slot, struct driver_buffer *b, unsigned out_count,
	unsigned in_count)
{
	o->len = 0;
	for (unsigned i = 0; i < out_count; i++) {
		b[i] = (struct driver_buffer){.gpa = buffers + (slot * 2 * CHAIN_MAX + i) * BUFFER,
			.len = random_below(8) == 0 ? 0 : 1 + random_below(BUFFER)};
		for (uint32_t at = 0; at < b[i].len; at++) {
			*(uint8_t *)driver_at(&driver, b[i].gpa + at) = pattern(o->tag, o->len++);
		}
	}
	o->in_count = in_count;
	for (unsigned i = 0; i < in_count; i++) {
		o->in[i] = buffers + (slot * 2 * CHAIN_MAX + CHAIN_MAX + i) * BUFFER;
		o->in_len[i] = 1 + random_below(BUFFER);
		b[out_count + i] =
			(struct driver_buffer){.gpa = o->in[i], .len = o->in_len[i], .write = true};
		memset(driver_at(&driver, o->in[i]), 0, BUFFER);
	}
	return o->len;
}

/* Slots are handed out in turn: as many as the queue has, and one that is free is looked for. */
static uint8_t slot_used[VIRTQ_CHAIN_MAX], slot_of[VIRTQ_CHAIN_MAX];
static bool send_one(struct driver_queue *queue)
{
	unsigned slot = 0;
	while (slot_used[slot]) {
		slot++;
	}
	struct driver_buffer b[2 * CHAIN_MAX];
	unsigned out_count = random_below(CHAIN_MAX), in_count = random_below(CHAIN_MAX);
	if (out_count + in_count == 0) {
		out_count = 1;
	}
	struct out o = {.tag = (uint8_t)random_below(256)};
	lay_out(&o, slot, b, out_count, in_count);
	int id = driver_add(queue, b, out_count + in_count);
	if (id >= 0) {
		out[id] = o;
		slot_used[slot] = 1;
		slot_of[id] = (uint8_t)slot;
	}
	return id >= 0;
}

static bool receive_one(struct driver_queue *queue)
{
	uint32_t written;
	int id = driver_get(queue, &written);
	if (id < 0) {
		return false;
	}
	struct out *o = &out[id];
	unsigned at = 0, room = 0;
	for (unsigned i = 0; i < o->in_count; i++) {
		const uint8_t *bytes = driver_at(&driver, o->in[i]);
		room += o->in_len[i];
		for (unsigned j = 0; j < o->in_len[i]; j++, at++) {
			assert_int_equal(bytes[j], at < o->len ? pattern(o->tag, at) : 0);
		}
	}
	assert_int_equal(written, o->len < room ? o->len : room);
	slot_used[slot_of[id]] = 0;
	return true;
}

static void start(uint64_t features, uint16_t size, unsigned limit)
{
	echo = (struct virtio_device){.ops = &echo_ops,
		.memory = &driver.memory,
		.offered = FEATURES_PACKED | FEATURES_MORE,
		.queue_count = 1,
		.queue = echo_queues};
	echo_queues[0].max_size = 256;
	held_count = 0;
	hold_limit = limit;
	virtio_init(&echo);
	driver_start(&driver, &echo, features, size);
	buffers = driver_alloc(&driver, 256ull * 2 * CHAIN_MAX * BUFFER);
	memset(slot_used, 0, sizeof(slot_used));
}

/* The driver sleeps unless interrupted, the device unless notified: a lost one ends in a stop. */
static void traffic(uint64_t features, uint16_t size, unsigned limit)
{
	start(features, size, limit);
	struct driver_queue *queue = &driver.queue[0];
	unsigned sent = 0, received = 0, slept = 0;
	const unsigned total = 3000;
	while (received < total) {
		unsigned burst = 1 + random_below(size);
		while (burst-- != 0 && sent < total && send_one(queue)) {
			sent++;
		}
		driver_kick(queue);
		assert_false(echo.broken);
		unsigned before = queue->interrupts;
		if (driver_want_interrupt(queue, true)) {
			before--; /* there already: no need to wait */
		}
		for (unsigned rounds = 0; queue->interrupts == before; rounds++) {
			assert_true(held_count != 0 && rounds < 2);
			slept++;
			echo_work(1 + random_below(limit));
		}
		driver_want_interrupt(queue, false);
		before = queue->interrupts;
		unsigned batch = random_below(size + 2u);
		while (batch-- != 0 && receive_one(queue)) {
			received++;
		}
		echo_work(random_below(3));
		/* Without event indices a hint is enough to keep them away; with them as well. */
		assert_int_equal(queue->interrupts, before);
	}
	assert_int_equal(sent, total);
	assert_int_equal(echo.queue[0].in_flight, 0);
	assert_true(slept != 0);
	virtio_set_status(&echo, 0);
	assert_false(echo.queue[0].enabled);
}

static void all_traffic(uint64_t features, const uint16_t *sizes, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (seed = 1; seed < 2000000000; seed += 654321987) {
			traffic(features, sizes[i], sizes[i]);
			traffic(features, sizes[i], 1);
		}
	}
}

static const uint16_t split_sizes[] = {16, 64, 256}, packed_sizes[] = {11, 16, 100, 256};

static void split_traffic_comes_back(void **state)
{
	(void)state;
	all_traffic(FEATURES_SPLIT, split_sizes, 3);
}

static void split_traffic_with_events_comes_back(void **state)
{
	(void)state;
	static const uint16_t sizes[] = {1, 2, 64, 256};
	all_traffic(FEATURES_SPLIT | FEATURES_MORE, sizes, 4);
	all_traffic(FEATURES_SPLIT | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX), split_sizes, 3);
}

static void packed_traffic_comes_back(void **state)
{
	(void)state;
	all_traffic(FEATURES_PACKED, packed_sizes, 4);
}

static void packed_traffic_with_events_comes_back(void **state)
{
	(void)state;
	static const uint16_t sizes[] = {1, 2, 3, 100, 256};
	all_traffic(FEATURES_PACKED | FEATURES_MORE, sizes, 5);
	all_traffic(FEATURES_PACKED | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX), packed_sizes, 4);
}

/* Of several chains that are filled the driver sees none before virtq_flush(), then all. */
static void batch_is_shown_at_once(uint64_t features)
{
	for (unsigned round = 0; round < 40; round++) {
		if (round == 0) {
			start(features, 16, 16);
		}
		struct driver_queue *queue = &driver.queue[0];
		for (unsigned i = 0; i < 5; i++) {
			assert_true(send_one(queue) || i > 0);
		}
		driver_kick(queue);
		unsigned count = held_count;
		while (held_count != 0) {
			echo_give(&held[--held_count]);
			assert_false(driver_want_interrupt(queue, true));
		}
		virtq_flush(&echo.queue[0]);
		while (count-- != 0) {
			assert_true(receive_one(queue));
		}
		assert_false(receive_one(queue));
	}
}

static void several_chains_are_shown_at_once(void **state)
{
	(void)state;
	seed = 5;
	batch_is_shown_at_once(FEATURES_SPLIT);
	batch_is_shown_at_once(FEATURES_PACKED);
	batch_is_shown_at_once(FEATURES_PACKED | FEATURES_MORE);
}

/* What is put back is taken again, the same. */
static void put_back(uint64_t features)
{
	start(features, 16, 16);
	struct driver_queue *queue = &driver.queue[0];
	for (unsigned round = 0; round < 100; round++) {
		while (send_one(queue)) {
		}
		hold_limit = 1 + random_below(16);
		echo_take(&echo);
		unsigned count = held_count;
		struct held before = held[0];
		while (held_count != 0) {
			virtq_unpop(&echo.queue[0], &held[--held_count].chain);
		}
		echo_take(&echo);
		assert_int_equal(held_count, count);
		assert_int_equal(held[0].chain.id, before.chain.id);
		assert_int_equal(held[0].chain.out_bytes, before.chain.out_bytes);
		hold_limit = 0;
		echo_work(count);
		while (receive_one(queue)) {
		}
	}
	assert_false(echo.broken);
}

static void what_is_put_back_is_taken_again(void **state)
{
	(void)state;
	seed = 7;
	put_back(FEATURES_SPLIT);
	put_back(FEATURES_PACKED);
	put_back(FEATURES_PACKED | FEATURES_MORE);
}

static void features_are_judged_when_they_are_final(void **state)
{
	(void)state;
	start(FEATURES_SPLIT, 16, 16);
	const uint8_t ok = VIRTIO_CONFIG_S_FEATURES_OK, go = VIRTIO_CONFIG_S_DRIVER_OK;
	virtio_set_status(&echo, 0);
	virtio_set_features(&echo, 0);
	virtio_set_status(&echo, ok);
	assert_int_equal(echo.status & ok, 0); /* no VERSION_1 */
	virtio_set_features(&echo, FEATURES_SPLIT | VIRTIO_FEATURE(63));
	virtio_set_status(&echo, ok);
	assert_int_equal(echo.status & ok, 0); /* never offered */
	virtio_set_status(&echo, ok | go);
	assert_int_equal(echo.status & (ok | go), 0);
	virtio_set_features(&echo, FEATURES_PACKED);
	virtio_set_status(&echo, ok);
	assert_int_equal(echo.status & ok, ok);
	virtio_set_features(&echo, FEATURES_SPLIT); /* too late */
	assert_int_equal(echo.features, FEATURES_PACKED);
	virtio_set_status(&echo, VIRTIO_CONFIG_S_NEEDS_RESET); /* not the driver's */
	assert_int_equal(echo.status, ok);
}

static void nothing_is_taken_before_the_driver_is_ready(void **state)
{
	(void)state;
	start(FEATURES_SPLIT, 16, 16);
	assert_true(send_one(&driver.queue[0]));
	echo.status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	virtio_kick(&echo, 0);
	virtio_kick(&echo, 77);
	assert_int_equal(held_count, 0);
	/* But then also without a notification. */
	virtio_set_status(&echo, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(held_count, 1);
}

static void configuration_space_has_an_end(void **state)
{
	(void)state;
	static const uint8_t bytes[5] = {1, 2, 3, 4, 5};
	start(FEATURES_SPLIT, 16, 16);
	echo.config = bytes;
	echo.config_size = sizeof(bytes);
	uint8_t got[8];
	virtio_config_read(&echo, 3, got, 8);
	assert_memory_equal(got, "\x04\x05\0\0\0\0\0\0", 8);
	virtio_config_read(&echo, 0xffffffff, got, 8);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\0", 8);
	virtio_config_write(&echo, 4, got, 8);
	virtio_config_write(&echo, 0xfffffffe, got, 4);
}

int main(void)
{
	driver_create(&driver);
	const struct CMUnitTest tests[] = {
		FAKE_TEST(split_traffic_comes_back),
		FAKE_TEST(split_traffic_with_events_comes_back),
		FAKE_TEST(packed_traffic_comes_back),
		FAKE_TEST(packed_traffic_with_events_comes_back),
		FAKE_TEST(several_chains_are_shown_at_once),
		FAKE_TEST(what_is_put_back_is_taken_again),
		FAKE_TEST(features_are_judged_when_they_are_final),
		FAKE_TEST(nothing_is_taken_before_the_driver_is_ready),
		FAKE_TEST(configuration_space_has_an_end),
	};
	return cmocka_run_group_tests_name("vmm_queue", tests, NULL, NULL);
}
