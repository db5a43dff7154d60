/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm.c - records, answers, events; doorbells beside a model.
 *
 * Links: tests/unit/fake_backend.c kernel/vmm.c kernel/exit.c kernel/run.c kernel/msr.c
 * Links: kernel/cpuid.c kernel/gmem.c kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c
 * Links: vdev/lapic.c kernel/pvclock.c
 * Flags: -Itests/unit/shim
 */
#include "tests/unit/fake_backend.h"

#include "kernel/exit.h"

#define STEPS 60000u
#define EVENT (PINTLE_EVENT_ID(3, 130))

static struct vcpu *const vcpu = &fake_vcpu[0];
static struct pintle_record record;
static struct pintle_events events;
static struct pintle_doorbell table[PINTLE_DOORBELLS];

void pieces_drop(uint64_t page, size_t count)
{
}

static int begin(void **state)
{
	fake_vm_setup(state);
	memset(&record, 0, sizeof(record));
	memset(&events, 0, sizeof(events));
	memset(table, 0, sizeof(table));
	fake_vm.doorbells = table;
	vcpu->record = &record;
	vcpu->closed = true;
	vcpu->event = EVENT;
	vmm_set_event_page(3, &events);
	return 0;
}

static int end(void **state)
{
	vmm_set_event_page(3, NULL);
	return fake_vm_teardown(state);
}

/* Has this event come, and nothing else? It is taken away. */
static bool take_event(unsigned bit)
{
	struct pintle_events wanted = {0};
	wanted.bits[bit / 64] = BIT(bit % 64);
	wanted.words = BIT(bit / 64);
	bool came = memcmp(&wanted, &events, sizeof(events)) == 0;
	memset(&events, 0, sizeof(events));
	return came;
}

static bool ask(enum pintle_exit exit, uint64_t at, uint8_t size, bool write, uint64_t *value)
{
	return vmm_ask(vcpu, exit, at, size, write, value);
}

static void a_read_is_asked_and_answered_in_its_size(void **state)
{
	(void)state;
	static const struct {
		uint8_t size;
		uint64_t mask;
	} rows[] = {{1, 0xff}, {2, 0xffff}, {4, UINT32_MAX}, {8, UINT64_MAX}};
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t value = 0x1234;
		vcpu->stopped = false;
		assert_false(ask(PINTLE_EXIT_MMIO, 0xabc0, rows[i].size, false, &value));
		assert_int_equal(record.exit, PINTLE_EXIT_MMIO);
		assert_int_equal(record.address, 0xabc0);
		assert_int_equal(record.size, rows[i].size);
		assert_int_equal(record.write, 0);
		assert_int_equal(record.value, 0);
		assert_true(vcpu->stopped);
		assert_true(vcpu->requests & VCPU_REQUEST_LOOK);
		assert_int_equal(vcpu->answer, ANSWER_ASKED);
		assert_int_equal(vcpu->asks, PINTLE_EXIT_MMIO);
		assert_true(take_event(130));
		assert_int_equal(fake_events, 1u << 3);
		vcpu->answer = ANSWER_GIVEN;
		vcpu->answer_value = 0xfedcba9876543210;
		assert_true(ask(PINTLE_EXIT_MMIO, 0xabc0, rows[i].size, false, &value));
		assert_int_equal(value, 0xfedcba9876543210 & rows[i].mask);
		assert_int_equal(vcpu->answer, ANSWER_NONE);
	}
}

static void a_write_is_told_in_its_size_and_done_when_it_was_answered(void **state)
{
	(void)state;
	uint64_t value = 0xfedcba9876543210;
	assert_false(ask(PINTLE_EXIT_IO, 0x99, 2, true, &value));
	assert_int_equal(record.value, 0x3210);
	assert_int_equal(record.write, 1);
	vcpu->answer = ANSWER_GIVEN;
	assert_true(ask(PINTLE_EXIT_IO, 0x99, 2, true, &value));
	assert_int_equal(value, 0xfedcba9876543210);
}

static void who_was_stopped_meanwhile_gets_no_event(void **state)
{
	(void)state;
	uint64_t value = 0;
	vcpu->stopped = true;
	assert_false(ask(PINTLE_EXIT_IO, 0x99, 1, true, &value));
	assert_int_equal(record.exit, PINTLE_EXIT_IO);
	assert_int_equal(events.words, 0);
	assert_int_equal(fake_events, 0);
}

static void who_waits_gets_no_event(void **state)
{
	(void)state;
	uint64_t value = 0;
	vcpu->waiter = &fake_vcpu[1];
	assert_false(ask(PINTLE_EXIT_IO, 0x99, 1, true, &value));
	assert_true(vcpu->stopped);
	assert_int_equal(record.exit, PINTLE_EXIT_IO);
	assert_int_equal(fake_events, 0);
	vcpu->waiter = NULL;
}

static void the_record_counts(void **state)
{
	(void)state;
	vcpu->sched.ran = 5;
	vcpu->sched.waited = 6;
	vmm_stop(vcpu, PINTLE_EXIT_EOI, 0x41);
	assert_int_equal(record.exit, PINTLE_EXIT_EOI);
	assert_int_equal(record.value, 0x41);
	assert_int_equal(record.ran, 5);
	assert_int_equal(record.waited, 6);
	assert_int_equal(vcpu->answer, ANSWER_NONE);
}

