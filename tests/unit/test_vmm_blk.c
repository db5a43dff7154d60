/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_blk.c - the block device on a temporary file: random reads, writes, discards
 * and zeroes, many at once on several queues, against a model; then what it must refuse.
 *
 * Links: service/vmm/virtio_blk.c service/vmm/disk.c service/vmm/loop.c
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/memory.c service/vmm/say.c tests/unit/fake_driver.c
 * Libs: -luring -Wl,--wrap=io_uring_queue_init -Wl,--wrap=fallocate
 * Libs: -Wl,--wrap=preadv -Wl,--wrap=pwritev2
 */
#include "tests/unit/fake_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/virtio_blk.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR   512u
#define SECTORS  8192u /* of the disk */
#define LONGEST  64u   /* sectors in a request */
#define QUEUES   3u
#define SLOTS    48u /* requests at once */
#define SEGMENTS 24u
#define SLOT_RAM ((LONGEST + 2) * SECTOR * 2)
#define HEADER   ((uint32_t)sizeof(struct virtio_blk_outhdr))

/* The memory's file system knows no FALLOC_FL_ZERO_RANGE, the disk's does; flushing is fast on one.
 */
static char on_disk[] = "/tmp/test_vmm_blk.XXXXXX", in_memory[] = "/dev/shm/test_vmm_blk.XXXXXX";
static const char *path = in_memory;
static struct driver driver;
static uint8_t model[SECTORS][SECTOR];
static bool vague[SECTORS]; /* discarded: as it was, or zero */
static bool busy[SECTORS];

static bool refuse_uring, refuse_fallocate;
int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return refuse_uring ? -ENOSYS : __real_io_uring_queue_init(entries, ring, flags);
}

int __real_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (refuse_fallocate) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_fallocate(fd, mode, offset, len);
}

/* Without io_uring: some transfers end early, in the middle of a segment. */
ssize_t __real_preadv(int fd, const struct iovec *segment, int count, off_t at);
ssize_t __wrap_preadv(int fd, const struct iovec *segment, int count, off_t at);
ssize_t __wrap_preadv(int fd, const struct iovec *segment, int count, off_t at)
{
	static unsigned calls;
	struct iovec some = {segment->iov_base, 1 + calls * 7919u % segment->iov_len};
	return calls++ % 3 == 0 ? __real_preadv(fd, &some, 1, at)
				: __real_preadv(fd, segment, count, at);
}

ssize_t __real_pwritev2(int fd, const struct iovec *segment, int count, off_t at, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *segment, int count, off_t at, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *segment, int count, off_t at, int flags)
{
	static unsigned calls;
	struct iovec some = {segment->iov_base, 1 + calls * 7919u % segment->iov_len};
	return calls++ % 3 == 0 ? __real_pwritev2(fd, &some, 1, at, flags)
				: __real_pwritev2(fd, segment, count, at, flags);
}

