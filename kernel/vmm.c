/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vmm.c - from exits that are a VMM's to records, doorbells and events. Runs: on the exiting
 * CPU, interrupts off.
 */
#include "kernel/exit.h"

/* [A] by service CPU */
static struct pintle_events *_Atomic event_pages[CPUS_MAX];

void vmm_set_event_page(unsigned cpu, struct pintle_events *page)
{
	struct pintle_events *old = atomic_exchange(&event_pages[cpu], page);

	if (old != NULL) {
		pieces_drop(virt_to_phys(old).raw, 1);
	}
}

void vmm_event(uint32_t event)
{
	unsigned cpu = event >> 16, bit = event & (PINTLE_EVENTS - 1);
	struct pintle_events *page = cpu < CPUS_MAX ? event_pages[cpu] : NULL;

	if (page != NULL &&
		!(__atomic_fetch_or(&page->bits[bit / 64], BIT(bit % 64), __ATOMIC_SEQ_CST) &
			BIT(bit % 64))) {
		__atomic_fetch_or(&page->words, BIT(bit / 64), __ATOMIC_SEQ_CST);
		devices_event(cpu);
	}
}

/* Doorbells */

static bool ring(
	struct vm *vm, uint64_t address, enum pintle_place place, uint8_t size, uint64_t value)
{
	bool rung = false;
	uint32_t event = 0;

	if (vm->doorbell_end == 0) {
		return false;
	}
	uint64_t flags = lock_acquire(&vm->doorbell_lock);
	for (unsigned i = 0; i < vm->doorbell_end && !rung; i++) {
		const struct pintle_doorbell *bell = &vm->doorbells[i];
		rung = bell->address == address && bell->place == place &&
			(bell->size == 0 || bell->size == size) &&
			(!bell->match || bell->data == value);
		event = bell->event;
	}
	lock_release(&vm->doorbell_lock, flags);
	if (rung) {
		vmm_event(event);
	}
	return rung;
}

void vmm_doorbell(struct vm *vm, unsigned number, const struct pintle_doorbell *bell)
{
	LOCK_HOLD(&vm->doorbell_lock);
	vm->doorbells[number] = *bell;
	vm->doorbell_end = (unsigned)max_u64(vm->doorbell_end, number + 1);
}

/* Exits */

void vmm_stop(struct vcpu *vcpu, enum pintle_exit exit, uint64_t value)
{
	vcpu->record->value = value;
	vcpu->record->ran = vcpu->sched.ran;
	vcpu->record->waited = vcpu->sched.waited;
	vcpu->asks = exit;
	vcpu_request(vcpu, VCPU_REQUEST_LOOK);
	bool stopped = atomic_exchange(&vcpu->stopped, true);
	/* Who sees this may let it run again, and needs no event: so this is before the look. */
	__atomic_store_n(&vcpu->record->exit, exit, __ATOMIC_SEQ_CST);
	/* Who stops it at the same time finds the record; who waits is woken when it sleeps. */
	if (!stopped && vcpu->waiter == NULL) {
		vmm_event(vcpu->event);
	}
}

bool vmm_ask(struct vcpu *vcpu, enum pintle_exit exit, uint64_t address, uint8_t size, bool write,
	uint64_t *value)
{
	struct pintle_record *record = vcpu->record;
	uint64_t mask = UINT64_MAX >> (64 - 8 * size);

	if (vcpu->answer == ANSWER_GIVEN) {
		vcpu->answer = ANSWER_NONE;
		*value = write ? *value : vcpu->answer_value & mask;
		return true;
	}
	enum pintle_place place = exit == PINTLE_EXIT_IO ? PINTLE_PORT : PINTLE_MEMORY;
	if (write && ring(vcpu->vm, address, place, size, *value & mask)) {
		return true;
	}
	vcpu->answer = ANSWER_ASKED;
	record->size = size;
	record->write = write;
	record->address = address;
	vmm_stop(vcpu, exit, write ? *value & mask : 0);
	return false;
}
