/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vlapic.c - the virtual local APIC: rights of every register in both modes,
 * changes of mode, priorities, IPIs and destinations, errors, and the timer against a model that
 * counts.
 *
 * Links: vdev/lapic.c
 */
#include "tests/unit/fake.h"

#include <pthread.h>

#include "vdev/lapic.h"

#define ON          0x100u /* SVR */
#define MASKED      0x10000u
#define PERIODIC    0x20000u
#define DEADLINE    0x40000u
#define BASE_XAPIC  0xfee00800u
#define BASE_X2APIC 0xfee00c00u
#define BASE_OFF    0xfee00000u
#define BASE_BOOT   0x100u

static _Alignas(4096) uint8_t pages[2][4096];
static struct vlapic apic = {.reg = (void *)pages[0]};
static struct vlapic_effect effect;

static uint64_t rd(unsigned reg)
{
	uint64_t value;
	effect.kind = vlapic_read(&apic, reg, 0, &value) ? VLAPIC_NOTHING : VLAPIC_FAULT;
	return value;
}

static enum vlapic_effect_kind wr(unsigned reg, uint64_t value)
{
	vlapic_write(&apic, reg, value, 0, &effect);
	return effect.kind;
}

/* A fresh APIC with id 0x35, software enabled unless `svr` says otherwise. */
static void start(bool x2apic, uint32_t svr)
{
	memset(&apic, 0xaa, sizeof(apic));
	apic.reg = memset(pages[0], 0xaa, sizeof(pages[0]));
	vlapic_init(&apic, 0x35, false);
	if (x2apic) {
		assert_true(vlapic_write_base(&apic, BASE_X2APIC));
	}
	assert_int_equal(wr(LAPIC_SVR, svr), VLAPIC_NOTHING);
}

/* Registers ----------------------------------------------------------------------------------- */

/* Rights as the manual's tables have them, bits that can be set, read-only bits, value after reset.
 */
static const struct expected {
	unsigned reg, count;
	const char *xapic, *x2apic;
	uint64_t set, readonly, reset;
} expected[] = {
	{0x02, 1, "r", "r", 0, 0, 0}, /* id: by mode */
	{0x03, 1, "r", "r", 0, 0, 0x60015},
	{0x08, 1, "rw", "rw", 0xff, 0, 0},
	{0x0a, 1, "r", "r", 0, 0, 0},
	{0x0b, 1, "w", "w", 0, 0, 0},
	{0x0d, 1, "rw", "r", 0xff000000, 0, 0}, /* LDR: by mode */
	{0x0e, 1, "rw", "", 0xf0000000, 0, 0xffffffff},
	{0x0f, 1, "rw", "rw", 0x3ff, 0, 0xff},
	{0x10, 24, "r", "r", 0, 0, 0},
	{0x28, 1, "rw", "rw", 0, 0, 0},
	{0x2f, 1, "rw", "rw", 0x107ff, 0x1000, 0x10000},
	{0x30, 1, "rw", "rw", 0xffffffff000ccfff, 0x1000, 0},
	{0x31, 1, "rw", "", 0xff000000, 0, 0},
	{0x32, 1, "rw", "rw", 0x700ff, 0x1000, 0x10000},
	{0x33, 2, "rw", "rw", 0x107ff, 0x1000, 0x10000},
	{0x35, 2, "rw", "rw", 0x1a7ff, 0x5000, 0x10000},
	{0x37, 1, "rw", "rw", 0x100ff, 0x1000, 0x10000},
	{0x38, 1, "rw", "rw", 0xffffffff, 0, 0},
	{0x39, 1, "r", "r", 0, 0, 0},
	{0x3e, 1, "rw", "rw", 0xb, 0, 0},
	{0x3f, 1, "", "w", 0xff, 0, 0},
};

static const struct expected *expected_of(unsigned reg)
{
	static const struct expected missing = {0, 1, "", "", 0, 0, 0};
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
		if (reg - expected[i].reg < expected[i].count) {
			return &expected[i];
		}
	}
	return &missing;
}

static const unsigned regs_tried[] = {0x40, 0x7f, 0xff, 0x3ff, UINT32_MAX};

static void every_register_has_its_rights_in_both_modes(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 0x40 + ARRAY_COUNT(regs_tried); n++) {
		unsigned reg = n < 0x40 ? n : regs_tried[n - 0x40];
		const struct expected *e = expected_of(reg);
		for (int x2apic = 0; x2apic < 2; x2apic++) {
			const char *rights = x2apic ? e->x2apic : e->xapic;
			start(x2apic, ON | 0xff);
			rd(reg);
			bool can = strchr(rights, 'r') != NULL;
			assert_int_equal(
				effect.kind, x2apic && !can ? VLAPIC_FAULT : VLAPIC_NOTHING);
			start(x2apic, ON | 0xff);
			wr(reg, 0x20 & e->set);
			can = strchr(rights, 'w') != NULL;
			assert_int_equal(effect.kind == VLAPIC_FAULT, x2apic && !can);
		}
	}
}

