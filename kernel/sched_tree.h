/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_tree.h - the scheduler's queues: trees ordered by a key, in which each node also
 * knows the least eligible time and all CPUs named below it. Balanced by chance (treaps): O(log n)
 * expected for each operation, whatever the keys are. Keys and times wrap: of two, the one is
 * earlier that a signed difference says so.
 */
#pragma once

#include "kernel/types.h"

/* CPUs, a bit each, by index. */
struct sched_mask {
	uint64_t word[CPUS_MAX / 64];
};

static inline bool sched_mask_has(const struct sched_mask *mask, unsigned cpu)
{
	return mask->word[cpu / 64] >> (cpu % 64) & 1;
}

/* The caller sets key, v and mask, and changes none of them while the node is in a tree. */
struct sched_node {
	struct sched_node *parent, *child[2];
	uint64_t key;
	uint64_t v;             /* eligible from here */
	uint64_t v_min;         /* the least v in this subtree */
	struct sched_mask mask; /* the CPUs that may take it over */
	struct sched_mask any;  /* of all in this subtree */
	uint32_t chance;        /* not below the children's; 0: in no tree */
};

struct sched_tree {
	struct sched_node *root;
	uint32_t count;
	uint32_t words; /* of each mask that matter */
	uint32_t seed;
};

static inline bool sched_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

void sched_tree_insert(struct sched_tree *tree, struct sched_node *node);
void sched_tree_remove(struct sched_tree *tree, struct sched_node *node);

/* The first by key that is eligible at `v`, or that `cpu` may take over; NULL: none. */
struct sched_node *sched_tree_eligible(const struct sched_tree *tree, uint64_t v);
struct sched_node *sched_tree_allowed(const struct sched_tree *tree, unsigned cpu);
