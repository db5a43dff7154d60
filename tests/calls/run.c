/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/run.c - what a vCPU's exits tell its VMM, and what its answers do. */
#include "tests/calls/guest.h"

#define RAX   PINTLE_GPR(0)
#define RCX   PINTLE_GPR(1)
#define RSI   PINTLE_GPR(6)
#define RDI   PINTLE_GPR(7)
#define RIP   PINTLE_REG(PINTLE_RIP)
#define GATES 0x20000u /* in the guest's RAM: an IDT */
#define SMALL 0x3000u  /* and code that takes a fault */

static struct guest g;

/* Answer the read that it stopped for, and go on to the next stop. */
static void answer(uint64_t value)
{
	g.record->value = value;
}

GUEST(outs_16, 16,
	"mov $0x44332211, %eax; out %al, $0x99; out %ax, $0x9a; out %eax, $0x9b; mov $0x1234, %dx;"
	"out %al, %dx; out %ax, %dx; out %eax, %dx; hlt");
GUEST(outs_32, 32,
	"mov $0x44332211, %eax; out %al, $0x99; out %ax, $0x9a; out %eax, $0x9b; mov $0x1234, %edx;"
	"out %al, %dx; out %ax, %dx; out %eax, %dx; hlt");
GUEST(outs_64, 64,
	"mov $0x44332211, %eax; out %al, $0x99; out %ax, $0x9a; out %eax, $0x9b; mov $0x1234, %edx;"
	"out %al, %dx; out %ax, %dx; out %eax, %dx; hlt");

static void outs(void)
{
	CASE("OUT in all sizes and modes is told");
	for (unsigned bits = 16; bits <= 64; bits *= 2) {
		g = bits == 16       ? NEW(16, outs_16)
			: bits == 32 ? NEW(32, outs_32)
				     : NEW(64, outs_64);
		EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x11);
		EXPECT_EXIT(&g, IO, 0x9a, 2, 1, 0x2211);
		EXPECT_EXIT(&g, IO, 0x9b, 4, 1, 0x44332211);
		EXPECT_EXIT(&g, IO, 0x1234, 1, 1, 0x11);
		EXPECT_EXIT(&g, IO, 0x1234, 2, 1, 0x2211);
		EXPECT_EXIT(&g, IO, 0x1234, 4, 1, 0x44332211);
		guest_end(&g);
	}
}

GUEST(ins_64, 64, "in $0x99, %al; in $0x9a, %ax; mov $0x1234, %edx; in %dx, %eax; out %al, $0x9b");

static void ins(void)
{
	CASE("IN is answered, and leaves the rest of RAX as it does on a CPU");
	g = NEW(64, ins_64);
	EXPECT(1, state_set(&g, RAX, 0x1122334455667788));
	EXPECT_EXIT(&g, IO, 0x99, 1, 0, 0);
	answer(0xaabbccdd);
	EXPECT_EXIT(&g, IO, 0x9a, 2, 0, 0);
	EXPECT(0x11223344556677dd, state_get(&g, RAX));
	answer(0xeeff9988);
	EXPECT_EXIT(&g, IO, 0x1234, 4, 0, 0);
	EXPECT(0x1122334455669988, state_get(&g, RAX));
	answer(0xffffffff87654321);
	EXPECT_EXIT(&g, IO, 0x9b, 1, 1, 0x21);
	EXPECT(0x87654321, state_get(&g, RAX));
	guest_end(&g);
}

GUEST(strings_64, 64,
	"mov $0x10000, %edi; mov $3, %ecx; mov $0x55, %edx; rep insw;"
	"mov $0x10000, %esi; mov $2, %ecx; rep outsl; std; mov $0x10002, %esi; outsb; cld; hlt");
GUEST(strings_16, 16,
	"mov $0x6000, %di; mov $2, %cx; mov $0x55, %dx; rep insb; mov $0x6000, %si; mov $2, %cx;"
	"rep outsb; hlt");

