/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/mtrr.c - the memory types that the firmware gave to the machine's addresses, for EPT: with
 * NPT the CPU looks at the MTRRs itself (APM vol. 2, 15.25.8). Section numbers: SDM vol. 3, 12.11.
 */
#include "kernel/stage2.h"
#include "kernel/x86.h"

#define RANGE_FLAG BIT(11) /* of a mask: the range counts; of the default type: all of them do */
#define TYPE_FIXED BIT(10) /* so do the fixed ones */

/* The MSRs; all CPUs have the same. [I] after mtrr_read() */
static struct {
	uint64_t type;      /* IA32_MTRR_DEF_TYPE */
	uint64_t fixed[11]; /* a byte for each of 88 ranges below 1 MiB */
	struct {
		uint64_t base, mask;
	} range[32];
} mtrrs;

void mtrr_read(void)
{
	static const uint16_t fixed[] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
	uint8_t count = (uint8_t)msr_read(0xfe); /* IA32_MTRRCAP */
	mtrrs.type = msr_read(0x2ff);
	for (unsigned i = 0; i < ARRAY_COUNT(fixed) && (mtrrs.type & TYPE_FIXED); i++) {
		mtrrs.fixed[i] = msr_read(fixed[i]);
	}
	for (unsigned i = 0; i < min_u64(count, ARRAY_COUNT(mtrrs.range)); i++) {
		mtrrs.range[i].base = msr_read(0x200 + 2 * i);
		mtrrs.range[i].mask = msr_read(0x201 + 2 * i);
	}
}

/* Table 12-8; those that are reserved are uncached. */
static enum stage2_cache type_of(uint64_t msr)
{
	return 0x73 >> (msr & 7) & 1 ? msr & 7 : STAGE2_UC;
}

/* 12.11.4.1; what the manual leaves undefined is uncached. */
static enum stage2_cache overlap(enum stage2_cache a, enum stage2_cache b)
{
	bool written = (a == STAGE2_WT && b == STAGE2_WB) || (a == STAGE2_WB && b == STAGE2_WT);
	return a == b ? a : written ? STAGE2_WT : STAGE2_UC;
}

/* 12.11.2.2: eight ranges of 64 KiB, 16 of 16, 64 of 4. */
static enum stage2_cache fixed_type(uint64_t at, uint64_t *end)
{
	unsigned shift = at < 512 * KIB ? 16 : at < 768 * KIB ? 14 : 12;
	uint64_t below = at < 512 * KIB ? 0 : at < 768 * KIB ? 32 - 8 : 192 - 24;
	*end = ALIGN_DOWN(at, BIT(shift)) + BIT(shift);
	return type_of(((const uint8_t *)mtrrs.fixed)[(at >> shift) - below]);
}

/* The type at `at`, and where the range ends for which this says so. */
static enum stage2_cache mtrr_type(uint64_t at, uint64_t *end)
{
	enum stage2_cache cache = type_of(mtrrs.type);
	bool found = false;

	*end = UINT64_MAX;
	if (!(mtrrs.type & RANGE_FLAG)) {
		return STAGE2_UC;
	}
	if (at < MIB && (mtrrs.type & TYPE_FIXED)) {
		return fixed_type(at, end);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(mtrrs.range); i++) {
		uint64_t mask = mtrrs.range[i].mask & ~PAGE_MASK, base = mtrrs.range[i].base & mask;
		enum stage2_cache type = type_of(mtrrs.range[i].base);
		if (!(mtrrs.range[i].mask & RANGE_FLAG)) {
			continue;
		}
		if ((at & mask) == base) {
			*end = min_u64(*end - 1, at | ((mask & -mask) - 1)) + 1;
			cache = found ? overlap(cache, type) : type;
			found = true;
		} else if (base > at) {
			*end = min_u64(*end, base);
		}
	}
	return cache;
}

int stage2_map_identity(struct stage2 *s, uint64_t base, uint64_t size, bool *flush)
{
	int err = 0;
	for (uint64_t at = base, end; at < base + size && err == 0; at = end) {
		enum stage2_cache cache = mtrr_type(at, &end);
		end = min_u64(end, base + size);
		err = stage2_map(s, at, hpa(at), end - at, STAGE2_ALL, cache, flush);
	}
	return err;
}
