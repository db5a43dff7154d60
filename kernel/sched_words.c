/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/sched_words.c - scheduling parameters in words. Runs: on CPU 0.
 */
#include "kernel/sched_words.h"

#include "kernel/fmt.h"
#include "kernel/pcpu.h"

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

/* A number at *text, which then stands behind it. */
static bool read_number(const char **text, uint64_t *number)
{
	size_t length = 0;

	while ((*text)[length] >= '0' && (*text)[length] <= '9') {
		length++;
	}
	bool good = fmt_parse_u64(*text, length, number) == 0;
	*text += length;
	return good;
}

/* CPUs that are online, as 0-3,6. */
static bool read_mask(const char *text, struct sched_mask *mask)
{
	struct sched_params all = sched_defaults();
	struct sched_mask named = {0};
	uint64_t first = 0, last;
	bool good;

	do {
		good = read_number(&text, &first);
		last = first;
		if (good && *text == '-') {
			text++;
			good = read_number(&text, &last);
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
	bool good = read_number(&rest, &number);

	if (strcmp(name, "affinity") == 0) {
		return read_mask(value, &params->affinity);
	}
	for (unsigned i = 0; i < SCHED_LATENCY_COUNT && strcmp(name, "latency") == 0; i++) {
		if (strcmp(value, sched_latency_names[i]) == 0) {
			params->latency = i;
			return true;
		}
	}
	if (strcmp(name, "reserve") == 0 && *rest == '/') {
		rest++;
		good = good && read_number(&rest, &period) && period <= SCHED_PERIOD_MAX / 1000;
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
