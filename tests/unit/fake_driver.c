/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_driver.c - the guest's end of a virtio device, for unit tests and fuzzing.
 */
#include "tests/unit/fake_driver.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "service/vmm/loop.h"

#define AVAIL_BIT (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED_BIT  (1u << VRING_PACKED_DESC_F_USED)

static void fake_interrupt(struct virtio_device *device, unsigned queue)
{
	struct driver *driver = device->transport_data;
	assert_true(queue < device->queue_count);
	driver->queue[queue].interrupts++;
	sem_post(&driver->interrupt);
}

static void fake_config_changed(struct virtio_device *device)
{
	struct driver *driver = device->transport_data;
	driver->config_interrupts++;
	sem_post(&driver->interrupt);
}

static int fake_no_fd(struct virtio_device *device, unsigned queue)
{
	(void)device;
	(void)queue;
	return -1;
}

void driver_create(struct driver *driver)
{
	memset(driver, 0, sizeof(*driver));
	assert_int_equal(memory_create(&driver->memory, DRIVER_RAM), 0);
	driver->free_at = 4096;
	driver->transport = (struct virtio_transport){
		fake_interrupt, fake_config_changed, fake_no_fd, fake_no_fd};
	sem_init(&driver->interrupt, 0, 0);
	sem_init(&driver->ended, 0, 0);
}

void driver_destroy(struct driver *driver)
{
	if (driver->device != NULL) {
		virtio_destroy(driver->device);
	}
	memory_destroy(&driver->memory);
	sem_destroy(&driver->interrupt);
}

static pthread_t loop_thread;

static void *run_loop(void *argument)
{
	loop_run();
	return argument;
}

void driver_create_with_loop(struct driver *driver)
{
	assert_int_equal(loop_create(), 0);
	assert_int_equal(pthread_create(&loop_thread, NULL, run_loop, NULL), 0);
	driver_create(driver);
}

void driver_loop_stop(void)
{
	loop_stop();
	pthread_join(loop_thread, NULL);
}

static int end_fd = -1;
static void end_now(void *argument, uint32_t events)
{
	struct driver *driver = argument;
	(void)events;
	loop_remove(end_fd);
	virtio_destroy(driver->device);
	driver->device = NULL;
	sem_post(&driver->ended);
}

void driver_end(struct driver *driver)
{
	end_fd = eventfd(1, EFD_NONBLOCK);
	assert_int_equal(loop_add(end_fd, EPOLLIN, end_now, driver), 0);
	while (sem_wait(&driver->ended) != 0) {
	}
	close(end_fd);
}

uint64_t driver_alloc(struct driver *driver, uint64_t len)
{
	uint64_t at = driver->free_at;
	driver->free_at += (len + 63) & ~UINT64_C(63);
	assert_true(driver->free_at <= DRIVER_RAM);
	return at;
}

void *driver_at(struct driver *driver, uint64_t gpa)
{
	return memory_at(&driver->memory, gpa, 1);
}

static void *at(struct driver_queue *queue, uint64_t gpa)
{
	return driver_at(queue->driver, gpa);
}

