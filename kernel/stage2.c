/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/stage2.c - stage-2 tables for EPT and NPT (SDM vol. 3, 29.3; APM vol. 2, 15.25).
 *
 * A change is a walk over its range, done twice: the first time takes the tables that the second
 * will need, so that the second cannot fail. The tree is always as small as it can be: no table is
 * empty, or has the content of one large page.
 *
 * CPUs (or an IOMMU) may walk the tables at any time. Hence an entry changes by one store, a table
 * is complete before it is linked, and one that was taken out keeps its entries until the caller
 * has flushed: walkers may still hold it.
 */
#include "kernel/stage2.h"

#include "kernel/log.h"
#include "kernel/paging.h"

#define ADDRESS (BIT(52) - PAGE_SIZE)
#define ENTRIES 512u
#define LEVELS  4u /* an entry of level 0 maps 4 KiB; the root is a table of level 3 */
#define LIMIT   BIT(48)

/* A list of tables is linked through bits of their first entries that no walker looks at. */
#define LINK_SHIFT 52u
#define LINK_BITS  5u /* 52-56: SDM vol. 3, 29.3.2; APM vol. 2, 5.4 */
#define LINK_WORDS 8u
#define LINK_MASK  ((BIT(LINK_BITS) - 1) << LINK_SHIFT)
STATIC_ASSERT(LINK_WORDS *LINK_BITS == 52 - PAGE_SHIFT, "a frame number fits");

struct change {
	struct stage2 *s;
	uint64_t gpa, size;
	unsigned rights;
	bool *flush;
	bool map; /* to hpa, with cache; else change the rights of what is there; none: unmap */
	hpa_t hpa;
	enum stage2_cache cache;
	uint64_t bits;   /* of a leaf that gets these rights and, when mapping, cache */
	uint64_t *spare; /* tables for the second walk */
	bool commit;     /* this is it */
};

static uint64_t span_of(unsigned level)
{
	return BIT(PAGE_SHIFT + 9 * level);
}

static uint64_t *table_of(uint64_t entry)
{
	return phys_to_virt(hpa(entry & ADDRESS));
}

