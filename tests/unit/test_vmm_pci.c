/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_pci.c - pintle-vmm's PCI bus and virtio transport, as a driver uses them.
 *
 * Flags: -D_GNU_SOURCE
 * Links: service/vmm/pci.c service/vmm/bus.c service/vmm/virtio_pci.c service/vmm/msix.c
 * Links: service/vmm/virtio.c service/vmm/loop.c service/vmm/say.c service/vmm/memory.c
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: tests/unit/fake_vm.c
 */
#include "tests/unit/fake_vm.h"

#include <linux/virtio_pci.h>
#include <poll.h>

#include "service/vmm/bus.h"
#include "service/vmm/loop.h"
#include "service/vmm/pci.h"
#include "service/vmm/virtio.h"
#include "service/vmm/virtio_pci.h"

#define QUEUES  3u
#define RAM     (2 * MIB)
#define DEVICE  1u /* the first number after the host bridge */
#define OFFERED (VIRTIO_FEATURES_RINGS | VIRTIO_FEATURE(5))

/* A device that counts what the transport does with it. */
static struct virtqueue queues[QUEUES];
static struct virtio_device device;
static struct memory memory;
static uint8_t config[6] = {1, 2, 3, 4, 5, 6};
static unsigned kicks[QUEUES], starts, resets;
static bool stop_at_kick;
static struct virtio_pci *pci;

static void on_kick(struct virtio_device *d, unsigned queue)
{
	kicks[queue]++;
	if (stop_at_kick) {
		loop_stop();
	}
}
static void on_start(struct virtio_device *d)
{
	starts++;
}
static void on_reset(struct virtio_device *d)
{
	resets++;
}
static void on_destroy(struct virtio_device *d)
{
}
static void on_config_write(
	struct virtio_device *d, uint32_t offset, const void *data, uint32_t len)
{
	memcpy(config + offset, data, len);
}
static const struct virtio_ops ops = {.name = "test",
	.id = VIRTIO_ID_RNG,
	.start = on_start,
	.kick = on_kick,
	.config_write = on_config_write,
	.reset = on_reset,
	.destroy = on_destroy};

/* The guest's side. --------------------------------------------------------------------------- */

static uint32_t config_read(unsigned offset, unsigned len)
{
	bus_write(BUS_PORT, 0xcf8, 4, 0x80000000 | DEVICE << 11 | (offset & 0xfc));
	return (uint32_t)bus_read(BUS_PORT, 0xcfc + (offset & 3), len);
}

static void config_write(unsigned offset, unsigned len, uint32_t value)
{
	bus_write(BUS_PORT, 0xcf8, 4, 0x80000000 | DEVICE << 11 | (offset & 0xfc));
	bus_write(BUS_PORT, 0xcfc + (offset & 3), len, value);
}

/* The capability of this id and, for virtio's, this type; its offset. */
static unsigned capability(uint8_t id, uint8_t type)
{
	unsigned at = config_read(0x34, 1);
	for (unsigned i = 0; at != 0 && i < 48; i++) {
		if (config_read(at, 1) == id && (id != 9 || config_read(at + 3, 1) == type)) {
			return at;
		}
		at = config_read(at + 1, 1);
	}
	fail_msg("no capability %x, type %u", id, type);
	return 0;
}

static uint64_t bar(void)
{
	return config_read(0x10, 4) & ~0xfu;
}

static uint64_t region(uint8_t type)
{
	return bar() + config_read(capability(9, type) + 8, 4);
}

static uint64_t common_read(unsigned offset, unsigned len)
{
	return bus_read(BUS_MMIO, region(VIRTIO_PCI_CAP_COMMON_CFG) + offset, len);
}

static void common_write(unsigned offset, unsigned len, uint64_t value)
{
	bus_write(BUS_MMIO, region(VIRTIO_PCI_CAP_COMMON_CFG) + offset, len, value);
}

static uint64_t msix_entry(unsigned vector)
{
	return bar() + config_read(capability(0x11, 0) + 4, 4) + vector * 16;
}

static void notify(unsigned queue)
{
	common_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	unsigned at = capability(9, VIRTIO_PCI_CAP_NOTIFY_CFG);
	uint64_t address = region(VIRTIO_PCI_CAP_NOTIFY_CFG) +
		common_read(VIRTIO_PCI_COMMON_Q_NOFF, 2) * config_read(at + 16, 4);
	if (!fake_vm_write(address, 2)) {
		bus_write(BUS_MMIO, address, 2, queue);
	}
}