static uint32_t seed;
static unsigned random_below(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* A request of the driver's. */
struct slot {
	bool used;
	uint32_t type, first, count; /* sectors */
	uint64_t ram;
	struct driver_buffer buffer[SEGMENTS];
	unsigned buffers;
	uint64_t status;
	uint8_t data[LONGEST * SECTOR];
};
static struct slot slots[SLOTS];
static int slot_of[QUEUES][VIRTQ_CHAIN_MAX];

/* Cut len bytes at gpa into pieces, at random bytes. */
static void cut(struct slot *slot, uint64_t gpa, uint32_t len, bool write, unsigned most)
{
	while (len != 0) {
		uint32_t piece = most == 1 ? len : 1 + random_below(len);
		slot->buffer[slot->buffers++] =
			(struct driver_buffer){.gpa = gpa, .len = piece, .write = write};
		gpa += piece;
		len -= piece;
		most -= most != 1;
	}
}

/* The whole chain: header and out bytes, in bytes and status, cut without regard to which is which.
 */
static void lay_out(
	struct slot *slot, uint64_t sector, const void *out, uint32_t out_len, uint32_t in_len)
{
	struct virtio_blk_outhdr header = {.type = slot->type, .sector = sector};
	memcpy(driver_at(&driver, slot->ram), &header, HEADER);
	if (out_len != 0) {
		memcpy(driver_at(&driver, slot->ram + HEADER), out, out_len);
	}
	uint64_t in = slot->ram + SLOT_RAM / 2;
	memset(driver_at(&driver, in), 0xee, in_len + 1);
	slot->buffers = 0;
	cut(slot, slot->ram, HEADER + out_len, false, 1 + random_below(10));
	cut(slot, in, in_len + 1, true, 1 + random_below(10));
	slot->status = in + in_len;
}

static bool choose_range(struct slot *slot)
{
	slot->count = 1 + random_below(random_below(4) == 0 ? LONGEST : 8);
	slot->first = random_below(SECTORS - slot->count + 1);
	for (unsigned i = 0; i < slot->count; i++) {
		if (busy[slot->first + i]) {
			return false;
		}
	}
	return true;
}

static void prepare(struct slot *slot)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
		VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_FLUSH};
	uint32_t bytes = slot->count * SECTOR;
	slot->type = types[random_below(sizeof(types) / sizeof(types[0]))];
	if (slot->type == VIRTIO_BLK_T_OUT) {
		for (uint32_t i = 0; i < bytes; i++) {
			slot->data[i] = (uint8_t)(seed + i * 31 + i / SECTOR);
		}
		random_below(2);
		lay_out(slot, slot->first, slot->data, bytes, 0);
	} else if (slot->type == VIRTIO_BLK_T_IN) {
		lay_out(slot, slot->first, NULL, 0, bytes);
	} else if (slot->type == VIRTIO_BLK_T_FLUSH) {
		lay_out(slot, 0, NULL, 0, 0);
	} else {
		bool zero = slot->type == VIRTIO_BLK_T_WRITE_ZEROES;
		uint32_t half = slot->count / 2;
		struct virtio_blk_discard_write_zeroes ranges[2] = {
			{slot->first, half, zero ? random_below(2) : 0},
			{slot->first + half, slot->count - half, zero ? random_below(2) : 0}};
		lay_out(slot, 77, ranges, sizeof(ranges), 0);
	}
}

static bool send_one(struct slot *slot, unsigned queue)
{
	if (!choose_range(slot)) {
		return false;
	}
	prepare(slot);
	int id = driver_add(&driver.queue[queue], slot->buffer, slot->buffers);
	if (id < 0) {
		return false;
	}
	slot->used = true;
	slot_of[queue][id] = (int)(slot - slots);
	memset(&busy[slot->first], 1, slot->count);
	return true;
}

static void check_read(const struct slot *slot, uint32_t written)
{
	assert_int_equal(written, slot->count * SECTOR + 1);
	for (unsigned i = 0; i < slot->count; i++) {
		const uint8_t *got =
			driver_at(&driver, slot->ram + SLOT_RAM / 2 + (uint64_t)i * SECTOR);
		static const uint8_t none[SECTOR];
		if (!vague[slot->first + i] || memcmp(got, none, SECTOR) != 0) {
			assert_memory_equal(got, model[slot->first + i], SECTOR);
		}
	}
}

static bool receive_one(unsigned queue)
{
	uint32_t written;
	int id = driver_get(&driver.queue[queue], &written);
	if (id < 0) {
		return false;
	}
	struct slot *slot = &slots[slot_of[queue][id]];
	uint8_t status = *(uint8_t *)driver_at(&driver, slot->status);
	bool discard = slot->type == VIRTIO_BLK_T_DISCARD;
	if (discard && refuse_fallocate) {
		assert_int_equal(status, VIRTIO_BLK_S_UNSUPP);
	} else {
		assert_int_equal(status, VIRTIO_BLK_S_OK);
	}
	if (slot->type == VIRTIO_BLK_T_IN) {
		check_read(slot, written);
	} else {
		assert_int_equal(written, 1);
	}
	for (unsigned i = 0; i < slot->count; i++) {
		uint32_t sector = slot->first + i;
		if (slot->type == VIRTIO_BLK_T_OUT) {
			memcpy(model[sector], slot->data + (size_t)i * SECTOR, SECTOR);
			vague[sector] = false;
		} else if (slot->type == VIRTIO_BLK_T_WRITE_ZEROES) {
			memset(model[sector], 0, SECTOR);
			vague[sector] = false;
		} else if (discard) {
			vague[sector] = true;
		}
		busy[sector] = false;
	}
	slot->used = false;
	return true;
}