static void try_bit(const struct expected *e, unsigned reg, bool x2apic, unsigned bit)
{
	uint64_t value = 1ull << bit;
	const char *rights = x2apic ? e->x2apic : e->xapic;
	start(x2apic, ON | 0xff);
	uint64_t before = rd(reg);
	wr(reg, value);
	bool refused = x2apic && (!strchr(rights, 'w') || !(value & (e->set | e->readonly)));
	if (refused != (effect.kind == VLAPIC_FAULT)) {
		fail_msg("register 0x%x bit %u: effect %d", reg, bit, effect.kind);
	}
	if (!strchr(rights, 'r')) {
		return;
	}
	uint64_t after = e->reset & ~e->set;
	after |= value & e->set & (x2apic ? UINT64_MAX : UINT32_MAX);
	if (refused || !strchr(rights, 'w')) {
		after = before;
	} else if (reg == 0x31 || (reg == 0x30 && !x2apic)) {
		after &= UINT32_MAX;
	}
	assert_int_equal(rd(reg), after);
}

static void only_writable_bits_change_and_reserved_ones_fault_in_x2apic_mode(void **state)
{
	(void)state;
	for (unsigned reg = 0; reg < 0x40; reg++) {
		for (unsigned bit = 0; bit < 64; bit++) {
			try_bit(expected_of(reg), reg, false, bit);
			try_bit(expected_of(reg), reg, true, bit);
		}
	}
}

static void reset_gives_every_register_its_value(void **state)
{
	(void)state;
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		start(x2apic, ON | 0xff);
		for (unsigned reg = 0; reg < 0x40; reg++) {
			wr(reg, 0);
			wr(reg, expected_of(reg)->set);
		}
		vlapic_accept(&apic, 0x71, true);
		vlapic_accept(&apic, 0x72, true);
		vlapic_take(&apic, 0x72);
		vlapic_reset(&apic);
		assert_int_equal(vlapic_is_x2apic(&apic), x2apic);
		for (unsigned reg = 3; reg < 0x40; reg++) {
			if (reg != LAPIC_LDR) {
				uint64_t value = rd(reg);
				assert_int_equal(value, effect.kind ? 0 : expected_of(reg)->reset);
			}
		}
		assert_int_equal(rd(LAPIC_ID), x2apic ? 0x35 : 0x35000000);
		assert_int_equal(rd(LAPIC_LDR), x2apic ? 0x30020 : 0);
		assert_true(vlapic_timer_next(&apic) == UINT64_MAX);
		assert_int_equal(vlapic_pending(&apic), -1);
	}
}

static void the_base_msr_allows_the_ring_of_modes_alone(void **state)
{
	(void)state;
	static const uint64_t modes[] = {BASE_OFF, BASE_XAPIC, BASE_X2APIC, 0xfee00400};
	static const bool legal[3][4] = {{1, 1, 0, 0}, {1, 1, 1, 0}, {1, 0, 1, 0}};
	for (int from = 0; from < 3; from++) {
		for (int to = 0; to < 4; to++) {
			vlapic_init(&apic, 1, true);
			if (from != 1) {
				assert_true(vlapic_write_base(&apic, modes[from]));
			}
			uint64_t before = apic.base_msr;
			assert_int_equal(vlapic_write_base(&apic, modes[to]), legal[from][to]);
			assert_true(apic.base_msr ==
				(legal[from][to] ? modes[to] | BASE_BOOT : before));
		}
	}
	static const uint64_t refused[] = {0xfee01800, 0x1fee00800, 0xfee00801, 0xfee00a00, 0x800};
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		vlapic_init(&apic, 1, true);
		assert_false(vlapic_write_base(&apic, refused[i]));
	}
	/* The boot CPU's bit cannot be changed, and writing it is no fault. */
	vlapic_init(&apic, 1, true);
	assert_true(apic.base_msr == (BASE_XAPIC | BASE_BOOT));
	vlapic_init(&apic, 1, false);
	assert_true(vlapic_write_base(&apic, BASE_XAPIC | BASE_BOOT));
	assert_true(apic.base_msr == BASE_XAPIC);
}