static void strings(void)
{
	CASE("INS and OUTS ask for each element, and their registers move with it");
	g = NEW(64, strings_64);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EXIT(&g, IO, 0x55, 2, 0, 0);
		EXPECT(0x10000 + 2 * i, state_get(&g, RDI));
		EXPECT(3 - i, state_get(&g, RCX));
		answer(0x1111 * (i + 1));
	}
	EXPECT_EXIT(&g, IO, 0x55, 4, 1, 0x22221111);
	EXPECT(0x22221111, *AT(uint32_t, g.ram + 0x10000));
	EXPECT(2, state_get(&g, RCX));
	EXPECT_EXIT(&g, IO, 0x55, 4, 1, 0x3333);
	EXPECT(1, state_get(&g, RCX));
	EXPECT_EXIT(&g, IO, 0x55, 1, 1, 0x22);
	EXPECT(0x10002, state_get(&g, RSI));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
	EXPECT(0x10001, state_get(&g, RSI));
	guest_end(&g);

	CASE("so they do in real mode");
	g = NEW(16, strings_16);
	EXPECT_EXIT(&g, IO, 0x55, 1, 0, 0);
	answer(0x77);
	EXPECT_EXIT(&g, IO, 0x55, 1, 0, 0);
	answer(0x88);
	EXPECT_EXIT(&g, IO, 0x55, 1, 1, 0x77);
	EXPECT_EXIT(&g, IO, 0x55, 1, 1, 0x88);
	guest_end(&g);
}

GUEST(mmio_64, 64,
	"mov $0x100000, %ebx; mov (%rbx), %al; mov 2(%rbx), %ax; mov 4(%rbx), %eax;"
	"mov 8(%rbx), %rax; movzbl 16(%rbx), %eax; movswq 18(%rbx), %rax;"
	"mov $0x8877665544332211, %rax; mov %al, (%rbx); mov %ah, 1(%rbx); mov %ax, 2(%rbx);"
	"mov %eax, 4(%rbx); mov %rax, 8(%rbx); movb $0x5a, 16(%rbx); movl $-2, 20(%rbx);"
	"movq $-2, 24(%rbx); hlt");
GUEST(mmio_16, 16, "mov $0xf000, %ax; mov %ax, %ds; mov %al, 0x4321; mov 0x4322, %ax; hlt");
GUEST(mmio_32, 32, "mov 0x100004, %eax; mov %eax, 0x100008; movw $0x1234, 0x10000c; hlt");

static void mmio(void)
{
	CASE("MMIO reads of all sizes are answered");
	g = NEW(64, mmio_64);
	EXPECT(1, state_set(&g, RAX, 0x1122334455667788));
	EXPECT_EXIT(&g, MMIO, 0x100000, 1, 0, 0);
	answer(0xaabb);
	EXPECT_EXIT(&g, MMIO, 0x100002, 2, 0, 0);
	EXPECT(0x11223344556677bb, state_get(&g, RAX));
	answer(0xffffccdd);
	EXPECT_EXIT(&g, MMIO, 0x100004, 4, 0, 0);
	EXPECT(0x112233445566ccdd, state_get(&g, RAX));
	answer(0xffffffff99887766);
	EXPECT_EXIT(&g, MMIO, 0x100008, 8, 0, 0);
	EXPECT(0x99887766, state_get(&g, RAX));
	answer(0x123456789abcdef0);
	EXPECT_EXIT(&g, MMIO, 0x100010, 1, 0, 0);
	EXPECT(0x123456789abcdef0, state_get(&g, RAX));
	answer(0xff80);
	EXPECT_EXIT(&g, MMIO, 0x100012, 2, 0, 0);
	EXPECT(0x80, state_get(&g, RAX));
	answer(0x8001);

	CASE("MMIO writes of all sizes are told");
	EXPECT_EXIT(&g, MMIO, 0x100000, 1, 1, 0x11);
	EXPECT_EXIT(&g, MMIO, 0x100001, 1, 1, 0x22);
	EXPECT_EXIT(&g, MMIO, 0x100002, 2, 1, 0x2211);
	EXPECT_EXIT(&g, MMIO, 0x100004, 4, 1, 0x44332211);
	EXPECT_EXIT(&g, MMIO, 0x100008, 8, 1, 0x8877665544332211);
	EXPECT_EXIT(&g, MMIO, 0x100010, 1, 1, 0x5a);
	EXPECT_EXIT(&g, MMIO, 0x100014, 4, 1, 0xfffffffe);
	EXPECT_EXIT(&g, MMIO, 0x100018, 8, 1, 0xfffffffffffffffe);
	guest_end(&g);

	CASE("MMIO is told in 16-bit and 32-bit code, too");
	g = NEW(16, mmio_16);
	EXPECT_EXIT(&g, MMIO, 0xf4321, 1, 1, 0);
	EXPECT_EXIT(&g, MMIO, 0xf4322, 2, 0, 0);
	guest_end(&g);
	g = NEW(32, mmio_32);
	EXPECT_EXIT(&g, MMIO, 0x100004, 4, 0, 0);
	answer(0xcafe);
	EXPECT_EXIT(&g, MMIO, 0x100008, 4, 1, 0xcafe);
	EXPECT_EXIT(&g, MMIO, 0x10000c, 2, 1, 0x1234);
	guest_end(&g);
}

