/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/stage2_world.c - stage-2 tables in a made-up memory, beside a model that keeps each
 * page on its own.
 */
#include "tests/unit/fake.h"
#include "tests/unit/stage2_world.h"
#include "tests/unit/stage2_end.h"

#include "kernel/errno.h"
#include "kernel/paging.h"

#define ARENA_PAGES 4096u
#define ARENA_BASE  0x123456000ull /* host-physical */
#define POISON      0xa5

const struct stage2_format world_ept = {
	.table = 7,
	.read = 1,
	.write = 2,
	.execute = 4,
	.large = 0x80,
	.cache_shift = 3,
};

const struct stage2_format world_npt = {
	.table = 7,
	.read = 5,
	.write = 2,
	.no_execute = BIT(63),
	.large = 0x80,
	.cache_shift = 9,
};

struct stage2 world;
static struct pool world_pool; /* of which only the address is looked at */
size_t world_pages_used, world_pages_left;

static _Alignas(4096) uint64_t arena[ARENA_PAGES][512];
static bool arena_taken[ARENA_PAGES];
static size_t arena_next;

/* The pages that are modelled: the 2 MiB on both sides of some borders, and lone ones far away. */
static const uint64_t borders[] = {2 * MIB, GIB, 512 * GIB, 700 * GIB + 6 * MIB, BIT(48) - 2 * MIB};
#define BORDERS      (sizeof(borders) / sizeof(borders[0]))
#define BORDER_PAGES 1024u
#define FAR_PAGES    64u
#define MODEL_PAGES  (BORDERS * BORDER_PAGES + FAR_PAGES)
static struct world_page model[MODEL_PAGES];

static void check(bool holds, int line)
{
	if (!holds) {
		fprintf(stderr, "stage2_world.c:%d: not true\n", line);
		abort();
	}
}
#define CHECK(condition) check(condition, __LINE__)

static uint64_t model_gpa(size_t i)
{
	if (i < BORDERS * BORDER_PAGES) {
		return borders[i / BORDER_PAGES] + (i % BORDER_PAGES) * PAGE_SIZE - 2 * MIB;
	}
	return (i * 0x9e3779b97f4a7c15ull >> 16) & (BIT(48) - PAGE_SIZE);
}

void *phys_to_virt(hpa_t base)
{
	uint64_t page = (base.raw - ARENA_BASE) / PAGE_SIZE;
	CHECK(base.raw % PAGE_SIZE == 0 && page < ARENA_PAGES && arena_taken[page]);
	return arena[page];
}

hpa_t virt_to_phys(const void *va)
{
	uint64_t offset = (uint64_t)((const uint8_t *)va - (const uint8_t *)arena);
	CHECK(offset % PAGE_SIZE == 0 && offset / PAGE_SIZE < ARENA_PAGES &&
		arena_taken[offset / PAGE_SIZE]);
	return hpa(ARENA_BASE + offset);
}

void *pool_alloc(struct pool *pool, size_t count)
{
	CHECK(pool == &world_pool && count == 1);
	if (world_pages_left == 0 || world_pages_used == ARENA_PAGES) {
		return NULL;
	}
	world_pages_left -= world_pages_left != SIZE_MAX;
	while (arena_taken[arena_next]) {
		arena_next = (arena_next + 1) % ARENA_PAGES;
	}
	arena_taken[arena_next] = true;
	world_pages_used++;
	return memset(arena[arena_next], 0, PAGE_SIZE);
}

void pool_free(struct pool *pool, void *page)
{
	CHECK(pool == &world_pool);
	size_t index = (virt_to_phys(page).raw - ARENA_BASE) / PAGE_SIZE;
	memset(page, POISON, PAGE_SIZE);
	arena_taken[index] = false;
	world_pages_used--;
}

void world_begin(const struct stage2_format *format, bool large_1g)
{
	memset(model, 0, sizeof(model));
	world_pages_left = SIZE_MAX;
	CHECK(world_pages_used == 0);
	CHECK(stage2_init(&world, format, &world_pool, large_1g) == 0);
	CHECK(world.tables == 1 && world_pages_used == 1);
}

void world_end(void)
{
	stage2_end(&world);
	CHECK(world.tables == 0 && world_pages_used == 0);
}

/* The bits of entries by the manuals (SDM vol. 3, 29.3.2; APM vol. 2, 5.3 and 15.25), apart from
 * the formats above. */
static bool is_type(unsigned cache)
{
	return cache == 0 || cache == 1 || (cache >= 4 && cache <= 6);
}