static void a_disabled_apic_forgets_and_takes_nothing(void **state)
{
	(void)state;
	start(true, ON | 0xff);
	vlapic_accept(&apic, 0x50, false);
	wr(LAPIC_TIMER_COUNT, 5);
	assert_true(vlapic_write_base(&apic, BASE_OFF));
	assert_int_equal(vlapic_pending(&apic), -1);
	assert_true(vlapic_timer_next(&apic) == UINT64_MAX);
	assert_false(vlapic_accept(&apic, 0x50, false));
	assert_int_equal(rd(LAPIC_VERSION), 0);
	wr(LAPIC_SVR, ON | 0xff);
	assert_true(vlapic_write_base(&apic, BASE_XAPIC));
	assert_int_equal(rd(LAPIC_SVR), 0xff);
	assert_int_equal(rd(LAPIC_ID), 0x35000000);
	/* From xAPIC to x2APIC nothing is lost but the logical id. */
	wr(LAPIC_SVR, ON | 0x77);
	wr(LAPIC_LDR, 0x01000000);
	vlapic_accept(&apic, 0x51, false);
	assert_true(vlapic_write_base(&apic, BASE_X2APIC));
	assert_int_equal(rd(LAPIC_SVR), ON | 0x77);
	assert_int_equal(rd(LAPIC_LDR), 0x30020);
	assert_int_equal(vlapic_pending(&apic), 0x51);
}

static void software_disable_masks_the_lvts_and_blocks_new_interrupts(void **state)
{
	(void)state;
	static const unsigned lvts[] = {0x2f, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37};
	start(false, ON | 0xff);
	for (size_t i = 0; i < ARRAY_COUNT(lvts); i++) {
		wr(lvts[i], 0x40 + i);
		assert_int_equal(rd(lvts[i]), 0x40 + i);
	}
	assert_true(vlapic_accept(&apic, 0x60, false));
	wr(LAPIC_SVR, 0xff);
	assert_false(vlapic_accept(&apic, 0x70, false));
	assert_int_equal(vlapic_pending(&apic), 0x60); /* what was there stays */
	for (size_t i = 0; i < ARRAY_COUNT(lvts); i++) {
		assert_int_equal(rd(lvts[i]), MASKED | (0x40 + i));
		wr(lvts[i], 0x50);
		assert_int_equal(rd(lvts[i]), MASKED | 0x50);
	}
	assert_int_equal(rd(LAPIC_DFR), 0xffffffff);
	assert_int_equal(rd(LAPIC_VERSION), 0x60015);
	wr(LAPIC_SVR, ON | 0xff);
	for (size_t i = 0; i < ARRAY_COUNT(lvts); i++) {
		assert_int_equal(rd(lvts[i]), MASKED | 0x50);
	}
}

/* Priorities ---------------------------------------------------------------------------------- */

enum op { END, EDGE, LEVEL, AGAIN, PENDING, TAKE, TPR, PPR, EOI };
static const struct {
	const char *name;
	struct {
		enum op op;
		int value;
	} steps[12];
} stories[] = {
	{"nothing pends", {{PENDING, -1}, {PPR, 0}, {EOI, 0}, {PENDING, -1}}},
	{"the highest goes first",
		{{EDGE, 0x31}, {EDGE, 0xf2}, {EDGE, 0x80}, {PENDING, 0xf2}, {TAKE, 0xf2},
			{PPR, 0xf0}, {PENDING, -1}, {EOI, 0xf2}, {PENDING, 0x80}}},
	{"a class waits for its own",
		{{EDGE, 0x41}, {TAKE, 0x41}, {EDGE, 0x4f}, {PENDING, -1}, {EDGE, 0x50},
			{PENDING, 0x50}, {TAKE, 0x50}, {EOI, 0x50}, {EOI, 0x41}, {PENDING, 0x4f}}},
	{"TPR holds its class back",
		{{EDGE, 0x5f}, {TPR, 0x50}, {PENDING, -1}, {TPR, 0x4f}, {PENDING, 0x5f},
			{TPR, 0xff}, {PPR, 0xff}, {PENDING, -1}, {TPR, 0}, {PENDING, 0x5f}}},
	{"the lowest class",
		{{EDGE, 0x10}, {PENDING, 0x10}, {TPR, 0x0f}, {PENDING, 0x10}, {TPR, 0x10},
			{PENDING, -1}, {PPR, 0x10}}},
	{"PPR is TPR in the same class",
		{{EDGE, 0x73}, {TAKE, 0x73}, {PPR, 0x70}, {TPR, 0x74}, {PPR, 0x74}, {TPR, 0x6f},
			{PPR, 0x70}}},
	{"EOI ends the highest in service",
		{{EDGE, 0x21}, {TAKE, 0x21}, {LEVEL, 0x91}, {TAKE, 0x91}, {EOI, 0x91}, {PPR, 0x20},
			{EOI, 0x21}, {PPR, 0}, {EOI, 0}}},
	{"edge after level",
		{{LEVEL, 0x91}, {TAKE, 0x91}, {EOI, 0x91}, {EDGE, 0x91}, {TAKE, 0x91},
			{EOI, 0x91}}},
	{"one request at a time",
		{{EDGE, 0x33}, {AGAIN, 0x33}, {TAKE, 0x33}, {EDGE, 0x33}, {PENDING, -1},
			{EOI, 0x33}, {PENDING, 0x33}, {TAKE, 0x33}, {EOI, 0x33}, {PENDING, -1}}},
	{"word limits",
		{{EDGE, 0x1f}, {EDGE, 0x20}, {PENDING, 0x20}, {EDGE, 0xff}, {PENDING, 0xff},
			{TAKE, 0xff}, {EOI, 0xff}, {TAKE, 0x20}, {EOI, 0x20}, {PENDING, 0x1f}}},
};