GUEST(answers, 64,
	"1: in $0x99, %al; out %al, $0x9a; mov $0x10000, %edi; mov $2, %ecx; mov $0x55, "
	"%edx; rep insb; mov 0x100000, %ebx; jmp 1b");

static void answer_only(void)
{
	CASE("RUN with PINTLE_RUN_ANSWER does what it stopped for, and no more");
	g = NEW(64, answers);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER)); /* nothing to answer */
	EXPECT(GUEST_CODE, state_get(&g, RIP));
	EXPECT_EXIT(&g, IO, 0x99, 1, 0, 0);
	EXPECT(GUEST_CODE, state_get(&g, RIP));
	answer(0x42);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
	EXPECT(GUEST_CODE + 2, state_get(&g, RIP));
	EXPECT(0x42, state_get(&g, RAX) & 0xff);
	answer(0x43);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER)); /* answered already */
	EXPECT(GUEST_CODE + 2, state_get(&g, RIP));
	EXPECT(0x42, state_get(&g, RAX) & 0xff);
	EXPECT_TRUE(!event_is_set(0, g.event));
	EXPECT_EXIT(&g, IO, 0x9a, 1, 1, 0x42);
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
	EXPECT(GUEST_CODE + 4, state_get(&g, RIP));

	CASE("a string instruction asks again in the record, without an event");
	EXPECT_EXIT(&g, IO, 0x55, 1, 0, 0);
	answer(1);
	g.record->exit = PINTLE_EXIT_NONE;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
	EXPECT(PINTLE_EXIT_IO, g.record->exit);
	EXPECT(1, state_get(&g, RCX));
	answer(2);
	g.record->exit = PINTLE_EXIT_NONE;
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
	EXPECT(PINTLE_EXIT_NONE, g.record->exit);
	EXPECT(0, state_get(&g, RCX));
	EXPECT(0x0201, *AT(uint16_t, g.ram + 0x10000));
	EXPECT_TRUE(!event_is_set(0, g.event));
	EXPECT_EXIT(&g, MMIO, 0x100000, 4, 0, 0);

	CASE("an answer is dropped when RIP was moved");
	answer(0x12345);
	EXPECT(1, state_set(&g, RIP, GUEST_CODE));
	EXPECT_EXIT(&g, IO, 0x99, 1, 0, 0);
	EXPECT(GUEST_CODE, state_get(&g, RIP));
	EXPECT(1, state_set(&g, RIP, GUEST_CODE + 2));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, PINTLE_RUN_ANSWER));
	EXPECT(GUEST_CODE + 2, state_get(&g, RIP));
	EXPECT_EXIT(&g, IO, 0x9a, 1, 1, 0x42);

	CASE("RUN refuses other flags, and a vCPU that runs");
	EXPECT(-EINVAL, CALL(VCPU_RUN, g.vm, 0, 3));
	EXPECT(-EINVAL, CALL(VCPU_RUN, g.vm, 0, 1ull << 32 | 1));
	EXPECT(-EINVAL, CALL(VCPU_RUN, g.vm, 1, 0));
	EXPECT(-EINVAL, CALL(VCPU_RUN, g.vm, UINT64_MAX, 0));
	guest_end(&g);
}

