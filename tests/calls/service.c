/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/calls/service.c - see service.h.
 */
#include "tests/calls/service.h"

#define UART       0x3f8u
#define TRAMPOLINE 0x8000u
#define E820_COUNT 0x1e8u /* in Linux's zero page (Documentation/arch/x86/zero-page.rst) */
#define E820_TABLE 0x2d0u
#define FIRST_FREE 0x4000000ull /* above the image and what is near it */

#define MSR_APIC_BASE 0x1bu
#define X2APIC_EOI    0x80bu
#define X2APIC_SVR    0x80fu
#define X2APIC_ICR    0x830u
#define X2APIC_TIMER  0x832u
#define MSR_DEADLINE  0x6e0u

extern uint64_t boot_params, page_tables;
extern bool is_amd;
extern void (*other_function)(void);
extern uint8_t trampoline[], trampoline_end[];
extern uint32_t page_tables_32;
void set_up_gates(void);
void interrupt(unsigned vector, uint64_t *frame, uint64_t error);
void fault(unsigned vector, uint64_t *frame, uint64_t error);

volatile unsigned event_interrupts[2];
struct pintle_events *event_page[2];
uint32_t function_place;
volatile uint32_t *function_table;

static const char *name;
static bool failed;
static unsigned passes, failures;
static uint64_t next_piece = FIRST_FREE, next_page, khz;
static uint64_t free_pieces[16];
static unsigned free_count;

uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

void port_write8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

void port_write32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port));
}

uint32_t port_read32(uint16_t port)
{
	uint32_t value;
	__asm__ volatile("inl %1, %0" : "=a"(value) : "d"(port));
	return value;
}