static void queue_start(struct driver *driver, unsigned index, uint16_t size)
{
	struct driver_queue *queue = &driver->queue[index];
	struct virtqueue *device_queue = &driver->device->queue[index];
	uint64_t features = driver->device->features;
	memset(queue, 0, sizeof(*queue));
	queue->driver = driver;
	queue->index = index;
	queue->size = size != 0 && size < device_queue->max_size ? size : device_queue->max_size;
	queue->packed = (features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)) != 0;
	queue->event_idx = (features & VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0;
	queue->indirect = (features & VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
	queue->desc = driver_alloc(driver, 16ull * queue->size);
	queue->avail = driver_alloc(driver, 6 + 2ull * queue->size);
	queue->used = driver_alloc(driver, 6 + 8ull * queue->size);
	memset(at(queue, queue->desc), 0, 16ull * queue->size);
	memset(at(queue, queue->avail), 0, 6 + 2ull * queue->size);
	memset(at(queue, queue->used), 0, 6 + 8ull * queue->size);
	queue->tables = driver_alloc(driver, 16ull * DRIVER_TABLE * queue->size);
	queue->next_wrap = queue->seen_wrap = true;
	queue->free_count = queue->free_top = queue->size;
	for (uint16_t i = 0; i < queue->size; i++) {
		queue->free_list[i] = (uint16_t)(queue->size - 1 - i);
	}
	device_queue->size = queue->size;
	device_queue->desc = queue->desc;
	device_queue->driver = queue->avail;
	device_queue->device = queue->used;
	virtio_queue_enable(driver->device, index);
}

void driver_reset(struct driver *driver)
{
	pthread_mutex_lock(&driver->device->lock);
	virtio_set_status(driver->device, 0);
	pthread_mutex_unlock(&driver->device->lock);
	driver->free_at = 4096;
}

void driver_start(
	struct driver *driver, struct virtio_device *device, uint64_t features, uint16_t size)
{
	driver->device = device;
	device->transport = &driver->transport;
	device->transport_data = driver;
	driver_reset(driver);
	pthread_mutex_lock(&device->lock);
	virtio_set_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_set_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	virtio_set_features(device, features);
	uint8_t status =
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_set_status(device, status);
	assert_int_equal(device->status, status);
	for (unsigned i = 0; i < device->queue_count; i++) {
		queue_start(driver, i, size);
	}
	virtio_set_status(device, status | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_false(device->broken);
	pthread_mutex_unlock(&device->lock);
}

static uint16_t buffer_flags(const struct driver_buffer *buffer, bool last)
{
	return (uint16_t)((buffer->write ? VRING_DESC_F_WRITE : 0) |
		(buffer->indirect ? VRING_DESC_F_INDIRECT : 0) | (last ? 0 : VRING_DESC_F_NEXT));
}

static int add_split(struct driver_queue *queue, const struct driver_buffer *buffer, unsigned count)
{
	struct vring_desc *desc = at(queue, queue->desc);
	uint16_t head = queue->free_list[queue->free_top - 1];
	for (unsigned i = 0; i < count; i++) {
		uint16_t id = queue->free_list[queue->free_top - 1 - i];
		uint16_t next = i + 1 < count ? queue->free_list[queue->free_top - 2 - i] : 0;
		queue->next_of[id] = next;
		desc[id] = (struct vring_desc){buffer[i].gpa, buffer[i].len,
			buffer_flags(&buffer[i], i + 1 == count), next};
	}
	queue->free_top = (uint16_t)(queue->free_top - count);
	queue->taken[head] = (uint16_t)count;
	struct vring_avail *avail = at(queue, queue->avail);
	avail->ring[queue->next % queue->size] = head;
	queue->next++;
	__atomic_store_n(&avail->idx, queue->next, __ATOMIC_RELEASE);
	return head;
}

static int add_packed(
	struct driver_queue *queue, const struct driver_buffer *buffer, unsigned count)
{
	struct vring_packed_desc *desc = at(queue, queue->desc), *first = &desc[queue->next];
	uint16_t id = queue->free_list[--queue->free_top], first_flags = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned flags = buffer_flags(&buffer[i], i + 1 == count) |
			(queue->next_wrap ? AVAIL_BIT : USED_BIT);
		struct vring_packed_desc *d = &desc[queue->next];
		d->addr = buffer[i].gpa;
		d->len = buffer[i].len;
		d->id = id;
		if (i == 0) {
			first_flags = (uint16_t)flags;
		} else {
			__atomic_store_n(&d->flags, (uint16_t)flags, __ATOMIC_RELEASE);
		}
		if (++queue->next == queue->size) {
			queue->next = 0;
			queue->next_wrap = !queue->next_wrap;
		}
	}
	queue->taken[id] = (uint16_t)count;
	queue->added += count;
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
	return id;
}

/* With an indirect table: the one that belongs to the ring's next free descriptor or id. */
static int add_indirect(
	struct driver_queue *queue, const struct driver_buffer *buffer, unsigned count)
{
	uint16_t which = queue->free_list[queue->free_top - 1];
	uint64_t gpa = queue->tables + 16ull * DRIVER_TABLE * which;
	assert_true(count <= DRIVER_TABLE);
	for (unsigned i = 0; i < count; i++) {
		uint16_t flags = buffer_flags(&buffer[i], i + 1 == count);
		void *entry = at(queue, gpa + 16ull * i);
		if (queue->packed) {
			*(struct vring_packed_desc *)entry = (struct vring_packed_desc){
				buffer[i].gpa, buffer[i].len, 0, flags & VRING_DESC_F_WRITE};
		} else {
			*(struct vring_desc *)entry = (struct vring_desc){
				buffer[i].gpa, buffer[i].len, flags, (uint16_t)(i + 1)};
		}
	}
	struct driver_buffer table = {.gpa = gpa, .len = 16 * count, .indirect = true};
	return queue->packed ? add_packed(queue, &table, 1) : add_split(queue, &table, 1);
}

int driver_add(struct driver_queue *queue, const struct driver_buffer *buffer, unsigned count)
{
	bool indirect = queue->indirect && count > 1;
	unsigned needed = indirect ? 1 : count;
	if (needed > queue->free_count || count == 0) {
		return -1;
	}
	queue->free_count = (uint16_t)(queue->free_count - needed);
	if (indirect) {
		return add_indirect(queue, buffer, count);
	}
	return queue->packed ? add_packed(queue, buffer, count) : add_split(queue, buffer, count);
}

static bool device_wants_kick(struct driver_queue *queue)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->packed) {
		struct vring_used *used = at(queue, queue->used);
		if (!queue->event_idx) {
			return (__atomic_load_n(&used->flags, __ATOMIC_ACQUIRE) & 1) == 0;
		}
		uint16_t *event = (uint16_t *)(void *)&used->ring[queue->size];
		uint16_t from = queue->kicked, wanted = __atomic_load_n(event, __ATOMIC_ACQUIRE);
		/* Was the step over `wanted` made since? */
		return (uint16_t)(wanted - from) < (uint16_t)(queue->next - from);
	}
	struct vring_packed_desc_event event;
	uint32_t both = __atomic_load_n((uint32_t *)at(queue, queue->used), __ATOMIC_ACQUIRE);
	memcpy(&event, &both, sizeof(event));
	if (event.flags != 2) {
		return event.flags == 0;
	}
	/* Whether one of the `added` descriptors before ->next is the one that it names. */
	uint16_t offset = event.off_wrap & 0x7fff, where = queue->next;
	bool wrap = queue->next_wrap;
	for (uint32_t i = 0; i < queue->added; i++) {
		if (where == 0) {
			where = queue->size;
			wrap = !wrap;
		}
		where--;
		if (where == offset && wrap == (event.off_wrap >> 15)) {
			return true;
		}
	}
	return false;
}

