/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/options.c - the parser of Pintle's command line; its options are the rows of
 * boot/options.def.
 */
#include "boot/options.h"

#include "kernel/fmt.h"

#define SHOWN_MAX 60u /* bytes of a refused word */

STATIC_ASSERT(CPUS_MAX == 512, "boot/options.def says so");

const uint16_t com_ports[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

struct row {
	const char *name, *values; /* the name with its = */
	size_t offset;             /* in struct options, of the field that `set` sets */
	bool (*set)(void *field, const struct row *row, const char *value, size_t len);
};

/* A number in [min, max] that fills text[0..len). */
static bool read_number(const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *number)
{
	return fmt_parse_u64(text, len, number) == 0 && *number >= min && *number <= max;
}

/* The setters: false, and nothing changed, when the value is malformed. */
static bool set_number(void *field, const struct row *row, const char *value, size_t len)
{
	uint64_t number;
	bool right = read_number(value, len, 1, CPUS_MAX, &number);
	if (right) {
		*(unsigned *)field = (unsigned)number;
	}
	return right;
}

/* How long text is before the first `end`. */
static size_t length_to(const char *text, char end)
{
	const char *at = strchr(text, end);
	return at != NULL ? (size_t)(at - text) : strlen(text);
}

/* An enumeration: the place of the value among those that the row lists. */
static bool set_choice(void *field, const struct row *row, const char *value, size_t len)
{
	const char *word = row->values;
	for (unsigned i = 0; *word != '\0'; i++) {
		size_t word_len = length_to(word, ',');
		if (word_len == len && memcmp(word, value, len) == 0) {
			*(unsigned *)field = i;
			return true;
		}
		word += word_len + (word[word_len] == ',' ? strlen(", ") : 0);
	}
	return false;
}

/* A number in [1, max] behind `word`, and no more. */
static bool number_after(
	const char *word, const char *value, size_t len, uint64_t max, uint64_t *number)
{
	size_t start = strlen(word);
	return len >= start && memcmp(value, word, start) == 0 &&
		read_number(value + start, len - start, 1, max, number);
}

static bool set_console(void *field, const struct row *row, const char *value, size_t len)
{
	size_t place_len = min_u64(length_to(value, ','), len);
	uint64_t baud = 0, com = 0, address = 0;
	/* SDM vol. 3, 4.1.4; a 16550 has eight ports. */
	bool in_memory = number_after("mmio:", value, place_len, BIT(52) - 1, &address);
	bool known = in_memory || number_after("io:", value, place_len, 0xfff8, &address) ||
		number_after("com", value, place_len, ARRAY_COUNT(com_ports), &com) ||
		(place_len == 4 && memcmp(value, "auto", 4) == 0);
	/* With 1 the divisor would not fit in its 16 bits. */
	if (!known ||
		(place_len < len &&
			(!read_number(value + place_len + 1, len - place_len - 1, 2, UART_BAUD_BASE,
				 &baud) ||
				UART_BAUD_BASE % baud != 0))) {
		return false;
	}
	if (com != 0) {
		address = com_ports[com - 1];
		baud = baud != 0 ? baud : UART_BAUD_BASE;
	}
	*(struct uart_place *)field =
		(struct uart_place){{in_memory, .address = address}, (uint32_t)baud};
	return true;
}

static const struct row rows[] = {
#define OPTION(kind, name, values, initial, help)                                                  \
	{#name "=", values, offsetof(struct options, name), set_##kind},
#include "boot/options.def"
#undef OPTION
};

/* Every option with its default: " console=auto loglevel=info ...". */
static const char defaults[] =
#define OPTION(kind, name, values, initial, help) " " #name "=" initial
#include "boot/options.def"
	;

/* Returns false after a warning when `word` is no option with a value that it can have. */
static bool take_word(struct options *options, const char *word, size_t len)
{
	const struct row *known = NULL;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		size_t start = strlen(rows[i].name);
		if (len >= start && memcmp(word, rows[i].name, start) == 0) {
			if (rows[i].set((char *)options + rows[i].offset, &rows[i], word + start,
				    len - start)) {
				return true;
			}
			known = &rows[i];
		}
	}
	char shown[SHOWN_MAX + 1] = "";
	memcpy(shown, word, min_u64(len, SHOWN_MAX));
	log_warning("command line: '%s%s' refused: %s%s%s", shown, len > SHOWN_MAX ? "..." : "",
		known != NULL ? known->name : "the options are", known != NULL ? " takes " : "",
		known != NULL ? known->values : defaults);
	return false;
}

static unsigned take_words(struct options *options, const char *words)
{
	unsigned refused = 0;
	while (*words != '\0') {
		size_t len = length_to(words, ' ');
		refused += len != 0 && !take_word(options, words, len);
		words += len + (words[len] == ' ');
	}
	return refused;
}

unsigned options_parse(struct options *options, const char *cmdline)
{
	take_words(options, defaults);
	return take_words(options, cmdline);
}