GUEST(cpuids, 64,
	"1: mov %esi, %eax; mov %edi, %ecx; cpuid; out %eax, $0x90; mov %ebx, %eax; out %eax, $0x91;"
	"mov %ecx, %eax; out %eax, $0x92; mov %edx, %eax; out %eax, $0x93; jmp 1b");

static struct pintle_cpuid guest_cpuid(uint32_t leaf, uint32_t subleaf)
{
	uint32_t value[4];

	EXPECT(1, state_set(&g, RSI, leaf));
	EXPECT(1, state_set(&g, RDI, subleaf));
	EXPECT(1, state_set(&g, RIP, GUEST_CODE));
	for (unsigned i = 0; i < 4; i++) {
		EXPECT(PINTLE_EXIT_IO, guest_run(&g));
		EXPECT(0x90 + i, g.record->address);
		value[i] = (uint32_t)g.record->value;
	}
	return (struct pintle_cpuid){leaf, subleaf, 0, value[0], value[1], value[2], value[3], 0};
}

static void cpuid(void)
{
	struct pintle_cpuid *rows = AT(struct pintle_cpuid, shared_page());

	CASE("without a table CPUID is 0, but for what is each vCPU's own");
	g = NEW(64, cpuids);
	EXPECT(0, guest_cpuid(0, 0).eax);
	EXPECT(0, guest_cpuid(1, 0).ecx);
	EXPECT(0, guest_cpuid(0x40000000, 0).ebx);
	EXPECT(0, guest_cpuid(0x80000000, 0).eax);

	CASE("CPUID tells the table's rows");
	rows[0] = (struct pintle_cpuid){0, 0, 1, 0x16, 1, 2, 3, 0};
	rows[1] = (struct pintle_cpuid){1, 0, 0, 0x12345, 0x00112233, -1u, -1u, 0};
	rows[2] = (struct pintle_cpuid){4, 0, 0, 1, 2, 3, 4, 0};
	rows[3] = (struct pintle_cpuid){4, 1, 0, 5, 6, 7, 8, 0};
	rows[4] = (struct pintle_cpuid){0x40000000, 0, 0, 0x40000001, 9, 10, 11, 0};
	rows[5] = (struct pintle_cpuid){0xb, 1, 0, 1, 2, 3, 0x77, 0};
	EXPECT(0, CALL(CPUID_SET, g.vm, (uintptr_t)rows, 6));
	EXPECT(0x16, guest_cpuid(0, 0).eax);
	EXPECT(3, guest_cpuid(0, 99).edx);
	EXPECT(0x12345, guest_cpuid(1, 0).eax);
	EXPECT(0x00112233, guest_cpuid(1, 0).ebx);
	EXPECT(0x80000000, guest_cpuid(1, 0).ecx & 0x88000000); /* OSXSAVE follows CR4 */
	EXPECT(0, guest_cpuid(1, 1).eax);
	EXPECT(3, guest_cpuid(4, 0).ecx);
	EXPECT(7, guest_cpuid(4, 1).ecx);
	EXPECT(0, guest_cpuid(4, 2).ecx);
	EXPECT(9, guest_cpuid(0x40000000, 0).ebx);
	EXPECT(0, guest_cpuid(0xb, 1).edx); /* its own APIC id */
	EXPECT(0, guest_cpuid(0x80000000, 0).eax);

	CASE("a new table takes the place of the old one, and the bits that follow CR4 do");
	rows[0] = (struct pintle_cpuid){1, 0, 0, 0, 0, -1u, 0, 0};
	EXPECT(0, CALL(CPUID_SET, g.vm, (uintptr_t)rows, 1));
	EXPECT(0, guest_cpuid(0, 0).eax);
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_CR4), 0x40020));
	EXPECT(0x08000000, guest_cpuid(1, 0).ecx & 0x08000000);
	guest_end(&g);
}

