/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_net.c - the network device between a driver and passt's protocol, thousands
 * of frames both ways in order without one lost; and between a driver and a tap of the kernel's.
 *
 * Links: service/vmm/virtio_net.c service/vmm/net_passt.c service/vmm/net_tap.c
 * Links: service/vmm/net_vhost.c service/vmm/loop.c
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/virtio.c service/vmm/memory.c service/vmm/say.c tests/unit/fake_driver.c
 * Flags: -D_GNU_SOURCE
 */
#include "tests/unit/fake_driver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADER    12u
#define MERGE     VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define FRAME_MAX (65535u + 14)
#define RX        (&driver.queue[0])
#define TX        (&driver.queue[1])
#define FRAMES    3000u

static struct driver driver;
static char directory[] = "/tmp/test_vmm_net.XXXXXX";
static char path[64];
static int peer = -1;

/* Frame n: its length and bytes follow from n and its direction. */
static uint32_t frame_len(bool to_guest, unsigned n)
{
	uint32_t mixed = (n * 2 + to_guest) * 2654435761u >> 7;
	return mixed % 16 == 0 ? 60 + mixed % (FRAME_MAX - 60) : 14 + mixed % 1600;
}

static uint8_t frame_byte(bool to_guest, unsigned n, uint32_t at)
{
	return (uint8_t)(n * 13 + at * 7 + at / 256 + to_guest);
}

static void frame_make(bool to_guest, unsigned n, uint8_t *bytes)
{
	for (uint32_t i = 0; i < frame_len(to_guest, n); i++) {
		bytes[i] = frame_byte(to_guest, n, i);
	}
}

/* The guest's buffers. ------------------------------------------------------------------------- */

#define SLOTS 64u
static struct slot {
	uint64_t gpa;
	uint32_t len;
	bool busy;
} rx_slot[SLOTS], tx_slot[SLOTS];
static int rx_of[VIRTQ_CHAIN_MAX], tx_of[VIRTQ_CHAIN_MAX];
static unsigned rx_slots, tx_slots;

static void buffers_start(bool merge)
{
	rx_slots = merge ? SLOTS : 12;
	tx_slots = 24;
	memset(rx_slot, 0, sizeof(rx_slot));
	memset(tx_slot, 0, sizeof(tx_slot));
	for (unsigned i = 0; i < rx_slots; i++) {
		rx_slot[i].len = merge ? 64 + i * 37 : FRAME_MAX + HEADER;
		rx_slot[i].gpa = driver_alloc(&driver, rx_slot[i].len);
	}
	for (unsigned i = 0; i < tx_slots; i++) {
		tx_slot[i].gpa = driver_alloc(&driver, FRAME_MAX + HEADER);
	}
}

/* Not all at once: the device shall run out of them in the middle of a frame, too. */
static void offer_buffers(unsigned most)
{
	for (unsigned i = 0; i < rx_slots && most != 0; i++) {
		struct slot *slot = &rx_slot[i];
		uint32_t cut = i % 3 == 0 ? slot->len / 2 : 5;
		struct driver_buffer b[2] = {{.gpa = slot->gpa, .len = cut, .write = true},
			{.gpa = slot->gpa + cut, .len = slot->len - cut, .write = true}};
		int id = slot->busy ? -1 : driver_add(RX, b, 2);
		if (id >= 0) {
			slot->busy = true;
			rx_of[id] = (int)i;
			most--;
		}
	}
	driver_kick(RX);
}

static uint8_t got[FRAME_MAX + HEADER];

/* The next frame into `got`, behind its header; its length with that, 0: there is none yet. */
static uint32_t take_frame(bool merge)
{
	uint32_t written, len = 0;
	unsigned count = 1;
	for (unsigned i = 0; i < count; i++) {
		int id = driver_get(RX, &written);
		if (id < 0) {
			assert_int_equal(i, 0); /* a frame is there whole, or not at all */
			return 0;
		}
		struct slot *slot = &rx_slot[rx_of[id]];
		assert_true(written <= slot->len && len + written <= sizeof(got));
		memcpy(got + len, driver_at(&driver, slot->gpa), written);
		len += written;
		slot->busy = false;
		if (i == 0) {
			struct virtio_net_hdr_v1 header;
			assert_true(written >= HEADER);
			memcpy(&header, got, HEADER);
			count = header.num_buffers;
			assert_true(count == 1 || (merge && count != 0));
		}
	}
	return len;
}