void *memcpy(void *to, const void *from, size_t size)
{
	void *next = to;
	__asm__ volatile("rep movsb" : "+D"(next), "+S"(from), "+c"(size) : : "memory");
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	void *next = to;
	__asm__ volatile("rep stosb" : "+D"(next), "+c"(size) : "a"(byte) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	for (size_t i = 0; i < size; i++) {
		if (x[i] != y[i]) {
			return x[i] < y[i] ? -1 : 1;
		}
	}
	return 0;
}

/* Results ------------------------------------------------------------------------------------- */

void say(const char *text)
{
	for (; *text != '\0'; text++) {
		uint8_t status;
		do {
			__asm__ volatile("inb %1, %0" : "=a"(status) : "d"((uint16_t)(UART + 5)));
		} while (!(status & 0x20));
		port_write8(UART, (uint8_t)*text);
	}
}

static void say_number(uint64_t value, unsigned base)
{
	char text[24];
	unsigned at = sizeof(text) - 1;
	text[at] = '\0';
	do {
		text[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	say(&text[at]);
}

void say_hex(uint64_t value)
{
	say("0x");
	say_number(value, 16);
}

static void case_end(void)
{
	if (name != NULL && !failed) {
		passes++;
		say("ok ");
		say(name);
		say("\r\n");
	}
	failures += failed;
	failed = false;
	name = NULL;
}

void case_begin(const char *text)
{
	case_end();
	name = text;
}

static void fail(void)
{
	failed = true;
	say("FAIL ");
	say(name != NULL ? name : "start");
	say(": ");
}

void expect(uint64_t wanted, uint64_t got, unsigned line)
{
	if (wanted == got || failed) {
		return;
	}
	fail();
	say("line ");
	say_number(line, 10);
	say(": got ");
	say_hex(got);
	say(", wanted ");
	say_hex(wanted);
	say("\r\n");
}

void finish(void)
{
	case_end();
	say("guest: ");
	say_number(passes, 10);
	say(" passed, ");
	say_number(failures, 10);
	say(" failed\r\n");
	for (;;) {
		__asm__ volatile("cli; hlt");
	}
}

void fault(unsigned vector, uint64_t *frame, uint64_t error)
{
	fail();
	say("unexpected exception ");
	say_number(vector, 10);
	say(", error ");
	say_hex(error);
	say(", rip ");
	say_hex(frame[0]);
	say("\r\n");
	finish();
}

char machine(void)
{
	uint32_t line = *AT(uint32_t, boot_params + 0x228);
	return *AT(char, line);
}

/* Hypercalls ---------------------------------------------------------------------------------- */

int64_t call_(uint64_t number, const uint64_t *a)
{
	return hypercall(number, a[0], a[1], a[2], a[3], a[4]);
}

/* RAM that all of [base, base + PINTLE_PIECE) is. */
static bool is_ram(uint64_t base)
{
	for (unsigned i = 0; i < *AT(uint8_t, boot_params + E820_COUNT); i++) {
		const uint8_t *entry = AT(uint8_t, boot_params + E820_TABLE + 20ull * i);
		uint64_t at, size;
		uint32_t type;
		memcpy(&at, entry, 8);
		memcpy(&size, entry + 8, 8);
		memcpy(&type, entry + 16, 4);
		if (type == 1 && base >= at && base + PINTLE_PIECE <= at + size) {
			return true;
		}
	}
	return false;
}

void piece_free(uint64_t freed)
{
	if (free_count < sizeof(free_pieces) / sizeof(*free_pieces)) {
		free_pieces[free_count++] = freed;
	}
}

uint64_t piece(void)
{
	if (free_count != 0) {
		return free_pieces[--free_count];
	}
	while (!is_ram(next_piece)) {
		next_piece += PINTLE_PIECE;
		if (next_piece >> 32 != 0) {
			fail();
			say("no memory\r\n");
			finish();
		}
	}
	next_piece += PINTLE_PIECE;
	return next_piece - PINTLE_PIECE;
}

uint64_t shared_page(void)
{
	if (next_page % PINTLE_PIECE == 0) {
		next_page = piece();
		memset(AT(void, next_page), 0, PINTLE_PIECE);
		EXPECT(0, CALL(SHARE, next_page));
	}
	next_page += PAGE;
	return next_page - PAGE;
}

uint64_t milliseconds(uint64_t count)
{
	return count * khz;
}

/* Interrupts and CPUs ------------------------------------------------------------------------- */

void interrupt(unsigned vector, uint64_t *frame, uint64_t error)
{
	(void)frame;
	(void)error;
	if (vector - EVENT_VECTOR < 2) {
		event_interrupts[vector - EVENT_VECTOR]++;
	}
	msr_write(X2APIC_EOI, 0);
}

void sleep_until(uint64_t at)
{
	msr_write(MSR_DEADLINE, at);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

void doze(void)
{
	sleep_until(tsc() + milliseconds(5));
}

static void set_up_apic(void)
{
	msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | 0xc00);
	msr_write(X2APIC_SVR, 0x1ff);
	msr_write(X2APIC_TIMER, 0x40000 | TIMER_VECTOR); /* TSC deadline */
}

static void other_start(void)
{
	void (*function)(void) = *(void (**)(void))AT(void, TRAMPOLINE + 0x800);
	set_up_apic();
	function();
}

void other_cpu(void (*function)(void))
{
	page_tables_32 = (uint32_t)page_tables;
	memcpy(AT(void, TRAMPOLINE), trampoline, (size_t)(trampoline_end - trampoline));
	*(void (**)(void))AT(void, TRAMPOLINE + 0x800) = function;
	other_function = other_start;
	msr_write(X2APIC_ICR, 1ull << 32 | 0x4500);
	msr_write(X2APIC_ICR, 1ull << 32 | 0x4600 | TRAMPOLINE >> 12);
}

/* The PCI function ---------------------------------------------------------------------------- */

uint32_t pci_read(uint32_t place, unsigned offset)
{
	port_write32(0xcf8, place | offset);
	return port_read32(0xcfc);
}

void pci_write(uint32_t place, unsigned offset, uint32_t value)
{
	port_write32(0xcf8, place | offset);
	port_write32(0xcfc, value);
}

static void function_find(void)
{
	for (uint32_t device = 0; device < 32; device++) {
		uint32_t place = 0x80000000 | device << 11;
		if (pci_read(place, 0) == (PINTLE_PCI_DEVICE << 16 | PINTLE_PCI_VENDOR)) {
			function_place = place;
		}
	}
}

/* Place the BAR, switch memory and MSI-X on, let each vector go to its CPU. */
static void function_set_up(void)
{
	unsigned capability = pci_read(function_place, 0x34) & 0xff;

	pci_write(function_place, 0x10, FUNCTION_BAR);
	pci_write(function_place, 4, 6); /* memory, master */
	function_table = AT(volatile uint32_t, FUNCTION_BAR);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		volatile uint32_t *entry = &function_table[4 * cpu];
		entry[0] = 0xfee00000 | cpu << 12;
		entry[1] = 0;
		entry[2] = EVENT_VECTOR + cpu;
		entry[3] = 0;
	}
	pci_write(function_place, capability, 0x80000000); /* enable */
}

bool event_is_set(unsigned cpu, unsigned bit)
{
	uint64_t *word = &event_page[cpu]->bits[bit / 64], mask = 1ull << bit % 64;

	__atomic_exchange_n(&event_page[cpu]->words, 0, __ATOMIC_SEQ_CST);
	return __atomic_fetch_and(word, ~mask, __ATOMIC_SEQ_CST) & mask;
}

bool event_comes(unsigned bit)
{
	bool came = false;
	WAIT_FOR((came = event_is_set(0, bit)));
	return came;
}

/* User code may look at everything: only Pintle is to refuse it. */
static void open_page_tables(void)
{
	uint64_t *level4 = AT(uint64_t, page_tables), *level3 = AT(uint64_t, level4[0] & ~0xfffull);
	level4[0] |= 4;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t *level2 = AT(uint64_t, level3[i] & ~0xfffull);
		level3[i] |= 4;
		for (unsigned j = 0; j < 512; j++) {
			level2[j] |= 4;
		}
	}
	__asm__ volatile("mov %0, %%cr3" : : "r"(page_tables) : "memory");
}

/* From start.S, through here, to the program. */
void begin(void)
{
	uint32_t leaf = 0, b, c, d;
	__asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "=c"(c), "=d"(d));
	is_amd = b == 0x68747541; /* Auth */
	set_up_gates();
	open_page_tables();
	set_up_apic();
	khz = (uint64_t)QUERY(TSC_KHZ);
	function_find();
	function_set_up();
	for (unsigned cpu = 0; cpu < (unsigned)QUERY(CPUS) && cpu < 2; cpu++) {
		event_page[cpu] = AT(struct pintle_events, shared_page());
		EXPECT(0, CALL(EVENT_PAGE, cpu, (uintptr_t)event_page[cpu]));
	}
	service();
	finish();
}