static void an_event_is_told_until_it_was_taken(void **state)
{
	(void)state;
	vmm_event(EVENT);
	assert_int_equal(fake_events, 1u << 3);
	fake_events = 0;
	vmm_event(EVENT); /* it is set still */
	assert_int_equal(fake_events, 0);
	assert_true(take_event(130));
	vmm_event(EVENT);
	assert_int_equal(fake_events, 1u << 3);
	take_event(130);
	fake_events = 0;
	vmm_event(PINTLE_EVENT_ID(3, 0xf000 | 5)); /* bits beyond the page's do not count */
	assert_true(take_event(5));
	fake_events = 0;
	vmm_event(PINTLE_EVENT_ID(4, 1)); /* no page */
	vmm_event(UINT32_MAX);
	vmm_event(PINTLE_EVENT_ID(CPUS_MAX, 1));
	assert_int_equal(fake_events, 0);
}

/* Doorbells ----------------------------------------------------------------------------------- */

static struct pintle_doorbell model[PINTLE_DOORBELLS];
static uint64_t seed = 99;

static unsigned below(unsigned limit)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(seed >> 33) % limit;
}

/* Few places, so that they meet. */
static struct pintle_doorbell any(void)
{
	static const uint8_t sizes[] = {0, 1, 2, 4, 8};
	bool match = below(2);
	return (struct pintle_doorbell){
		.address = below(3) == 0 ? (uint64_t)below(40) << 12 : below(12),
		.place = below(2) ? PINTLE_PORT : PINTLE_MEMORY,
		.size = sizes[below(5)],
		.match = match,
		.data = match || below(4) == 0 ? below(3) : 0,
		.event = PINTLE_EVENT_ID(3, below(4000)),
	};
}

/* A write: the model says which event comes of it, the first one's, or the VMM is asked. */
static void write_somewhere(void)
{
	static const uint8_t sizes[] = {1, 2, 4, 8};
	struct pintle_doorbell at = any();
	uint8_t size = sizes[below(at.place == PINTLE_PORT ? 3 : 4)];
	uint64_t value = below(3);
	enum pintle_exit exit = at.place == PINTLE_PORT ? PINTLE_EXIT_IO : PINTLE_EXIT_MMIO;
	bool may = false, came = false;

	vcpu->answer = ANSWER_NONE;
	vcpu->stopped = true; /* no event of its own */
	bool rung = ask(exit, at.address, size, true, &value);
	for (unsigned i = 0; i < PINTLE_DOORBELLS && !may; i++) {
		const struct pintle_doorbell *m = &model[i];
		if (m->address == at.address && m->place == at.place &&
			(m->size == 0 || m->size == size) && (!m->match || m->data == value)) {
			may = true;
			came = take_event(m->event & 0xfff);
		}
	}
	assert_int_equal(rung, may);
	assert_int_equal(came, may);
	memset(&events, 0, sizeof(events));
	if (!rung) {
		vcpu->answer = ANSWER_NONE;
		assert_false(ask(exit, at.address, size, false, &value)); /* reads ring nothing */
	}
}

static void doorbells_ring_as_the_model_says(void **state)
{
	(void)state;
	memset(model, 0, sizeof(model));
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned number = below(step / 3000 % 2 == 0 ? PINTLE_DOORBELLS : 7);
		if (below(3) == 0) {
			write_somewhere();
		} else {
			model[number] = below(3) == 0 ? (struct pintle_doorbell){0} : any();
			vmm_doorbell(&fake_vm, number, &model[number]);
		}
	}
}

static void a_doorbell_does_not_stop_the_vcpu(void **state)
{
	(void)state;
	uint64_t value = 1;
	const struct pintle_doorbell bell = {.address = 0x99, .place = PINTLE_PORT, .event = EVENT};
	vmm_doorbell(&fake_vm, 3, &bell);
	record.exit = 77;
	assert_true(ask(PINTLE_EXIT_IO, 0x99, 1, true, &value));
	assert_false(vcpu->stopped);
	assert_int_equal(record.exit, 77);
	assert_true(take_event(130));
}

/* Answers --------------------------------------------------------------------------------------*/

static void an_answer_is_for_the_instruction_that_asked(void **state)
{
	(void)state;
	fake_hw[0].reg[VCPU_RIP] = 0x1000;
	vcpu->asked = (struct vcpu_exit){.kind = EXIT_IO, .length = 2};
	vcpu->asked.io.port = 0x55;
	vcpu->asked.io.size = 1;
	vcpu->asked.io.in = true;
	vcpu->asked_rip = 0x1000;
	vcpu->answer = ANSWER_GIVEN;
	exit_again(vcpu);
	assert_int_equal(fake_port_reads, 1);
	assert_int_equal(fake_hw[0].reg[VCPU_RIP], 0x1002);
	assert_int_equal(vcpu->answer, ANSWER_NONE);
	vcpu->answer = ANSWER_GIVEN; /* now it stands elsewhere */
	exit_again(vcpu);
	assert_int_equal(fake_port_reads, 1);
	assert_int_equal(fake_hw[0].reg[VCPU_RIP], 0x1002);
	assert_int_equal(vcpu->answer, ANSWER_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_is_asked_and_answered_in_its_size),
		TEST(a_write_is_told_in_its_size_and_done_when_it_was_answered),
		TEST(who_was_stopped_meanwhile_gets_no_event),
		TEST(who_waits_gets_no_event),
		TEST(the_record_counts),
		TEST(an_event_is_told_until_it_was_taken),
		TEST(a_doorbell_does_not_stop_the_vcpu),
		TEST(doorbells_ring_as_the_model_says),
		TEST(an_answer_is_for_the_instruction_that_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