static bool send_frame(const struct virtio_net_hdr_v1 *header, const uint8_t *bytes, uint32_t len)
{
	for (unsigned i = 0; i < tx_slots; i++) {
		struct slot *slot = &tx_slot[i];
		if (slot->busy) {
			continue;
		}
		memcpy(driver_at(&driver, slot->gpa), header, HEADER);
		memcpy(driver_at(&driver, slot->gpa + HEADER), bytes, len);
		uint32_t cut = i % 3 == 0 ? HEADER : (i % 3 == 1 ? 7 : HEADER + len / 2);
		struct driver_buffer b[2] = {{.gpa = slot->gpa, .len = cut},
			{.gpa = slot->gpa + cut, .len = HEADER + len - cut}};
		int id = driver_add(TX, b, 2);
		if (id >= 0) {
			slot->busy = true;
			tx_of[id] = (int)i;
		}
		return id >= 0;
	}
	return false;
}

static void reclaim(void)
{
	uint32_t written;
	int id;
	while ((id = driver_get(TX, &written)) >= 0) {
		assert_int_equal(written, 0);
		tx_slot[tx_of[id]].busy = false;
	}
}

static void wait_for_either(void)
{
	bool more = driver_want_interrupt(RX, true);
	more = driver_want_interrupt(TX, true) || more;
	if (!more) {
		driver_wait(&driver);
	}
}

/* passt's end. -------------------------------------------------------------------------------- */

static int listener = -1;

static void start_passt(uint64_t features, uint16_t size)
{
	struct virtio_device *device = virtio_net_create_passt(&driver.memory, path, NULL);
	assert_non_null(device);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	driver_start(&driver, device, features, size);
}

static void end(void)
{
	driver_end(&driver);
	close(peer);
}

/* Send all frames in pieces without regard to frames, and check all that come. */
static void *run_peer(void *argument)
{
	static uint8_t out[4 + FRAME_MAX], in[4 + FRAME_MAX];
	unsigned sent = 0, received = 0;
	size_t out_at = 0, out_len = 0, in_at = 0;
	while (sent < FRAMES || received < FRAMES) {
		struct pollfd p = {.fd = peer, .events = POLLIN | (sent < FRAMES ? POLLOUT : 0)};
		if (poll(&p, 1, 60000) != 1) {
			return NULL;
		}
		if (out_at == out_len && sent < FRAMES) {
			uint32_t length = htonl(frame_len(true, sent));
			memcpy(out, &length, 4);
			frame_make(true, sent, out + 4);
			out_len = 4 + frame_len(true, sent);
			out_at = 0;
		}
		if ((p.revents & POLLOUT) != 0) {
			size_t most = 1 + (sent * 7919u) % 3000, left = out_len - out_at;
			ssize_t len =
				send(peer, out + out_at, left < most ? left : most, MSG_DONTWAIT);
			out_at += len > 0 ? (size_t)len : 0;
			sent += out_at == out_len;
		}
		if ((p.revents & POLLIN) == 0) {
			continue;
		}
		size_t wanted = in_at < 4 ? 4 - in_at : 4 + frame_len(false, received) - in_at;
		ssize_t len = recv(peer, in + in_at, wanted, MSG_DONTWAIT);
		if (len <= 0) {
			return NULL;
		}
		in_at += (size_t)len;
		uint32_t length;
		memcpy(&length, in, 4);
		if (in_at >= 4 && ntohl(length) != frame_len(false, received)) {
			return NULL;
		}
		if (in_at > 4 && in_at == 4 + frame_len(false, received)) {
			for (uint32_t i = 0; i < frame_len(false, received); i++) {
				if (in[4 + i] != frame_byte(false, received, i)) {
					return NULL;
				}
			}
			received++;
			in_at = 0;
		}
	}
	return argument;
}

static void check_frame(unsigned n, uint32_t len)
{
	static const uint8_t no_header[10];
	assert_memory_equal(got, no_header, sizeof(no_header));
	assert_int_equal(len, HEADER + frame_len(true, n));
	for (uint32_t i = 0; i < frame_len(true, n); i++) {
		assert_int_equal(got[HEADER + i], frame_byte(true, n, i));
	}
}