GUEST(msr_fault, 64, "mov $0x3b, %ecx; rdmsr; hlt");
GUEST(fault_13, 64, "pop %rax; out %eax, $0x0d; pop %rax; out %eax, $0x0e; hlt");

/* A gate of the guest's IDT. */
static void put_gate(unsigned vector, uint64_t handler)
{
	uint64_t *gate = AT(uint64_t, g.ram + GATES + 16ull * vector);
	gate[0] = (handler & 0xffff) | 8 << 16 | 0x8e00ull << 32;
	gate[1] = 0;
}

static void put_idt(void)
{
	uint64_t *gdt = AT(uint64_t, g.ram + GATES - 64);
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_IDT_BASE), GATES));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_IDT_LIMIT), 0xfff));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_GDT_BASE), GATES - 64));
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_GDT_LIMIT), 0x1f));
}

GUEST(vmcalls, 64,
	"mov $0x50490000, %eax; vmcall; out %eax, $0x99; mov $0x50490004, %eax; vmcall;"
	"out %eax, $0x99; hlt");
GUEST(vmmcalls, 64,
	"mov $0x50490000, %eax; vmmcall; out %eax, $0x99; mov $0x50490004, %eax;"
	"vmmcall; out %eax, $0x99; hlt");

static void faults(void)
{
	CASE("an MSR that guests do not have is a #GP");
	g = NEW(64, msr_fault);
	put_idt();
	put_gate(13, SMALL);
	memcpy(AT(void, g.ram + SMALL), fault_13, (size_t)(fault_13_end - fault_13));
	EXPECT_EXIT(&g, IO, 0x0d, 4, 1, 0);              /* the error code */
	EXPECT_EXIT(&g, IO, 0x0e, 4, 1, GUEST_CODE + 5); /* at RDMSR */
	guest_end(&g);

	CASE("for guests there are no hypercalls of Pintle's");
	g = machine() == BOCHS_INTEL ? NEW(64, vmcalls) : NEW(64, vmmcalls);
	EXPECT_EXIT(&g, IO, 0x99, 4, 1, (uint32_t)-1000);
	EXPECT_EXIT(&g, IO, 0x99, 4, 1, (uint32_t)-1000);
	guest_end(&g);
}

GUEST(adds, 64, "nop; add %eax, 0x100010; hlt");
GUEST(jumps, 64, "mov $0x100000, %eax; jmp *%rax");
GUEST(int3, 64, "int3; hlt");
GUEST(restarted, 64, "out %al, $0x77");

static void ends(void)
{
	CASE("an instruction on a device that is not known is told with its address, and stays");
	g = NEW(64, adds);
	EXPECT(PINTLE_EXIT_ERROR, guest_run(&g));
	EXPECT(0x100010, g.record->address);
	EXPECT(GUEST_CODE + 1, state_get(&g, RIP));
	EXPECT(PINTLE_EXIT_ERROR, guest_run(&g));
	guest_end(&g);

	CASE("code where no memory is, too");
	g = NEW(64, jumps);
	EXPECT(PINTLE_EXIT_ERROR, guest_run(&g));
	EXPECT(0x100000, g.record->address);
	EXPECT(0x100000, state_get(&g, RIP));
	guest_end(&g);

	CASE("a state that the CPU refuses is FAILED, and can be put right");
	g = NEW(64, outs_64);
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_CR0), 1ull << 40 | 0x80000031));
	EXPECT(PINTLE_EXIT_FAILED, guest_run(&g));
	guest_state(&g, 0, g.record, 64, GUEST_CODE); /* all: QEMU has left values of its own */
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x11);
	guest_end(&g);

	if (machine() == BOCHS_AMD) { /* which ends itself at a guest's triple fault */
		return;
	}
	CASE("a triple fault is SHUTDOWN, and the vCPU takes a new state after it");
	g = NEW(64, int3);
	EXPECT(1, state_set(&g, PINTLE_REG(PINTLE_IDT_LIMIT), 0));
	EXPECT(PINTLE_EXIT_SHUTDOWN, guest_run(&g));
	memcpy(AT(void, g.ram + GUEST_CODE), restarted, (size_t)(restarted_end - restarted));
	guest_state(&g, 0, g.record, 64, GUEST_CODE);
	EXPECT(PINTLE_EXIT_IO, guest_run(&g));
	EXPECT(0x77, g.record->address);
	guest_end(&g);
}

