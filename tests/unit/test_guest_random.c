/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_guest_random.c - random guest page tables, walked twice: by Pintle and by a walk
 * that was written on its own.
 *
 * Links: kernel/guest.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/gmem.h"
#include "kernel/types.h"
#include "kernel/x86.h"

#define P      BIT(0)
#define W      BIT(1)
#define U      BIT(2)
#define PS     BIT(7)
#define NX     BIT(63)
#define GP     UINT32_MAX
#define OK     0x100u /* no error code has it */
#define MEMORY 0x10000u

static union {
	uint8_t bytes[MEMORY];
	uint64_t wide[MEMORY / 8];
} memory;

bool gmem_copy(struct vm *vm, uint64_t gpa, void *to, size_t size, bool write)
{
	assert_ptr_equal(vm, &memory);
	assert_false(write);
	assert_int_equal(gpa % size, 0);
	if (gpa >= MEMORY) {
		return false;
	}
	memcpy(to, memory.bytes + gpa, size);
	return true;
}

/* The error code, or OK and *gpa. */
static uint32_t translate(
	const struct guest_paging *p, uint64_t gva, enum guest_access access, uint64_t *gpa)
{
	uint32_t error = 0;
	int err = guest_translate((void *)&memory, p, gva, access, gpa, &error);
	assert_true(err == 0 || err == -EFAULT);
	return err == 0 ? OK : error;
}

/* The second walk, one mode after the other as in SDM vol. 3, 4.3-4.7, slow and plain. */
struct slow {
	const struct guest_paging *p;
	enum guest_access access;
	bool writable, user, no_execute;
	uint32_t error;
};

static uint64_t slow_read(uint64_t gpa, unsigned size)
{
	uint64_t value = 0;
	if (gpa + size > MEMORY) {
		return size == 8 ? UINT64_MAX : UINT32_MAX;
	}
	for (unsigned i = 0; i < size; i++) {
		value |= (uint64_t)memory.bytes[gpa + i] << (8 * i);
	}
	return value;
}

static bool any_bit(uint64_t value, unsigned high, unsigned low)
{
	for (unsigned bit = low; bit <= high && bit < 64; bit++) {
		if (value >> bit & 1) {
			return true;
		}
	}
	return false;
}

static bool slow_take(struct slow *s, uint64_t entry, bool reserved)
{
	if (entry % 2 == 0) {
		return false;
	}
	if (reserved) {
		s->error |= 9;
		return false;
	}
	s->writable = s->writable && (entry >> 1 & 1);
	s->user = s->user && (entry >> 2 & 1);
	s->no_execute = s->no_execute || entry >> 63;
	return true;
}

static bool slow_walk_32(struct slow *s, uint32_t gva, uint64_t *gpa)
{
	uint64_t pde = slow_read((s->p->cr3 & 0xfffff000) + gva / 0x400000 * 4, 4);
	if ((s->p->cr4 & CR4_PSE) && (pde & 0x80)) {
		unsigned width = s->p->address_bits < 40 ? s->p->address_bits : 40;
		*gpa = (pde & 0xffc00000) + (pde >> 13 & 0xff) * 0x100000000 + gva % 0x400000;
		return slow_take(s, pde, any_bit(pde, 21, width - 19));
	}
	if (!slow_take(s, pde, false)) {
		return false;
	}
	uint64_t pte = slow_read((pde & 0xfffff000) + gva / 0x1000 % 1024 * 4, 4);
	*gpa = (pte & 0xfffff000) + gva % 0x1000;
	return slow_take(s, pte, false);
}

static bool slow_walk_64(struct slow *s, uint64_t gva, uint64_t *gpa)
{
	const struct guest_paging *p = s->p;
	bool pae = !(p->efer & EFER_LME);
	uint64_t table = p->cr3 & (pae ? 0xffffffe0 : 0xffffffffff000);
	for (int level = pae ? 3 : p->cr4 & CR4_LA57 ? 5 : 4; level >= 1; level--) {
		unsigned low = 12 + 9 * ((unsigned)level - 1);
		uint64_t entry = slow_read(table + (gva >> low) % 512 * 8, 8);
		bool page = level == 1 || (entry >> 7 & 1 && (level == 2 || (level == 3 && !pae)));
		bool bad = any_bit(entry, 51, p->address_bits) ||
			(!(p->efer & EFER_NXE) && entry >> 63);
		bad = bad || (pae && any_bit(entry, 62, 52)) || (level >= 4 && (entry >> 7 & 1));
		bad = bad || (page && level > 1 && any_bit(entry, low - 1, 13));
		if (pae && level == 3) {
			bad = bad || any_bit(entry, 2, 1) || any_bit(entry, 8, 6) || entry >> 63;
			entry |= bad ? 0 : 6;
		}
		if (!slow_take(s, entry, bad)) {
			return false;
		}
		table = entry & 0xffffffffff000;
		if (page) {
			*gpa = (table >> low << low) + gva % BIT(low);
			return true;
		}
	}
	return false;
}

