/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/stage2_end.h - give all pages of stage-2 tables back, as no VM's end needs it: those
 * live in pieces.
 */
#pragma once

#include "kernel/stage2.h"

static inline void stage2_end(struct stage2 *s)
{
	bool flush = false;

	stage2_protect(s, 0, BIT(48), 0, &flush);
	stage2_reclaim(s, stage2_retired(s));
	pool_free(s->pool, s->root);
	s->tables--;
}