static void exchange(uint64_t features, uint16_t size)
{
	static uint8_t bytes[FRAME_MAX];
	const struct virtio_net_hdr_v1 header = {0};
	bool merge = (features & MERGE) != 0;
	pthread_t thread;
	void *result;
	start_passt(features, size);
	buffers_start(merge);
	assert_int_equal(pthread_create(&thread, NULL, run_peer, &peer), 0);
	unsigned sent = 0, received = 0;
	while (sent < FRAMES || received < FRAMES) {
		offer_buffers(1 + received % 40);
		while (sent < FRAMES) {
			frame_make(false, sent, bytes);
			if (!send_frame(&header, bytes, frame_len(false, sent))) {
				break;
			}
			sent++;
		}
		driver_kick(TX);
		uint32_t len;
		unsigned before = received;
		while ((len = take_frame(merge)) != 0) {
			check_frame(received++, len);
		}
		reclaim();
		if (received == before) {
			offer_buffers(rx_slots); /* a frame may take all of them */
			wait_for_either();
		}
	}
	pthread_join(thread, &result);
	assert_non_null(result);
	assert_false(driver.device->broken);
	end();
}

static void split_frames_come_through(void **state)
{
	(void)state;
	exchange(FEATURES_SPLIT, 64);
	exchange(FEATURES_SPLIT | FEATURES_MORE, 0);
}

static void packed_frames_come_through(void **state)
{
	(void)state;
	exchange(FEATURES_PACKED, 100);
	exchange(FEATURES_PACKED | FEATURES_MORE, 0);
}

static void merged_buffers_hold_frames(void **state)
{
	(void)state;
	exchange(FEATURES_SPLIT | MERGE, 0);
	exchange(FEATURES_SPLIT | FEATURES_MORE | MERGE, 0);
	exchange(FEATURES_PACKED | MERGE, 0);
	exchange(FEATURES_PACKED | FEATURES_MORE | MERGE, 0);
}

static void peer_sends(unsigned n)
{
	static uint8_t bytes[4 + FRAME_MAX];
	uint32_t length = htonl(frame_len(true, n));
	memcpy(bytes, &length, 4);
	frame_make(true, n, bytes + 4);
	assert_int_equal(send(peer, bytes, 4 + frame_len(true, n), 0), 4 + frame_len(true, n));
}

/* A frame that does not fit into the buffers that there can be is lost, the others are not. */
static void too_long(uint64_t features, uint32_t each)
{
	start_passt(features, 16);
	rx_slots = 16;
	for (unsigned i = 0; i < rx_slots; i++) {
		rx_slot[i] = (struct slot){.gpa = driver_alloc(&driver, each), .len = each};
	}
	unsigned n = 0, fit = 0;
	while (n < 1000 && fit < 20) {
		fit += frame_len(true, n++) <= 8 * each - HEADER;
	}
	for (unsigned i = 0; i < n; i++) {
		if (frame_len(true, i) < 20000) {
			peer_sends(i);
		}
	}
	bool merge = (features & MERGE) != 0;
	uint32_t most = merge ? 8 * each : each, len; /* a buffer has two descriptors of 16 */
	for (unsigned i = 0; i < n; i++) {
		if (frame_len(true, i) >= 20000 || frame_len(true, i) + HEADER > most) {
			continue;
		}
		offer_buffers(16);
		while ((len = take_frame(merge)) == 0) {
			offer_buffers(16);
			if (!driver_want_interrupt(RX, true)) {
				driver_wait(&driver);
			}
		}
		check_frame(i, len);
	}
	assert_false(driver.device->broken);
	end();
}

static void frames_without_room_are_lost_alone(void **state)
{
	(void)state;
	too_long(FEATURES_SPLIT, 800);
	too_long(FEATURES_SPLIT | MERGE, 64);
	too_long(FEATURES_PACKED | MERGE, 64);
	too_long(FEATURES_PACKED | MERGE | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX), 64);
}

static uint16_t link_status(void)
{
	uint16_t status;
	pthread_mutex_lock(&driver.device->lock);
	virtio_config_read(driver.device, 6, &status, sizeof(status));
	pthread_mutex_unlock(&driver.device->lock);
	return status;
}

