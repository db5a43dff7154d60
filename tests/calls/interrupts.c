/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/interrupts.c - MSI, EOI notices, NMI, INIT and SIPI between vCPUs, timers, sleep. */
#include "tests/calls/guest.h"

#define GATES   0x20000u /* in the guest's RAM: GDT before, IDT */
#define HANDLER 0x3000u
#define NMI     0x3100u
#define SECOND  0x5000u /* where another vCPU starts: SIPI vector 5 */
#define X2APIC  0xfee00c00u
#define ADDRESS 0xfee00000u
#define LEVEL   0x8000u

static struct guest g;

/* x2APIC mode and enabled by software; then it sleeps, and is woken. */
#define APIC_ON(name)                                                                              \
	GUEST(name, 64,                                                                            \
		"mov $0x1b, %ecx; rdmsr; or $0xc00, %eax; wrmsr; mov $0x80f, %ecx;"                \
		"mov $0x1ff, %eax; xor %edx, %edx; wrmsr; out %al, $0x98; 1: sti; hlt;"            \
		"cli; out %al, $0x97; jmp 1b")
APIC_ON(sleeper);

/* Vector 0x40, or what a pointer says; EOI to an x2APIC. */
GUEST(handler, 64,
	"push %rax; push %rcx; push %rdx; out %al, $0x40; mov $0x80b, %ecx; xor %eax, %eax;"
	"xor %edx, %edx; wrmsr; out %al, $0x41; pop %rdx; pop %rcx; pop %rax; iretq");
GUEST(nmi_handler, 64, "out %al, $0x02; iretq");

static void put_gate(unsigned vector, uint64_t at)
{
	uint64_t *gate = AT(uint64_t, g.ram + GATES + 16ull * vector);
	gate[0] = (at & 0xffff) | 8 << 16 | 0x8e00ull << 32;
}

static void put_tables(void)
{
	uint64_t *gdt = AT(uint64_t, g.ram + GATES - 64);
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	memcpy(AT(void, g.ram + HANDLER), handler, (size_t)(handler_end - handler));
	memcpy(AT(void, g.ram + NMI), nmi_handler, (size_t)(nmi_handler_end - nmi_handler));
	put_gate(2, NMI);
	for (unsigned vector = 0x20; vector < 0x100; vector++) {
		put_gate(vector, HANDLER);
	}
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_IDT_BASE), GATES));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_IDT_LIMIT), 0xfff));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_GDT_BASE), GATES - 64));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_GDT_LIMIT), 0x1f));
}

/* A guest that sleeps with its APIC on. */
static void begin(void)
{
	g = NEW(64, sleeper);
	put_tables();
	EXPECT_EXIT(&g, IO, 0x98, 1, 1, 0xff);
	g.record->exit = PINTLE_EXIT_NONE;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
}

/* Its next stop is an OUT to this port; then it runs on. */
static void next_is(uint64_t port, unsigned line)
{
	expect(1, event_comes(g.event), line);
	expect(PINTLE_EXIT_IO, g.record->exit, line);
	expect(port, g.record->address, line);
	g.record->exit = PINTLE_EXIT_NONE;
	expect(0, (uint64_t)CALL(VCPU_RUN, g.vm, 0, 0), line);
}
#define NEXT_IS(port) next_is(port, __LINE__)

/* It has gone to sleep. */
static void wait_until_halted(void)
{
	bool halted = false;

	for (unsigned i = 0; i < 1000 && !halted; i++) {
		doze();
		EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
		halted = state_get(&g, PINTLE_REG(PINTLE_ACTIVITY)) == PINTLE_HALTED;
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	}
	EXPECT_TRUE(halted);
}

static void edge(void)
{
	CASE("a message wakes the vCPU, and is taken once");
	begin();
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x40));
	NEXT_IS(0x40);
	NEXT_IS(0x41); /* behind its EOI, which is told to nobody */
	NEXT_IS(0x97);
	doze();
	EXPECT_TRUE(!event_is_set(0, g.event));

	CASE("messages go where they say");
	EXPECT(0, CALL(MSI, g.vm, ADDRESS | 5 << 12, 0x40)); /* no such APIC id */
	EXPECT(1,
		CALL(MSI, g.vm, ADDRESS | 4, 0x40) +
			CALL(MSI, g.vm, ADDRESS | 1 << 12 | 4, 0x40)); /* logical: x2APIC id 0 */
	NEXT_IS(0x40);
	NEXT_IS(0x41);
	NEXT_IS(0x97);
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x140)); /* lowest priority */
	NEXT_IS(0x40);
	NEXT_IS(0x41);
	NEXT_IS(0x97);
	wait_until_halted();
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x400)); /* NMI */
	NEXT_IS(0x02);
	NEXT_IS(0x97);

	CASE("MSI refuses other addresses");
	EXPECT(-EINVAL, CALL(MSI, g.vm, 0, 0x40));
	EXPECT(-EINVAL, CALL(MSI, g.vm, 0xfed00000, 0x40));
	EXPECT(-EINVAL, CALL(MSI, g.vm, 1ull << 32 | ADDRESS, 0x40));
	EXPECT(-EINVAL, CALL(MSI, g.vm, UINT64_MAX, UINT64_MAX));
	guest_end(&g);
}

