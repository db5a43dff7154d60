/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_hostile.c - each rule of virtqueues that a driver can break stops the device,
 * with a reason, until it is reset; nothing outside of guest RAM is touched (ASan watches).
 *
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/loop.c service/vmm/memory.c service/vmm/say.c
 * Links: tests/unit/fake_driver.c
 */
#include "tests/unit/fake_driver.h"

#define SIZE     16u
#define CAPACITY 8u
#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define AVAIL    (1u << VRING_PACKED_DESC_F_AVAIL)

static struct driver driver;
static struct virtqueue queues[1];
static struct virtio_device device;
static unsigned taken;

/* Takes all there is, writes into it, and gives nothing back. */
static void sink_kick(struct virtio_device *d, unsigned queue)
{
	struct iovec segment[CAPACITY];
	struct virtq_chain chain = {.segment = segment, .capacity = CAPACITY};
	while (virtq_pop(d, &d->queue[queue], &chain)) {
		char bytes[256] = {0};
		virtq_read(&chain, 0, bytes, sizeof(bytes));
		virtq_write(&chain, 0, bytes, sizeof(bytes));
		taken++;
	}
}

static void sink_destroy(struct virtio_device *d)
{
	(void)d;
}

static const struct virtio_ops sink_ops = {
	.name = "sink", .id = 42, .kick = sink_kick, .destroy = sink_destroy};

static void start(uint64_t features)
{
	device = (struct virtio_device){.ops = &sink_ops,
		.memory = &driver.memory,
		.offered = FEATURES_PACKED | FEATURES_MORE,
		.queue_count = 1,
		.queue = queues};
	queues[0].max_size = SIZE;
	virtio_init(&device);
	device.breaks = 1000; /* quiet */
	driver_start(&driver, &device, features, SIZE);
	driver.config_interrupts = 0;
	taken = 0;
}

static const struct driver_queue *ring(void)
{
	return &driver.queue[0];
}

/* The device must have broken for this reason, must serve nothing, and must come back. */
static void expect_broken(const char *why)
{
	virtio_kick(&device, 0);
	assert_true(device.broken);
	assert_non_null(strstr(device.why, why));
	assert_int_equal(driver.config_interrupts, 1);
	assert_int_equal(device.status & VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_CONFIG_S_NEEDS_RESET);
	unsigned before = taken;
	virtio_kick(&device, 0);
	assert_int_equal(taken, before);
	assert_int_equal(driver.config_interrupts, 1);
	start(device.features);
	uint64_t gpa = driver_alloc(&driver, 64);
	struct driver_buffer good[2] = {
		{.gpa = gpa, .len = 32}, {.gpa = gpa, .len = 64, .write = true}};
	driver_add(&driver.queue[0], good, 2);
	virtio_kick(&device, 0);
	assert_int_equal(taken, 1);
	assert_false(device.broken);
}

/* Split. -------------------------------------------------------------------------------------- */

static void split_desc(unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	struct vring_desc *desc = driver_at(&driver, ring()->desc);
	desc[i] = (struct vring_desc){addr, len, (uint16_t)flags, (uint16_t)next};
}

/* Make chains available that begin at `head`. */
static void split_offer(unsigned head, unsigned count)
{
	struct vring_avail *avail = driver_at(&driver, ring()->avail);
	for (unsigned i = 0; i < SIZE; i++) {
		avail->ring[i] = (uint16_t)head;
	}
	avail->idx = (uint16_t)(avail->idx + count);
}

static uint64_t split_table(unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	struct vring_desc *table = driver_at(&driver, ring()->tables);
	table[i] = (struct vring_desc){addr, len, (uint16_t)flags, (uint16_t)next};
	return ring()->tables;
}

static void split_index_may_not_jump(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	split_offer(0, SIZE + 1);
	expect_broken("17 chains at once");
	start(FEATURES_SPLIT);
	split_offer(0, 0xffff);
	expect_broken("65535 chains at once");
}

