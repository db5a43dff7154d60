/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_tree.c - the scheduler's queues. Pure.
 *
 * The nodes from the root down to the first change most, as the first is taken most, and nobody
 * needs their v_min: a search begins at the first and goes up. So a removal of the first touches
 * two or three nodes. A node leaves that way when an insertion passes it, which works out its v_min
 * anew.
 */
#include "kernel/sched_tree.h"

static inline bool some_eligible(const struct sched_node *root, uint64_t v)
{
	return root != NULL && !sched_before(v, root->v_min);
}

/* Work out v_min: true when it has changed. */
static inline bool update(struct sched_node *node)
{
	const struct sched_node *left = node->child[0], *right = node->child[1];
	uint64_t old = node->v_min, v_min = node->v;

	if (some_eligible(left, v_min)) {
		v_min = left->v_min;
	}
	if (some_eligible(right, v_min)) {
		v_min = right->v_min;
	}
	node->v_min = v_min;
	return v_min != old;
}

static inline void link(struct sched_node **at, struct sched_node *node, struct sched_node *parent)
{
	*at = node;
	if (node != NULL) {
		node->parent = parent;
	}
}

/* A leaf below `up` comes up to its place; those that it passes become its subtrees. */
static void rise(struct sched_tree *tree, struct sched_node *node, struct sched_node *up)
{
	bool side = !sched_before(node->key, up->key);

	while (up != NULL && up->chance < node->chance) {
		struct sched_node *next = up->parent;
		if (sched_before(up->v_min, node->v_min)) {
			node->v_min = up->v_min;
		}
		link(&up->child[side], node->child[!side], up);
		update(up);
		link(&node->child[!side], up, node);
		side = next != NULL && next->child[1] == up;
		up = next;
	}
	link(up == NULL ? &tree->root : &up->child[side], node, up);
}

void sched_tree_insert(struct sched_tree *tree, struct sched_node *node)
{
	struct sched_node *up = NULL, *next = tree->root;

	node->child[0] = node->child[1] = node->parent = NULL;
	node->v_min = node->v;
	tree->seed = tree->seed * 1664525 + 1013904223;
	node->chance = 1 + (uint32_t)__builtin_ctz(tree->seed >> 8 | 1u << 23);
	tree->count++;
	while (next != NULL) {
		up = next;
		next = sched_before(node->key, up->key) ? up->child[0] : up->child[1];
	}
	if (up == NULL) {
		tree->root = tree->first = node;
		return;
	}
	if (up == tree->first && sched_before(node->key, up->key)) {
		tree->first = node;
	}
	rise(tree, node, up);
	for (up = node->parent; up != NULL && sched_before(node->v, up->v_min); up = up->parent) {
		up->v_min = node->v;
	}
}

void sched_tree_remove(struct sched_tree *tree, struct sched_node *node)
{
	struct sched_node *rest[2] = {node->child[0], node->child[1]};
	struct sched_node *parent = node->parent, *up = parent, **at = &tree->root;

	if (parent != NULL) {
		at = &parent->child[parent->child[1] == node];
	}
	tree->count--;
	node->chance = 0;
	while (rest[0] != NULL && rest[1] != NULL) {
		bool side = rest[1]->chance > rest[0]->chance;
		link(at, rest[side], up);
		up = rest[side];
		at = &up->child[!side];
		rest[side] = *at;
	}
	struct sched_node *next = rest[rest[0] == NULL];
	link(at, next, up);
	if (tree->first == node) {
		for (tree->first = up; next != NULL; next = next->child[0]) {
			tree->first = next;
		}
		return;
	}
	for (; up != parent; up = up->parent) {
		update(up);
	}
	while (up != NULL && up->v_min == node->v && update(up)) {
		up = up->parent;
	}
}

struct sched_node *sched_tree_search(const struct sched_tree *tree, uint64_t v)
{
	struct sched_node *node = tree->first;

	while (node != NULL && sched_before(v, node->v)) {
		if (!some_eligible(node->child[1], v)) {
			node = node->parent;
			continue;
		}
		node = node->child[1];
		while (some_eligible(node->child[0], v)) {
			node = node->child[0];
		}
	}
	return node;
}
