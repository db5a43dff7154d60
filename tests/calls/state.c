/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/calls/state.c - STATE_GET, STATE_SET, BULK_GET, BULK_SET: what is put in comes out. */
#include "tests/calls/guest.h"

#define REG(name)     PINTLE_REG(PINTLE_##name)
#define SEGMENT(n, f) PINTLE_SEGMENT(n, PINTLE_##f)
#define ISR           0x10u /* of the APIC's page, by 16 bytes (SDM vol. 3, table 11-1) */
#define TMR           0x18u
#define IRR           0x20u

static struct guest g;

static const struct pintle_value values[] = {
	{PINTLE_GPR(0), 0x1010101010101010},
	{PINTLE_GPR(1), 0x1111111111111111},
	{PINTLE_GPR(2), 0x1212121212121212},
	{PINTLE_GPR(3), 0x1313131313131313},
	{PINTLE_GPR(4), 0x1414141414141414},
	{PINTLE_GPR(5), 0x1515151515151515},
	{PINTLE_GPR(6), 0x1616161616161616},
	{PINTLE_GPR(7), 0x1717171717171717},
	{PINTLE_GPR(8), 0x1818181818181818},
	{PINTLE_GPR(9), 0x1919191919191919},
	{PINTLE_GPR(10), 0x1a1a1a1a1a1a1a1a},
	{PINTLE_GPR(11), 0x1b1b1b1b1b1b1b1b},
	{PINTLE_GPR(12), 0x1c1c1c1c1c1c1c1c},
	{PINTLE_GPR(13), 0x1d1d1d1d1d1d1d1d},
	{PINTLE_GPR(14), 0x1e1e1e1e1e1e1e1e},
	{PINTLE_GPR(15), 0x1f1f1f1f1f1f1f1f},
	{REG(RFLAGS), 0x202},
	{REG(CR0), 0x80010033},
	{REG(CR2), 0x123456789000},
	{REG(CR3), GUEST_TABLES},
	{REG(CR4), 0x620},
	{REG(EFER), 0xd01},
	{REG(DR7), 0x400},
	{REG(GDT_BASE), 0xffff800000001000},
	{REG(GDT_LIMIT), 0x7f},
	{REG(IDT_BASE), 0xffff800000002000},
	{REG(IDT_LIMIT), 0xfff},
	{REG(PAT), 0x0007010600070106},
	{REG(XCR0), 3},
	{REG(CR8), 5},
	{REG(NMI_PENDING), 1},
	{REG(NMI_PENDING), 0},
	{REG(EVENT), 0x80000020}, /* an interrupt */
	{REG(EVENT), 0x1200080000b0e | 0x80000000},
	{REG(EVENT), 0},
	{REG(ACTIVITY), PINTLE_WAITS_FOR_SIPI},
	{REG(ACTIVITY), PINTLE_HALTED},
	{REG(ACTIVITY), PINTLE_RUNS},
	{PINTLE_DEBUG(0), 0xffff800000000001},
	{PINTLE_DEBUG(1), 0x2000},
	{PINTLE_DEBUG(2), 0x3000},
	{PINTLE_DEBUG(3), 0x4000},
	{PINTLE_DEBUG(4), 0xffff0ff1},
	{PINTLE_MSR(0x174), 0x8},
	{PINTLE_MSR(0x175), 0xffff800000005000},
	{PINTLE_MSR(0x176), 0xffff800000006000},
	{PINTLE_MSR(0xc0000081), 0x23001000000000},
	{PINTLE_MSR(0xc0000082), 0xffff800000007000},
	{PINTLE_MSR(0xc0000083), 0xffff800000008000},
	{PINTLE_MSR(0xc0000084), 0x47700},
	{PINTLE_MSR(0xc0000102), 0xffff800000009000},
	{PINTLE_MSR(0xc0000103), 0x55},
	{PINTLE_MSR(0xc0000100), 0xffff80000000a000},
	{PINTLE_MSR(0xc0000101), 0xffff80000000b000},
	{PINTLE_MSR(0x277), 0x0006010600070106},
	{PINTLE_MSR(0xc0000080), 0xd01},
	{PINTLE_MSR(0x1b), 0xfee00d00},
	{PINTLE_MSR(0x4b564d01), 0x11001},
	{PINTLE_MSR(0x4b564d03), 0x12001},
};
#define COUNT (sizeof(values) / sizeof(*values))

GUEST(quiet, 64, "out %al, $0x99; out %al, $0x99");

