/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/machine.c - QUERY, SHARE, UNSHARE, EVENT_PAGE, and the PCI function. */
#include "tests/calls/guest.h"

#define OUT_OF_RAM 0xffe00000ull /* firmware */

static void query(void)
{
	CASE("QUERY answers, and refuses what it does not know");
	EXPECT(PINTLE_VERSION_ABI, QUERY(VERSION));
	EXPECT_TRUE(QUERY(FEATURES) >= 0);
	EXPECT(1, QUERY(CPUS));
	EXPECT(0, QUERY(VMS));
	EXPECT(0, QUERY(PIECES));
	EXPECT_TRUE(QUERY(VM_PAGES) > 3 && QUERY(VM_PAGES) < 32);
	EXPECT_TRUE(QUERY(VCPU_PAGES) > 2 && QUERY(VCPU_PAGES) < 16);
	EXPECT_TRUE(QUERY(TSC_KHZ) > 10000);
	EXPECT_TRUE(QUERY(XSAVE_SIZE) >= 512);
	EXPECT_TRUE(QUERY(VCPUS_MAX) >= 64);
	EXPECT(-EINVAL, CALL(QUERY, PINTLE_QUERY_VCPUS_MAX + 1));
	EXPECT(-EINVAL, CALL(QUERY, UINT64_MAX));

	CASE("a hypercall changes RAX and no other register");
	EXPECT_TRUE(keeps_registers(PINTLE_QUERY));

	CASE("numbers that there are not are ENOSYS");
	EXPECT(-ENOSYS, hypercall(PINTLE_CALL + 14, 0, 0, 0, 0, 0));
	EXPECT(-ENOSYS, hypercall(PINTLE_CALL + 28, 0, 0, 0, 0, 0));
	EXPECT(-ENOSYS, hypercall(PINTLE_CALL + 0xff, 0, 0, 0, 0, 0));

	CASE("the upper half of RAX does not count");
	EXPECT(PINTLE_VERSION_ABI, hypercall(PINTLE_QUERY | 1ull << 40, 0, 0, 0, 0, 0));
}

static void share(void)
{
	uint64_t one = piece();

	CASE("SHARE takes whole pieces of RAM, each once");
	EXPECT(-EFAULT, CALL(SHARE, one + PAGE));
	EXPECT(-EFAULT, CALL(SHARE, OUT_OF_RAM));
	EXPECT(-EFAULT, CALL(SHARE, 1ull << 51));
	EXPECT(-EFAULT, CALL(SHARE, UINT64_MAX));
	EXPECT(0, CALL(SHARE, one));
	EXPECT(-EBUSY, CALL(SHARE, one));
	EXPECT(-EBUSY, CALL(VM_CREATE, one));

	CASE("UNSHARE takes back what is shared and not in use");
	EXPECT(0, CALL(EVENT_PAGE, 0, one + 5 * PAGE));
	EXPECT(-EBUSY, CALL(UNSHARE, one));
	EXPECT(0, CALL(EVENT_PAGE, 0, (uintptr_t)event_page[0]));
	EXPECT(0, CALL(UNSHARE, one));
	EXPECT(-EINVAL, CALL(UNSHARE, one));
	EXPECT(-EINVAL, CALL(UNSHARE, piece()));
	EXPECT(-EFAULT, CALL(EVENT_PAGE, 0, one));
	EXPECT(0, CALL(SHARE, one));
	EXPECT(0, CALL(UNSHARE, one));

	CASE("EVENT_PAGE takes pages of shared pieces, and CPUs that there are");
	EXPECT(-EFAULT, CALL(EVENT_PAGE, 0, (uintptr_t)event_page[0] + 8));
	EXPECT(-EFAULT, CALL(EVENT_PAGE, 0, piece()));
	EXPECT(-EINVAL, CALL(EVENT_PAGE, 1, (uintptr_t)event_page[0]));
	EXPECT(-EINVAL, CALL(EVENT_PAGE, UINT64_MAX, 0));
	EXPECT(0, CALL(EVENT_PAGE, 0, 0));
	EXPECT(0, CALL(EVENT_PAGE, 0, 0));
	EXPECT(0, CALL(EVENT_PAGE, 0, (uintptr_t)event_page[0]));
	EXPECT(0, CALL(EVENT_PAGE, 0, (uintptr_t)event_page[0]));
}

