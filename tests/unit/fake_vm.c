/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_vm.c - service/vmm/vm.h without KVM, and interrupt lines without an I/O APIC.
 */
#include "tests/unit/fake_vm.h"

#include <errno.h>
#include <unistd.h>

#include "service/vmm/irq.h"

struct fake_vm fake_vm;

void fake_vm_reset(void)
{
	memset(&fake_vm, 0, sizeof(fake_vm));
	fake_vm.vm.gsi_count = VM_IOAPIC_PINS;
}

void vm_send(struct vm *vm, const struct msi *msi)
{
	fake_vm.sent++;
	fake_vm.last = *msi;
}

int vm_new_gsi(struct vm *vm)
{
	return vm->gsi_count < VM_GSI_MAX ? (int)vm->gsi_count++ : -ENOSPC;
}

int vm_route(struct vm *vm, uint32_t gsi, const struct msi *msi)
{
	assert_true(gsi < vm->gsi_count);
	vm->gsi_routed[gsi] = true;
	vm->gsi_route[gsi] = *msi;
	fake_vm.routes++;
	return 0;
}

int vm_irqfd(struct vm *vm, int eventfd, uint32_t gsi, bool on)
{
	unsigned kept = 0;
	bool had = false;
	for (unsigned i = 0; i < fake_vm.irqfd_count; i++) {
		bool same = fake_vm.irqfd[i].fd == eventfd && fake_vm.irqfd[i].gsi == gsi;
		had |= same;
		if (!same) {
			fake_vm.irqfd[kept++] = fake_vm.irqfd[i];
		}
	}
	assert_int_equal(had, !on); /* neither twice on nor off what is not on */
	fake_vm.irqfd_count = kept;
	if (on) {
		assert_true(vm->gsi_routed[gsi]);
		assert_true(kept < FAKE_VM_MAX);
		fake_vm.irqfd[fake_vm.irqfd_count].fd = eventfd;
		fake_vm.irqfd[fake_vm.irqfd_count++].gsi = gsi;
	}
	return 0;
}

int vm_ioeventfd(struct vm *vm, int eventfd, uint64_t address, uint32_t len, bool on)
{
	unsigned kept = 0;
	bool had = false;
	for (unsigned i = 0; i < fake_vm.ioeventfd_count; i++) {
		bool same = fake_vm.ioeventfd[i].address == address;
		had |= same;
		if (!same) {
			fake_vm.ioeventfd[kept++] = fake_vm.ioeventfd[i];
		}
	}
	assert_int_equal(had, !on);
	fake_vm.ioeventfd_count = kept;
	if (on) {
		assert_true(kept < FAKE_VM_MAX);
		fake_vm.ioeventfd[kept].fd = eventfd;
		fake_vm.ioeventfd[kept].len = len;
		fake_vm.ioeventfd[fake_vm.ioeventfd_count++].address = address;
	}
	return 0;
}

unsigned fake_vm_deliver(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < fake_vm.irqfd_count; i++) {
		uint64_t value;
		if (read(fake_vm.irqfd[i].fd, &value, sizeof(value)) == sizeof(value)) {
			vm_send(&fake_vm.vm, &fake_vm.vm.gsi_route[fake_vm.irqfd[i].gsi]);
			count++;
		}
	}
	return count;
}

bool fake_vm_write(uint64_t address, uint32_t len)
{
	uint64_t one = 1;
	for (unsigned i = 0; i < fake_vm.ioeventfd_count; i++) {
		if (fake_vm.ioeventfd[i].address == address && fake_vm.ioeventfd[i].len == len) {
			return write(fake_vm.ioeventfd[i].fd, &one, sizeof(one)) == sizeof(one);
		}
	}
	return false;
}

void irq_set(struct irq_source *source, bool asserted)
{
	source->asserted = asserted;
}
