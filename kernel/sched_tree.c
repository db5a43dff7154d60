/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_tree.c - the scheduler's queues. Pure.
 */
#include "kernel/sched_tree.h"

/* Work out what `node` knows of its subtree: true when that has changed. */
static inline bool update(const struct sched_tree *tree, struct sched_node *node)
{
	const struct sched_node *left = node->child[0] == NULL ? node : node->child[0];
	const struct sched_node *right = node->child[1] == NULL ? node : node->child[1];
	uint64_t v_min = node->v_min;
	bool changed = false;

	node->v_min = node->v;
	if (sched_before(left->v_min, node->v_min)) {
		node->v_min = left->v_min;
	}
	if (sched_before(right->v_min, node->v_min)) {
		node->v_min = right->v_min;
	}
	for (unsigned i = 0; i < tree->words; i++) {
		uint64_t any = node->any.word[i];
		node->any.word[i] = node->mask.word[i];
		node->any.word[i] |= left->any.word[i] | right->any.word[i];
		changed |= any != node->any.word[i];
	}
	return changed || v_min != node->v_min;
}

/* From `node` up, as far as something changes. */
static void refresh(const struct sched_tree *tree, struct sched_node *node)
{
	while (node != NULL && update(tree, node)) {
		node = node->parent;
	}
}

/* Where the pointer to `node` is. */
static struct sched_node **slot(struct sched_tree *tree, const struct sched_node *node)
{
	struct sched_node *parent = node->parent;
	return parent == NULL ? &tree->root : &parent->child[parent->child[1] == node];
}

/* Exchange `node`, which still has to be updated, with its parent. */
static void raise(struct sched_tree *tree, struct sched_node *node)
{
	struct sched_node *parent = node->parent;
	unsigned side = parent->child[1] == node;
	struct sched_node *inner = node->child[!side];

	*slot(tree, parent) = node;
	node->parent = parent->parent;
	node->child[!side] = parent;
	parent->parent = node;
	parent->child[side] = inner;
	if (inner != NULL) {
		inner->parent = parent;
	}
	update(tree, parent);
}

void sched_tree_insert(struct sched_tree *tree, struct sched_node *node)
{
	struct sched_node **at = &tree->root;

	node->parent = node->child[0] = node->child[1] = NULL;
	while (*at != NULL) {
		node->parent = *at;
		at = &(*at)->child[!sched_before(node->key, (*at)->key)];
	}
	*at = node;
	tree->seed = tree->seed * 1664525 + 1013904223;
	tree->count++;
	node->chance = 1 + (uint32_t)__builtin_ctz(tree->seed >> 8 | 1u << 23);
	while (node->parent != NULL && node->parent->chance < node->chance) {
		raise(tree, node);
	}
	update(tree, node);
	refresh(tree, node->parent);
}

void sched_tree_remove(struct sched_tree *tree, struct sched_node *node)
{
	struct sched_node **child = node->child;

	while (child[0] != NULL || child[1] != NULL) {
		bool right = child[0] == NULL ||
			(child[1] != NULL && child[1]->chance > child[0]->chance);
		struct sched_node *up = child[right];
		raise(tree, up);
		update(tree, up);
	}
	*slot(tree, node) = NULL;
	node->chance = 0;
	tree->count--;
	refresh(tree, node->parent);
}

struct sched_node *sched_tree_eligible(const struct sched_tree *tree, uint64_t v)
{
	struct sched_node *node = tree->root;

	while (node != NULL) {
		struct sched_node *left = node->child[0];
		if (left != NULL && !sched_before(v, left->v_min)) {
			node = left;
		} else if (!sched_before(v, node->v)) {
			break;
		} else {
			node = node->child[1];
		}
	}
	return node;
}

struct sched_node *sched_tree_allowed(const struct sched_tree *tree, unsigned cpu)
{
	struct sched_node *node = tree->root;

	while (node != NULL) {
		struct sched_node *left = node->child[0];
		if (left != NULL && sched_mask_has(&left->any, cpu)) {
			node = left;
		} else if (sched_mask_has(&node->mask, cpu)) {
			break;
		} else {
			node = node->child[1];
		}
	}
	return node;
}