static void each(void)
{
	CASE("each register that is set is got");
	for (unsigned i = 0; i < COUNT; i++) {
		EXPECT(1, state_set(&g, values[i].id, values[i].value));
		EXPECT(values[i].value, state_get(&g, values[i].id));
	}
	EXPECT(0x1414141414141414, state_get(&g, REG(RSP)));
	EXPECT(0x0006010600070106, state_get(&g, REG(PAT)));
	EXPECT(0xffff80000000a000, state_get(&g, SEGMENT(4, BASE)));

	CASE("each field of each segment that is set is got");
	for (unsigned n = 0; n < 8; n++) {
		const uint64_t wanted[] = {n < 4 ? 0x1000 * n : 0xffff800000000000 + 0x1000 * n,
			n == 6           ? 0x17
				: n == 7 ? 0x67
					 : 0xffffffff,
			8 * n + 8,
			n == 1           ? 0xa9b
				: n == 6 ? 0x82
				: n == 7 ? 0x8b
					 : 0xc93};
		for (unsigned field = 4; field-- > 0;) {
			EXPECT(1, state_set(&g, PINTLE_SEGMENT(n, field), wanted[field]));
		}
		for (unsigned field = 0; field < 4; field++) {
			EXPECT(wanted[field], state_get(&g, PINTLE_SEGMENT(n, field)));
		}
	}

	CASE("the TSC is read, and a write to it does nothing");
	uint64_t before = tsc(), is = state_get(&g, PINTLE_MSR(0x10));
	EXPECT_TRUE(machine() == QEMU_AMD || (is > before && is < tsc())); /* QEMU reads 0 */
	EXPECT(1, state_set(&g, PINTLE_MSR(0x10), 5));
	EXPECT_TRUE(machine() == QEMU_AMD || state_get(&g, PINTLE_MSR(0x10)) > is);
}

static void lists(void)
{
	struct pintle_value *list = g.record->values;

	CASE("a list is set and got as a whole, up to 252");
	for (unsigned i = 0; i < 252; i++) {
		list[i] = (struct pintle_value){PINTLE_GPR(i % 16), 0x100 + i};
	}
	EXPECT(252, CALL(STATE_SET, g.vm, 0, 252));
	for (unsigned i = 0; i < 252; i++) {
		list[i].value = 0;
	}
	EXPECT(252, CALL(STATE_GET, g.vm, 0, 252));
	EXPECT(0x100 + 240, list[0].value);
	EXPECT(0x100 + 251, list[251].value);
	EXPECT(0x100 + 239, list[15].value);
	EXPECT(0, CALL(STATE_SET, g.vm, 0, 0));
	EXPECT(-EINVAL, CALL(STATE_SET, g.vm, 0, 253));
	EXPECT(-EINVAL, CALL(STATE_GET, g.vm, 0, UINT64_MAX));
	EXPECT(-EINVAL, CALL(STATE_GET, g.vm, 1, 1));

	CASE("what is unknown or cannot be ends a list, and those before it count");
	static const struct pintle_value bad[] = {
		{PINTLE_GPR(16), 0},
		{PINTLE_REG(PINTLE_NMI_PENDING + 1), 0},
		{0x1ff, 0},
		{PINTLE_SEGMENT(8, 0), 0},
		{PINTLE_DEBUG(5), 0},
		{0x400, 0},
		{UINT64_MAX, 0},
		{1ull << 33, 0},
		{PINTLE_MSR(0x3b), 0},
		{PINTLE_MSR(0x802), 0},
		{PINTLE_MSR(0x49), 0},
		{PINTLE_MSR(0xc0010117), 0},
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		for (unsigned set = 0; set < 2; set++) {
			list[0] = (struct pintle_value){PINTLE_GPR(0), 0x777};
			list[1] = bad[i];
			list[2] = (struct pintle_value){PINTLE_GPR(1), 0x888};
			EXPECT(1, set ? CALL(STATE_SET, g.vm, 0, 3) : CALL(STATE_GET, g.vm, 0, 3));
			EXPECT(bad[i].value, list[1].value);
		}
	}
	EXPECT(0x777, state_get(&g, PINTLE_GPR(0)));
	EXPECT_TRUE(state_get(&g, PINTLE_GPR(1)) != 0x888);

	CASE("values that the CPU does not take are refused");
	EXPECT(0, state_set(&g, REG(XCR0), 0));
	EXPECT(0, state_set(&g, REG(XCR0), 1ull << 62 | 1));
	EXPECT(3, state_get(&g, REG(XCR0)));
	EXPECT(0, state_set(&g, REG(ACTIVITY), 3));
	EXPECT(0, state_set(&g, REG(EVENT), 0x80000420));
	EXPECT(0, state_get(&g, REG(EVENT)));
	EXPECT(0, state_set(&g, PINTLE_DEBUG(4), 1ull << 32));
	EXPECT(0, state_set(&g, PINTLE_MSR(0x277), 0x02));
	EXPECT(0, state_set(&g, PINTLE_MSR(0xc0000080), 1ull << 40));
	EXPECT(0, state_set(&g, PINTLE_MSR(0x1b), 0xfee00d00 | 1ull << 20 | 0x200));
	if (machine() != QEMU_AMD) { /* which takes what is not canonical */
		EXPECT(0, state_set(&g, PINTLE_MSR(0xc0000082), 1ull << 63));
		EXPECT(0, state_set(&g, PINTLE_MSR(0xc0000102), 1ull << 63));
		EXPECT(0xffff800000007000, state_get(&g, PINTLE_MSR(0xc0000082)));
	}
}