void driver_kick(struct driver_queue *queue)
{
	bool wanted = device_wants_kick(queue);
	queue->kicked = queue->next;
	queue->added = 0;
	if (wanted) {
		queue->kicks++;
		pthread_mutex_lock(&queue->driver->device->lock);
		virtio_kick(queue->driver->device, queue->index);
		pthread_mutex_unlock(&queue->driver->device->lock);
	}
}

static bool used_is_there(struct driver_queue *queue)
{
	if (!queue->packed) {
		struct vring_used *used = at(queue, queue->used);
		return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != queue->seen;
	}
	struct vring_packed_desc *d = (struct vring_packed_desc *)at(queue, queue->desc);
	uint16_t flags = __atomic_load_n(&d[queue->seen].flags, __ATOMIC_ACQUIRE);
	bool avail = (flags & AVAIL_BIT) != 0, used = (flags & USED_BIT) != 0;
	return avail == used && used == queue->seen_wrap;
}

int driver_get(struct driver_queue *queue, uint32_t *written)
{
	if (!used_is_there(queue)) {
		return -1;
	}
	uint16_t id;
	if (queue->packed) {
		struct vring_packed_desc *d =
			(struct vring_packed_desc *)at(queue, queue->desc) + queue->seen;
		id = d->id;
		*written = (d->flags & VRING_DESC_F_WRITE) != 0 ? d->len : 0;
		assert_true(id < queue->size && queue->taken[id] != 0);
		queue->seen = (uint16_t)(queue->seen + queue->taken[id]);
		if (queue->seen >= queue->size) {
			queue->seen = (uint16_t)(queue->seen - queue->size);
			queue->seen_wrap = !queue->seen_wrap;
		}
		queue->free_list[queue->free_top++] = id;
	} else {
		struct vring_used *used = at(queue, queue->used);
		struct vring_used_elem element = used->ring[queue->seen % queue->size];
		id = (uint16_t)element.id;
		*written = element.len;
		assert_true(element.id < queue->size && queue->taken[id] != 0);
		queue->seen++;
		uint16_t each = id;
		for (unsigned i = 0; i < queue->taken[id]; i++) {
			queue->free_list[queue->free_top++] = each;
			each = queue->next_of[each];
		}
	}
	queue->free_count = (uint16_t)(queue->free_count + queue->taken[id]);
	queue->taken[id] = 0;
	return id;
}

bool driver_want_interrupt(struct driver_queue *queue, bool wanted)
{
	if (queue->packed) {
		struct vring_packed_desc_event event = {0, 1};
		if (wanted) {
			event.off_wrap = (uint16_t)(queue->seen | queue->seen_wrap << 15);
			event.flags = queue->event_idx ? 2 : 0;
		}
		uint32_t both;
		memcpy(&both, &event, sizeof(both));
		__atomic_store_n((uint32_t *)at(queue, queue->avail), both, __ATOMIC_RELEASE);
	} else {
		struct vring_avail *avail = at(queue, queue->avail);
		if (queue->event_idx) {
			/* "None" is one that lies furthest away. */
			uint16_t event = wanted ? queue->seen : (uint16_t)(queue->seen - 1);
			__atomic_store_n(&avail->ring[queue->size], event, __ATOMIC_RELEASE);
		} else {
			__atomic_store_n(&avail->flags, wanted ? 0 : 1, __ATOMIC_RELEASE);
		}
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return used_is_there(queue);
}

void driver_wait(struct driver *driver)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	int err;
	do {
		err = sem_timedwait(&driver->interrupt, &until);
	} while (err != 0 && errno == EINTR);
	assert_int_equal(err, 0);
}