/* The cable is out, and what is sent is lost, but nothing waits. */
static void unplugged(const void *nonsense, size_t len)
{
	const struct virtio_net_hdr_v1 header = {0};
	start_passt(FEATURES_SPLIT | VIRTIO_FEATURE(VIRTIO_NET_F_STATUS), 0);
	buffers_start(true);
	offer_buffers(SLOTS);
	assert_int_equal(link_status(), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(send(peer, nonsense, len, 0), len);
	shutdown(peer, SHUT_WR);
	while (link_status() != 0) {
		driver_wait(&driver);
	}
	for (unsigned i = 0; i < 100; i++) {
		assert_true(send_frame(&header, got, 100));
		driver_kick(TX);
		reclaim();
	}
	assert_false(driver.device->broken);
	end();
}

static void passt_that_ends_or_is_none_unplugs_the_cable(void **state)
{
	(void)state;
	unplugged("", 0);
	unplugged("\0\0\0\0", 4);
	unplugged("\xff\xff\xff\xff", 4);
	unplugged("\0\x02\0\0", 4);
	unplugged("\0\0\1\0 the beginning of a frame", 27);
}

static void hostile_frames_do_no_harm(void **state)
{
	(void)state;
	uint32_t written;
	start_passt(FEATURES_SPLIT, 0);
	uint64_t gpa = driver_alloc(&driver, 1 << 20);
	const uint32_t lengths[] = {HEADER, HEADER + FRAME_MAX + 5, 1 << 20};
	for (unsigned i = 0; i < 3; i++) {
		struct driver_buffer b = {.gpa = gpa, .len = lengths[i]};
		driver_add(TX, &b, 1);
		driver_kick(TX);
		assert_true(driver_get(TX, &written) >= 0);
		assert_false(driver.device->broken);
	}
	char byte;
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1); /* none of them was sent */
	struct driver_buffer b = {.gpa = gpa, .len = HEADER - 1};
	driver.device->breaks = 1000;
	driver_add(TX, &b, 1);
	driver_kick(TX);
	assert_true(driver.device->broken);
	end();
}

/* Buffers too small for a header, or none that can be written: frames are lost, nothing else. */
static void hostile_buffers_do_no_harm(void **state)
{
	(void)state;
	const uint64_t features[] = {
		FEATURES_SPLIT, FEATURES_SPLIT | MERGE, FEATURES_PACKED | MERGE};
	for (unsigned f = 0; f < 3; f++) {
		start_passt(features[f], 16);
		uint64_t gpa = driver_alloc(&driver, 4096);
		for (unsigned i = 0; i < 16; i++) {
			struct driver_buffer b = {
				.gpa = gpa, .len = 1 + i % 11, .write = i % 4 != 0};
			assert_true(driver_add(RX, &b, 1) >= 0);
		}
		driver_kick(RX);
		for (unsigned n = 0; n < 50; n++) {
			if (frame_len(true, n) < 5000) {
				peer_sends(n);
			}
		}
		shutdown(peer, SHUT_WR);
		while (link_status() != 0) {
			sched_yield();
		}
		uint32_t written;
		assert_int_equal(driver_get(RX, &written), -1);
		assert_false(driver.device->broken);
		end();
	}
}

/* A tap. -------------------------------------------------------------------------------------- */

#define TAP        "vmmtest0"
#define HOST       0x0a090901u /* 10.9.9.1 */
#define GUEST      0x0a090902u
#define UDP_AT     (14 + 20)
#define PAYLOAD_AT (UDP_AT + 8)