static void survive(void)
{
	unsigned count = 0;

	CASE("what is set is there after a run");
	guest_end(&g);
	g = NEW(64, quiet);
	struct pintle_value *list = g.record->values;
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0);
	for (unsigned i = 0; i < COUNT; i++) {
		if (values[i].id != REG(EVENT) && values[i].id != REG(NMI_PENDING)) {
			list[count++] = values[i];
		}
	}
	EXPECT(count, CALL(STATE_SET, g.vm, 0, count));
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x10);
	for (unsigned i = 0; i < count; i++) {
		list[i].value = 0x5555;
	}
	EXPECT(count, CALL(STATE_GET, g.vm, 0, count));
	for (unsigned i = 0, j = 0; i < COUNT; i++) {
		if (values[i].id == REG(EVENT) || values[i].id == REG(NMI_PENDING)) {
			continue;
		}
		if (values[i].id == REG(CR2) && machine() == BOCHS_AMD) {
			j++; /* its VMRUN does not load it */
			continue;
		}
		if (values[i].id == REG(PAT)) { /* the MSR was set after it */
			EXPECT(0x0006010600070106, list[j].value);
		} else if (values[i].id != REG(ACTIVITY) && values[i].id != PINTLE_GPR(0)) {
			EXPECT(values[i].value, list[j].value);
		}
		j++;
	}
	EXPECT(GUEST_CODE + 2, state_get(&g, REG(RIP)));
	guest_end(&g);
}

/* Shows DR6, and changes it. */
GUEST(debug, 64,
	"mov %dr6, %rax; out %eax, $0x99; mov $0xffff4ff2, %eax; mov %rax, %dr6; out %al, $0x99; hlt");

static void debug_status(void)
{
	CASE("DR6 is the guest's own");
	g = NEW(64, debug);
	EXPECT(0xffff0ff0, state_get(&g, PINTLE_DEBUG(4)));
	EXPECT(1, state_set(&g, PINTLE_DEBUG(4), 0xffff0ff1));
	EXPECT_EXIT(&g, IO, 0x99, 4, 1, 0xffff0ff1);
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0xf2);
	EXPECT(0xffff4ff2, state_get(&g, PINTLE_DEBUG(4)));
	guest_end(&g);
}

/* Puts 1.0 on the x87 stack, a word in XMM7, and MXCSR's rounding up; then shows XMM7. */
GUEST(floats, 64,
	"fld1; mov $0x1122334455667788, %rax; movq %rax, %xmm7; movl $0x5f80, 0x10000;"
	"ldmxcsr 0x10000; out %al, $0x99; movq %xmm7, %rax; out %eax, $0x99; hlt");

