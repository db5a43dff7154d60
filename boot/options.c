/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/options.c - the parser of Pintle's command line; its options are the rows of
 * boot/options.def.
 */
#include "boot/options.h"

#include "kernel/fmt.h"
#include "kernel/string.h"

#define OPTIONS_WORD_MAX  64u           /* bytes, with its end; no right word is as long */
#define OPTIONS_PORT_MAX  0xfff8u       /* a 16550 has eight ports */
#define OPTIONS_MMIO_MAX  (BIT(52) - 1) /* SDM vol. 3, 4.1.4: no CPU has more address bits */
#define OPTIONS_BAUD_BASE 115200u       /* bit/s of a 16550 with divisor 1 */
#define OPTIONS_BAUD_MIN  2u            /* below, the divisor does not fit in its 16 bits */

STATIC_ASSERT(CPUS_MAX == 512, "boot/options.def says so");

/* A number in [min, max] that fills text[0..len). */
static bool options_read_number(
	const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *number)
{
	return fmt_parse_u64(text, len, number) == 0 && *number >= min && *number <= max;
}

static bool options_read_place(const char *text, size_t len, struct option_console *console)
{
	static const struct {
		const char *word;
		enum option_console_kind kind;
		uint64_t max; /* of the number that follows the word; 0: none follows */
	} places[] = {
		{"auto", CONSOLE_AUTO, 0},
		{"none", CONSOLE_NONE, 0},
		{"com", CONSOLE_COM, 4},
		{"io:", CONSOLE_IO, OPTIONS_PORT_MAX},
		{"mmio:", CONSOLE_MMIO, OPTIONS_MMIO_MAX},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
		size_t word_len = strlen(places[i].word);
		if (len < word_len || memcmp(text, places[i].word, word_len) != 0) {
			continue;
		}
		console->kind = places[i].kind;
		if (places[i].max == 0) {
			return len == word_len;
		}
		return options_read_number(
			text + word_len, len - word_len, 1, places[i].max, &console->where);
	}
	return false;
}

/* Each options_set_NAME() below serves the row NAME: false, and nothing changed, when the value is
 * malformed. */
static bool options_set_console(struct options *options, const char *value)
{
	struct option_console console = {0};
	const char *comma = strchr(value, ',');
	size_t len = comma != NULL ? (size_t)(comma - value) : strlen(value);
	uint64_t baud = 0;
	if (!options_read_place(value, len, &console)) {
		return false;
	}
	if (comma != NULL &&
		(!options_read_number(comma + 1, strlen(comma + 1), OPTIONS_BAUD_MIN,
			 OPTIONS_BAUD_BASE, &baud) ||
			OPTIONS_BAUD_BASE % baud != 0)) {
		return false;
	}
	console.baud = (uint32_t)baud;
	options->console = console;
	return true;
}

static bool options_set_maxcpus(struct options *options, const char *value)
{
	uint64_t count;
	if (!options_read_number(value, strlen(value), 1, CPUS_MAX, &count)) {
		return false;
	}
	options->maxcpus = (unsigned)count;
	return true;
}

/* Set an enumeration to the place of `value` among its words. */
static bool options_choose(
	unsigned *choice, const char *const *words, unsigned count, const char *value)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(words[i], value) == 0) {
			*choice = i;
			return true;
		}
	}
	return false;
}

static bool options_set_loglevel(struct options *options, const char *value)
{
	static const char *const words[] = {
#define X(id, name) [LOG_##id] = name,
		LOG_LEVELS(X)
#undef X
	};
	return options_choose(&options->loglevel, words, ARRAY_COUNT(words), value);
}

static bool options_set_panic(struct options *options, const char *value)
{
	static const char *const words[] = {[PANIC_STOP] = "stop", [PANIC_REBOOT] = "reboot"};
	return options_choose(&options->panic, words, ARRAY_COUNT(words), value);
}

static bool options_set_clock(struct options *options, const char *value)
{
	static const char *const words[] = {[CLOCK_AUTO] = "auto",
		[CLOCK_CPUID] = "cpuid",
		[CLOCK_HPET] = "hpet",
		[CLOCK_PMTIMER] = "pmtimer",
		[CLOCK_PIT] = "pit"};
	return options_choose(&options->clock, words, ARRAY_COUNT(words), value);
}

static bool options_set_apic(struct options *options, const char *value)
{
	static const char *const words[] = {
		[APIC_AUTO] = "auto", [APIC_XAPIC] = "xapic", [APIC_X2APIC] = "x2apic"};
	return options_choose(&options->apic, words, ARRAY_COUNT(words), value);
}

static const struct options_row {
	const char *name;
	const char *values;
	const char *initial;
	bool (*set)(struct options *options, const char *value);
} options_rows[] = {
#define OPTION(name, values, initial, help) {#name, values, initial, options_set_##name},
#include "boot/options.def"
#undef OPTION
};

#define OPTION(name, values, initial, help) " " #name
static const char options_names[] =
#include "boot/options.def"
	;
#undef OPTION

void options_default(struct options *options)
{
	memset(options, 0, sizeof(*options));
	for (unsigned i = 0; i < ARRAY_COUNT(options_rows); i++) {
		options_rows[i].set(options, options_rows[i].initial);
	}
}

/* Returns false after a warning when `word` is no option with a value that it can have. */
static bool options_take_word(struct options *options, const char *word)
{
	for (unsigned i = 0; i < ARRAY_COUNT(options_rows); i++) {
		const struct options_row *row = &options_rows[i];
		size_t len = strlen(row->name);
		if (strncmp(word, row->name, len) != 0 || word[len] != '=') {
			continue;
		}
		if (row->set(options, word + len + 1)) {
			return true;
		}
		log_warning(
			"command line: '%s' refused: %s= takes %s", word, row->name, row->values);
		return false;
	}
	log_warning("command line: '%s' refused: the options are%s", word, options_names);
	return false;
}

unsigned options_parse(struct options *options, const char *cmdline)
{
	char word[OPTIONS_WORD_MAX];
	unsigned refused = 0;
	while (*cmdline != '\0') {
		const char *space = strchr(cmdline, ' ');
		size_t len = space != NULL ? (size_t)(space - cmdline) : strlen(cmdline);
		size_t kept = min_u64(len, sizeof(word) - 1);
		memcpy(word, cmdline, kept);
		word[kept] = '\0';
		if (kept < len) {
			/* Shown as cut, and certain to be refused: no value ends so. */
			memcpy(word + kept - 3, "...", 3);
		}
		if (len != 0 && !options_take_word(options, word)) {
			refused++;
		}
		cmdline += len + (space != NULL);
	}
	return refused;
}