static void set_up_interface(const uint8_t *mac)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = {0};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(HOST)}};
	strcpy(request.ifr_name, TAP);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	struct arpreq arp = {.arp_flags = ATF_PERM | ATF_COM};
	address.sin_addr.s_addr = htonl(GUEST);
	memcpy(&arp.arp_pa, &address, sizeof(address));
	memcpy(arp.arp_ha.sa_data, mac, 6);
	strcpy(arp.arp_dev, TAP);
	assert_int_equal(ioctl(fd, SIOCSARP, &arp), 0);
	struct ifreq hardware = {0};
	strcpy(hardware.ifr_name, TAP);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &hardware), 0);
	memcpy(got, hardware.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static uint32_t sum16(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	}
	while (sum >> 16 != 0) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* An UDP datagram whose checksum is left to others: only its pseudo-header's is there. */
static uint32_t make_datagram(uint8_t *f, const uint8_t *to, const uint8_t *from, uint32_t payload)
{
	memset(f, 0, PAYLOAD_AT);
	memcpy(f, to, 6);
	memcpy(f + 6, from, 6);
	put16(f + 12, 0x0800);
	uint8_t *ip = f + 14, *udp = f + UDP_AT;
	ip[0] = 0x45;
	put16(ip + 2, 28 + payload);
	ip[8] = 64;
	ip[9] = 17;
	const uint32_t guest = htonl(GUEST), host = htonl(HOST);
	memcpy(ip + 12, &guest, 4);
	memcpy(ip + 16, &host, 4);
	put16(ip + 10, ~sum16(ip, 20) & 0xffff);
	put16(udp, 7000);
	put16(udp + 2, 7001);
	put16(udp + 4, 8 + payload);
	uint8_t pseudo[12] = {0};
	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = 17;
	put16(pseudo + 10, 8 + payload);
	put16(udp + 6, sum16(pseudo, 12));
	for (uint32_t i = 0; i < payload; i++) {
		f[PAYLOAD_AT + i] = (uint8_t)(i * 3);
	}
	return PAYLOAD_AT + payload;
}

static void tap_from_guest(int udp, const uint8_t *host_mac, const uint8_t *mac)
{
	uint8_t frame[2000], datagram[2000];
	const struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = UDP_AT, .csum_offset = 6};
	for (uint32_t payload = 1; payload < 1400; payload += 99) {
		uint32_t len = make_datagram(frame, host_mac, mac, payload);
		assert_true(send_frame(&header, frame, len));
		driver_kick(TX);
		struct pollfd p = {.fd = udp, .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(recv(udp, datagram, sizeof(datagram), 0), payload);
		assert_memory_equal(datagram, frame + PAYLOAD_AT, payload);
		reclaim();
	}
}

static void tap_to_guest(int udp, bool checksums)
{
	uint8_t payload[1200];
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(7000), .sin_addr = {htonl(GUEST)}};
	for (uint32_t i = 0; i < sizeof(payload); i++) {
		payload[i] = (uint8_t)(i * 5);
	}
	assert_int_equal(sendto(udp, payload, sizeof(payload), 0, (struct sockaddr *)&address,
				 sizeof(address)),
		sizeof(payload));
	for (;;) {
		offer_buffers(SLOTS);
		uint32_t len = take_frame(true);
		if (len == HEADER + PAYLOAD_AT + sizeof(payload) && got[HEADER + 14 + 9] == 17) {
			break;
		}
		if (len == 0 && !driver_want_interrupt(RX, true)) {
			driver_wait(&driver);
		}
	}
	assert_int_equal(got[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM, checksums);
	assert_memory_equal(got + HEADER + PAYLOAD_AT, payload, sizeof(payload));
}

static void tap(uint64_t features)
{
	uint8_t mac[6], host_mac[6];
	struct virtio_device *device = virtio_net_create_tap(&driver.memory, TAP, NULL);
	assert_non_null(device);
	assert_null(virtio_net_create_tap(&driver.memory, TAP, NULL)); /* in use */
	driver_start(&driver, device, features | MERGE, 0);
	buffers_start(true);
	virtio_config_read(device, 0, mac, 6);
	set_up_interface(mac);
	memcpy(host_mac, got, 6);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(7001), .sin_addr = {htonl(HOST)}};
	assert_int_equal(bind(udp, (struct sockaddr *)&address, sizeof(address)), 0);
	tap_from_guest(udp, host_mac, mac);
	tap_to_guest(udp, (features & VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM)) != 0);
	close(udp);
	driver_end(&driver);
}

static void tap_carries_frames_and_their_checksums(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
		print_message("not as root, or without /dev/net/tun: skipped\n");
		skip();
	}
	assert_null(virtio_net_create_tap(&driver.memory, "a-name-that-is-too-long", NULL));
	const uint64_t checksums =
		VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	tap(FEATURES_SPLIT);
	tap(FEATURES_SPLIT | FEATURES_MORE | checksums);
	tap(FEATURES_PACKED | FEATURES_MORE | checksums);
}

int main(void)
{
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	driver_create_with_loop(&driver);
	const struct CMUnitTest tests[] = {
		FAKE_TEST(split_frames_come_through),
		FAKE_TEST(packed_frames_come_through),
		FAKE_TEST(merged_buffers_hold_frames),
		FAKE_TEST(frames_without_room_are_lost_alone),
		FAKE_TEST(passt_that_ends_or_is_none_unplugs_the_cable),
		FAKE_TEST(hostile_frames_do_no_harm),
		FAKE_TEST(hostile_buffers_do_no_harm),
		FAKE_TEST(tap_carries_frames_and_their_checksums),
	};
	int failed = cmocka_run_group_tests_name("vmm_net", tests, NULL, NULL);
	driver_loop_stop();
	unlink(path);
	rmdir(directory);
	return failed;
}
