/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_console.c - the console device: a mebibyte both ways at once without a byte
 * lost, ports and their messages, and what is at the other end coming and going.
 *
 * Links: service/vmm/virtio_console.c service/vmm/stream.c service/vmm/loop.c
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/memory.c service/vmm/say.c tests/unit/fake_driver.c
 * Flags: -D_GNU_SOURCE
 * Libs: -Wl,--wrap=writev
 */
#include "tests/unit/fake_driver.h"

#include <fcntl.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/vmm/stream.h"

#define MULTIPORT VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT)
#define TOTAL     (1u << 20)
#define BUFFERS   24u
#define BUFFER    3000u

#define LONG_SEGMENTS 16u
#define LONG_SEGMENT  700000u

static struct driver driver;
static char directory[] = "/tmp/test_vmm_console.XXXXXX";
static char socket_path[2][64];

static uint32_t seed;
static unsigned random_below(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* As a terminal that takes a little at a time. */
ssize_t __real_writev(int fd, const struct iovec *segment, int count);
ssize_t __wrap_writev(int fd, const struct iovec *segment, int count);
ssize_t __wrap_writev(int fd, const struct iovec *segment, int count)
{
	static unsigned calls;
	struct iovec some = {segment->iov_base, 1 + calls * 7919u % segment->iov_len};
	return calls++ % 3 == 0 ? __real_writev(fd, &some, 1) : __real_writev(fd, segment, count);
}

static uint8_t pattern(bool to_guest, size_t at)
{
	return (uint8_t)((at * 2654435761u >> 13) + (to_guest ? 101 : 7));
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	return address;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = address_of(path);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void read_all(int fd, void *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
		ssize_t got = read(fd, (char *)to + at, len - at);
		assert_true(got > 0);
		at += (size_t)got;
	}
}

static void end(void)
{
	driver_end(&driver);
}

/* What the guest does: buffers for input, chains of output. ------------------------------------ */

static uint64_t rx_gpa[BUFFERS], tx_gpa[BUFFERS];
static int rx_slot[VIRTQ_CHAIN_MAX], tx_slot[VIRTQ_CHAIN_MAX];
static bool tx_busy[BUFFERS], rx_busy[BUFFERS];

static void buffers_start(void)
{
	for (unsigned i = 0; i < BUFFERS; i++) {
		rx_gpa[i] = driver_alloc(&driver, BUFFER);
		tx_gpa[i] = driver_alloc(&driver, BUFFER);
		rx_busy[i] = tx_busy[i] = false;
	}
}

static void offer_input(struct driver_queue *queue)
{
	for (unsigned i = 0; i < BUFFERS; i++) {
		uint32_t len = 2 + random_below(BUFFER - 1), cut = 1 + random_below(len - 1);
		struct driver_buffer b[2] = {{.gpa = rx_gpa[i], .len = cut, .write = true},
			{.gpa = rx_gpa[i] + cut, .len = len - cut, .write = true}};
		int id = rx_busy[i] ? -1 : driver_add(queue, b, 2);
		if (id >= 0) {
			rx_busy[i] = true;
			rx_slot[id] = (int)i;
		}
	}
	driver_kick(queue);
}

static size_t take_input(struct driver_queue *queue, size_t at)
{
	uint32_t written;
	int id;
	while ((id = driver_get(queue, &written)) >= 0) {
		const uint8_t *bytes = driver_at(&driver, rx_gpa[rx_slot[id]]);
		assert_true(written != 0);
		for (uint32_t i = 0; i < written; i++) {
			assert_int_equal(bytes[i], pattern(true, at));
			at++;
		}
		rx_busy[rx_slot[id]] = false;
	}
	return at;
}

static size_t put_output(struct driver_queue *queue, size_t at)
{
	for (unsigned i = 0; i < BUFFERS && at < TOTAL; i++) {
		uint32_t len = 1 + random_below(BUFFER), cut = random_below(len + 1);
		if (tx_busy[i]) {
			continue;
		}
		len = len < TOTAL - at ? len : (uint32_t)(TOTAL - at);
		cut = cut < len ? cut : len;
		struct driver_buffer b[2] = {
			{.gpa = tx_gpa[i], .len = cut}, {.gpa = tx_gpa[i] + cut, .len = len - cut}};
		uint8_t *bytes = driver_at(&driver, tx_gpa[i]);
		for (uint32_t j = 0; j < len; j++) {
			bytes[j] = pattern(false, at + j);
		}
		int id = driver_add(queue, b, 2);
		if (id < 0) {
			break;
		}
		at += len;
		tx_busy[i] = true;
		tx_slot[id] = (int)i;
	}
	driver_kick(queue);
	return at;
}

static void reclaim_output(struct driver_queue *queue)
{
	uint32_t written;
	int id;
	while ((id = driver_get(queue, &written)) >= 0) {
		assert_int_equal(written, 0);
		tx_busy[tx_slot[id]] = false;
	}
}

/* The other end: sends and receives at its own pace, then leaves. */
static void *other_end(void *argument)
{
	int fd = *(int *)argument;
	size_t sent = 0, received = 0;
	uint8_t bytes[5000];
	while (sent < TOTAL || received < TOTAL) {
		struct pollfd p = {.fd = fd, .events = POLLIN | (sent < TOTAL ? POLLOUT : 0)};
		if (poll(&p, 1, 60000) != 1) {
			return NULL;
		}
		if ((p.revents & POLLIN) != 0) {
			ssize_t len = recv(fd, bytes, 1 + received % sizeof(bytes), MSG_DONTWAIT);
			for (ssize_t i = 0; i < len; i++) {
				if (bytes[i] != pattern(false, received++)) {
					return NULL;
				}
			}
		}
		if ((p.revents & POLLOUT) != 0) {
			size_t len = 1 + sent % sizeof(bytes);
			len = len < TOTAL - sent ? len : TOTAL - sent;
			for (size_t i = 0; i < len; i++) {
				bytes[i] = pattern(true, sent + i);
			}
			ssize_t done = send(fd, bytes, len, MSG_DONTWAIT);
			sent += done > 0 ? (size_t)done : 0;
		}
	}
	return argument;
}

static void exchange(int fd, struct driver_queue *in, struct driver_queue *out)
{
	pthread_t thread;
	void *result;
	size_t sent = 0, received = 0;
	buffers_start();
	assert_int_equal(pthread_create(&thread, NULL, other_end, &fd), 0);
	while (sent < TOTAL || received < TOTAL) {
		offer_input(in);
		sent = put_output(out, sent);
		bool more = driver_want_interrupt(in, true);
		more = driver_want_interrupt(out, true) || more;
		if (!more && (sent < TOTAL || received < TOTAL)) {
			driver_wait(&driver);
		}
		received = take_input(in, received);
		reclaim_output(out);
	}
	pthread_join(thread, &result);
	assert_non_null(result);
	assert_int_equal(received, TOTAL);
}

static int start_socket(uint64_t features)
{
	int listener = listen_at(socket_path[0]);
	struct virtio_device *device = virtio_console_create(&driver.memory, socket_path[0]);
	assert_non_null(device);
	int fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	close(listener);
	driver_start(&driver, device, features, 0);
	return fd;
}

static void split_console_loses_no_byte(void **state)
{
	(void)state;
	seed = 1;
	int fd = start_socket(FEATURES_SPLIT);
	exchange(fd, &driver.queue[0], &driver.queue[1]);
	close(fd);
	end();
	fd = start_socket(FEATURES_SPLIT | FEATURES_MORE);
	exchange(fd, &driver.queue[0], &driver.queue[1]);
	close(fd);
	end();
}

static void packed_console_loses_no_byte(void **state)
{
	(void)state;
	seed = 2;
	int fd = start_socket(FEATURES_PACKED);
	exchange(fd, &driver.queue[0], &driver.queue[1]);
	close(fd);
	end();
	fd = start_socket(FEATURES_PACKED | FEATURES_MORE);
	exchange(fd, &driver.queue[0], &driver.queue[1]);
	close(fd);
	end();
}

/* Control messages. --------------------------------------------------------------------------- */

static uint64_t control_gpa;

static void offer_control(unsigned count)
{
	struct driver_buffer b = {.gpa = control_gpa, .len = 64, .write = true};
	while (count-- != 0) {
		b.gpa = driver_alloc(&driver, 64);
		assert_true(driver_add(&driver.queue[2], &b, 1) >= 0);
	}
	driver_kick(&driver.queue[2]);
}

static void send_control(uint32_t id, uint16_t event, uint16_t value)
{
	uint32_t written;
	struct virtio_console_control message = {id, event, value};
	struct driver_buffer b = {.gpa = driver_alloc(&driver, 8), .len = 8};
	memcpy(driver_at(&driver, b.gpa), &message, 8);
	assert_true(driver_add(&driver.queue[3], &b, 1) >= 0);
	driver_kick(&driver.queue[3]);
	assert_true(driver_get(&driver.queue[3], &written) >= 0);
}

/* The next message, whose buffer goes in again; buffers come back in order here. */
static uint64_t control_next;
static bool message_is(uint32_t id, uint16_t event, uint16_t value, const char *more)
{
	uint32_t written;
	while (driver_get(&driver.queue[2], &written) < 0) {
		if (!driver_want_interrupt(&driver.queue[2], true)) {
			driver_wait(&driver);
		}
	}
	struct virtio_console_control message;
	memcpy(&message, driver_at(&driver, control_next), 8);
	bool same = memcmp((char *)driver_at(&driver, control_next) + 8, more, strlen(more)) == 0;
	control_next += 64;
	return message.id == id && message.event == event && message.value == value && same &&
		written == 8 + strlen(more);
}

static int start_ports(uint64_t features, int *second)
{
	int listener = listen_at(socket_path[0]);
	char other[80];
	snprintf(other, sizeof(other), "listen:%s", socket_path[1]);
	struct virtio_console_port ports[2] = {
		{"first", socket_path[0], true}, {"second", other, false}};
	static char kept[80];
	strcpy(kept, other);
	ports[1].path = kept;
	struct virtio_device *device = virtio_console_create_ports(&driver.memory, ports, 2);
	assert_non_null(device);
	int fd = accept(listener, NULL, NULL);
	close(listener);
	*second = connect_to(socket_path[1]);
	driver_start(&driver, device, features | MULTIPORT, 0);
	control_next = driver.free_at;
	offer_control(16);
	return fd;
}

static void introduce(void)
{
	send_control(UINT32_MAX, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_true(message_is(0, VIRTIO_CONSOLE_PORT_ADD, 1, ""));
	assert_true(message_is(1, VIRTIO_CONSOLE_PORT_ADD, 1, ""));
	send_control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_true(message_is(0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, ""));
	assert_true(message_is(0, VIRTIO_CONSOLE_PORT_NAME, 1, "first"));
	assert_true(message_is(0, VIRTIO_CONSOLE_PORT_OPEN, 1, ""));
	send_control(1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_true(message_is(1, VIRTIO_CONSOLE_PORT_NAME, 1, "second"));
	/* Whoever connected may not have been accepted by then, but will be. */
	if (!message_is(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "")) {
		assert_true(message_is(1, VIRTIO_CONSOLE_PORT_OPEN, 1, ""));
	}
	send_control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	send_control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void ports(uint64_t features)
{
	int second, first = start_ports(features, &second);
	introduce();
	exchange(first, &driver.queue[0], &driver.queue[1]);
	exchange(second, &driver.queue[4], &driver.queue[5]);
	offer_input(&driver.queue[4]); /* it is by reading that the end is found */
	close(second);
	assert_true(message_is(1, VIRTIO_CONSOLE_PORT_OPEN, 0, ""));
	second = connect_to(socket_path[1]);
	assert_true(message_is(1, VIRTIO_CONSOLE_PORT_OPEN, 1, ""));
	close(first);
	close(second);
	end();
	assert_int_equal(access(socket_path[1], F_OK), -1);
}

static void each_port_has_its_messages_and_bytes(void **state)
{
	(void)state;
	seed = 3;
	ports(FEATURES_SPLIT);
	ports(FEATURES_PACKED | FEATURES_MORE);
}

static void nonsense_in_messages_is_ignored(void **state)
{
	(void)state;
	int second, first = start_ports(FEATURES_SPLIT, &second);
	static const uint32_t ids[] = {2, 7, 8, 31, 32, 0x7fffffff, 0x80000000, UINT32_MAX};
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (unsigned event = 0; event < 9; event++) {
			if (event != VIRTIO_CONSOLE_DEVICE_READY) {
				send_control(ids[i], (uint16_t)event, 1);
			}
			send_control(ids[i], (uint16_t)(0xfff0 + event), 0xffff);
		}
	}
	uint32_t written;
	struct driver_buffer b[2] = {{.gpa = driver_alloc(&driver, 64), .len = 7},
		{.gpa = driver_alloc(&driver, 64), .len = 64, .write = true}};
	driver_add(&driver.queue[3], b, 2);
	driver_kick(&driver.queue[3]);
	assert_true(driver_get(&driver.queue[3], &written) >= 0);
	assert_int_equal(written, 0);
	assert_int_equal(driver_get(&driver.queue[2], &written), -1);
	introduce();
	close(first);
	close(second);
	end();
}

/* Streams. ------------------------------------------------------------------------------------ */

static void write_from_guest(const char *text)
{
	uint32_t written;
	struct driver_buffer b = {.gpa = driver_alloc(&driver, 256), .len = (uint32_t)strlen(text)};
	strcpy(driver_at(&driver, b.gpa), text);
	assert_true(driver_add(&driver.queue[1], &b, 1) >= 0);
	driver_kick(&driver.queue[1]);
	while (driver_get(&driver.queue[1], &written) < 0) {
		if (!driver_want_interrupt(&driver.queue[1], true)) {
			driver_wait(&driver);
		}
	}
}

/* Until the guest has got this text, which begins where the last one ended. */
static void read_in_guest(const char *text)
{
	size_t got = 0;
	while (got < strlen(text)) {
		uint32_t written;
		struct driver_buffer b = {
			.gpa = driver_alloc(&driver, 64), .len = 64, .write = true};
		assert_true(driver_add(&driver.queue[0], &b, 1) >= 0);
		driver_kick(&driver.queue[0]);
		while (driver_get(&driver.queue[0], &written) < 0) {
			if (!driver_want_interrupt(&driver.queue[0], true)) {
				driver_wait(&driver);
			}
		}
		assert_memory_equal(driver_at(&driver, b.gpa), text + got, written);
		got += written;
	}
}

static void start_at(const char *path)
{
	struct virtio_device *device = virtio_console_create(&driver.memory, path);
	assert_non_null(device);
	driver_start(&driver, device, FEATURES_SPLIT, 0);
}

static void those_who_connect_come_and_go(void **state)
{
	(void)state;
	char path[80], got[16];
	snprintf(path, sizeof(path), "listen:%s", socket_path[0]);
	start_at(path);
	write_from_guest("lost, for nobody is there");
	for (unsigned i = 0; i < 3; i++) {
		int fd = connect_to(socket_path[0]);
		assert_int_equal(write(fd, "hello", 5), 5);
		read_in_guest("hello"); /* then it is known that somebody is there */
		write_from_guest("welcome");
		read_all(fd, got, 7);
		assert_memory_equal(got, "welcome", 7);
		close(fd);
	}
	assert_null(virtio_console_create(&driver.memory, path)); /* in use */
	end();
}

static void stale_socket_is_replaced(void **state)
{
	(void)state;
	char path[80];
	close(listen_at(socket_path[0]));
	assert_null(virtio_console_create(&driver.memory, socket_path[0]));
	snprintf(path, sizeof(path), "listen:%s", socket_path[0]);
	start_at(path);
	end();
}

static void pseudo_terminal_is_opened_and_closed(void **state)
{
	(void)state;
	char got[16], name[64] = "";
	/* Its name is only said: read it where it is said. */
	int ends[2], old = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	start_at("pty");
	dup2(old, STDERR_FILENO);
	char text[200] = "";
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_int_equal(sscanf(strstr(text, " is ") + 4, "%63s", name), 1);
	for (unsigned i = 0; i < 200; i++) {
		write_from_guest(
			"lost, for nobody is there, however much there may be of it, so much "
			"that no terminal's own buffer could ever hold all of these words");
		driver.free_at -= 256;
	}
	for (unsigned i = 0; i < 2; i++) {
		int fd = open(name, O_RDWR | O_NOCTTY);
		assert_true(fd >= 0);
		tcflush(fd, TCIFLUSH);
		assert_int_equal(write(fd, "hello", 5), 5);
		read_in_guest("hello");
		write_from_guest("welcome\n");
		read_all(fd, got, 8);
		assert_memory_equal(got, "welcome\n", 8);
		close(fd);
	}
	end();
	close(old);
	close(ends[0]);
	close(ends[1]);
}

static void file_gets_what_the_guest_writes(void **state)
{
	(void)state;
	char path[64], got[16];
	snprintf(path, sizeof(path), "%s/file", directory);
	start_at(path);
	write_from_guest("one ");
	end();
	start_at(path);
	write_from_guest("two");
	uint32_t letter = '!'; /* the emergency way, in four bytes */
	pthread_mutex_lock(&driver.device->lock);
	virtio_config_write(driver.device, 8, &letter, 4);
	virtio_set_status(driver.device, 0);
	virtio_config_write(driver.device, 8, &letter, 1);
	pthread_mutex_unlock(&driver.device->lock);
	end();
	int fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 9);
	assert_memory_equal(got, "one two!!", 9);
	close(fd);
	unlink(path);
	assert_null(virtio_console_create(&driver.memory, "/nonexistent/file"));
	assert_null(virtio_console_create(&driver.memory, directory));
}

static void standard_input_and_output_are_a_console(void **state)
{
	(void)state;
	char got[16];
	int in[2], out[2], old_in = dup(STDIN_FILENO), old_out = dup(STDOUT_FILENO);
	assert_int_equal(pipe(in) | pipe(out), 0);
	fflush(stdout);
	dup2(in[0], STDIN_FILENO);
	dup2(out[1], STDOUT_FILENO);
	start_at("-");
	assert_int_equal(write(in[1], "hello", 5), 5);
	read_in_guest("hello");
	close(in[1]); /* the end of input is not the end of output */
	write_from_guest("welcome");
	read_all(out[0], got, 7);
	assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
	end();
	dup2(old_in, STDIN_FILENO);
	dup2(old_out, STDOUT_FILENO);
	const int all[] = {in[0], out[0], out[1], old_in, old_out};
	for (unsigned i = 0; i < 5; i++) {
		close(all[i]);
	}
	assert_memory_equal(got, "welcome", 7);
}

/* A socket cannot be opened anew, and blocks: who has nothing to say, or does not listen, is not
 * waited for. */
static void a_standard_stream_that_blocks_is_not_waited_for(void **state)
{
	(void)state;
	int ends[2], old_in = dup(STDIN_FILENO), old_out = dup(STDOUT_FILENO);
	struct stream stream;
	char bytes[4096] = {0};
	struct iovec all = {bytes, sizeof(bytes)};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	fflush(stdout);
	dup2(ends[0], STDIN_FILENO);
	dup2(ends[0], STDOUT_FILENO);
	bool opened = stream_open(&stream, "-", "a test", NULL, NULL);
	alarm(20);
	size_t got = stream_read(&stream, &all, 1);
	unsigned writes = 0;
	while (stream_write(&stream, &all, 1) != 0 && writes < 1u << 20) {
		writes++;
	}
	alarm(0);
	stream_close(&stream);
	dup2(old_in, STDIN_FILENO);
	dup2(old_out, STDOUT_FILENO);
	const int fds[] = {ends[0], ends[1], old_in, old_out};
	for (unsigned i = 0; i < 4; i++) {
		close(fds[i]);
	}
	assert_true(opened);
	assert_int_equal(got, 0);
	assert_in_range(writes, 1, (1u << 20) - 1);
}

/* A chain as long as can be does not keep the event loop: it is written in several goes. */
static void a_file_gets_a_long_chain_whole(void **state)
{
	(void)state;
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "%s/long", directory);
	start_at(path);
	struct driver_buffer part[LONG_SEGMENTS];
	uint64_t gpa = driver_alloc(&driver, LONG_SEGMENT);
	uint32_t written;
	for (unsigned i = 0; i < LONG_SEGMENTS; i++) {
		part[i] = (struct driver_buffer){.gpa = gpa, .len = LONG_SEGMENT};
	}
	assert_true(driver_add(&driver.queue[1], part, LONG_SEGMENTS) >= 0);
	driver_kick(&driver.queue[1]);
	while (driver_get(&driver.queue[1], &written) < 0) {
		if (!driver_want_interrupt(&driver.queue[1], true)) {
			driver_wait(&driver);
		}
	}
	end();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, LONG_SEGMENTS * LONG_SEGMENT);
	unlink(path);
}

