/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_guest.c - guest page tables made by hand, in each paging mode.
 *
 * Links: kernel/guest.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/gmem.h"
#include "kernel/types.h"
#include "kernel/x86.h"

#define P  BIT(0)
#define W  BIT(1)
#define U  BIT(2)
#define PS BIT(7)
#define NX BIT(63)
#define GP UINT32_MAX
#define OK 0x100u /* no error code has it */

/* Where the tables lie; guest memory ends at MEMORY. */
#define MEMORY 0x10000u
#define T5     0x1000u
#define T4     0x2000u
#define T3     0x3000u
#define T2     0x4000u
#define T1     0x5000u

static union {
	uint8_t bytes[MEMORY];
	uint64_t wide[MEMORY / 8];
	uint32_t narrow[MEMORY / 4];
} memory;
static unsigned reads;

bool gmem_copy(struct vm *vm, uint64_t gpa, void *to, size_t size, bool write)
{
	assert_ptr_equal(vm, &memory);
	assert_false(write);
	assert_true(size == 4 || size == 8);
	assert_int_equal(gpa % size, 0);
	reads++;
	if (gpa >= MEMORY) {
		return false;
	}
	memcpy(to, memory.bytes + gpa, size);
	return true;
}

enum mode { NONE, M32, PAE, L4, L5 };
static struct guest_paging paging_of(enum mode mode)
{
	struct guest_paging p = {.cr0 = CR0_PE | CR0_WP | (mode == NONE ? 0 : CR0_PG)};
	p.cr4 = CR4_PSE | (mode >= PAE ? CR4_PAE : 0) | (mode == L5 ? CR4_LA57 : 0);
	p.efer = mode >= PAE ? EFER_NXE : 0;
	p.efer |= mode >= L4 ? EFER_LME : 0;
	p.cr3 = mode == M32 ? T2 | 0x18 : mode == PAE ? T3 | 0x18 : mode == L4 ? T4 | 0xfff : T5;
	p.address_bits = 40;
	return p;
}

/* The error code, or OK and *gpa. */
static uint32_t translate(
	const struct guest_paging *p, uint64_t gva, enum guest_access access, uint64_t *gpa)
{
	uint32_t error = 0;
	reads = 0;
	int err = guest_translate((void *)&memory, p, gva, access, gpa, &error);
	assert_true(err == 0 || err == -EFAULT);
	assert_true(reads <= 5);
	return err == 0 ? OK : error;
}

static void expect(
	const struct guest_paging *p, uint64_t gva, enum guest_access access, uint64_t gpa)
{
	uint64_t found = 0;
	assert_int_equal(translate(p, gva, access, &found), OK);
	assert_int_equal(found, gpa);
}

static void expect_fault(
	const struct guest_paging *p, uint64_t gva, enum guest_access access, uint32_t error)
{
	uint64_t found;
	assert_int_equal(translate(p, gva, access, &found), error);
}

#define GVA32 0xc0801abcu         /* M32: 770, 1; PAE: 3, 4, 1 */
#define GVA64 0xffff808040201abcu /* L4: 257, 1, 1, 1 */
#define GVA57 0xff01808040201abcu /* L5: 257, 257 or less, ... */

static unsigned index_of(uint64_t gva, unsigned level)
{
	return (unsigned)(gva >> (12 + 9 * level)) & 511;
}

/* Tables for all of a mode's levels, with all rights, and one page at 0x987654000. */
static uint64_t build(enum mode mode)
{
	memset(&memory, 0, sizeof(memory));
	if (mode == M32) {
		memory.narrow[T2 / 4 + (GVA32 >> 22)] = T1 | P | W | U;
		memory.narrow[T1 / 4 + (GVA32 >> 12 & 1023)] = 0x87654000 | P | W | U | PS;
		return GVA32;
	}
	uint64_t gva = mode == PAE ? GVA32 : mode == L4 ? GVA64 : GVA57;
	memory.wide[T5 / 8 + index_of(gva, 4)] = T4 | P | W | U;
	memory.wide[T4 / 8 + index_of(gva, 3)] = T3 | P | W | U;
	memory.wide[T3 / 8 + (mode == PAE ? 3 : index_of(gva, 2))] =
		mode == PAE ? T2 | P : T2 | P | W | U;
	memory.wide[T2 / 8 + index_of(gva, 1)] = T1 | P | W | U;
	memory.wide[T1 / 8 + index_of(gva, 0)] = 0x987654000 | P | W | U | PS;
	return gva;
}