static void run_step(enum op op, int value)
{
	uint8_t vector = (uint8_t)value;
	switch (op) {
	case EDGE:
	case LEVEL:
		assert_true(vlapic_accept(&apic, vector, op == LEVEL));
		assert_true(rd(LAPIC_IRR + vector / 32) >> vector % 32 & 1);
		assert_int_equal(rd(LAPIC_TMR + vector / 32) >> vector % 32 & 1, op == LEVEL);
		break;
	case AGAIN: /* once where it is on its way, once where it has arrived */
		vlapic_accept(&apic, vector, false);
		assert_false(vlapic_accept(&apic, vector, false));
		rd(LAPIC_IRR);
		break;
	case PENDING:
		assert_int_equal(vlapic_pending(&apic), value);
		break;
	case TAKE:
		assert_int_equal(vlapic_pending(&apic), value);
		vlapic_take(&apic, vector);
		assert_true(rd(LAPIC_ISR + vector / 32) >> vector % 32 & 1);
		assert_false(rd(LAPIC_IRR + vector / 32) >> vector % 32 & 1);
		break;
	case TPR:
		assert_int_equal(wr(LAPIC_TPR, vector), VLAPIC_NOTHING);
		break;
	case PPR:
		assert_int_equal(rd(LAPIC_PPR), value);
		break;
	case EOI:
		assert_int_equal(wr(LAPIC_EOI, 0), VLAPIC_NOTHING);
		assert_int_equal(effect.vector, vector);
		break;
	case END:
		break;
	}
}

static void priorities_follow_irr_isr_and_tpr(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_COUNT(stories); i++) {
		start(i & 1, ON | 0xff);
		for (size_t s = 0; s < ARRAY_COUNT(stories[0].steps); s++) {
			run_step(stories[i / 2].steps[s].op, stories[i / 2].steps[s].value);
		}
	}
}

static void an_eoi_may_have_any_value_in_xapic_mode_alone(void **state)
{
	(void)state;
	start(false, ON | 0xff);
	vlapic_accept(&apic, 0x40, true);
	vlapic_take(&apic, 0x40);
	assert_int_equal(wr(LAPIC_EOI, 0xdeadbeef), VLAPIC_NOTHING);
	assert_int_equal(effect.vector, 0x40);
	start(true, ON | 0xff);
	vlapic_accept(&apic, 0x40, true);
	vlapic_take(&apic, 0x40);
	assert_int_equal(wr(LAPIC_EOI, 1), VLAPIC_FAULT);
	assert_int_equal(rd(LAPIC_PPR), 0x40);
}

static void the_status_has_the_highest_request_and_the_highest_in_service(void **state)
{
	(void)state;
	start(true, ON | 0xff);
	assert_int_equal(vlapic_status(&apic), 0);
	vlapic_accept(&apic, 0x31, false);
	vlapic_accept(&apic, 0x42, true);
	assert_int_equal(vlapic_pending(&apic), 0x42);
	assert_int_equal(vlapic_status(&apic), 0x0042);
	vlapic_take(&apic, 0x42);
	assert_int_equal(vlapic_status(&apic), 0x4231);
	wr(LAPIC_EOI, 0);
	assert_int_equal(vlapic_status(&apic), 0x0031);
}

static void the_page_has_the_layout_of_the_hardware(void **state)
{
	(void)state;
	start(true, ON | 0xff);
	vlapic_accept(&apic, 0x42, false);
	assert_int_equal(vlapic_pending(&apic), 0x42);
	assert_int_equal(pages[0][0x220] | pages[0][0x221], 4); /* IRR, vectors 64 to 79 */
	assert_int_equal(pages[0][0xf1], 1);                    /* SVR */
}