static bool slow_rights(const struct slow *s)
{
	const struct guest_paging *p = s->p;
	switch (s->access) {
	case GUEST_FETCH:
		if (p->cpl == 3) {
			return s->user && !s->no_execute;
		}
		return !s->no_execute && !(s->user && (p->cr4 & CR4_SMEP));
	case GUEST_WRITE:
		if (p->cpl == 3) {
			return s->user && s->writable;
		}
		if (s->user && (p->cr4 & CR4_SMAP) && !p->smap_override) {
			return false;
		}
		return s->writable || !(p->cr0 & CR0_WP);
	default:
		if (p->cpl == 3) {
			return s->user;
		}
		return !s->user || !(p->cr4 & CR4_SMAP) || p->smap_override;
	}
}

static uint32_t slow_translate(
	const struct guest_paging *p, uint64_t gva, enum guest_access access, uint64_t *gpa)
{
	struct slow s = {p, access, true, true, false, 0};
	bool long_mode = (p->efer & EFER_LME) && (p->cr4 & CR4_PAE);
	uint64_t sign = gva >> (p->cr4 & CR4_LA57 ? 56 : 47);
	if (long_mode && sign != 0 && sign != (p->cr4 & CR4_LA57 ? 0xffu : 0x1ffffu)) {
		return GP;
	}
	s.error |= access == GUEST_WRITE ? 2 : 0;
	s.error |= p->cpl == 3 ? 4 : 0;
	if (access == GUEST_FETCH &&
		((p->cr4 & CR4_SMEP) || ((p->cr4 & CR4_PAE) && (p->efer & EFER_NXE)))) {
		s.error |= 16;
	}
	bool there = p->cr4 & CR4_PAE ? slow_walk_64(&s, long_mode ? gva : gva % BIT(32), gpa)
				      : slow_walk_32(&s, (uint32_t)gva, gpa);
	if (there && !slow_rights(&s)) {
		s.error |= 1;
		there = false;
	}
	return there ? OK : s.error;
}

static uint64_t seed;
static uint64_t random_bits(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return seed >> 32 | seed << 32;
}

static uint64_t random_entry(void)
{
	uint64_t entry = (random_bits() % 7 << 12) | (random_bits() & 0x67) | P;
	entry |= random_bits() % 4 ? W | U : 0;
	entry |= random_bits() % 4 ? 0 : PS;
	entry |= random_bits() % 16 ? 0 : NX;
	entry |= random_bits() % 8 ? 0 : random_bits() & 0xffffffff8000;
	entry ^= random_bits() % 32 == 0;
	entry ^= random_bits() % 16 ? 0 : BIT(random_bits() % 64);
	return entry & (random_bits() % 4 ? ~0ull : ~0x7e000ull);
}

enum mode { M32, PAE, L4, L5 };
static struct guest_paging random_paging(enum mode mode)
{
	struct guest_paging p = {.cr0 = CR0_PE | CR0_PG | (random_bits() & CR0_WP)};
	p.cr4 = (mode >= PAE ? CR4_PAE : 0) | (mode == L5 ? CR4_LA57 : 0);
	p.cr4 |= random_bits() & (CR4_PSE | CR4_SMEP | CR4_SMAP);
	p.efer = (mode >= L4 ? EFER_LME : 0) | (random_bits() % 4 == 0 ? 0 : EFER_NXE);
	p.cr3 = random_bits() % 8 << 12;
	p.cpl = random_bits() & 1 ? 3 : 0;
	p.smap_override = random_bits() & 1;
	p.address_bits = (uint8_t)(32 + random_bits() % 21);
	return p;
}

static void both_walks_agree_on_random_tables(void **state)
{
	unsigned found = 0, faults[32] = {0}, rounds = 400000;
	(void)state;
	seed = 1;
	for (unsigned round = 0; round < rounds; round++) {
		enum mode mode = M32 + (enum mode)(random_bits() % 4);
		struct guest_paging p = random_paging(mode);
		enum guest_access access = (enum guest_access)(random_bits() % 3);
		uint64_t gva = random_bits(), got = 0, want = 0;
		if (round % 100 == 0) {
			for (unsigned i = 0; i < MEMORY / 8; i++) {
				memory.wide[i] = mode == M32
					? (random_entry() & UINT32_MAX) | random_entry() << 32
					: random_entry();
			}
		}
		gva = random_bits() % 16 == 0 ? gva : (uint64_t)((int64_t)(gva << 16) >> 16);
		uint32_t error = translate(&p, gva, access, &got);
		assert_int_equal(error, slow_translate(&p, gva, access, &want));
		if (error == OK) {
			assert_int_equal(got, want);
			found++;
		} else if (error != GP) {
			faults[error]++;
		}
	}
	assert_true(found > rounds / 10);
	for (uint32_t error = 0; error < 32; error++) {
		bool possible = (error & 18) != 18 && (error & 9) != 8;
		assert_int_equal(faults[error] != 0, possible);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(both_walks_agree_on_random_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
