/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_tree.h - the scheduler's queues: trees ordered by a key, in which each node also
 * knows the least eligible time below it. Balanced by chance (treaps): O(log n) expected for each
 * operation, whatever the keys are; to take the first is a few steps. Keys and times wrap: of two,
 * the one is earlier that a signed difference says so.
 */
#pragma once

#include "kernel/types.h"

/* The caller sets key and v, and changes neither while the node is in a tree. */
struct sched_node {
	struct sched_node *parent, *child[2];
	uint64_t key;
	uint64_t v;      /* eligible from here */
	uint64_t v_min;  /* the least v in this subtree; not kept up from the root to the first */
	uint32_t chance; /* not below the children's; 0: in no tree */
};

struct sched_tree {
	struct sched_node *root;
	struct sched_node *first; /* by key, equals as they came; NULL: none */
	uint32_t count;
	uint32_t seed;
};

static inline bool sched_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

void sched_tree_insert(struct sched_tree *tree, struct sched_node *node);
void sched_tree_remove(struct sched_tree *tree, struct sched_node *node);

/* The first by key that is eligible at `v`; NULL: none. */
struct sched_node *sched_tree_search(const struct sched_tree *tree, uint64_t v);

static inline struct sched_node *sched_tree_eligible(const struct sched_tree *tree, uint64_t v)
{
	struct sched_node *first = tree->first;
	return first == NULL || !sched_before(v, first->v) ? first : sched_tree_search(tree, v);
}