/*
 * Two CPUs send while this one takes, one of them the even vectors, one the odd ones: none a second
 * time before it was taken, so that each that is sent is taken once.
 */
#define SENT     20000
#define PATIENCE 200000000u

static atomic_uint sent[256], seen[256], senders_done;
static atomic_bool lost;

static void *sender(void *parity)
{
	uint32_t x = (uint32_t)(uintptr_t)parity;
	for (int i = 0; i < SENT && !lost; i++) {
		x = x * 1664525 + 1013904223;
		uint8_t vector =
			(uint8_t)((16 + (x >> 24) % 240) & ~1u) | (uint8_t)(uintptr_t)parity;
		for (unsigned wait = 0; seen[vector] != sent[vector] && !lost; wait++) {
			lost = wait == PATIENCE;
		}
		sent[vector]++;
		if (!vlapic_accept(&apic, vector, false)) {
			lost = true;
		}
	}
	senders_done++;
	return NULL;
}

static uintptr_t take_all(void)
{
	uintptr_t taken = 0;
	for (int vector = vlapic_pending(&apic); vector >= 0; vector = vlapic_pending(&apic)) {
		vlapic_take(&apic, (uint8_t)vector);
		seen[vector]++;
		wr(LAPIC_EOI, 0);
		taken++;
	}
	return taken;
}