/* Output that nobody takes waits in the device; a reset forgets it. */
static void reset_forgets_what_waits(void **state)
{
	(void)state;
	int fd = start_socket(FEATURES_SPLIT);
	for (unsigned round = 0; round < 20; round++) {
		buffers_start();
		for (unsigned i = 0; i < 60; i++) {
			put_output(&driver.queue[1], 0);
			reclaim_output(&driver.queue[1]);
		}
		driver_start(&driver, driver.device, FEATURES_SPLIT, 0);
	}
	/* Throw away what came through, then a whole exchange. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	char bytes[4096];
	while (read(fd, bytes, sizeof(bytes)) > 0) {
	}
	fcntl(fd, F_SETFL, 0);
	exchange(fd, &driver.queue[0], &driver.queue[1]);
	close(fd);
	end();
}

int main(void)
{
	assert_non_null(mkdtemp(directory));
	for (unsigned i = 0; i < 2; i++) {
		snprintf(socket_path[i], sizeof(socket_path[i]), "%s/socket%u", directory, i);
	}
	driver_create_with_loop(&driver);
	const struct CMUnitTest tests[] = {
		FAKE_TEST(split_console_loses_no_byte),
		FAKE_TEST(packed_console_loses_no_byte),
		FAKE_TEST(each_port_has_its_messages_and_bytes),
		FAKE_TEST(nonsense_in_messages_is_ignored),
		FAKE_TEST(those_who_connect_come_and_go),
		FAKE_TEST(stale_socket_is_replaced),
		FAKE_TEST(pseudo_terminal_is_opened_and_closed),
		FAKE_TEST(file_gets_what_the_guest_writes),
		FAKE_TEST(standard_input_and_output_are_a_console),
		FAKE_TEST(a_standard_stream_that_blocks_is_not_waited_for),
		FAKE_TEST(a_file_gets_a_long_chain_whole),
		FAKE_TEST(reset_forgets_what_waits),
	};
	int failed = cmocka_run_group_tests_name("vmm_console", tests, NULL, NULL);
	driver_loop_stop();
	unlink(socket_path[0]);
	unlink(socket_path[1]);
	rmdir(directory);
	return failed;
}
