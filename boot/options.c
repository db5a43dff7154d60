/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/options.c - the parser of Pintle's command line; its options are the rows of
 * boot/options.def.
 */
#include "boot/options.h"

#include "kernel/fmt.h"
#include "kernel/string.h"

#define OPTIONS_SHOWN_MAX 64u /* bytes of a refused word that its warning shows */

#define OPTIONS_PORT_MAX  0xfff8u       /* a 16550 has eight ports */
#define OPTIONS_MMIO_MAX  (BIT(52) - 1) /* SDM vol. 3, 4.1.4: no CPU has more address bits */
#define OPTIONS_BAUD_BASE 115200u       /* bit/s of a 16550 with divisor 1 */
#define OPTIONS_BAUD_MIN  2u            /* below, the divisor does not fit in its 16 bits */

STATIC_ASSERT(CPUS_MAX == 512, "boot/options.def says so");
STATIC_ASSERT(LOG_LEVEL_COUNT == 4, "boot/options.def says so");

/* Part of the command line; never ended by a zero byte. */
struct options_text {
	const char *at;
	size_t len;
};

static bool options_text_is(struct options_text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

/* Split `text` at the first `separator`, which belongs to neither part; without one *rest is empty.
 */
static bool options_split(struct options_text *text, char separator, struct options_text *rest)
{
	for (size_t i = 0; i < text->len; i++) {
		if (text->at[i] == separator) {
			*rest = (struct options_text){text->at + i + 1, text->len - i - 1};
			text->len = i;
			return true;
		}
	}
	*rest = (struct options_text){text->at + text->len, 0};
	return false;
}

/* GRUB passes console="a b" as "console=a b", so that quotes may stand around a word as well as a
 * value. */
static struct options_text options_unquote(struct options_text text)
{
	if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"') {
		return (struct options_text){text.at + 1, text.len - 2};
	}
	return text;
}

/* A number in [min, max]; *value is written only when there is one. */
static bool options_read_number(
	struct options_text text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number;
	if (fmt_parse_u64(text.at, text.len, &number) != 0 || number < min || number > max) {
		return false;
	}
	*value = number;
	return true;
}

static bool options_read_decimal(
	struct options_text text, uint64_t min, uint64_t max, uint64_t *value)
{
	bool hex = text.len > 1 && text.at[1] == 'x';
	return !hex && options_read_number(text, min, max, value);
}

/* Which of `count` words it is, or `count` for none of them. */
static unsigned options_read_word(
	struct options_text text, const char *const *words, unsigned count)
{
	unsigned i = 0;
	while (i < count && !options_text_is(text, words[i])) {
		i++;
	}
	return i;
}

static bool options_read_place(struct options_text text, struct option_console *console)
{
	static const struct {
		const char *word;
		enum option_console_kind kind;
		uint64_t where;
	} places[] = {
		{"auto", CONSOLE_AUTO, 0},
		{"none", CONSOLE_NONE, 0},
		{"com1", CONSOLE_COM, 1},
		{"com2", CONSOLE_COM, 2},
		{"com3", CONSOLE_COM, 3},
		{"com4", CONSOLE_COM, 4},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
		if (options_text_is(text, places[i].word)) {
			console->kind = places[i].kind;
			console->where = places[i].where;
			return true;
		}
	}
	struct options_text address;
	options_split(&text, ':', &address);
	if (options_text_is(text, "io")) {
		console->kind = CONSOLE_IO;
		return options_read_number(address, 1, OPTIONS_PORT_MAX, &console->where);
	}
	console->kind = CONSOLE_MMIO;
	return options_text_is(text, "mmio") &&
		options_read_number(address, 1, OPTIONS_MMIO_MAX, &console->where);
}

/* Each options_set_NAME() below serves the row NAME: false, and nothing changed, when the value is
 * malformed. */
static bool options_set_console(struct options *options, struct options_text value)
{
	struct option_console console = {0};
	struct options_text rate;
	uint64_t baud = 0;
	if (options_split(&value, ',', &rate) &&
		(!options_read_decimal(rate, OPTIONS_BAUD_MIN, OPTIONS_BAUD_BASE, &baud) ||
			OPTIONS_BAUD_BASE % baud != 0)) {
		return false;
	}
	console.baud = (uint32_t)baud;
	if (!options_read_place(value, &console)) {
		return false;
	}
	options->console = console;
	return true;
}