/* Until the device has been kicked by the event loop. */
static void notify_and_wait(unsigned queue)
{
	stop_at_kick = true;
	notify(queue);
	loop_run();
	stop_at_kick = false;
}

static void set_up_queue(unsigned queue, uint16_t vector)
{
	uint64_t at = 0x10000 + queue * UINT64_C(0x10000);
	common_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	common_write(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
	common_write(VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
	common_write(VIRTIO_PCI_COMMON_Q_DESCLO, 4, at);
	common_write(VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
	common_write(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, at + 0x1000);
	common_write(VIRTIO_PCI_COMMON_Q_USEDLO, 4, at + 0x2000);
	common_write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void negotiate(void)
{
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 1);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	common_write(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	common_write(VIRTIO_PCI_COMMON_GF, 4, 1);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 11);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_STATUS, 1), 11);
}

/* Two queues at work, with vectors 1 and 2, the configuration's being 0. */
static void start_driver(void)
{
	negotiate();
	common_write(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	set_up_queue(0, 1);
	set_up_queue(1, 2);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 15);
}

static void enable_msix(void)
{
	unsigned at = capability(0x11, 0);
	config_write(at + 2, 2, 0x8000);
	for (unsigned i = 0; i <= QUEUES; i++) {
		bus_write(BUS_MMIO, msix_entry(i), 8, 0xfee00000);
		bus_write(BUS_MMIO, msix_entry(i) + 8, 4, 0x40 + i);
		bus_write(BUS_MMIO, msix_entry(i) + 12, 4, 0);
	}
}

static void raise_queue(unsigned queue)
{
	pthread_mutex_lock(&device.lock);
	device.transport->interrupt(&device, queue);
	pthread_mutex_unlock(&device.lock);
}

static int reset_machine(void **state)
{
	fake_setup(state);
	virtio_pci_reset(pci);
	pci_reset();
	memset(kicks, 0, sizeof(kicks));
	starts = resets = fake_vm.sent = 0;
	return 0;
}

static void the_function_says_what_it_is(void **state)
{
	assert_int_equal(config_read(0, 4), 0x10441af4);
	assert_int_equal(config_read(6, 2) & 0x10, 0x10);
	assert_int_equal(config_read(0x3d, 1), 1);
	assert_int_equal(capability(9, VIRTIO_PCI_CAP_ISR_CFG) % 4, 0);
	assert_int_equal(config_read(capability(0x11, 0) + 2, 2), QUEUES);
	/* Where nothing is, ones are read. */
	bus_write(BUS_PORT, 0xcf8, 4, 0x80000000 | (DEVICE + 1) << 11);
	assert_int_equal(bus_read(BUS_PORT, 0xcfc, 4), 0xffffffff);
	bus_write(BUS_PORT, 0xcf8, 4, DEVICE << 11);
	assert_int_equal(bus_read(BUS_PORT, 0xcfc, 4), 0xffffffff);
}

static void the_bar_is_sized_and_moved_with_its_notifications(void **state)
{
	uint64_t at = bar();
	assert_int_equal(fake_vm.ioeventfd_count, QUEUES);
	config_write(0x10, 4, 0xffffffff);
	assert_int_equal(config_read(0x10, 4), 0xffff8000);
	assert_int_equal(fake_vm.ioeventfd_count, 0);
	assert_int_equal(bus_read(BUS_MMIO, at, 4), 0xffffffff);
	config_write(0x10, 4, 0xd0000000);
	assert_int_equal(fake_vm.ioeventfd_count, QUEUES);
	assert_int_equal(fake_vm.ioeventfd[0].address & ~UINT64_C(0x7fff), 0xd0000000);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	/* Not decoded, or where memory or other devices are. */
	config_write(4, 2, 0);
	assert_int_equal(fake_vm.ioeventfd_count, 0);
	config_write(4, 2, 2);
	assert_int_equal(fake_vm.ioeventfd_count, QUEUES);
	static const uint32_t nowhere[] = {0, 0x1000000, 0xbfff8000, 0xfec00000, 0xfee00000};
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		config_write(0x10, 4, nowhere[i]);
		assert_int_equal(fake_vm.ioeventfd_count, 0);
	}
	pci_reset();
	assert_int_equal(bar(), at);
	assert_int_equal(fake_vm.ioeventfd_count, QUEUES);
}

