/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/vms/host.c - the service VM that starts the guests of this folder and is their VMM: built
 * like those of tests/calls. Its initrd says which; a line that a guest says is told on the UART.
 */
#include "tests/calls/guest.h"
#include "tests/vms/said.h"

#define GUESTS_MAX   16u
#define VCPUS_MAX    16u
#define LOAD_ADDRESS 0x7c00u

/* tests/system/vms.py packs these; the image follows, padded to 16 bytes. */
struct given {
	char name[16];
	uint32_t vcpu_count, size;
	struct pintle_sched sched;
};

static struct guest_vm {
	const struct given *given;
	uint64_t vm, ram;
	struct pintle_record *record[VCPUS_MAX];
} guests[GUESTS_MAX];
static unsigned guest_count;

extern uint64_t boot_params;

static unsigned cpuid_rows(struct pintle_cpuid *rows)
{
	static const uint32_t leaves[] = {0, 1, 7, 0x80000000, 0x80000001, 0x80000008};
	unsigned count = sizeof(leaves) / sizeof(*leaves);

	for (unsigned i = 0; i < count; i++) {
		uint32_t a = leaves[i], b, c = 0, d;
		__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
		rows[i] = (struct pintle_cpuid){leaves[i], 0, 1, a, b, c, d, 0};
	}
	return count;
}

static void add_vcpu(struct guest_vm *g, unsigned n, unsigned index, struct pintle_sched *sched)
{
	struct pintle_record *record = AT(struct pintle_record, shared_page());
	int64_t err;

	g->record[index] = record;
	EXPECT(index,
		CALL(VCPU_CREATE, g->vm, index, (uintptr_t)record,
			PINTLE_EVENT_ID(0, n * VCPUS_MAX + index)));
	*sched = g->given->sched;
	while ((err = CALL(SCHED_SET, g->vm, index, (uintptr_t)sched)) == -EAGAIN) {
	}
	EXPECT(0, err);
	if (index == 0) {
		record->values[0] = (struct pintle_value){PINTLE_SEGMENT(1, PINTLE_BASE), 0};
		record->values[1] = (struct pintle_value){PINTLE_SEGMENT(1, PINTLE_SELECTOR), 0};
		record->values[2] = (struct pintle_value){PINTLE_REG(PINTLE_RIP), LOAD_ADDRESS};
		EXPECT(3, CALL(STATE_SET, g->vm, 0, 3));
	}
}

static void start(const struct given *given)
{
	unsigned n = guest_count++;
	struct guest_vm *g = &guests[n];
	uint64_t page = shared_page();

	*g = (struct guest_vm){given, (uint64_t)CALL(VM_CREATE, piece()), piece(), {0}};
	EXPECT_TRUE((int64_t)g->vm > 0);
	memset(AT(void, g->ram), 0, PINTLE_PIECE);
	memcpy(AT(void, g->ram + LOAD_ADDRESS), given + 1, given->size);
	EXPECT(0, guest_map(g->vm, 0, g->ram, 512, 7));
	EXPECT(0, CALL(CPUID_SET, g->vm, page, cpuid_rows(AT(struct pintle_cpuid, page))));
	for (unsigned i = 0; i < given->vcpu_count; i++) {
		add_vcpu(g, n, i, AT(struct pintle_sched, page));
	}
}

static void tell(const struct guest_vm *g, const char *line)
{
	say(g->given->name);
	say(": ");
	say(line);
	say(" |\r\n"); /* the monitor may cut a line when it takes the keys */
}

/* It goes on before its line is told, as that takes its time. */
static void serve(struct guest_vm *g, unsigned index)
{
	struct pintle_record *record = g->record[index];
	bool speaks = record->exit == PINTLE_EXIT_IO && record->write &&
		record->address == SAID_PORT && record->size == 4;
	char line[LINE_MAX] = "";

	if (record->exit == PINTLE_EXIT_SHUTDOWN) {
		for (unsigned i = 0; i < g->given->vcpu_count; i++) {
			CALL(VCPU_STOP, g->vm, i);
		}
		tell(g, "triple fault");
		return;
	}
	if (record->exit > PINTLE_EXIT_EOI) {
		tell(g, "an exit that it cannot go on from");
		return;
	}
	if (speaks && record->value < PINTLE_PIECE - LINE_MAX) {
		memcpy(line, AT(char, g->ram + record->value), LINE_MAX - 1);
	}
	record->value = UINT64_MAX; /* nobody is there */
	EXPECT(0, CALL(VCPU_RUN, g->vm, index, 0));
	if (speaks) {
		tell(g, line);
	}
}

static void serve_all(void)
{
	uint64_t words = __atomic_exchange_n(&event_page[0]->words, 0, __ATOMIC_SEQ_CST);

	for (; words != 0; words &= words - 1) {
		unsigned word = (unsigned)__builtin_ctzll(words);
		uint64_t bits =
			__atomic_exchange_n(&event_page[0]->bits[word], 0, __ATOMIC_SEQ_CST);
		for (; bits != 0; bits &= bits - 1) {
			unsigned event = 64 * word + (unsigned)__builtin_ctzll(bits);
			serve(&guests[event / VCPUS_MAX], event % VCPUS_MAX);
		}
	}
}

void service(void)
{
	uint64_t at = *AT(uint32_t, boot_params + 0x218), end = at;

	CASE("guests start");
	for (end += *AT(uint32_t, boot_params + 0x21c); at < end;) {
		const struct given *given = AT(struct given, at);
		start(given);
		at += sizeof(*given) + (given->size + 15) / 16 * 16;
	}
	for (unsigned n = 0; n < guest_count; n++) {
		for (unsigned i = 0; i < guests[n].given->vcpu_count; i++) {
			EXPECT(0, CALL(VCPU_RUN, guests[n].vm, i, 0));
		}
	}
	CASE("guests run");
	for (;;) { /* interrupts are off but for the sleep */
		serve_all();
		if (event_page[0]->words == 0) {
			sleep_until(tsc() + milliseconds(250));
		}
	}
}