/* The entry of `level` (0: of the page) on the way to the page. */
static void *entry_of(enum mode mode, unsigned level)
{
	static const unsigned tables[] = {T1, T2, T3, T4, T5};
	uint64_t gva = mode == M32 || mode == PAE ? GVA32 : mode == L4 ? GVA64 : GVA57;
	if (mode == M32) {
		return &memory.narrow[tables[level] / 4 + (gva >> (12 + 10 * level) & 1023)];
	}
	return &memory.wide[tables[level] / 8 +
		(mode == PAE && level == 2 ? 3 : index_of(gva, level))];
}

static uint64_t page_of(enum mode mode)
{
	return mode == M32 ? 0x87654abc : 0x987654abc;
}

static unsigned levels_of(enum mode mode)
{
	return mode == M32 ? 2 : mode == PAE ? 3 : mode == L4 ? 4 : 5;
}

/* Change bits of one entry and expect; then put it back. */
static void with(enum mode mode, unsigned level, uint64_t flip, enum guest_access access,
	uint8_t cpl, uint32_t want)
{
	struct guest_paging p = paging_of(mode);
	uint64_t gva = build(mode), found;
	uint64_t *wide = entry_of(mode, level);
	p.cpl = cpl;
	if (mode == M32) {
		*(uint32_t *)entry_of(mode, level) ^= (uint32_t)flip;
	} else {
		*wide ^= flip;
	}
	assert_int_equal(translate(&p, gva, access, &found), want);
}

static void without_paging_the_address_is_itself(void **state)
{
	(void)state;
	struct guest_paging p = paging_of(NONE);
	p.cpl = 3;
	p.cr4 |= CR4_SMEP | CR4_SMAP;
	expect(&p, 0x12345678, GUEST_WRITE, 0x12345678);
	expect(&p, 0xffffffff12345678, GUEST_FETCH, 0x12345678);
	assert_int_equal(reads, 0);
}

static void every_mode_finds_its_page(void **state)
{
	(void)state;
	for (enum mode mode = M32; mode <= L5; mode++) {
		struct guest_paging p = paging_of(mode);
		uint64_t gva = build(mode);
		expect(&p, gva, GUEST_READ, page_of(mode));
		assert_int_equal(reads, levels_of(mode));
		p.cpl = 3;
		expect(&p, gva, GUEST_WRITE, page_of(mode));
		expect(&p, gva, GUEST_FETCH, page_of(mode));
		if (mode <= PAE) {
			expect(&p, gva | 0xabcd00000000, GUEST_READ, page_of(mode));
		}
	}
}

static void every_level_can_be_absent(void **state)
{
	(void)state;
	for (enum mode mode = M32; mode <= L5; mode++) {
		for (unsigned level = 0; level < levels_of(mode); level++) {
			uint32_t fetch = mode == M32 ? 0 : 16;
			with(mode, level, P, GUEST_READ, 0, 0);
			with(mode, level, P | BIT(51), GUEST_WRITE, 0,
				2); /* reserved bits do not matter */
			with(mode, level, P, GUEST_READ, 3, 4);
			with(mode, level, P, GUEST_WRITE, 3, 6);
			with(mode, level, P, GUEST_FETCH, 3, 4 | fetch);
		}
	}
}

static void every_level_can_take_rights_away(void **state)
{
	(void)state;
	for (enum mode mode = M32; mode <= L5; mode++) {
		for (unsigned level = 0; level < levels_of(mode); level++) {
			if (mode == PAE && level == 2) {
				continue;
			}
			with(mode, level, W, GUEST_READ, 3, OK);
			with(mode, level, W, GUEST_WRITE, 3, 7);
			with(mode, level, W, GUEST_WRITE, 2, 3);
			with(mode, level, U, GUEST_READ, 3, 5);
			with(mode, level, U, GUEST_WRITE, 3, 7);
			with(mode, level, U, GUEST_WRITE, 2, OK);
			if (mode != M32) {
				with(mode, level, U, GUEST_FETCH, 3, 21);
				with(mode, level, NX, GUEST_FETCH, 3, 21);
				with(mode, level, NX, GUEST_FETCH, 0, 17);
				with(mode, level, NX, GUEST_WRITE, 3, OK);
			}
		}
	}
}

