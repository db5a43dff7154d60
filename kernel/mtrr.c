/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/mtrr.c - from MTRRs to the memory types of stage-2 mappings. For EPT: in NPT's format all
 * types are one, since there the CPU looks at the MTRRs itself (APM vol. 2, 15.25.8).
 */
#include "kernel/mtrr.h"

#include "kernel/x86.h"

#define MSR_MTRR_CAP      0xfeu
#define MTRR_CAP_COUNT    0xffu
#define MSR_MTRR_BASE     0x200u /* the mask is the next one, then the next base */
#define MTRR_MASK_VALID   BIT(11)
#define MSR_MTRR_TYPE     0x2ffu
#define MTRR_TYPE(msr)    ((msr)&7)
#define MTRR_TYPE_FIXED   BIT(10)
#define MTRR_TYPE_ENABLED BIT(11)

struct mtrrs mtrrs;

/* Table 12-8; those that are reserved are uncached. */
static const uint8_t caches[8] = {
	[1] = STAGE2_WC, [4] = STAGE2_WT, [5] = STAGE2_WP, [6] = STAGE2_WB};

void mtrr_read(void)
{
	static const uint16_t fixed[] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
	uint64_t count = msr_read(MSR_MTRR_CAP) & MTRR_CAP_COUNT;
	mtrrs.type = msr_read(MSR_MTRR_TYPE);
	for (unsigned i = 0; i < ARRAY_COUNT(fixed) && (mtrrs.type & MTRR_TYPE_FIXED); i++) {
		mtrrs.fixed[i] = msr_read(fixed[i]);
	}
	for (unsigned i = 0; i < min_u64(count, ARRAY_COUNT(mtrrs.range)); i++) {
		mtrrs.range[i].base = msr_read(MSR_MTRR_BASE + 2 * i);
		mtrrs.range[i].mask = msr_read(MSR_MTRR_BASE + 2 * i + 1);
	}
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
	return caches[MTRR_TYPE(((const uint8_t *)mtrrs.fixed)[(at >> shift) - below])];
}

enum stage2_cache mtrr_type(uint64_t at, uint64_t *end)
{
	enum stage2_cache cache = caches[MTRR_TYPE(mtrrs.type)];
	bool found = false;

	*end = UINT64_MAX;
	if (!(mtrrs.type & MTRR_TYPE_ENABLED)) {
		return STAGE2_UC;
	}
	if (at < MIB && (mtrrs.type & MTRR_TYPE_FIXED)) {
		return fixed_type(at, end);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(mtrrs.range); i++) {
		uint64_t mask = mtrrs.range[i].mask & ~PAGE_MASK, base = mtrrs.range[i].base & mask;
		enum stage2_cache type = caches[MTRR_TYPE(mtrrs.range[i].base)];
		if (!(mtrrs.range[i].mask & MTRR_MASK_VALID)) {
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

int mtrr_map_identity(struct stage2 *s, uint64_t base, uint64_t size, bool *flush)
{
	int err = 0;
	for (uint64_t at = base, end; at < base + size && err == 0; at = end) {
		enum stage2_cache cache = mtrr_type(at, &end);
		end = min_u64(end, base + size);
		err = stage2_map(s, at, hpa(at), end - at, STAGE2_ALL, cache, flush);
	}
	return err;
}