static void level(void)
{
	CASE("the EOI of a level-triggered message is told, each time");
	begin();
	for (unsigned i = 0; i < 3; i++) {
		EXPECT(1, CALL(MSI, g.vm, ADDRESS, LEVEL | 0x41));
		NEXT_IS(0x40);
		EXPECT_TRUE(event_comes(g.event));
		EXPECT(PINTLE_EXIT_EOI, g.record->exit);
		EXPECT(0x41, g.record->value);
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
		NEXT_IS(0x41);
		NEXT_IS(0x97);
	}

	CASE("that of an edge-triggered one in between is not");
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x41));
	NEXT_IS(0x40);
	NEXT_IS(0x41);
	NEXT_IS(0x97);

	CASE("two level-triggered ones at a time are told by their vectors");
	wait_until_halted();
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, LEVEL | 0x51));
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, LEVEL | 0x61));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	for (unsigned i = 0; i < 2; i++) {
		NEXT_IS(0x40);
		EXPECT_TRUE(event_comes(g.event));
		EXPECT(PINTLE_EXIT_EOI, g.record->exit);
		EXPECT(i == 0 ? 0x61 : 0x51, g.record->value);
		EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
		NEXT_IS(0x41);
	}
	NEXT_IS(0x97);

	CASE("a level-triggered message without a vector owes nothing");
	wait_until_halted();
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, LEVEL | 0x400));
	NEXT_IS(0x02);
	NEXT_IS(0x97);
	CALL(MSI, g.vm, ADDRESS, LEVEL);
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x41));
	NEXT_IS(0x40);
	NEXT_IS(0x41);
	NEXT_IS(0x97);
	guest_end(&g);
}

static void nmis(void)
{
	CASE("an NMI wakes the vCPU");
	begin();
	wait_until_halted();
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x400));
	NEXT_IS(0x02);
	NEXT_IS(0x97);

	wait_until_halted();
	CASE("one for a stopped vCPU waits, is seen in its state, and can be taken away");
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(0, state_get(&g, PINTLE_REG(PINTLE_NMI_PENDING)));
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x400));
	EXPECT(1, state_get(&g, PINTLE_REG(PINTLE_NMI_PENDING)));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_NMI_PENDING), 0));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	doze();
	doze();
	EXPECT_TRUE(!event_is_set(0, g.event));
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(1, CALL(MSI, g.vm, ADDRESS, 0x400));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	NEXT_IS(0x02);
	NEXT_IS(0x97);

	CASE("an event that is put into its state is delivered");
	wait_until_halted();
	EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_EVENT), 0x80000055));
	EXPECT(0x80000055, state_get(&g, PINTLE_REG(PINTLE_EVENT)));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_ACTIVITY), PINTLE_RUNS));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	NEXT_IS(0x40);
	NEXT_IS(0x41);
	NEXT_IS(0x97);
	guest_end(&g);
}

/* A timer of 100,000 counts, one shot, vector 0x42; then as the sleeper. */
#define TIMER(name, first)                                                                         \
	GUEST(name, 64,                                                                            \
		"mov $0x1b, %ecx; rdmsr; or $0xc00, %eax; wrmsr; mov $0x80f, %ecx;"                \
		"mov $0x1ff, %eax; xor %edx, %edx; wrmsr; mov $0x832, %ecx; mov $0x42, %eax;"      \
		"wrmsr; mov $0x838, %ecx; mov $100000, %eax; wrmsr; " first                        \
		" 1: sti; hlt; cli; out %al, $0x97; jmp 1b")
TIMER(timer, "");
TIMER(timer_told, "out %al, $0x98;");

static void timers(void)
{
	CASE("the APIC's timer wakes it");
	g = NEW(64, timer);
	put_tables();
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	NEXT_IS(0x40);
	NEXT_IS(0x41);
	NEXT_IS(0x97);

	guest_end(&g);

	CASE("a timer that ends while the vCPU is stopped fires when it runs again");
	g = NEW(64, timer_told);
	put_tables();
	EXPECT_EXIT(&g, IO, 0x98, 1, 1, 100000 & 0xff);
	doze();
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	NEXT_IS(0x40);
	guest_end(&g);
}

/* INIT and SIPI for APIC id 3; the second one says so from real mode. */
GUEST(starter, 64,
	"mov $0x1b, %ecx; rdmsr; or $0xc00, %eax; wrmsr; mov $0x80f, %ecx; mov $0x1ff, %eax;"
	"xor %edx, %edx; wrmsr; mov $0x830, %ecx; mov $3, %edx; mov $0x4500, %eax; wrmsr;"
	"mov $0x4605, %eax; wrmsr; out %al, $0x98; 1: hlt; jmp 1b");
GUEST(second, 16, "mov %cs, %ax; out %ax, $0x77; hlt");

static void others(void)
{
	CASE("a second vCPU runs after INIT and SIPI, and not before");
	g = NEW(64, starter);
	struct guest other = g;
	EXPECT(1, guest_add(&other, 3));
	memcpy(AT(void, g.ram + SECOND), second, (size_t)(second_end - second));
	other.record->exit = PINTLE_EXIT_NONE;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 1, 0));
	EXPECT(PINTLE_EXIT_NONE, other.record->exit);
	EXPECT_EXIT(&g, IO, 0x98, 1, 1, 5);
	EXPECT_TRUE(event_comes(other.event));
	EXPECT(PINTLE_EXIT_IO, other.record->exit);
	EXPECT(0x77, other.record->address);
	EXPECT(0x500, other.record->value);

	CASE("a message to both is taken by both, one of lowest priority by one");
	EXPECT(2, CALL(MSI, g.vm, ADDRESS | 0xff << 12, 0x40) == 1 ? 2 : 0);
	EXPECT(1, CALL(MSI, g.vm, ADDRESS | 3 << 12, 0x40));
	EXPECT(0, CALL(VCPU_STOP, g.vm, 0));
	EXPECT(0, CALL(VCPU_STOP, g.vm, 1));
	guest_end(&g);
}

void service(void)
{
	edge();
	level();
	nmis();
	timers();
	others();
}