static struct virtio_device *open_disk(bool read_only, unsigned queues)
{
	struct virtio_blk_options options = {.path = path,
		.read_only = read_only,
		.queues = queues,
		.serial = "serial-0123456789-and-more"};
	struct virtio_device *device = virtio_blk_create(&driver.memory, &options);
	assert_non_null(device);
	return device;
}

static void prepare_file(void)
{
	int fd = open(path, O_RDWR | O_TRUNC);
	assert_true(fd >= 0);
	for (unsigned i = 0; i < SECTORS; i++) {
		memset(model[i], (int)(i % 251), SECTOR);
	}
	assert_int_equal(write(fd, model, sizeof(model)), sizeof(model));
	close(fd);
	memset(vague, 0, sizeof(vague));
	memset(busy, 0, sizeof(busy));
	memset(slots, 0, sizeof(slots));
}

static void close_disk(void)
{
	driver_end(&driver);
}

/* Everything that is there is taken; when nothing was, wait for an interrupt. */
static unsigned receive_some(void)
{
	unsigned count = 0;
	for (unsigned q = 0; q < QUEUES; q++) {
		while (receive_one(q)) {
			count++;
		}
	}
	for (unsigned q = 0; q < QUEUES && count == 0; q++) {
		while (driver_want_interrupt(&driver.queue[q], true) && receive_one(q)) {
			count++;
		}
	}
	if (count == 0) {
		driver_wait(&driver);
	}
	return count;
}

static void compare_file(void)
{
	int fd = open(path, O_RDONLY);
	for (unsigned i = 0; i < SECTORS; i++) {
		static const uint8_t none[SECTOR];
		uint8_t got[SECTOR];
		assert_int_equal(read(fd, got, SECTOR), SECTOR);
		if (!vague[i] || memcmp(got, none, SECTOR) != 0) {
			assert_memory_equal(got, model[i], SECTOR);
		}
	}
	close(fd);
}

static void traffic(uint64_t features, uint16_t size, unsigned total)
{
	prepare_file();
	struct virtio_device *device = open_disk(false, QUEUES);
	driver_start(&driver, device, device->offered & (features | 0xffff), size);
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i].ram = driver_alloc(&driver, SLOT_RAM);
	}
	unsigned sent = 0, received = 0;
	while (received < total) {
		for (unsigned i = 0; i < SLOTS && sent < total; i++) {
			unsigned queue = random_below(QUEUES);
			if (!slots[i].used && send_one(&slots[i], queue)) {
				sent++;
				if (random_below(4) == 0) {
					driver_kick(&driver.queue[queue]);
				}
			}
		}
		for (unsigned q = 0; q < QUEUES; q++) {
			driver_kick(&driver.queue[q]);
		}
		received += receive_some();
	}
	close_disk();
	compare_file();
}

static void split_requests_do_what_the_model_does(void **state)
{
	(void)state;
	seed = 1;
	traffic(FEATURES_SPLIT, 256, 4000);
	traffic(FEATURES_SPLIT | FEATURES_MORE, 16, 4000);
}

static void packed_requests_do_what_the_model_does(void **state)
{
	(void)state;
	seed = 2;
	traffic(FEATURES_PACKED, 100, 4000);
	path = on_disk;
	traffic(FEATURES_PACKED | FEATURES_MORE, 16, 1000);
	path = in_memory;
}

static void all_works_without_io_uring_too(void **state)
{
	(void)state;
	seed = 3;
	refuse_uring = true;
	traffic(FEATURES_PACKED | FEATURES_MORE, 64, 3000);
	refuse_fallocate = true;
	traffic(FEATURES_SPLIT, 64, 3000);
	refuse_uring = refuse_fallocate = false;
}

/* One request at a time. ---------------------------------------------------------------------- */