static void interrupts_of_several_cpus_are_neither_lost_nor_doubled(void **state)
{
	(void)state;
	pthread_t threads[2];
	uintptr_t taken = 0;
	start(true, ON | 0xff);
	for (uintptr_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
	}
	while (senders_done != 2) {
		taken += take_all();
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_false(lost);
	assert_int_equal(taken + take_all(), 2 * SENT);
}

/* IPIs ---------------------------------------------------------------------------------------- */

static void an_ipi_carries_the_x2apic_form_of_the_icr(void **state)
{
	(void)state;
	static const struct {
		uint32_t low;
		enum vlapic_effect_kind kind;
	} cases[] = {
		{0x00041, VLAPIC_IPI},
		{0x00141, VLAPIC_IPI}, /* lowest priority: the owner's choice */
		{0x40041, VLAPIC_IPI},
		{0x80041, VLAPIC_IPI},
		{0xc0841, VLAPIC_IPI},
		{0x00400, VLAPIC_IPI}, /* NMI has no vector */
		{0x00601, VLAPIC_IPI}, /* nor is a SIPI's one of those */
		{0x04500, VLAPIC_IPI},
		{0x0c500, VLAPIC_IPI},
		{0x08500, VLAPIC_NOTHING}, /* INIT de-assert */
		{0x0000f, VLAPIC_IPI},
		{0x00100, VLAPIC_IPI},
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		start(false, ON | 0xff);
		assert_int_equal(wr(LAPIC_ICR_HIGH, 0x1200ffff), VLAPIC_NOTHING);
		assert_int_equal(wr(LAPIC_ICR, cases[i].low | 0xfff31000), cases[i].kind);
		if (cases[i].kind == VLAPIC_IPI) {
			assert_true(effect.icr == (0x1200000000 | cases[i].low));
		}
		assert_int_equal(rd(LAPIC_ICR), cases[i].low); /* never busy */
		assert_int_equal(rd(LAPIC_ICR_HIGH), 0x12000000);
		start(true, ON | 0xff);
		assert_int_equal(wr(LAPIC_ICR, 0xabcdef1200000000 | cases[i].low), cases[i].kind);
		if (cases[i].kind == VLAPIC_IPI) {
			assert_true(effect.icr == (0xabcdef1200000000 | cases[i].low));
		}
		assert_true(rd(LAPIC_ICR) == (0xabcdef1200000000 | cases[i].low));
	}
}

static void a_self_ipi_is_an_ipi_to_self(void **state)
{
	(void)state;
	start(true, ON | 0xff);
	wr(LAPIC_ICR, 0x500000041);
	assert_int_equal(wr(LAPIC_SELF_IPI, 0x99), VLAPIC_IPI);
	assert_true(effect.icr == 0x40099);
	assert_true(vlapic_matches(&apic, effect.icr, &apic));
	assert_true(rd(LAPIC_ICR) == 0x500000041);
	assert_int_equal(wr(LAPIC_SELF_IPI, 0x199), VLAPIC_FAULT);
}

/* The senders and receivers of the cases. */
enum who { MSI, X1, X2, SELF, OFF };

static const struct {
	enum who to;
	uint32_t id, ldr, dfr;
	enum who from;
	uint64_t icr;
	bool matches;
} destinations[] = {
	/* physical */
	{X1, 5, 0, 0xf, X1, 0x500000041, true},
	{X1, 5, 0, 0xf, X1, 0x600000041, false},
	{X1, 5, 0, 0xf, MSI, 0xff00000041, true},
	{X1, 5, 0, 0xf, X1, 0xff00000041, true},
	{X2, 5, 0, 0xf, X2, 0xff00000041, false},
	{X2, 0xff, 0, 0xf, X2, 0xff00000041, true},
	{X2, 5, 0, 0xf, X2, 0xffffffff00000041, true},
	{X2, 5, 0, 0xf, MSI, 0xff00000041, true},
	{X2, 0x12345, 0, 0xf, X2, 0x1234500000041, true},
	{X2, 0x45, 0, 0xf, X2, 0x1234500000041, false},
	{OFF, 5, 0, 0xf, X1, 0x500000041, false},
	{OFF, 5, 0, 0xf, X1, 0xff00000041, false},
	{OFF, 5, 0, 0xf, X1, 0x80041, false},
	/* flat */
	{X1, 5, 0x24, 0xf, X1, 0x0400000841, true},
	{X1, 5, 0x24, 0xf, X1, 0x6000000841, true},
	{X1, 5, 0x24, 0xf, X1, 0xdb00000841, false},
	{X1, 5, 0x24, 0xf, X1, 0x0000000841, false},
	{X1, 5, 0x00, 0xf, X1, 0xff00000841, true},
	{X1, 5, 0x00, 0xf, X1, 0xfe00000841, false},
	{X1, 5, 0x24, 0xf, X2, 0x2400000841, true},
	{X1, 5, 0x24, 0xf, X2, 0x12400000841, false},
	/* cluster */
	{X1, 5, 0x24, 0x0, X1, 0x2400000841, true},
	{X1, 5, 0x24, 0x0, X1, 0x2f00000841, true},
	{X1, 5, 0x24, 0x0, X1, 0x2b00000841, false},
	{X1, 5, 0x24, 0x0, X1, 0x3400000841, false},
	{X1, 5, 0x24, 0x0, X1, 0xff00000841, true},
	/* x2APIC cluster: id 0x35 is bit 5 of cluster 3 */
	{X2, 0x35, 0, 0xf, X2, 0x0003002000000841, true},
	{X2, 0x35, 0, 0xf, X2, 0x0003ffff00000841, true},
	{X2, 0x35, 0, 0xf, X2, 0x0003ffdf00000841, false},
	{X2, 0x35, 0, 0xf, X2, 0x0002002000000841, false},
	{X2, 0x35, 0, 0xf, X2, 0x0000002000000841, false},
	{X2, 0x35, 0, 0xf, X2, 0xffffffff00000841, true},
	{X2, 0x12345, 0, 0xf, X2, 0x1234002000000841, true},
	{X2, 5, 0, 0xf, MSI, 0x2000000841, true},
	{X2, 5, 0, 0xf, MSI, 0x1000000841, false},
	/* shorthands, whatever the destination says */
	{X1, 5, 0, 0xf, X1, 0x500040041, false},
	{X1, 5, 0, 0xf, SELF, 0x600040041, true},
	{X1, 5, 0, 0xf, X1, 0x600080041, true},
	{X1, 5, 0, 0xf, SELF, 0x600080041, true},
	{X1, 5, 0, 0xf, X1, 0x6000c0041, true},
	{X1, 5, 0, 0xf, SELF, 0x5000c0041, false},
	{X2, 5, 0, 0xf, SELF, 0x500000041, true},
};

static void a_destination_means_those_that_the_manual_says(void **state)
{
	(void)state;
	static struct vlapic other = {.reg = (void *)pages[1]};
	for (size_t i = 0; i < ARRAY_COUNT(destinations); i++) {
		enum who to = destinations[i].to, from = destinations[i].from;
		vlapic_init(&apic, destinations[i].id, false);
		wr(LAPIC_LDR, destinations[i].ldr << 24);
		wr(LAPIC_DFR, destinations[i].dfr << 28);
		if (to != X1) {
			assert_true(vlapic_write_base(&apic, to == X2 ? BASE_X2APIC : BASE_OFF));
		}
		vlapic_init(&other, 0, true);
		if (from == X2) {
			assert_true(vlapic_write_base(&other, BASE_X2APIC));
		}
		const struct vlapic *source = from == MSI ? NULL : from == SELF ? &apic : &other;
		if (vlapic_matches(&apic, destinations[i].icr, source) != destinations[i].matches) {
			fail_msg("destination %zu: 0x%lx", i, destinations[i].icr);
		}
	}
}

/* Errors -------------------------------------------------------------------------------------- */

static void illegal_vectors_are_not_taken_and_the_error_status_stays_zero(void **state)
{
	(void)state;
	start(false, ON | 0xff);
	wr(LAPIC_LVT_ERROR, 0xfe);
	for (int vector = 0; vector < 16; vector++) {
		assert_false(vlapic_accept(&apic, (uint8_t)vector, true));
		assert_false(vlapic_accept(&apic, (uint8_t)vector, false));
	}
	wr(LAPIC_ICR, 0x0f);
	rd(0x01);
	/* A local one too: a timer with vector 0. */
	wr(LAPIC_LVT_TIMER, 0);
	wr(LAPIC_TIMER_COUNT, 1);
	vlapic_timer_fire(&apic, 6);
	wr(LAPIC_ESR, 0x55);
	assert_int_equal(rd(LAPIC_ESR), 0);
	assert_int_equal(vlapic_pending(&apic), -1);
	assert_int_equal(rd(LAPIC_IRR), 0);
	assert_int_equal(rd(LAPIC_TMR), 0);
}

/* Timer --------------------------------------------------------------------------------------- */

/* Counts TSC ticks one by one. */
static struct {
	uint32_t lvt, initial, divide;
	uint64_t left, deadline, now;
	bool due;
} model;

static uint32_t random_below(uint32_t limit)
{
	static uint64_t x = 88172645463325252ull;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 20) % limit;
}