static void split_descriptors_are_in_the_table(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	split_offer(SIZE, 1);
	expect_broken("descriptor 16 of 16");
	start(FEATURES_SPLIT);
	split_desc(3, 4096, 16, NEXT, 0xffff);
	split_offer(3, 1);
	expect_broken("descriptor 65535 of 16");
}

static void split_chains_end(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	split_desc(5, 4096, 0, NEXT, 5);
	split_offer(5, 1);
	expect_broken("never ends");
	start(FEATURES_SPLIT);
	split_desc(1, 4096, 0, NEXT | WRITE, 2);
	split_desc(2, 4096, 0, NEXT | WRITE, 1);
	split_offer(1, 1);
	expect_broken("never ends");
	start(FEATURES_SPLIT);
	split_desc(5, 4096, 1, NEXT, 5);
	split_offer(5, 1);
	expect_broken("more than 8 buffers");
}

static const struct {
	uint64_t addr;
	uint32_t len;
} outside[] = {
	{DRIVER_RAM, 1},
	{DRIVER_RAM - 1, 2},
	{0, DRIVER_RAM + 1},
	{4096, 0xffffffff},
	{UINT64_MAX, 1},
	{UINT64_MAX, 2},
	{UINT64_MAX - 0xfff, 0x2000},
	{UINT64_C(1) << 63, 0xffffffff},
	{0xfee00000, 4},
};
#define OUTSIDE_COUNT (sizeof(outside) / sizeof(outside[0]))

static void split_buffers_are_in_memory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * OUTSIDE_COUNT; i++) {
		start(FEATURES_SPLIT);
		split_desc(0, outside[i / 2].addr, outside[i / 2].len, i % 2 != 0 ? WRITE : 0, 0);
		split_offer(0, 1);
		expect_broken("outside of memory");
	}
}

static void split_readable_comes_first(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	split_desc(0, 4096, 16, NEXT | WRITE, 1);
	split_desc(1, 4096, 16, 0, 0);
	split_offer(0, 1);
	expect_broken("readable buffer behind a writable one");
}

static void split_indirect_has_rules(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	split_desc(0, ring()->tables, 16, INDIRECT, 0);
	split_offer(0, 1);
	expect_broken("not negotiated");
	start(FEATURES_SPLIT | FEATURES_MORE);
	split_desc(0, ring()->tables, 16, INDIRECT | NEXT, 1);
	split_offer(0, 1);
	expect_broken("wrong place");
	start(FEATURES_SPLIT | FEATURES_MORE);
	split_desc(0, split_table(0, ring()->tables, 16, INDIRECT, 0), 16, INDIRECT, 0);
	split_offer(0, 1);
	expect_broken("wrong place");
	start(FEATURES_SPLIT | FEATURES_MORE);
	split_desc(0, split_table(0, 4096, 0, NEXT, 0), 16, INDIRECT, 0);
	split_offer(0, 1);
	expect_broken("never ends");
	start(FEATURES_SPLIT | FEATURES_MORE);
	split_desc(0, split_table(0, 4096, 4, NEXT, 2), 32, INDIRECT, 0);
	split_offer(0, 1);
	expect_broken("descriptor 2 of 2");
}

static const uint32_t table_lengths[] = {
	0, 8, 15, 17, 16 * (VIRTQ_CHAIN_MAX + 1), 0xfffffff0, 0xffffffff};
#define TABLE_LENGTHS (sizeof(table_lengths) / sizeof(table_lengths[0]))

static void split_tables_are_whole_and_in_memory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TABLE_LENGTHS; i++) {
		start(FEATURES_SPLIT | FEATURES_MORE);
		split_desc(0, ring()->tables, table_lengths[i], INDIRECT, 0);
		split_offer(0, 1);
		expect_broken("indirect table of");
	}
	for (unsigned i = 0; i < OUTSIDE_COUNT; i++) {
		start(FEATURES_SPLIT | FEATURES_MORE);
		split_desc(0, outside[i].addr == 4096 ? DRIVER_RAM : outside[i].addr | DRIVER_RAM,
			32, INDIRECT, 0);
		split_offer(0, 1);
		expect_broken("table outside of memory");
	}
}

