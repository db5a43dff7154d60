/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vmm.c - from exits that are a VMM's to records, doorbells and events. Runs: on the exiting
 * CPU, interrupts off.
 */
#include "kernel/vmm.h"

#include "kernel/exit.h"
#include "kernel/pcpu.h"

/* [A] by service CPU */
static struct pintle_events *_Atomic event_pages[CPUS_MAX];

void vmm_set_event_page(unsigned cpu, struct pintle_events *page)
{
	event_pages[cpu] = page;
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

/* Doorbells: a table with open addresses, by where the write goes. */

static unsigned slot_of(uint64_t address, bool is_port)
{
	uint64_t hash = (address ^ (uint64_t)is_port << 40) * 0x9e3779b97f4a7c15;
	return (unsigned)(hash >> 57) % DOORBELLS;
}

static bool is_at(const struct pintle_doorbell *bell, uint64_t address, bool is_port)
{
	return bell->address == address && bell->is_port == is_port;
}

static bool ring(struct vm *vm, uint64_t address, bool is_port, uint8_t size, uint64_t value)
{
	unsigned at = slot_of(address, is_port);
	const struct pintle_doorbell *bell = NULL;
	bool rung = false;

	if (vm->doorbell_count == 0) {
		return false;
	}
	uint64_t flags = lock_acquire(&vm->doorbell_lock);
	for (unsigned left = DOORBELLS; left != 0 && !rung; left--) {
		bell = &vm->doorbells[at++ % DOORBELLS];
		if (bell->is_port == DOORBELL_EMPTY) { /* removed ones are passed */
			break;
		}
		rung = is_at(bell, address, is_port) && (bell->size == 0 || bell->size == size) &&
			(!bell->match || bell->data == value);
	}
	uint32_t event = bell->event;
	lock_release(&vm->doorbell_lock, flags);
	if (rung) {
		vmm_event(event);
	}
	return rung;
}

static bool is_same(const struct pintle_doorbell *a, const struct pintle_doorbell *b)
{
	return is_at(a, b->address, b->is_port) && a->size == b->size && a->match == b->match &&
		(!a->match || a->data == b->data);
}

int vmm_doorbell(struct vm *vm, const struct pintle_doorbell *bell, bool add)
{
	unsigned at = slot_of(bell->address, bell->is_port);
	struct pintle_doorbell *same = NULL, *free = NULL;
	LOCK_HOLD(&vm->doorbell_lock);

	for (unsigned i = 0; i < DOORBELLS; i++) {
		struct pintle_doorbell *other = &vm->doorbells[at++ % DOORBELLS];
		if (other->is_port > 1) {
			free = free ?: other;
		} else if (is_same(other, bell)) {
			same = other;
		}
	}
	if (add && (same != NULL || free == NULL)) {
		return same != NULL ? -EEXIST : -ENOSPC;
	}
	if (!add && same == NULL) {
		return -ENOENT;
	}
	if (add) {
		*free = *bell;
		vm->doorbell_count++;
	} else {
		same->is_port = DOORBELL_REMOVED;
		vm->doorbell_count--;
	}
	return 0;
}

/* Exits */

static void tell(struct vcpu *vcpu, enum pintle_exit exit)
{
	uint64_t exits = 0;

#pragma GCC unroll 64
	for (unsigned kind = 0; kind < EXIT_COUNT; kind++) {
		exits += vcpu->exits[kind];
	}
	vcpu->record->ran = vcpu->sched.ran;
	vcpu->record->waited = vcpu->sched.waited;
	vcpu->record->exits = exits;
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

void vmm_stop(struct vcpu *vcpu, enum pintle_exit exit, uint64_t value)
{
	vcpu->record->value = value;
	tell(vcpu, exit);
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
	if (write && ring(vcpu->vm, address, exit == PINTLE_EXIT_IO, size, *value & mask)) {
		return true;
	}
	vcpu->answer = ANSWER_ASKED;
	record->size = size;
	record->write = write;
	record->address = address;
	record->value = write ? *value & mask : 0;
	tell(vcpu, exit);
	return false;
}
