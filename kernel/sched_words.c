/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_words.c - scheduling parameters in words. Runs: on CPU 0.
 */
#include "kernel/dispatch.h"

const char *const sched_latency_names[SCHED_LATENCY_COUNT] = {"batch", "normal", "prompt"};

struct sched_params sched_defaults(void)
{
	struct sched_params params = {.weight = 100, .latency = SCHED_NORMAL};

	for (unsigned i = 0; i < cpu_count; i++) {
		if (cpu_table[i]->state == CPU_ONLINE) {
			params.affinity.word[i / 64] |= BIT(i % 64);
		}
	}
	return params;
}

/* CPUs that are online, as 0-3,6. */
static bool read_mask(const char *text, struct sched_mask *mask)
{
	struct sched_params all = sched_defaults();
	struct sched_mask named = {0};
	uint64_t first = 0, last;
	bool good;

	do {
		good = fmt_take_u64(&text, &first);
		last = first;
		if (good && *text == '-') {
			text++;
			good = fmt_take_u64(&text, &last);
		}
		good = good && first <= last && last < cpu_count;
		for (uint64_t i = first; good && i <= last; i++) {
			good = sched_mask_has(&all.affinity, (unsigned)i);
			named.word[i / 64] |= BIT(i % 64);
		}
	} while (good && *text++ == ',');
	good = good && text[-1] == '\0';
	*mask = good ? named : *mask;
	return good;
}

bool sched_read_word(struct sched_params *params, const char *name, const char *value)
{
	const char *rest = value;
	uint64_t number, period = 0;
	bool good = fmt_take_u64(&rest, &number);

	if (strcmp(name, "affinity") == 0) {
		return read_mask(value, &params->affinity);
	}
	if (strcmp(name, "latency") == 0) {
		return fmt_find(value, sched_latency_names, SCHED_LATENCY_COUNT,
			(unsigned *)&params->latency);
	}
	if (strcmp(name, "reserve") == 0 && *rest == '/') {
		rest++;
		good = good && fmt_take_u64(&rest, &period) && period <= SCHED_PERIOD_MAX / 1000;
	}
	if (!good || *rest != '\0' || number > SCHED_PERIOD_MAX / 1000) {
		return false;
	}
	if (strcmp(name, "weight") == 0) {
		params->weight = (uint32_t)number;
	} else if (strcmp(name, "cap") == 0) {
		params->cap = (uint32_t)number;
	} else if (strcmp(name, "reserve") == 0) {
		params->budget = number * 1000;
		params->period = period * 1000;
	} else {
		return false;
	}
	return true;
}