static bool walk_ept(uint64_t entry, unsigned level, bool *leaf, struct world_page *page)
{
	if ((entry & 7) == 0) {
		return false;
	}
	*leaf = level == 0 || (entry & 0x80);
	CHECK((entry & 3) != 2 && level < (*leaf ? 3 : 4));
	if (!*leaf) {
		CHECK((entry & 0xf8) == 0);
		page->rights &= entry & 7;
		return true;
	}
	CHECK(level == 0 || (entry & ((BIT(12 + 9 * level) - 1) & ~0xfffull)) == 0);
	page->cache = entry >> 3 & 7;
	CHECK(is_type(page->cache));
	page->rights &= entry & 7;
	return true;
}

static bool walk_npt(uint64_t entry, unsigned level, bool *leaf, struct world_page *page)
{
	if ((entry & 1) == 0) {
		CHECK(entry == 0);
		return false;
	}
	*leaf = level == 0 || (entry & 0x80);
	CHECK(level < (*leaf ? 3 : 4));
	CHECK(level != 0 || (entry & 0x80) == 0); /* PAT */
	CHECK(!*leaf || level == 0 || (entry & ((BIT(12 + 9 * level) - 1) & ~0xfffull)) == 0);
	page->rights &= (entry & 4 ? 1u : 0) | (entry & 2 ? 2u : 0) | (entry >> 63 ? 0 : 4u);
	if (*leaf) {
		CHECK((entry & 0x18) == 0); /* PCD and PWT: the guest's PAT decides */
		page->cache = entry >> 9 & 7;
	}
	return true;
}

bool world_walk(const uint64_t *root, uint64_t gpa, struct world_page *page, uint64_t *size)
{
	*page = (struct world_page){.mapped = true, .rights = 7};
	for (unsigned level = 3;; level--) {
		uint64_t entry = root[gpa >> (12 + 9 * level) & 511];
		bool leaf;
		bool there = world.format == &world_ept ? walk_ept(entry, level, &leaf, page)
							: walk_npt(entry, level, &leaf, page);
		if (!there) {
			page->mapped = false;
			return false;
		}
		if (leaf) {
			*size = BIT(12 + 9 * level);
			page->hpa = (entry & 0xffffffffff000) + (gpa & (*size - 1));
			return true;
		}
		root = phys_to_virt(hpa(entry & 0xffffffffff000));
	}
}

/* Counts tables; none may be empty or be one page in pieces; the spare bits are clear. */
static size_t check_table(const uint64_t *table, unsigned level, uint64_t gpa)
{
	uint64_t span = BIT(12 + 9 * level), size;
	struct world_page first, page;
	bool there = world_walk(world.root, gpa, &first, &size);
	bool leaf_above = level + 1 <= (world.large_1g ? 2u : 1u) && first.hpa % (512 * span) == 0;
	bool one = level < 3 && (!there || (leaf_above && size == span)), empty = true;
	size_t count = 1;
	for (unsigned i = 0; i < 512; i++) {
		CHECK((table[i] & 0x7ff0000000000000) == 0);
		empty = empty && table[i] == 0;
		if (level > 0 && table[i] != 0 && !(table[i] & 0x80)) {
			one = false;
			count += check_table(phys_to_virt(hpa(table[i] & 0xffffffffff000)),
				level - 1, gpa + i * span);
		} else if (one) {
			bool same = world_walk(world.root, gpa + i * span, &page, &size) == there;
			one = same &&
				(!there ||
					(page.hpa == first.hpa + i * span &&
						page.rights == first.rights &&
						page.cache == first.cache));
		}
	}
	CHECK(level == 3 || (!empty && !one));
	return count;
}

static bool page_same(const struct world_page *a, const struct world_page *b)
{
	if (!a->mapped || !b->mapped) {
		return a->mapped == b->mapped;
	}
	return a->hpa == b->hpa && a->rights == b->rights && a->cache == b->cache;
}

static void check_page(size_t i)
{
	struct world_page page;
	struct stage2_translation t;
	uint64_t gpa = model_gpa(i), size;
	bool there = world_walk(world.root, gpa, &page, &size);
	CHECK(page_same(&page, &model[i]));
	CHECK(stage2_query(&world, gpa + 5, &t) == there);
	if (there) {
		CHECK(t.hpa.raw == page.hpa + 5 && t.size == size && t.rights == page.rights);
		CHECK(t.cache == page.cache);
	}
}

void world_check(void)
{
	for (size_t i = 0; i < MODEL_PAGES; i++) {
		check_page(i);
	}
	size_t tables = check_table(world.root, 3, 0);
	CHECK(world.tables == world_pages_used && world.tables >= tables);
	CHECK((world.retired == NULL) == (world.tables == tables));
}

enum step_kind { STEP_MAP, STEP_UNMAP, STEP_PROTECT };
struct step {
	enum step_kind kind;
	uint64_t gpa, size, hpa;
	unsigned rights;
	enum stage2_cache cache;
};