GUEST(halts, 64, "out %al, $0x99; 1: hlt; jmp 1b");
/* With interrupts on: Bochs takes none for the host while an AMD-V guest has them off. */
GUEST(spins, 64, "sti; out %al, $0x99; 1: jmp 1b");

static void stops(void)
{
	static const uint8_t *const code[][2] = {{halts, halts_end}, {spins, spins_end}};

	CASE("STOP stops a vCPU that sleeps, and one that runs");
	for (unsigned i = 0; i < 2; i++) {
		g = guest_new(64, code[i][0], code[i][1]);
		EXPECT(0, CALL(VCPU_STOP, g.vm, 0)); /* it has not run yet */
		EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0);
		EXPECT(0, CALL(VCPU_STOP, g.vm, 0));
		EXPECT(PINTLE_EXIT_IO, g.record->exit);
		for (unsigned j = 0; j < 3; j++) {
			g.record->exit = PINTLE_EXIT_NONE;
			EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
			EXPECT(-EBUSY, CALL(VCPU_RUN, g.vm, 0, 0));
			EXPECT(-EBUSY, CALL(STATE_GET, g.vm, 0, 1));
			EXPECT(-EBUSY, CALL(STATE_SET, g.vm, 0, 1));
			EXPECT(-EBUSY, CALL(BULK_GET, g.vm, 0, 1, shared_page()));
			if (j != 0) { /* the first time it waits for its CPU at most */
				doze();
				doze();
			}
			EXPECT(1, CALL(VCPU_STOP, g.vm, 0));
			EXPECT(PINTLE_EXIT_STOPPED, g.record->exit);
			EXPECT(0, CALL(VCPU_STOP, g.vm, 0));
			EXPECT_TRUE(!event_is_set(0, g.event));
		}
		EXPECT(i == 0 ? PINTLE_HALTED : PINTLE_RUNS,
			state_get(&g, PINTLE_REG(PINTLE_ACTIVITY)));
		guest_end(&g);
	}
}

GUEST(outs_loop, 64, "1: mov $100000, %ecx; 2: dec %ecx; jnz 2b; out %al, $0x99; jmp 1b");

static void counts(void)
{
	CASE("the record counts time");
	g = NEW(64, outs_loop);
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0);
	uint64_t ran = g.record->ran;
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0);
	EXPECT_TRUE(g.record->ran > ran);
	guest_end(&g);
}

GUEST(steered, 64, "1: out %al, $0x99; jmp 1b");

static void steer(void)
{
	CASE("WAIT for one that has stopped tells the next stops by another event");
	g = NEW(64, steered);
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0);
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0, PINTLE_EVENT_ID(0, 4000)));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	EXPECT_TRUE(event_comes(4000));
	EXPECT_TRUE(!event_is_set(0, g.event));
	EXPECT(-EINVAL, CALL(VCPU_WAIT, g.vm, 1, 0));

	CASE("an event of a CPU that there is not, or that has no page, is nowhere");
	EXPECT(1, CALL(VCPU_WAIT, g.vm, 0, PINTLE_EVENT_ID(77, 1)));
	EXPECT(0, CALL(VCPU_RUN, g.vm, 0, 0));
	WAIT_FOR(CALL(VCPU_RUN, g.vm, 0, 0) == 0);
	WAIT_FOR(CALL(VCPU_WAIT, g.vm, 0, UINT64_MAX) == 1);
	WAIT_FOR(CALL(VCPU_RUN, g.vm, 0, 0) == 0);
	WAIT_FOR(CALL(STATE_GET, g.vm, 0, 0) == 0);
	EXPECT(PINTLE_EXIT_IO, g.record->exit);
	guest_end(&g);
}

void service(void)
{
	outs();
	ins();
	strings();
	mmio();
	answer_only();
	cpuid();
	faults();
	ends();
	stops();
	counts();
	steer();
}