static void wp_smep_smap_and_nxe_do_what_they_are_for(void **state)
{
	(void)state;
	for (enum mode mode = M32; mode <= L5; mode++) {
		struct guest_paging p = paging_of(mode);
		uint64_t gva = build(mode), page = page_of(mode);
		uint32_t fetch = mode == M32 ? 0 : 16;
		p.cr4 |= CR4_SMAP;
		expect_fault(&p, gva, GUEST_READ, 1);
		expect_fault(&p, gva, GUEST_WRITE, 3);
		expect(&p, gva, GUEST_FETCH, page);
		p.smap_override = true;
		expect(&p, gva, GUEST_WRITE, page);
		p.cr4 |= CR4_SMEP;
		expect_fault(&p, gva, GUEST_FETCH, 17);
		p.cpl = 3;
		p.smap_override = false;
		expect(&p, gva, GUEST_FETCH, page);
		expect(&p, gva, GUEST_WRITE, page);
		p.cr4 &= ~(CR4_SMAP | CR4_SMEP);
		*(uint32_t *)entry_of(mode, 0) ^= W;
		p.cr0 &= ~CR0_WP;
		expect_fault(&p, gva, GUEST_WRITE, 7);
		p.cpl = 0;
		expect(&p, gva, GUEST_WRITE, page);
		p.efer &= ~EFER_NXE;
		*(uint32_t *)entry_of(mode, 0) ^= P;
		expect_fault(&p, gva, GUEST_FETCH, 0);
		p.cr4 |= CR4_SMEP;
		expect_fault(&p, gva, GUEST_FETCH, 16);
		p.cr4 &= ~CR4_SMEP;
		p.efer |= EFER_NXE;
		expect_fault(&p, gva, GUEST_FETCH, fetch);
	}
}

static void reserved_bits_are_refused(void **state)
{
	(void)state;
	for (enum mode mode = PAE; mode <= L5; mode++) {
		for (unsigned level = 0; level < levels_of(mode); level++) {
			bool pdpte = mode == PAE && level == 2;
			with(mode, level, BIT(40), GUEST_READ, 0, 9);
			with(mode, level, BIT(51), GUEST_WRITE, 3, 15);
			for (unsigned bit = 52; bit < 63; bit++) {
				with(mode, level, BIT(bit), GUEST_READ, 0, mode == PAE ? 9 : OK);
			}
			for (unsigned bit = 1; bit < 12; bit++) {
				bool reserved = pdpte && (0x1c6 >> bit & 1);
				reserved = reserved || (level >= 3 && bit == 7);
				if (bit != 7 || level >= 2 + (mode != PAE)) {
					with(mode, level, BIT(bit), GUEST_READ, 0,
						reserved ? 9 : OK);
				}
			}
			with(mode, level, NX, GUEST_READ, 0, pdpte ? 9 : OK);
			struct guest_paging p = paging_of(mode);
			uint64_t gva = build(mode);
			p.efer &= ~EFER_NXE;
			*(uint64_t *)entry_of(mode, level) |= NX;
			expect_fault(&p, gva, GUEST_FETCH, 9);
		}
	}
}

static void address_bits_limit_what_an_entry_may_have(void **state)
{
	(void)state;
	struct guest_paging p = paging_of(L4);
	uint64_t gva = build(L4);
	p.address_bits = 36;
	expect(&p, gva, GUEST_READ, page_of(L4));
	p.address_bits = 35;
	expect_fault(&p, gva, GUEST_READ, 9);
	p.address_bits = 0;
	*(uint64_t *)entry_of(L4, 0) |= BIT(51);
	expect(&p, gva, GUEST_READ, page_of(L4) | BIT(51));
	p.address_bits = 52;
	expect(&p, gva, GUEST_READ, page_of(L4) | BIT(51));
}

static void large_pages_of_2m_and_1g(void **state)
{
	(void)state;
	for (enum mode mode = PAE; mode <= L5; mode++) {
		for (unsigned level = 1; level <= (mode == PAE ? 1u : 2u); level++) {
			struct guest_paging p = paging_of(mode);
			uint64_t gva = build(mode), span = BIT(12 + 9 * level);
			uint64_t *entry = entry_of(mode, level);
			*entry = 0x40000000 | P | W | U | PS | BIT(12); /* PAT */
			p.cpl = 3;
			expect(&p, gva, GUEST_WRITE, 0x40000000 | (gva & (span - 1)));
			assert_int_equal(reads, levels_of(mode) - level);
			for (uint64_t bit = BIT(13); bit < span; bit <<= 1) {
				*entry |= bit;
				expect_fault(&p, gva, GUEST_READ, 13);
				*entry &= ~bit;
			}
			*entry &= ~W;
			expect_fault(&p, gva, GUEST_WRITE, 7);
			p.cr4 &= ~CR4_PSE; /* of no meaning here */
			expect(&p, gva, GUEST_READ, 0x40000000 | (gva & (span - 1)));
		}
	}
}