static uint64_t model_unit(void)
{
	static const uint8_t by[16] = {2, 4, 8, 16, 0, 0, 0, 0, 32, 64, 128, 1};
	return by[model.divide];
}

static void model_tick(void)
{
	model.now++;
	if (model.left != 0 && --model.left == 0) {
		model.due = true;
		model.left = model.lvt & PERIODIC ? model.initial * model_unit() : 0;
	}
	if (model.deadline != 0 && model.now >= model.deadline) {
		model.due = true;
		model.deadline = 0;
	}
}

static void model_write(unsigned reg, uint32_t value)
{
	uint64_t left = (model.left + model_unit() - 1) / model_unit();
	switch (reg) {
	case LAPIC_LVT_TIMER:
		if ((model.lvt ^ value) & DEADLINE) {
			model.left = model.initial = 0;
			model.deadline = 0;
		}
		model.lvt = value;
		break;
	case LAPIC_TIMER_COUNT:
		if (!(model.lvt & DEADLINE)) {
			model.initial = value;
			model.left = value * model_unit();
		}
		break;
	default:
		model.divide = value;
		model.left = left * model_unit();
		break;
	}
}

static void random_operation(void)
{
	static const uint32_t modes[] = {0, PERIODIC, DEADLINE};
	static const uint8_t divides[] = {0, 1, 2, 3, 8, 9, 10, 11};
	unsigned reg = LAPIC_TIMER_COUNT;
	uint32_t value = random_below(3) ? random_below(60) : 0;
	switch (random_below(8)) {
	case 0:
		reg = LAPIC_LVT_TIMER;
		value = modes[random_below(3)] | (random_below(4) ? 0 : MASKED) | 0x40;
		break;
	case 1:
		reg = LAPIC_TIMER_DIVIDE;
		value = divides[random_below(8)];
		break;
	case 2:
	case 3:
		break;
	case 4: {
		uint64_t deadline =
			random_below(4) ? model.now + random_below(900) : random_below(2);
		vlapic_write_deadline(&apic, deadline);
		model.deadline = model.lvt & DEADLINE ? deadline : 0;
		return;
	}
	default:
		return;
	}
	vlapic_write(&apic, reg, value, model.now, &effect);
	assert_int_equal(effect.kind, VLAPIC_TIMER);
	model_write(reg, value);
}

static void assert_timer_reads(void)
{
	uint64_t count = (model.left + model_unit() - 1) / model_unit();
	uint64_t value;
	assert_true(vlapic_read(&apic, LAPIC_TIMER_NOW, model.now, &value));
	assert_int_equal(value, count);
	assert_int_equal(rd(LAPIC_TIMER_COUNT), model.initial);
	assert_int_equal(rd(LAPIC_LVT_TIMER), model.lvt);
}

static void assert_timer_next(void)
{
	uint64_t next = model.deadline != 0 ? model.deadline : UINT64_MAX;
	if (model.left != 0) {
		next = model.now + model.left;
	}
	assert_true(vlapic_timer_next(&apic) == next);
	assert_true(vlapic_read_deadline(&apic) == model.deadline); /* what RDMSR gives */
}