static void open_one(bool read_only, uint64_t not_these)
{
	prepare_file();
	struct virtio_device *device = open_disk(read_only, 1);
	driver_start(&driver, device,
		device->offered & ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) & ~not_these, 16);
	slots[0].ram = driver_alloc(&driver, SLOT_RAM);
}

static uint8_t request(
	uint32_t type, uint64_t sector, const void *out, uint32_t out_len, uint32_t in_len)
{
	uint32_t written;
	slots[0].type = type;
	lay_out(&slots[0], sector, out, out_len, in_len);
	assert_true(driver_add(&driver.queue[0], slots[0].buffer, slots[0].buffers) >= 0);
	driver_kick(&driver.queue[0]);
	while (driver_get(&driver.queue[0], &written) < 0) {
		assert_false(driver.device->broken);
		driver_want_interrupt(&driver.queue[0], true);
		driver_wait(&driver);
	}
	return *(uint8_t *)driver_at(&driver, slots[0].status);
}

static uint8_t clear(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {sector, count, flags};
	return request(type, sector, &range, sizeof(range), 0);
}

static void requests_stay_on_the_disk(void **state)
{
	(void)state;
	static const uint8_t data[2 * SECTOR];
	static const uint64_t bad[] = {SECTORS - 1, SECTORS, UINT64_MAX, UINT64_MAX - 1,
		UINT64_MAX / SECTOR, UINT64_C(1) << 55, (UINT64_C(1) << 55) - 1};
	open_one(false, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
			request(VIRTIO_BLK_T_IN, bad[i], NULL, 0, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			request(VIRTIO_BLK_T_OUT, bad[i], data, 2 * SECTOR, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, bad[i], 2, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			clear(VIRTIO_BLK_T_WRITE_ZEROES, bad[i], 2, 0), VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(
		request(VIRTIO_BLK_T_IN, SECTORS - 2, NULL, 0, 2 * SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS, NULL, 0, 0), VIRTIO_BLK_S_OK);
	compare_file();
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, SECTORS * SECTOR);
	close_disk();
}

static void odd_requests_are_refused(void **state)
{
	(void)state;
	static const uint8_t data[SECTOR];
	open_one(false, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, NULL, 0, 511), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 100, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(99, 0, data, SECTOR, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 15, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 0, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 17 * 16, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 16 * 16, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 0xffffffff, 0), VIRTIO_BLK_S_IOERR);
	close_disk();
}

static void what_was_not_negotiated_is_unsupported(void **state)
{
	(void)state;
	open_one(false,
		VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) | VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) |
			VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
			VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	uint8_t data[SECTOR] = {42}, got[1];
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 5, data, SECTOR, 0), VIRTIO_BLK_S_OK);
	int fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, got, 1, 5 * SECTOR), 1);
	assert_int_equal(got[0], 42);
	close(fd);
	close_disk();
}

static void read_only_disk_is_not_written(void **state)
{
	(void)state;
	static const uint8_t data[SECTOR];
	open_one(true, 0);
	assert_true((driver.device->offered & VIRTIO_FEATURE(VIRTIO_BLK_F_RO)) != 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 1, data, SECTOR, 0), VIRTIO_BLK_S_IOERR);
	assert_int_not_equal(clear(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_not_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, NULL, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 0), VIRTIO_BLK_S_OK);
	close_disk();
	compare_file();
}

static void disk_tells_its_size_and_name(void **state)
{
	(void)state;
	struct virtio_blk_config config;
	open_one(false, 0);
	virtio_config_read(driver.device, 0, &config, sizeof(config));
	assert_int_equal(config.capacity, SECTORS);
	assert_int_equal(config.num_queues, 1);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, NULL, 0, 20), VIRTIO_BLK_S_OK);
	assert_memory_equal(
		driver_at(&driver, slots[0].ram + SLOT_RAM / 2), "serial-0123456789-an", 20);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, NULL, 0, 19), VIRTIO_BLK_S_IOERR);
	close_disk();
}

static void request_without_header_or_status_breaks_the_device(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_one(false, 0);
		driver.device->breaks = 1000;
		struct driver_buffer b[2] = {{.gpa = slots[0].ram, .len = i == 0 ? 15 : 16},
			{.gpa = slots[0].ram, .len = 1, .write = true}};
		driver_add(&driver.queue[0], i == 2 ? &b[1] : b, i == 0 ? 2 : 1);
		driver_kick(&driver.queue[0]);
		assert_true(driver.device->broken);
		close_disk();
	}
}