static void xsave(void)
{
	uint64_t page = shared_page();
	uint8_t *area = AT(uint8_t, page);
	uint64_t size = (uint64_t)QUERY(XSAVE_SIZE);

	for (uint64_t i = PAGE; i < size; i += PAGE) {
		EXPECT(page + i, shared_page());
	}
	CASE("BULK_GET shows the FPU's state, and BULK_SET puts it in");
	g = NEW(64, floats);
	EXPECT(1, state_set(&g, REG(CR4), 0x40620));
	EXPECT(1, state_set(&g, REG(XCR0), 3));
	EXPECT(0, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	EXPECT(0x37f, *AT(uint16_t, page));
	EXPECT(0x1f80, *AT(uint32_t, page + 24));
	EXPECT_EXIT(&g, IO, 0x99, 1, 1, 0x88);
	EXPECT(0, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	EXPECT(0x5f80, *AT(uint32_t, page + 24));
	EXPECT(0x1122334455667788, *AT(uint64_t, page + 160 + 7 * 16));
	EXPECT(0x8000000000000000, *AT(uint64_t, page + 32)); /* ST0's mantissa */
	EXPECT(3, *AT(uint64_t, page + 512) & 3);
	*AT(uint64_t, page + 160 + 7 * 16) = 0xcafebabe;
	EXPECT(0, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	EXPECT_EXIT(&g, IO, 0x99, 4, 1, 0xcafebabe);

	CASE("an area that the CPU would not load is refused");
	*AT(uint32_t, page + 24) = 0x10000; /* MXCSR */
	EXPECT(-EINVAL, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	*AT(uint32_t, page + 24) = 0x1f80;
	area[512 + 7] = 0x80; /* a component that there is not */
	EXPECT(-EINVAL, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	area[512 + 7] = 0;
	area[512 + 15] = 0x80; /* compacted */
	EXPECT(-EINVAL, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	area[512 + 15] = 0;
	area[512 + 63] = 1;
	EXPECT(-EINVAL, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	area[512 + 63] = 0;
	EXPECT(0, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_XSAVE, page));
	EXPECT(-EINVAL, CALL(BULK_SET, g.vm, 0, 2, page));
	EXPECT(-EINVAL, CALL(BULK_GET, g.vm, 0, UINT64_MAX, page));
	EXPECT(-EFAULT, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_XSAVE, page + 64));
	EXPECT(-EFAULT, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_LAPIC, piece()));
	guest_end(&g);
}

static void lapic(void)
{
	uint64_t page = shared_page();
	volatile uint32_t *reg = AT(volatile uint32_t, page);

	CASE("BULK shows the APIC's registers, and takes those that can be written");
	g = NEW(64, quiet);
	EXPECT(0, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_LAPIC, page));
	EXPECT(0, reg[4 * 2]);      /* its id */
	EXPECT(0xff, reg[4 * 0xf]); /* SVR: off */
	EXPECT(0x10000, reg[4 * 0x32]);
	reg[4 * 0xf] = 0x1ff;
	reg[4 * 8] = 0x30;              /* TPR */
	reg[4 * 0x32] = 0x20000 | 0x44; /* a periodic timer */
	reg[4 * 0x3e] = 3;
	reg[4 * 0x38] = 0x10000000;
	reg[4 * 0x35] = 0x700;
	reg[4 * (IRR + 2)] = 1u << 5; /* vector 69 */
	reg[4 * (ISR + 1)] = 1u << 3; /* 35 */
	reg[4 * (TMR + 1)] = 1u << 3;
	reg[4 * IRR] = 0xffff; /* those that cannot be */
	EXPECT(0, CALL(BULK_SET, g.vm, 0, PINTLE_BULK_LAPIC, page));
	memset(AT(void, page), 0x77, PAGE);
	EXPECT(0, CALL(BULK_GET, g.vm, 0, PINTLE_BULK_LAPIC, page));
	EXPECT(0x1ff, reg[4 * 0xf]);
	EXPECT(0x30, reg[4 * 8]);
	EXPECT(0x20044, reg[4 * 0x32]);
	EXPECT(3, reg[4 * 0x3e]);
	EXPECT(0x10000000, reg[4 * 0x38]);
	EXPECT_TRUE(reg[4 * 0x39] != 0 && reg[4 * 0x39] <= 0x10000000);
	EXPECT(0x700, reg[4 * 0x35]);
	EXPECT(1u << 5, reg[4 * (IRR + 2)]);
	EXPECT(1u << 3, reg[4 * (ISR + 1)]);
	EXPECT(1u << 3, reg[4 * (TMR + 1)]);
	EXPECT(0, reg[4 * IRR]);
	EXPECT(3, state_get(&g, REG(CR8)));
	guest_end(&g);
}

GUEST(pae, 32, "mov 0x400000, %eax; out %eax, $0x99; hlt");

static void pae_mode(void)
{
	CASE("a vCPU can be set into PAE paging");
	g = NEW(32, pae);
	uint64_t *tables = AT(uint64_t, g.ram + GUEST_TABLES);
	memset(tables, 0, 4 * PAGE);
	tables[0] = (GUEST_TABLES + PAGE) | 1;
	tables[512] = 0x83;     /* 2 MiB at 0 */
	tables[512 + 2] = 0x83; /* and again at 4 MiB */
	*AT(uint32_t, g.ram) = 0x600df00d;
	EXPECT(1, state_set(&g, REG(CR3), GUEST_TABLES));
	EXPECT(1, state_set(&g, REG(CR4), 0x20));
	EXPECT(1, state_set(&g, REG(CR0), 0x80000031));
	EXPECT_EXIT(&g, IO, 0x99, 4, 1, 0x600df00d);
	guest_end(&g);
}

void service(void)
{
	g = NEW(64, quiet);
	each();
	lists();
	survive();
	debug_status();
	xsave();
	lapic();
	pae_mode();
}