/* The owner fires late, and once for all that was due; a periodic timer does not drift by it. */
static void the_timer_follows_a_model_that_counts(void **state)
{
	(void)state;
	unsigned fired = 0;
	memset(&model, 0, sizeof(model));
	model.now = 1000;
	model.lvt = MASKED;
	start(true, ON | 0xff);
	for (int round = 0; round < 30000; round++) {
		random_operation();
		assert_timer_next();
		assert_timer_reads();
		bool late_deadline = model.deadline != 0 && model.deadline <= model.now;
		for (uint32_t ticks = random_below(200) + late_deadline; ticks != 0; ticks--) {
			model_tick();
		}
		assert_timer_reads();
		assert_int_equal(vlapic_timer_next(&apic) <= model.now, model.due);
		vlapic_timer_fire(&apic, model.now);
		bool interrupts = model.due && !(model.lvt & MASKED);
		assert_int_equal(vlapic_pending(&apic), interrupts ? 0x40 : -1);
		fired += take_all() != 0;
		model.due = false;
		assert_timer_next();
		assert_timer_reads();
	}
	assert_true(fired > 1000);
}

static void every_divide_value_divides(void **state)
{
	(void)state;
	static const struct {
		uint32_t code, by;
	} divides[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
	for (size_t i = 0; i < ARRAY_COUNT(divides); i++) {
		start(false, ON | 0xff);
		wr(LAPIC_TIMER_DIVIDE, divides[i].code);
		vlapic_write(&apic, LAPIC_TIMER_COUNT, 100, 7000, &effect);
		assert_int_equal(vlapic_timer_next(&apic), 7000 + 100 * divides[i].by);
	}
}

static void the_extremes_of_the_timer_neither_trap_nor_hang(void **state)
{
	(void)state;
	start(true, ON | 0xff);
	wr(LAPIC_LVT_TIMER, PERIODIC | 0x40);
	wr(LAPIC_TIMER_DIVIDE, 10);
	vlapic_write(&apic, LAPIC_TIMER_COUNT, UINT32_MAX, UINT64_MAX - 5, &effect);
	vlapic_timer_fire(&apic, UINT64_MAX);
	uint64_t value;
	vlapic_read(&apic, LAPIC_TIMER_NOW, 0, &value);
	wr(LAPIC_TIMER_DIVIDE, 11);
	vlapic_write(&apic, LAPIC_TIMER_COUNT, 1, 1, &effect);
	vlapic_timer_fire(&apic, UINT64_MAX - 1);
	assert_true(vlapic_timer_next(&apic) == UINT64_MAX);
	wr(LAPIC_LVT_TIMER, PERIODIC | DEADLINE | 0x40); /* reserved: as the deadline */
	wr(LAPIC_TIMER_COUNT, 5);
	vlapic_timer_fire(&apic, UINT64_MAX);
	vlapic_write_deadline(&apic, UINT64_MAX);
	vlapic_timer_fire(&apic, UINT64_MAX - 1);
	assert_true(vlapic_read_deadline(&apic) == UINT64_MAX);
	assert_int_equal(rd(LAPIC_TIMER_NOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_register_has_its_rights_in_both_modes),
		FAKE_TEST(only_writable_bits_change_and_reserved_ones_fault_in_x2apic_mode),
		FAKE_TEST(reset_gives_every_register_its_value),
		FAKE_TEST(the_base_msr_allows_the_ring_of_modes_alone),
		FAKE_TEST(a_disabled_apic_forgets_and_takes_nothing),
		FAKE_TEST(software_disable_masks_the_lvts_and_blocks_new_interrupts),
		FAKE_TEST(priorities_follow_irr_isr_and_tpr),
		FAKE_TEST(an_eoi_may_have_any_value_in_xapic_mode_alone),
		FAKE_TEST(the_status_has_the_highest_request_and_the_highest_in_service),
		FAKE_TEST(the_page_has_the_layout_of_the_hardware),
		FAKE_TEST(interrupts_of_several_cpus_are_neither_lost_nor_doubled),
		FAKE_TEST(an_ipi_carries_the_x2apic_form_of_the_icr),
		FAKE_TEST(a_self_ipi_is_an_ipi_to_self),
		FAKE_TEST(a_destination_means_those_that_the_manual_says),
		FAKE_TEST(illegal_vectors_are_not_taken_and_the_error_status_stays_zero),
		FAKE_TEST(the_timer_follows_a_model_that_counts),
		FAKE_TEST(every_divide_value_divides),
		FAKE_TEST(the_extremes_of_the_timer_neither_trap_nor_hang),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