static void features_are_read_and_accepted_in_halves(void **state)
{
	common_write(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	uint64_t offered = common_read(VIRTIO_PCI_COMMON_DF, 4);
	common_write(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	offered |= common_read(VIRTIO_PCI_COMMON_DF, 4) << 32;
	assert_int_equal(offered, device.offered);
	common_write(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_DF, 4), 0);
	negotiate();
	assert_int_equal(device.features, VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
	/* One that is not offered does not become final. */
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	common_write(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	common_write(VIRTIO_PCI_COMMON_GF, 4, 1u << 6);
	common_write(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	common_write(VIRTIO_PCI_COMMON_GF, 4, 1);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 11);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_STATUS, 1), 3);
}

static void a_queue_is_set_up_and_its_notification_arrives(void **state)
{
	start_driver();
	assert_int_equal(starts, 1);
	assert_true(queues[0].enabled && queues[1].enabled && !queues[2].enabled);
	assert_int_equal(queues[1].size, 16);
	assert_int_equal(queues[1].desc, 0x20000);
	assert_int_equal(queues[1].driver, 0x21000);
	assert_int_equal(queues[1].device, 0x22000);
	/* What is enabled stays as it is. */
	common_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	common_write(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x90000);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x20000);
	memset(kicks, 0, sizeof(kicks));
	notify_and_wait(1);
	assert_int_equal(kicks[0], 0);
	assert_int_equal(kicks[1], 1);
	/* A queue that does not exist reads as zero and is not written. */
	common_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, QUEUES);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	common_write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void an_unmasked_vector_interrupts_and_a_masked_one_waits(void **state)
{
	enable_msix();
	start_driver();
	assert_int_equal(fake_vm.irqfd_count, QUEUES + 1);
	raise_queue(1);
	assert_int_equal(fake_vm_deliver(), 1);
	assert_int_equal(fake_vm.last.data, 0x42);
	assert_int_equal(fake_vm.last.address, 0xfee00000);
	bus_write(BUS_MMIO, msix_entry(2) + 12, 4, 1);
	uint64_t pba = bar() + config_read(capability(0x11, 0) + 8, 4);
	assert_int_equal(bus_read(BUS_MMIO, pba, 8), 0);
	raise_queue(1);
	raise_queue(1);
	assert_int_equal(fake_vm_deliver(), 0);
	assert_int_equal(bus_read(BUS_MMIO, pba, 8), 4);
	bus_write(BUS_MMIO, msix_entry(2) + 8, 4, 0x77);
	fake_vm.sent = 0;
	bus_write(BUS_MMIO, msix_entry(2) + 12, 4, 0);
	assert_int_equal(fake_vm.sent, 1);
	assert_int_equal(fake_vm.last.data, 0x77);
	assert_int_equal(fake_vm_deliver(), 0);
	assert_int_equal(bus_read(BUS_MMIO, pba, 8), 0);
	/* The mask of all. */
	config_write(capability(0x11, 0) + 2, 2, 0xc000);
	assert_int_equal(fake_vm.irqfd_count, 0);
	raise_queue(0);
	config_write(capability(0x11, 0) + 2, 2, 0x8000);
	assert_int_equal(fake_vm.last.data, 0x41);
}

static void a_vector_that_is_not_there_is_none(void **state)
{
	enable_msix();
	start_driver();
	common_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	common_write(VIRTIO_PCI_COMMON_Q_MSIX, 2, QUEUES + 1);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	raise_queue(0);
	assert_int_equal(fake_vm_deliver(), 0);
}

static bool status_pin(void)
{
	return (config_read(6, 2) & 8) != 0;
}

static void without_msix_the_pin_tells_until_it_is_read(void **state)
{
	start_driver();
	uint64_t isr = region(VIRTIO_PCI_CAP_ISR_CFG);
	assert_false(status_pin());
	raise_queue(0);
	assert_true(status_pin());
	assert_int_equal(bus_read(BUS_MMIO, isr, 1), 1);
	assert_false(status_pin());
	assert_int_equal(bus_read(BUS_MMIO, isr, 1), 0);
	pthread_mutex_lock(&device.lock);
	virtio_config_changed(&device);
	pthread_mutex_unlock(&device.lock);
	assert_int_equal(bus_read(BUS_MMIO, isr, 1), 2);
	raise_queue(0);
	enable_msix();
	assert_false(status_pin());
}