/* Make the change in the model; true: something that was there is gone or has fewer rights. */
static bool model_step(const struct step *step)
{
	bool less = false;
	for (size_t i = 0; i < MODEL_PAGES; i++) {
		struct world_page *page = &model[i], old = *page;
		uint64_t offset = model_gpa(i) - step->gpa;
		if (offset >= step->size) {
			continue;
		}
		if (step->kind == STEP_MAP) {
			*page = (struct world_page){
				true, step->hpa + offset, step->rights, step->cache};
		} else if (step->kind == STEP_UNMAP || (step->rights == 0 && old.mapped)) {
			page->mapped = false;
		} else {
			page->rights = step->rights;
		}
		less = less ||
			(old.mapped &&
				(!page->mapped || page->hpa != old.hpa ||
					(old.rights & ~page->rights) || page->cache != old.cache));
	}
	return less;
}

static int tables_step(const struct step *step, bool *flush)
{
	switch (step->kind) {
	case STEP_MAP:
		return stage2_map(&world, step->gpa, hpa(step->hpa), step->size, step->rights,
			step->cache, flush);
	case STEP_UNMAP:
		return stage2_protect(&world, step->gpa, step->size, 0, flush);
	default:
		return stage2_protect(&world, step->gpa, step->size, step->rights, flush);
	}
}

static bool step_ok(const struct step *step)
{
	bool range = (step->gpa | step->size) % PAGE_SIZE == 0 && step->gpa <= BIT(48) &&
		step->size <= BIT(48) - step->gpa;
	bool host = step->hpa % PAGE_SIZE == 0 && step->hpa <= BIT(48) &&
		step->size <= BIT(48) - step->hpa;
	bool rights = step->rights < 8 && (step->rights & 1);
	switch (step->kind) {
	case STEP_MAP:
		return range && host && rights && is_type(step->cache);
	case STEP_UNMAP:
		return range;
	default:
		return range && (rights || step->rights == 0);
	}
}

/* `where`: a border and an offset to it in pages, or in units of 2 MiB. */
static uint64_t place(uint8_t where, uint8_t low, uint8_t high)
{
	int64_t offset = (int16_t)(low | high << 8);
	uint64_t unit = where & 0x80 ? 2 * MIB : PAGE_SIZE;
	if ((where & 0x7f) == 0x7f) {
		return (uint64_t)offset * 0x123456789; /* anything: most often refused */
	}
	return borders[(where & 0x7f) % BORDERS] + (uint64_t)(offset % 1024) * unit;
}

/* Tables that a change of `size` bytes can need at most. */
static size_t cost(uint64_t size)
{
	size_t tables = 0;
	for (unsigned level = 1; size != 0 && level < 4; level++) {
		uint64_t span = BIT(PAGE_SHIFT + 9 * level);
		/* At worst the range begins in the last page of the first table. */
		tables += (size + span - 2 * PAGE_SIZE) / span + 1;
	}
	return tables;
}

/*
 * Byte 0: bits 1:0 the change (3: reclaim), 4:2 how many tables may be taken (7: all). 1: rights.
 * 2: cache. 3-5: where. 6-8: the size in pages, or by bit 7 of byte 6 in 2 MiB. 9-11: to where, and
 * equal to where when byte 9 is 0x7e.
 */
int world_step(const uint8_t *input)
{
	struct step step = {
		.rights = input[1] & 0x80 ? input[1] : input[1] & 7u, .cache = input[2] % 8};
	size_t used = world_pages_used, tables = world.tables;
	uint64_t *retired = world.retired;
	bool flush = false;

	if ((input[0] & 3) == 3) {
		stage2_reclaim(&world, stage2_retired(&world));
		CHECK(world.retired == NULL);
		return 0;
	}
	step.kind = input[0] & 3;
	step.gpa = place(input[3], input[4], input[5]);
	step.size = (uint64_t)((input[6] & 0x3f) << 8 | input[7]) % 2049 *
		(input[6] & 0x80 ? 2 * MIB : PAGE_SIZE);
	step.size += input[8] == 0xff;
	step.hpa = input[9] == 0x7e ? step.gpa : place(input[9], input[10], input[11]);
	world_pages_left = (input[0] >> 2 & 7) == 7 ? SIZE_MAX : input[0] >> 2 & 7;

	int err = tables_step(&step, &flush);
	world_pages_left = SIZE_MAX;
	CHECK((err == -EINVAL) == !step_ok(&step));
	if (err != 0) {
		CHECK(!flush && world_pages_used == used && world.tables == tables &&
			world.retired == retired);
		return err;
	}
	CHECK(world_pages_used == world.tables && world.tables <= tables + cost(step.size));
	bool less = model_step(&step);
	CHECK(flush || (!less && world.retired == retired));
	return 0;
}