static void split_holds_no_more_chains_than_it_is_long(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	split_desc(0, 4096, 16, 0, 0);
	split_offer(0, SIZE);
	virtio_kick(&device, 0);
	assert_false(device.broken);
	split_offer(0, 1);
	expect_broken("more chains than it is long");
}

/* Packed. ------------------------------------------------------------------------------------- */

static void packed_desc(unsigned i, uint64_t addr, uint32_t len, unsigned flags)
{
	struct vring_packed_desc *desc = driver_at(&driver, ring()->desc);
	desc[i] = (struct vring_packed_desc){addr, len, (uint16_t)i, (uint16_t)(flags | AVAIL)};
}

static uint64_t packed_table(unsigned i, uint64_t addr, uint32_t len, unsigned flags)
{
	struct vring_packed_desc *table = driver_at(&driver, ring()->tables);
	table[i] = (struct vring_packed_desc){addr, len, 0, (uint16_t)flags};
	return ring()->tables;
}

static void packed_chains_end(void **state)
{
	(void)state;
	start(FEATURES_PACKED);
	for (unsigned i = 0; i < SIZE; i++) {
		packed_desc(i, 4096, 0, NEXT);
	}
	expect_broken("never ends");
	start(FEATURES_PACKED);
	for (unsigned i = 0; i < SIZE; i++) {
		packed_desc(i, 4096, 1, NEXT);
	}
	expect_broken("more than 8 buffers");
}

static void packed_buffers_are_in_memory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * OUTSIDE_COUNT; i++) {
		start(FEATURES_PACKED);
		packed_desc(0, outside[i / 2].addr, outside[i / 2].len, i % 2 != 0 ? WRITE : 0);
		expect_broken("outside of memory");
	}
}

static void packed_readable_comes_first(void **state)
{
	(void)state;
	start(FEATURES_PACKED);
	packed_desc(1, 4096, 16, 0);
	packed_desc(0, 4096, 16, NEXT | WRITE);
	expect_broken("readable buffer behind a writable one");
}

static void packed_indirect_has_rules(void **state)
{
	(void)state;
	start(FEATURES_PACKED);
	packed_desc(0, packed_table(0, 4096, 16, 0), 16, INDIRECT);
	expect_broken("not negotiated");
	start(FEATURES_PACKED | FEATURES_MORE);
	packed_desc(0, packed_table(0, 4096, 16, 0), 16, INDIRECT | NEXT);
	expect_broken("wrong place");
	start(FEATURES_PACKED | FEATURES_MORE);
	packed_desc(0, 4096, 16, NEXT);
	packed_desc(1, packed_table(0, 4096, 16, 0), 16, INDIRECT);
	expect_broken("wrong place");
	for (unsigned i = 0; i < TABLE_LENGTHS; i++) {
		start(FEATURES_PACKED | FEATURES_MORE);
		packed_desc(0, ring()->tables, table_lengths[i], INDIRECT);
		expect_broken("indirect table of");
	}
	for (unsigned i = 0; i < OUTSIDE_COUNT; i++) {
		start(FEATURES_PACKED | FEATURES_MORE);
		packed_desc(0, outside[i].addr | DRIVER_RAM, 32, INDIRECT);
		expect_broken("table outside of memory");
	}
}

/* In a packed indirect table other flags than WRITE mean nothing: 2.8.7. */
static void packed_tables_have_one_flag(void **state)
{
	(void)state;
	start(FEATURES_PACKED | FEATURES_MORE);
	packed_table(0, 4096, 16, INDIRECT);
	packed_desc(0, packed_table(1, 4096, 16, WRITE | NEXT), 32, INDIRECT);
	virtio_kick(&device, 0);
	assert_false(device.broken);
	assert_int_equal(taken, 1);
}

static void packed_holds_no_more_chains_than_it_is_long(void **state)
{
	(void)state;
	start(FEATURES_PACKED);
	for (unsigned i = 0; i < SIZE; i++) {
		packed_desc(i, 4096, 1, 0);
	}
	virtio_kick(&device, 0);
	assert_int_equal(taken, SIZE);
	struct vring_packed_desc *desc = driver_at(&driver, ring()->desc);
	desc[0].flags = 1u << VRING_PACKED_DESC_F_USED; /* available, in the second round */
	expect_broken("more chains than it is long");
}