/* A reset in the middle: nothing more is written into guest RAM, and all works again. */
static void reset_in_the_middle(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		slots[i].ram = driver_alloc(&driver, SLOT_RAM);
		slots[i].type = VIRTIO_BLK_T_IN;
		lay_out(&slots[i], random_below(SECTORS - LONGEST), NULL, 0, LONGEST * SECTOR);
		driver_add(&driver.queue[i % QUEUES], slots[i].buffer, slots[i].buffers);
	}
	for (unsigned q = 0; q < QUEUES; q++) {
		driver_kick(&driver.queue[q]);
	}
	driver_reset(&driver);
}

static void reset_waits_for_what_is_under_way(void **state)
{
	(void)state;
	seed = 9;
	path = on_disk;
	prepare_file();
	struct virtio_device *device = open_disk(false, QUEUES);
	for (unsigned round = 0; round < 30; round++) {
		driver_start(&driver, device,
			device->offered & ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED), 64);
		reset_in_the_middle();
		uint8_t *begin = driver_at(&driver, slots[0].ram);
		memset(begin, 0x5a, SLOTS * SLOT_RAM);
		/* Later requests are through when the earlier ones would be. */
		uint64_t end = slots[SLOTS - 1].ram + SLOT_RAM;
		driver_start(&driver, device,
			device->offered & ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED), 64);
		slots[0].ram = end;
		assert_int_equal(
			request(VIRTIO_BLK_T_IN, 0, NULL, 0, LONGEST * SECTOR), VIRTIO_BLK_S_OK);
		assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, 0), VIRTIO_BLK_S_OK);
		for (size_t at = 0; at < SLOTS * SLOT_RAM; at++) {
			assert_true(begin[at] == 0x5a);
		}
	}
	close_disk();
	path = in_memory;
}

static void disks_that_cannot_be_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"/nonexistent/disk", "/tmp", "/dev/null", "/dev/tty"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct virtio_blk_options options = {.path = bad[i]};
		assert_null(virtio_blk_create(&driver.memory, &options));
	}
	static const char fifo[] = "/tmp/pintle-blk-fifo"; /* nobody writes to it */
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	struct virtio_blk_options waits = {.path = fifo, .read_only = true};
	assert_null(virtio_blk_create(&driver.memory, &waits));
	unlink(fifo);
	prepare_file();
	struct virtio_device *device = open_disk(false, 1);
	struct virtio_blk_options again = {.path = path},
				  read_only = {.path = path, .read_only = true};
	assert_null(virtio_blk_create(&driver.memory, &again));
	assert_null(virtio_blk_create(&driver.memory, &read_only));
	driver.device = device;
	driver_end(&driver);
	assert_int_equal(truncate(path, 100), 0);
	assert_null(virtio_blk_create(&driver.memory, &again));
}

int main(void)
{
	close(mkstemp(on_disk));
	close(mkstemp(in_memory));
	driver_create_with_loop(&driver);
	const struct CMUnitTest tests[] = {
		FAKE_TEST(split_requests_do_what_the_model_does),
		FAKE_TEST(packed_requests_do_what_the_model_does),
		FAKE_TEST(all_works_without_io_uring_too),
		FAKE_TEST(requests_stay_on_the_disk),
		FAKE_TEST(odd_requests_are_refused),
		FAKE_TEST(what_was_not_negotiated_is_unsupported),
		FAKE_TEST(read_only_disk_is_not_written),
		FAKE_TEST(disk_tells_its_size_and_name),
		FAKE_TEST(request_without_header_or_status_breaks_the_device),
		FAKE_TEST(reset_waits_for_what_is_under_way),
		FAKE_TEST(disks_that_cannot_be_are_refused),
	};
	int failed = cmocka_run_group_tests_name("vmm_blk", tests, NULL, NULL);
	driver_loop_stop();
	unlink(on_disk);
	unlink(in_memory);
	return failed;
}
