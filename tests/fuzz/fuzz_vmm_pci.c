/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_vmm_pci.c - any sequence of a guest's accesses to pintle-vmm's PCI bus, with a
 * random number device on it, UART and I/O APIC.
 * Flags: -D_GNU_SOURCE
 * Links: service/vmm/pci.c service/vmm/bus.c service/vmm/virtio_pci.c service/vmm/msix.c
 * Links: service/vmm/virtio.c service/vmm/loop.c service/vmm/memory.c service/vmm/virtio_rng.c
 * Links: service/vmm/queue.c service/vmm/queue_split.c service/vmm/queue_packed.c
 * Links: service/vmm/serial.c service/vmm/ioapic.c tests/unit/fake_vm.c
 */
#include "tests/unit/fake_vm.h"

#include "service/vmm/bus.h"
#include "service/vmm/ioapic.h"
#include "service/vmm/loop.h"
#include "service/vmm/pci.h"
#include "service/vmm/say.h"
#include "service/vmm/serial.h"
#include "service/vmm/virtio.h"
#include "service/vmm/virtio_pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM (256 * KIB)
static uint8_t ram[RAM]; /* whose neighbours ASan guards */
static struct memory memory = {.slot_count = 1, .slot = {{0, RAM, ram}}};
static struct virtio_device *rng;
static struct virtio_pci *pci;
static struct serial serial;
static struct ioapic ioapic;

void say(const char *format, ...)
{
}

/* One access. */
struct step {
	uint8_t kind;
	uint8_t len_log2;
	uint16_t offset;
	uint64_t value;
} __attribute__((packed));

static uint64_t bar(void)
{
	bus_write(BUS_PORT, 0xcf8, 4, 0x80000810);
	return bus_read(BUS_PORT, 0xcfc, 4) & ~UINT64_C(0xf);
}

static void do_config(const struct step *s, unsigned len)
{
	bus_write(BUS_PORT, 0xcf8, 4, 0x80000800 | (s->offset & 0xfc));
	if (s->kind & 0x80) {
		bus_write(BUS_PORT, 0xcfc + (s->offset & 3), len, s->value);
	} else {
		bus_read(BUS_PORT, 0xcfc + (s->offset & 3), len);
	}
}

static void do_step(const struct step *s)
{
	unsigned len = 1u << (s->len_log2 & 3);
	switch (s->kind & 7) {
	case 0:
		do_config(s, len > 4 ? 4 : len);
		break;
	case 1:
	case 2:
		if (s->kind & 0x80) {
			bus_write(BUS_MMIO, bar() + s->offset % 0x8000, len, s->value);
		} else {
			bus_read(BUS_MMIO, bar() + s->offset % 0x8000, len);
		}
		break;
	case 3:
		if (s->kind & 0x80) {
			serial_write(&serial, s->offset & 7, (uint8_t)s->value);
		} else {
			serial_read(&serial, s->offset & 7);
		}
		serial_receive(&serial, (uint8_t)s->value);
		break;
	case 4:
		if (s->kind & 0x80) {
			ioapic_write(&ioapic, s->offset & 0xff, (uint32_t)s->value);
		} else {
			ioapic_read(&ioapic, s->offset & 0xff);
		}
		ioapic_set_line(&ioapic, s->offset % VM_IOAPIC_PINS, s->value & 1);
		ioapic_eoi(&ioapic, (uint8_t)s->value);
		break;
	case 5: /* to RAM, for rings */
		memory_write(&memory, s->offset * UINT64_C(4), &s->value, 8);
		break;
	case 6:
		pthread_mutex_lock(&rng->lock);
		rng->transport->interrupt(rng, s->offset % rng->queue_count);
		virtio_kick(rng, s->offset);
		pthread_mutex_unlock(&rng->lock);
		fake_vm_deliver();
		break;
	default:
		virtio_pci_reset(pci);
		pci_reset();
		break;
	}
}

static void start(void)
{
	fake_vm_reset();
	if (loop_create() != 0 || pci_create() != 0) {
		abort();
	}
	rng = virtio_rng_create(&memory);
	pci = rng != NULL ? virtio_pci_create(&fake_vm.vm, rng) : NULL;
	if (pci == NULL) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (pci == NULL) {
		start();
	}
	memset(ram, 0, sizeof(ram));
	virtio_pci_reset(pci);
	pci_reset();
	serial_reset(&serial);
	ioapic_reset(&ioapic);
	for (; size >= sizeof(struct step); size -= sizeof(struct step)) {
		struct step step;
		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		do_step(&step);
	}
	return 0;
}