static void entry_set(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static void list_push(uint64_t **list, uint64_t *table)
{
	uint64_t next = *list == NULL ? 0 : virt_to_phys(*list).raw >> PAGE_SHIFT;
	for (unsigned i = 0; i < LINK_WORDS; i++, next >>= LINK_BITS) {
		entry_set(&table[i], (table[i] & ~LINK_MASK) | (next << LINK_SHIFT & LINK_MASK));
	}
	*list = table;
}

static uint64_t *list_pop(uint64_t **list)
{
	uint64_t *table = *list, next = 0;
	for (unsigned i = LINK_WORDS; i-- > 0;) {
		next = next << LINK_BITS | (table[i] & LINK_MASK) >> LINK_SHIFT;
	}
	*list = next == 0 ? NULL : phys_to_virt(hpa(next << PAGE_SHIFT));
	return table;
}

static void list_free(struct stage2 *s, uint64_t **list)
{
	while (*list != NULL) {
		s->pages.free(s->pages.context, list_pop(list));
		s->tables--;
	}
}

/* An entry is 0, a leaf or a pointer to a table. */
static bool is_table(const struct stage2 *s, uint64_t entry, unsigned level)
{
	return level != 0 && entry != 0 && !(entry & s->format->large);
}

/* Equal but for what the CPU writes: accessed and dirty. */
static bool is_same(const struct stage2 *s, uint64_t a, uint64_t b)
{
	return ((a ^ b) & s->same_mask) == 0;
}

static bool leaf_fits(const struct stage2 *s, unsigned level, uint64_t address)
{
	return level <= 1u + s->large_1g && address % span_of(level) == 0;
}

/* Entry `index`, of `level`, of a table that maps the same as `whole`: a leaf, or 0. */
static uint64_t piece_of(const struct stage2 *s, uint64_t whole, unsigned level, unsigned index)
{
	uint64_t first = level == 0 ? whole & ~s->format->large : whole;
	return whole == 0 ? 0 : first + index * span_of(level);
}

static void tree_retire(struct stage2 *s, uint64_t entry, unsigned level)
{
	if (is_table(s, entry, level)) {
		for (unsigned i = 0; i < ENTRIES; i++) {
			tree_retire(s, table_of(entry)[i], level - 1);
		}
		list_push(&s->retired, table_of(entry));
	}
}

/* Put a table of the same content in the place of a leaf or 0; returns the entry for it. */
static uint64_t entry_split(struct change *c, uint64_t *entry, unsigned level)
{
	uint64_t *table = list_pop(&c->spare);
	for (unsigned i = 0; i < ENTRIES; i++) {
		table[i] = piece_of(c->s, *entry, level - 1, i);
	}
	entry_set(entry, virt_to_phys(table).raw | c->s->format->table);
	return *entry;
}

/* The reverse, when the table has the content of one leaf or 0. */
static void entry_fold(struct change *c, uint64_t *entry, unsigned level)
{
	uint64_t *table = table_of(*entry);
	uint64_t whole = table[0] == 0 ? 0 : table[0] | c->s->format->large;
	bool fits = whole == 0 || leaf_fits(c->s, level, table[0] & ADDRESS);
	for (unsigned i = 0; fits && i < ENTRIES; i++) {
		fits = is_same(c->s, table[i], piece_of(c->s, whole, level - 1, i));
	}
	if (fits) {
		entry_set(entry, whole);
		list_push(&c->s->retired, table);
		*c->flush = true; /* walkers may have remembered it */
	}
}

/* Is [gpa, end) of `old` as wanted when the entry is set to *value? If not, it takes a table. */
static bool can_set(const struct change *c, uint64_t old, unsigned level, uint64_t gpa,
	uint64_t end, uint64_t *value)
{
	uint64_t span = span_of(level);
	bool table = is_table(c->s, old, level), fits = end - gpa == span;
	*value = 0;
	if (c->map) {
		uint64_t offset = c->hpa.raw - c->gpa;
		*value = ((ALIGN_DOWN(gpa, span) + offset) & ADDRESS) | c->bits;
		*value |= level == 0 ? 0 : c->s->format->large;
		fits = fits && leaf_fits(c->s, level, offset);
	} else if (c->rights != 0 && old != 0) {
		*value = (old & ~c->s->rights_mask) | c->bits;
		fits = fits && !table;
	}
	return fits || (!table && is_same(c->s, old, *value));
}

static bool spare_take(struct change *c)
{
	uint64_t *spare = c->s->pages.alloc(c->s->pages.context);
	if (spare != NULL) {
		list_push(&c->spare, spare);
		c->s->tables++;
	}
	return spare != NULL;
}

/*
 * Either walk, below `parent`, which for the second is a table. The first sees below a leaf or 0
 * what it is to be split into, and takes the tables for that. False: no page.
 */
static bool walk(struct change *c, uint64_t parent, unsigned level, uint64_t gpa, uint64_t end)
{
	struct stage2 *s = c->s;
	uint64_t *table = is_table(s, parent, level + 1) ? table_of(parent) : NULL;
	for (uint64_t next, value; gpa < end; gpa = next) {
		unsigned index = gpa / span_of(level) % ENTRIES;
		uint64_t old = table != NULL ? table[index] : piece_of(s, parent, level, index);
		bool fits, split = !is_table(s, old, level);
		next = min_u64(end, ALIGN_DOWN(gpa, span_of(level)) + span_of(level));
		fits = can_set(c, old, level, gpa, next, &value);
		if (fits && c->commit) {
			entry_set(&table[index], value);
			*c->flush |= old != 0 && !is_same(s, old, value);
			tree_retire(s, old, level);
		} else if (!fits && c->commit) {
			old = split ? entry_split(c, &table[index], level) : old;
			walk(c, old, level - 1, gpa, next);
			entry_fold(c, &table[index], level);
		} else if (!fits &&
			((split && !spare_take(c)) || !walk(c, old, level - 1, gpa, next))) {
			return false;
		}
	}
	return true;
}

static uint64_t root_entry(const struct stage2 *s)
{
	return virt_to_phys(s->root).raw | s->format->table;
}

static bool range_ok(uint64_t base, uint64_t size)
{
	return ((base | size) & PAGE_MASK) == 0 && base <= LIMIT && size <= LIMIT - base;
}

static int change_do(struct change *c)
{
	const struct stage2_format *f = c->s->format;
	bool rights_ok =
		c->rights & STAGE2_READ ? c->rights <= STAGE2_ALL : c->rights == 0 && !c->map;
	if (!rights_ok || !range_ok(c->gpa, c->size) || !range_ok(c->hpa.raw, c->size) ||
		c->cache > STAGE2_WB || c->cache == 2 || c->cache == 3) {
		return trace_err(-EINVAL);
	}
	c->bits = f->read | (c->rights & STAGE2_WRITE ? f->write : 0);
	c->bits |= c->rights & STAGE2_EXECUTE ? f->execute : f->no_execute;
	c->bits |= c->map ? (uint64_t)c->cache << f->cache_shift : 0;
	if (!walk(c, root_entry(c->s), LEVELS - 1, c->gpa, c->gpa + c->size)) {
		list_free(c->s, &c->spare);
		return trace_err(-ENOMEM);
	}
	c->commit = true;
	walk(c, root_entry(c->s), LEVELS - 1, c->gpa, c->gpa + c->size);
	return 0;
}

int stage2_map(struct stage2 *s, uint64_t gpa, hpa_t to, uint64_t size, unsigned rights,
	enum stage2_cache cache, bool *flush)
{
	struct change c = {s, gpa, size, rights, flush, .map = true, .hpa = to, .cache = cache};
	return change_do(&c);
}

int stage2_protect(struct stage2 *s, uint64_t gpa, uint64_t size, unsigned rights, bool *flush)
{
	return change_do(&(struct change){s, gpa, size, rights, flush, .map = false});
}

int stage2_unmap(struct stage2 *s, uint64_t gpa, uint64_t size, bool *flush)
{
	return stage2_protect(s, gpa, size, 0, flush);
}

uint64_t *stage2_retired(struct stage2 *s)
{
	uint64_t *retired = s->retired;
	s->retired = NULL;
	return retired;
}

void stage2_reclaim(struct stage2 *s, uint64_t *retired)
{
	list_free(s, &retired);
}

int stage2_init(struct stage2 *s, const struct stage2_format *format,
	const struct stage2_pages *pages, bool large_1g)
{
	*s = (struct stage2){.format = format, .pages = *pages, .large_1g = large_1g};
	s->rights_mask = format->read | format->write | format->execute | format->no_execute;
	s->same_mask = ADDRESS | format->large | s->rights_mask | 7ull << format->cache_shift;
	s->root = pages->alloc(pages->context);
	s->tables = s->root != NULL;
	return s->root != NULL ? 0 : trace_err(-ENOMEM);
}

void stage2_destroy(struct stage2 *s)
{
	tree_retire(s, root_entry(s), LEVELS);
	stage2_reclaim(s, s->retired);
}

bool stage2_query(const struct stage2 *s, uint64_t gpa, struct stage2_translation *translation)
{
	const struct stage2_format *f = s->format;
	unsigned level = LEVELS;
	uint64_t entry = gpa < LIMIT ? root_entry(s) : 0;
	while (is_table(s, entry, level)) {
		level--;
		entry = __atomic_load_n(
			&table_of(entry)[gpa / span_of(level) % ENTRIES], __ATOMIC_RELAXED);
		entry = entry & f->read ? entry : 0; /* links stand in tables taken out meanwhile */
	}
	uint64_t execute = (entry ^ f->execute) & (f->execute | f->no_execute);
	translation->hpa = hpa((entry & ADDRESS) + gpa % span_of(level));
	translation->size = span_of(level);
	translation->rights = entry & f->write ? STAGE2_READ | STAGE2_WRITE : STAGE2_READ;
	translation->rights |= execute == 0 ? STAGE2_EXECUTE : 0u;
	translation->cache = entry >> f->cache_shift & 7;
	return entry != 0;
}
