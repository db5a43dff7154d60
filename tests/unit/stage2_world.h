/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/stage2_world.h - stage-2 tables in a made-up memory, beside a model that keeps each
 * page on its own.
 */
#pragma once

#include "kernel/stage2.h"

extern const struct stage2_format world_ept, world_npt;

struct world_page {
	bool mapped;
	uint64_t hpa;
	unsigned rights;
	enum stage2_cache cache;
};

extern struct stage2 world;
extern size_t world_pages_used; /* by the tables under test */
extern size_t world_pages_left; /* that alloc still gives; SIZE_MAX: as many as there are */

/* Start with empty tables; end: all pages must have come back. */
void world_begin(const struct stage2_format *format, bool large_1g);
void world_end(void);

/* What a CPU finds for `gpa` when it walks from `root`, by the rules of its manual; aborts on
 * entries that it would refuse. */
bool world_walk(const uint64_t *root, uint64_t gpa, struct world_page *page, uint64_t *size);

/*
 * One change of the tables and of the model, from 12 bytes of input (see the .c); checks result,
 * flush and counts. Returns the result. world_check compares everything.
 */
#define WORLD_STEP 12u
int world_step(const uint8_t *input);
void world_check(void);
