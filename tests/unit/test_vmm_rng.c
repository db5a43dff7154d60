/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_rng.c - the entropy device fills buffers, and gives others their turn.
 *
 * Links: service/vmm/virtio_rng.c service/vmm/loop.c
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/memory.c service/vmm/say.c tests/unit/fake_driver.c
 * Libs: -Wl,--wrap=getrandom
 */
#include "tests/unit/fake_driver.h"

#include <sys/random.h>
#include <unistd.h>

#include "service/vmm/loop.h"

static struct driver driver;

static void start(uint64_t features)
{
	if (driver.device != NULL) {
		virtio_destroy(driver.device);
	}
	struct virtio_device *device = virtio_rng_create(&driver.memory);
	assert_non_null(device);
	driver_start(&driver, device, features, 0);
}

static void fill(uint64_t features)
{
	start(features);
	uint32_t written, ones = 0;
	const uint32_t lengths[] = {1, 7, 64, 4096, 9000};
	uint64_t gpa = driver_alloc(&driver, 9000);
	uint8_t *bytes = driver_at(&driver, gpa);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct driver_buffer b[2] = {{.gpa = gpa, .len = lengths[i] / 2, .write = true},
			{.gpa = gpa + lengths[i] / 2,
				.len = lengths[i] - lengths[i] / 2,
				.write = true}};
		memset(bytes, 0, 9000);
		assert_true(driver_add(&driver.queue[0], b, 2) >= 0);
		driver_kick(&driver.queue[0]);
		assert_true(driver_get(&driver.queue[0], &written) >= 0);
		assert_true(written != 0 && written <= lengths[i]);
		for (uint32_t at = written; at < 9000; at++) {
			assert_int_equal(bytes[at], 0);
		}
		for (uint32_t at = 0; at < written; at++) {
			ones += (uint32_t)__builtin_popcount(bytes[at]);
		}
	}
	/* Of some 65,000 bits half are set, but for one in a world of worlds. */
	assert_in_range(ones, 31000, 36000);
}

static void buffers_come_back_full_of_random_bytes(void **state)
{
	(void)state;
	fill(FEATURES_SPLIT);
	fill(FEATURES_PACKED | FEATURES_MORE);
}

static void readable_buffers_come_back_empty(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	uint32_t written;
	struct driver_buffer b = {.gpa = driver_alloc(&driver, 64), .len = 64};
	driver_add(&driver.queue[0], &b, 1);
	driver_kick(&driver.queue[0]);
	assert_true(driver_get(&driver.queue[0], &written) >= 0);
	assert_int_equal(written, 0);
}

/* As a second CPU of the guest that fills the queue up again as fast as it can: with each buffer
 * that the device fills. Hostile: it does not wait for the used ring, but looks where the device
 * is. */
static struct driver_queue *kept_full;
ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
	if (kept_full != NULL) {
		struct vring_avail *avail = driver_at(&driver, kept_full->avail);
		avail->idx = (uint16_t)(driver.device->queue[0].avail + kept_full->size);
	}
	return __real_getrandom(bytes, size, flags);
}

static void stop_loop(struct virtio_device *device, unsigned queue)
{
	(void)device;
	(void)queue;
	loop_stop();
}

static void driver_that_never_rests_gets_a_budget(void **state)
{
	(void)state;
	start(FEATURES_SPLIT);
	struct driver_queue *queue = &driver.queue[0];
	struct driver_buffer b = {.gpa = driver_alloc(&driver, 8), .len = 8, .write = true};
	for (unsigned i = 0; i < queue->size; i++) {
		assert_true(driver_add(queue, &b, 1) >= 0);
	}
	kept_full = queue;
	alarm(60);
	virtio_kick(driver.device, 0);
	assert_int_equal(driver.device->queue[0].used, VIRTIO_BUDGET);
	driver.transport.interrupt = stop_loop;
	virtio_kick_later(driver.device, 0);
	loop_run(); /* until the kick that was put off interrupts */
	alarm(0);
	kept_full = NULL;
	assert_false(driver.device->broken);
}

int main(void)
{
	assert_int_equal(loop_create(), 0);
	driver_create(&driver);
	const struct CMUnitTest tests[] = {
		FAKE_TEST(buffers_come_back_full_of_random_bytes),
		FAKE_TEST(readable_buffers_come_back_empty),
		FAKE_TEST(driver_that_never_rests_gets_a_budget),
	};
	return cmocka_run_group_tests_name("vmm_rng", tests, NULL, NULL);
}