/* The ring itself. ---------------------------------------------------------------------------- */

static void enable(uint64_t features, uint16_t size, uint64_t desc, uint64_t avail, uint64_t used)
{
	start(features);
	virtio_set_status(&device, 0);
	virtio_set_features(&device, features);
	virtio_set_status(&device, VIRTIO_CONFIG_S_FEATURES_OK);
	queues[0].size = size;
	queues[0].desc = desc;
	queues[0].driver = avail;
	queues[0].device = used;
	virtio_queue_enable(&device, 0);
	virtio_queue_enable(&device, 1);
	virtio_queue_enable(&device, 0xffffffff);
	assert_int_equal(device.broken, !queues[0].enabled);
}

static void ring_has_a_possible_size(void **state)
{
	(void)state;
	static const uint16_t bad[] = {0, 3, 15, 17, 32, 0x8000, 0xffff};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enable(FEATURES_SPLIT, bad[i], 4096, 8192, 12288);
		assert_true(device.broken);
	}
	enable(FEATURES_SPLIT, 8, 4096, 8192, 12288);
	assert_false(device.broken);
	enable(FEATURES_PACKED, 15, 4096, 8192, 12288);
	assert_false(device.broken);
	enable(FEATURES_PACKED, 17, 4096, 8192, 12288);
	assert_true(device.broken);
}

static void ring_is_in_memory_and_aligned(void **state)
{
	(void)state;
	const uint64_t end = DRIVER_RAM;
	const uint64_t bad[][3] = {
		{4096 + 8, 8192, 12288},
		{4096, 8191, 12288},
		{4096, 8192, 12290},
		{end - 240, 8192, 12288},
		{4096, end - 36, 12288},
		{4096, 8192, end - 132},
		{UINT64_MAX - 15, 8192, 12288},
		{4096, UINT64_MAX - 1, 12288},
		{4096, 8192, UINT64_MAX - 3},
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enable(FEATURES_SPLIT, SIZE, bad[i][0], bad[i][1], bad[i][2]);
		assert_true(device.broken);
	}
	enable(FEATURES_SPLIT, SIZE, end - 256, end - 38, end - 136);
	assert_false(device.broken);
	enable(FEATURES_PACKED, SIZE, 4096, end - 2, 12288);
	assert_true(device.broken);
	enable(FEATURES_PACKED, SIZE, end - 256, end - 4, end - 4);
	assert_false(device.broken);
}

static void nothing_breaks_before_features_are_final(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	virtio_set_status(&device, 0);
	queues[0].desc = UINT64_MAX;
	virtio_queue_enable(&device, 0);
	assert_false(device.broken);
	assert_false(queues[0].enabled);
}

int main(void)
{
	driver_create(&driver);
	const struct CMUnitTest tests[] = {
		FAKE_TEST(split_index_may_not_jump),
		FAKE_TEST(split_descriptors_are_in_the_table),
		FAKE_TEST(split_chains_end),
		FAKE_TEST(split_buffers_are_in_memory),
		FAKE_TEST(split_readable_comes_first),
		FAKE_TEST(split_indirect_has_rules),
		FAKE_TEST(split_tables_are_whole_and_in_memory),
		FAKE_TEST(split_holds_no_more_chains_than_it_is_long),
		FAKE_TEST(packed_chains_end),
		FAKE_TEST(packed_buffers_are_in_memory),
		FAKE_TEST(packed_readable_comes_first),
		FAKE_TEST(packed_indirect_has_rules),
		FAKE_TEST(packed_tables_have_one_flag),
		FAKE_TEST(packed_holds_no_more_chains_than_it_is_long),
		FAKE_TEST(ring_has_a_possible_size),
		FAKE_TEST(ring_is_in_memory_and_aligned),
		FAKE_TEST(nothing_breaks_before_features_are_final),
	};
	return cmocka_run_group_tests_name("vmm_hostile", tests, NULL, NULL);
}