static void large_pages_of_4m(void **state)
{
	(void)state;
	struct guest_paging p = paging_of(M32);
	uint64_t gva = build(M32);
	uint32_t *entry = entry_of(M32, 1);
	*entry |= PS;
	p.cr4 &= ~CR4_PSE;
	expect(&p, gva, GUEST_READ, page_of(M32));
	p.cr4 |= CR4_PSE;
	*entry = 0xffc00000 | 0xa5 << 13 | BIT(12) | P | PS;
	expect(&p, gva, GUEST_READ, 0xa5ffc01abc);
	expect_fault(&p, gva, GUEST_WRITE, 3);
	*entry |= BIT(21);
	expect_fault(&p, gva, GUEST_READ, 9);
	*entry = 0xffc00000 | 1 << 16 | P | PS; /* address bit 35 */
	p.address_bits = 36;
	expect(&p, gva, GUEST_READ, 0x8ffc01abc);
	p.address_bits = 35;
	expect_fault(&p, gva, GUEST_READ, 9);
	*entry = 0xffc00000 | P | PS;
	p.address_bits = 32;
	expect(&p, gva, GUEST_READ, 0xffc01abc);
}

static void addresses_that_are_not_canonical_are_told_apart(void **state)
{
	(void)state;
	struct guest_paging p = paging_of(L4);
	build(L4);
	expect_fault(&p, BIT(47), GUEST_READ, GP);
	expect_fault(&p, ~BIT(47), GUEST_READ, GP);
	expect_fault(&p, BIT(63), GUEST_FETCH, GP);
	expect_fault(&p, BIT(47) - 1, GUEST_READ, 0);
	expect_fault(&p, 0 - BIT(47), GUEST_READ, 0);
	assert_int_equal(reads, 1);
	p = paging_of(L5);
	expect_fault(&p, BIT(56), GUEST_READ, GP);
	expect_fault(&p, ~BIT(56), GUEST_READ, GP);
	expect_fault(&p, BIT(56) - 1, GUEST_READ, 0);
	expect_fault(&p, 0 - BIT(56), GUEST_READ, 0);
}

static void tables_where_no_memory_is_read_as_ones(void **state)
{
	(void)state;
	for (enum mode mode = PAE; mode <= L5; mode++) {
		struct guest_paging p = paging_of(mode);
		uint64_t gva = build(mode);
		p.cr3 = 0xf0000000;
		expect_fault(&p, gva, GUEST_READ, 9);
		assert_int_equal(reads, 1);
	}
	struct guest_paging p = paging_of(M32);
	p.cr3 = 0xf0000000;
	expect_fault(&p, GVA32, GUEST_READ, 9);
	p.cr4 = 0;
	expect(&p, GVA32, GUEST_READ, 0xfffffabc);
}

static void cr3_has_the_bits_of_its_mode(void **state)
{
	(void)state;
	struct guest_paging p = paging_of(PAE);
	uint64_t gva = build(PAE), entry = *(uint64_t *)entry_of(PAE, 2);
	memory.wide[(T3 + 0xfe0) / 8 + 3] = entry;
	p.cr3 = T3 | 0xfe0 | 0x18 | 7;
	*(uint64_t *)entry_of(PAE, 2) = 0;
	expect(&p, gva, GUEST_READ, page_of(PAE));
	p = paging_of(L4);
	gva = build(L4);
	p.cr3 |= BIT(63) | 0xfff;
	expect(&p, gva, GUEST_READ, page_of(L4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(without_paging_the_address_is_itself),
		FAKE_TEST(every_mode_finds_its_page),
		FAKE_TEST(every_level_can_be_absent),
		FAKE_TEST(every_level_can_take_rights_away),
		FAKE_TEST(wp_smep_smap_and_nxe_do_what_they_are_for),
		FAKE_TEST(reserved_bits_are_refused),
		FAKE_TEST(address_bits_limit_what_an_entry_may_have),
		FAKE_TEST(large_pages_of_2m_and_1g),
		FAKE_TEST(large_pages_of_4m),
		FAKE_TEST(addresses_that_are_not_canonical_are_told_apart),
		FAKE_TEST(tables_where_no_memory_is_read_as_ones),
		FAKE_TEST(cr3_has_the_bits_of_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