static void configuration(void)
{
	unsigned capability = pci_read(function_place, 0x34);

	CASE("the PCI function has its numbers, and MSI-X with a vector for each CPU");
	EXPECT_TRUE(function_place != 0);
	EXPECT(PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR, pci_read(function_place, 0x2c));
	EXPECT(0x08800000, pci_read(function_place, 8));
	EXPECT(0, pci_read(function_place, 0xc)); /* one function, an ordinary header */
	EXPECT(0x00100000, pci_read(function_place, 4) & 0xffff0000);
	EXPECT(0x80000011, pci_read(function_place, capability)); /* one vector, enabled */
	EXPECT(0, pci_read(function_place, capability + 4) & 7);
	EXPECT(0, pci_read(function_place, capability + 8) & 7);
	EXPECT(-1u, pci_read(function_place | 1 << 8, 0));

	CASE("its registers are read in all sizes");
	port_write32(0xcf8, function_place);
	EXPECT(PINTLE_PCI_VENDOR, port_read32(0xcfc) & 0xffff);
	uint16_t half;
	uint8_t byte;
	__asm__ volatile("inw %1, %0" : "=a"(half) : "d"((uint16_t)0xcfe));
	EXPECT(PINTLE_PCI_DEVICE, half);
	__asm__ volatile("inb %1, %0" : "=a"(byte) : "d"((uint16_t)0xcfd));
	EXPECT(PINTLE_PCI_VENDOR >> 8, byte);
	EXPECT(function_place, port_read32(0xcf8));

	CASE("the BAR tells its size, and moves");
	pci_write(function_place, 4, 0);
	pci_write(function_place, 0x10, -1u);
	EXPECT(0xffffc000, pci_read(function_place, 0x10));
	pci_write(function_place, 0x14, -1u);
	EXPECT(0, pci_read(function_place, 0x14));
	pci_write(function_place, 0x10, FUNCTION_BAR + 0x100000);
	pci_write(function_place, 4, 6);
	volatile uint32_t *moved = function_table + 0x100000 / 4;
	EXPECT(EVENT_VECTOR, moved[2]);
	EXPECT_TRUE(function_table[2] != EVENT_VECTOR); /* nobody, or 0 in QEMU */
	pci_write(function_place, 0x10, FUNCTION_BAR);
	EXPECT(EVENT_VECTOR, function_table[2]);
	EXPECT_TRUE(moved[2] != EVENT_VECTOR);
	EXPECT(0, function_table[0x3000 / 4]);
}

GUEST(two_outs, 64, "1: out %al, $0x99; jmp 1b");

static void interrupts(void)
{
	unsigned capability = pci_read(function_place, 0x34);
	struct guest g = NEW(64, two_outs);
	unsigned before;

	CASE("an event raises its CPU's vector once, until the service VM has looked");
	before = event_interrupts[0];
	g.record->exit = 0;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	WAIT_FOR(event_interrupts[0] != before);
	EXPECT(before + 1, event_interrupts[0]);
	EXPECT(PINTLE_EXIT_IO, g.record->exit);
	EXPECT_TRUE(event_page[0]->words & 1ull << g.event / 64);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0)); /* the bit is set still: nothing new is told */
	WAIT_FOR(CALL(VCPU_STOP, g.vm, 0) == 0);
	EXPECT(before + 1, event_interrupts[0]);
	EXPECT_TRUE(event_comes(g.event));

	CASE("a masked vector waits, and comes when it is opened");
	before = event_interrupts[0];
	function_table[3] = 1;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	EXPECT_TRUE(event_comes(g.event));
	EXPECT(before, event_interrupts[0]);
	EXPECT(1, function_table[0x2000 / 4] & 1);
	function_table[3] = 0;
	EXPECT(0, function_table[0x2000 / 4] & 1);
	doze();
	EXPECT(before + 1, event_interrupts[0]);

	CASE("so it is when all are masked in the capability");
	pci_write(function_place, capability, 0xc0000000);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	EXPECT_TRUE(event_comes(g.event));
	EXPECT(before + 1, event_interrupts[0]);
	pci_write(function_place, capability, 0x80000000);
	doze();
	EXPECT(before + 2, event_interrupts[0]);
	guest_end(&g);
}

void service(void)
{
	query();
	share();
	configuration();
	interrupts();
}