static void a_reset_forgets_the_driver(void **state)
{
	enable_msix();
	start_driver();
	pthread_mutex_lock(&device.lock);
	int fd = device.transport->kick_fd(&device, 0);
	assert_int_not_equal(device.transport->interrupt_fd(&device, 0), -1);
	pthread_mutex_unlock(&device.lock);
	notify(0); /* nobody here waits for it any more */
	struct pollfd state_of_fd = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&state_of_fd, 1, 0), 1);
	assert_int_equal(resets, 1);
	common_write(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(resets, 2);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
	assert_false(queues[0].enabled);
	start_driver();
	notify_and_wait(0);
	assert_true(kicks[0] >= 1);
}

static void the_device_s_own_space_is_read_and_written(void **state)
{
	uint64_t at = region(VIRTIO_PCI_CAP_DEVICE_CFG);
	assert_int_equal(bus_read(BUS_MMIO, at, 4), 0x04030201);
	assert_int_equal(bus_read(BUS_MMIO, at + 4, 4), 0x0605);
	assert_int_equal(bus_read(BUS_MMIO, at + 0xffc, 4), 0);
	bus_write(BUS_MMIO, at + 2, 1, 0x99);
	assert_int_equal(bus_read(BUS_MMIO, at + 2, 1), 0x99);
	bus_write(BUS_MMIO, at + 4, 4, 0xffffffff); /* beyond the end: not written */
	assert_int_equal(bus_read(BUS_MMIO, at + 4, 2), 0x0605);
	config[2] = 3;
}

static void the_window_in_configuration_space_reaches_the_bar(void **state)
{
	unsigned at = capability(9, VIRTIO_PCI_CAP_PCI_CFG);
	uint32_t common = config_read(capability(9, VIRTIO_PCI_CAP_COMMON_CFG) + 8, 4);
	config_write(at + 4, 1, 0);
	config_write(at + 8, 4, common + VIRTIO_PCI_COMMON_NUMQ);
	config_write(at + 12, 4, 2);
	assert_int_equal(config_read(at + 16, 4), QUEUES);
	config_write(at + 8, 4, common + VIRTIO_PCI_COMMON_STATUS);
	config_write(at + 12, 4, 1);
	config_write(at + 16, 1, 1);
	assert_int_equal(common_read(VIRTIO_PCI_COMMON_STATUS, 1), 1);
	/* Beyond the BAR, or of no length that there is. */
	config_write(at + 8, 4, 0x8000);
	config_read(at + 16, 4);
	config_write(at + 8, 4, 0xffffffff);
	config_write(at + 16, 4, 0);
	config_write(at + 8, 4, common);
	config_write(at + 12, 4, 0x80000001);
	config_read(at + 16, 4);
}

#define PCI_TEST(f) cmocka_unit_test_setup(f, reset_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCI_TEST(the_function_says_what_it_is),
		PCI_TEST(the_bar_is_sized_and_moved_with_its_notifications),
		PCI_TEST(features_are_read_and_accepted_in_halves),
		PCI_TEST(a_queue_is_set_up_and_its_notification_arrives),
		PCI_TEST(an_unmasked_vector_interrupts_and_a_masked_one_waits),
		PCI_TEST(a_vector_that_is_not_there_is_none),
		PCI_TEST(without_msix_the_pin_tells_until_it_is_read),
		PCI_TEST(a_reset_forgets_the_driver),
		PCI_TEST(the_device_s_own_space_is_read_and_written),
		PCI_TEST(the_window_in_configuration_space_reaches_the_bar),
	};
	fake_vm_reset();
	device = (struct virtio_device){.ops = &ops,
		.offered = OFFERED,
		.memory = &memory,
		.queue = queues,
		.queue_count = QUEUES,
		.config = config,
		.config_size = sizeof(config)};
	for (unsigned i = 0; i < QUEUES; i++) {
		queues[i].max_size = 64;
	}
	if (memory_create(&memory, RAM) != 0 || loop_create() != 0 || pci_create() != 0) {
		return 1;
	}
	virtio_init(&device);
	pci = virtio_pci_create(&fake_vm.vm, &device);
	int failed = pci != NULL ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	if (pci != NULL) {
		virtio_pci_destroy(pci);
	}
	memory_destroy(&memory);
	return failed;
}