static bool options_set_loglevel(struct options *options, struct options_text value)
{
	static const char *const words[] = {
#define X(id, name) [LOG_##id] = name,
		LOG_LEVELS(X)
#undef X
	};
	uint64_t level = options_read_word(value, words, LOG_LEVEL_COUNT);
	if (level == LOG_LEVEL_COUNT &&
		!options_read_decimal(value, 0, LOG_LEVEL_COUNT - 1, &level)) {
		return false;
	}
	options->loglevel = (enum log_level)level;
	return true;
}

static bool options_set_maxcpus(struct options *options, struct options_text value)
{
	uint64_t count;
	if (!options_read_decimal(value, 1, CPUS_MAX, &count)) {
		return false;
	}
	options->maxcpus = (unsigned)count;
	return true;
}

static bool options_set_panic(struct options *options, struct options_text value)
{
	static const char *const words[] = {[PANIC_STOP] = "stop", [PANIC_REBOOT] = "reboot"};
	unsigned i = options_read_word(value, words, ARRAY_COUNT(words));
	if (i == ARRAY_COUNT(words)) {
		return false;
	}
	options->panic = (enum panic_action)i;
	return true;
}

static bool options_set_clock(struct options *options, struct options_text value)
{
	static const char *const words[] = {
		[CLOCK_AUTO] = "auto",
		[CLOCK_CPUID] = "cpuid",
		[CLOCK_HPET] = "hpet",
		[CLOCK_PMTIMER] = "pmtimer",
		[CLOCK_PIT] = "pit",
	};
	unsigned i = options_read_word(value, words, ARRAY_COUNT(words));
	if (i == ARRAY_COUNT(words)) {
		return false;
	}
	options->clock = (enum clock_source)i;
	return true;
}

static bool options_set_apic(struct options *options, struct options_text value)
{
	static const char *const words[] = {
		[APIC_AUTO] = "auto",
		[APIC_XAPIC] = "xapic",
		[APIC_X2APIC] = "x2apic",
	};
	unsigned i = options_read_word(value, words, ARRAY_COUNT(words));
	if (i == ARRAY_COUNT(words)) {
		return false;
	}
	options->apic = (enum apic_mode)i;
	return true;
}

static const struct options_row {
	const char *name;
	const char *values;
	const char *initial;
	bool (*set)(struct options *options, struct options_text value);
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
		const struct options_row *row = &options_rows[i];
		row->set(options, (struct options_text){row->initial, strlen(row->initial)});
	}
}

/* Take the next word off *cmdline; its length is 0 when there is none. */
static struct options_text options_next_word(const char **cmdline)
{
	const char *at = *cmdline;
	bool quoted = false;
	size_t len = 0;
	while (*at == ' ') {
		at++;
	}
	while (at[len] != '\0' && (quoted || at[len] != ' ')) {
		quoted ^= at[len] == '"';
		len++;
	}
	*cmdline = at + len;
	return (struct options_text){at, len};
}

/* Returns false after a warning when `word` is no option with a value that it can have. */
static bool options_take_word(struct options *options, struct options_text word)
{
	int shown = (int)min_u64(word.len, OPTIONS_SHOWN_MAX);
	struct options_text name = options_unquote(word);
	struct options_text value;
	options_split(&name, '=', &value);
	for (unsigned i = 0; i < ARRAY_COUNT(options_rows); i++) {
		const struct options_row *row = &options_rows[i];
		if (!options_text_is(name, row->name)) {
			continue;
		}
		if (row->set(options, options_unquote(value))) {
			return true;
		}
		log_warning("command line: '%.*s' refused: %s= takes %s", shown, word.at, row->name,
			row->values);
		return false;
	}
	log_warning(
		"command line: '%.*s' refused: the options are%s", shown, word.at, options_names);
	return false;
}

unsigned options_parse(struct options *options, const char *cmdline)
{
	unsigned refused = 0;
	for (;;) {
		struct options_text word = options_next_word(&cmdline);
		if (word.len == 0) {
			return refused;
		}
		refused += !options_take_word(options, word);
	}
}
