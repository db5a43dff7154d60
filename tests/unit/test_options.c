/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_options.c - Pintle's command line: every value of every option, and all that is
 * none.
 *
 * Links: boot/options.c kernel/fmt.c
 */
#include "tests/unit/fake.h"

#include "boot/options.h"

static struct options options;

/* Parse a copy without a spare byte behind it, so that ASan sees every step beyond. */
static unsigned parse(const char *cmdline)
{
	char *copy = strdup(cmdline);
	assert_non_null(copy);
	fake_log_clear();
	memset(&options, 0xaa, sizeof(options));
	unsigned refused = options_parse(&options, copy);
	free(copy);
	return refused;
}

static void assert_same(const struct options *a, const struct options *b)
{
	assert_int_equal(a->console.base.in_memory, b->console.base.in_memory);
	assert_int_equal(a->console.base.width, b->console.base.width);
	assert_int_equal(a->console.base.address, b->console.base.address);
	assert_int_equal(a->console.baud, b->console.baud);
	assert_int_equal(a->loglevel, b->loglevel);
	assert_int_equal(a->maxcpus, b->maxcpus);
	assert_int_equal(a->panic, b->panic);
	assert_int_equal(a->clock, b->clock);
	assert_int_equal(a->apic, b->apic);
}

static void assert_default(void)
{
	struct options initial;
	options_parse(&initial, "");
	assert_same(&options, &initial);
}

static void assert_taken(const char *cmdline)
{
	if (parse(cmdline) != 0) {
		fail_msg("%s: %s", cmdline, fake_log);
	}
	assert_string_equal(fake_log, "");
}

/* One word that must be refused by one warning which holds the word and `right`, with no effect. */
static void assert_refused(const char *word, const char *right)
{
	if (parse(word) != 1) {
		fail_msg("%s was taken", word);
	}
	assert_default();
	assert_non_null(strstr(fake_log, "warning: command line: '"));
	assert_non_null(strstr(fake_log, right));
	assert_ptr_equal(strchr(fake_log, '\n') + 1, fake_log + strlen(fake_log));
	if (strlen(word) <= 60) {
		assert_memory_equal(
			fake_log + strlen("warning: command line: '"), word, strlen(word));
	}
}

static void silence_gives_the_documented_defaults(void **state)
{
	static const char *const empty[] = {"", " ", "     "};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(empty); i++) {
		assert_taken(empty[i]);
		assert_int_equal(options.console.base.address, 0);
		assert_int_equal(options.console.baud, 0);
		assert_int_equal(options.loglevel, LOG_INFO);
		assert_int_equal(options.maxcpus, CPUS_MAX);
		assert_int_equal(options.panic, PANIC_STOP);
		assert_int_equal(options.clock, 0);
		assert_int_equal(options.apic, APIC_AUTO);
	}
}

static void every_default_text_is_a_value_of_its_option(void **state)
{
	static const char *const words[] = {
#define OPTION(kind, name, values, initial, help) #name "=" initial,
#include "boot/options.def"
#undef OPTION
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		assert_taken(words[i]);
		assert_default();
	}
}

static void parsing_changes_only_what_is_named(void **state)
{
	(void)state;
	assert_taken("maxcpus=3");
	struct options expected;
	options_parse(&expected, "");
	expected.maxcpus = 3;
	assert_same(&options, &expected);
	assert_taken("maxcpus=3 panic=reboot");
	expected.panic = PANIC_REBOOT;
	assert_same(&options, &expected);
}

static void console_places_are_read(void **state)
{
	static const struct {
		const char *word;
		struct uart_place console;
	} cases[] = {
		{"console=auto", {{false, 0, 0}, 0}},
		{"console=com1", {{false, 0, 0x3f8}, 115200}},
		{"console=com2", {{false, 0, 0x2f8}, 115200}},
		{"console=com3", {{false, 0, 0x3e8}, 115200}},
		{"console=com4", {{false, 0, 0x2e8}, 115200}},
		{"console=io:0x3f8", {{false, 0, 0x3f8}, 0}},
		{"console=io:1016", {{false, 0, 1016}, 0}},
		{"console=io:1", {{false, 0, 1}, 0}},
		{"console=io:0xfff8", {{false, 0, 0xfff8}, 0}},
		{"console=mmio:0xfedc9000", {{true, 0, 0xfedc9000}, 0}},
		{"console=mmio:1", {{true, 0, 1}, 0}},
		{"console=mmio:0xfffffffffffff", {{true, 0, 0xfffffffffffff}, 0}},
		{"console=auto,115200", {{false, 0, 0}, 115200}},
		{"console=com2,57600", {{false, 0, 0x2f8}, 57600}},
		{"console=io:0x2f8,38400", {{false, 0, 0x2f8}, 38400}},
		{"console=mmio:0x90000000,19200", {{true, 0, 0x90000000}, 19200}},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct options expected;
		options_parse(&expected, "");
		expected.console = cases[i].console;
		assert_taken(cases[i].word);
		assert_same(&options, &expected);
	}
}

static void console_values_that_are_none_are_refused(void **state)
{
	static const char *const values[] = {"", ",", "none", "com", "com0", "com5", "com9",
		"com11", "com1x", "COM1", "auto:", "auto:1", "none:", "com1:", "com:1", "autox",
		"aut", "io", "io:", "io:0", "io:0xfff9", "io:0x10000", "io:-1", "io:+1", "io:3f8",
		"io:0x", "io:0x3f8\t", "io:\t1", "io:0x3f8:", "com0x5", "io:18446744073709551616",
		"io:99999999999999999999999", "iox:1", "i:1", ":", ":1", "mmio", "mmio:", "mmio:0",
		"mmio:0x10000000000000", "mmio:0xffffffffffffffff", "mmio:0x10000000000000000",
		"mmio:0xg", "mmiox:1", "com1;9600", "com1\t,9600", "\"com1\""};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		char word[80];
		snprintf(word, sizeof(word), "console=%s", values[i]);
		assert_refused(word, "console= takes auto, com1 to com4, io:PORT or mmio:ADDRESS");
	}
}

static void only_exact_divisions_of_the_base_rate_are_bauds(void **state)
{
	(void)state;
	for (unsigned baud = 0; baud <= 115300; baud++) {
		char word[40];
		bool right = baud >= 2 && baud <= 115200 && 115200 % baud == 0;
		snprintf(word, sizeof(word), "console=com1,%u", baud);
		assert_int_equal(parse(word), right ? 0 : 1);
		assert_int_equal(options.console.baud, right ? baud : 0);
		assert_int_equal(options.console.base.address, right ? 0x3f8 : 0);
	}
}

static void malformed_bauds_are_refused(void **state)
{
	static const char *const values[] = {"", "0x9601", "0X2580", "-9600", "+9600", "9600,",
		"9600,9600", "9600n8", "\t9600", "4294976896", "18446744073709561216", "fast"};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		char word[80];
		snprintf(word, sizeof(word), "console=com1,%s", values[i]);
		assert_refused(word, "each with an optional ,BAUD");
	}
}

static void log_levels_are_read_by_name(void **state)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	(void)state;
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		char word[40];
		snprintf(word, sizeof(word), "loglevel=%s", names[i]);
		assert_taken(word);
		assert_int_equal(options.loglevel, i);
		fake_log_clear();
		assert_int_equal(options_parse(&options, "loglevel=none"), 1);
		assert_non_null(strstr(fake_log, names[i])); /* the warning knows every level */
	}
}

static void cpu_counts_are_read_up_to_the_limit(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= CPUS_MAX; i++) {
		char word[40];
		snprintf(word, sizeof(word), "maxcpus=%u", i);
		assert_taken(word);
		assert_int_equal(options.maxcpus, i);
	}
}

static void choices_are_read(void **state)
{
	(void)state;
	assert_taken("panic=reboot");
	assert_int_equal(options.panic, PANIC_REBOOT);
	assert_taken("panic=reboot panic=stop");
	assert_int_equal(options.panic, PANIC_STOP);
	assert_taken("clock=cpuid");
	assert_int_equal(options.clock, 1);
	assert_taken("clock=hpet");
	assert_int_equal(options.clock, 2);
	assert_taken("clock=pmtimer");
	assert_int_equal(options.clock, 3);
	assert_taken("clock=pit");
	assert_int_equal(options.clock, 4);
	assert_taken("clock=pit clock=auto");
	assert_int_equal(options.clock, 0);
	assert_taken("apic=xapic");
	assert_int_equal(options.apic, APIC_XAPIC);
	assert_taken("apic=x2apic");
	assert_int_equal(options.apic, APIC_X2APIC);
	assert_taken("apic=xapic apic=auto");
	assert_int_equal(options.apic, APIC_AUTO);
}

static void values_that_an_option_does_not_take_are_refused(void **state)
{
	static const struct {
		const char *word;
		const char *right;
	} cases[] = {
		{"loglevel=none", "loglevel= takes error, warning, info, debug"},
		{"loglevel=", "loglevel= takes"},
		{"loglevel=1", "loglevel= takes"},
		{"loglevel=-1", "loglevel= takes"},
		{"loglevel=Debug", "loglevel= takes"},
		{"loglevel=debugs", "loglevel= takes"},
		{"loglevel=debu", "loglevel= takes"},
		{"loglevel=18446744073709551616", "loglevel= takes"},
		{"maxcpus=512x", "maxcpus= takes a number, 1 to 512"},
		{"maxcpus=", "maxcpus= takes"},
		{"maxcpus=0", "maxcpus= takes"},
		{"maxcpus=513", "maxcpus= takes"},
		{"maxcpus=0x201", "maxcpus= takes"},
		{"maxcpus=0X10", "maxcpus= takes"},
		{"maxcpus=4x", "maxcpus= takes"},
		{"maxcpus=-1", "maxcpus= takes"},
		{"maxcpus=4294967297", "maxcpus= takes"},
		{"maxcpus=18446744073709551617", "maxcpus= takes"},
		{"panic=reboots", "panic= takes stop, reboot"},
		{"panic=", "panic= takes"},
		{"panic=halt", "panic= takes"},
		{"panic=stop=stop", "panic= takes"},
		{"clock=p", "clock= takes auto, cpuid, hpet, pmtimer, pit"},
		{"clock=", "clock= takes"},
		{"clock=tsc", "clock= takes"},
		{"apic=0", "apic= takes auto, xapic, x2apic"},
		{"apic=", "apic= takes"},
		{"apic=x2apic,", "apic= takes"},
		{"apic=x2", "apic= takes"},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_refused(cases[i].word, cases[i].right);
	}
}

static void unknown_words_are_refused_and_the_known_options_named(void **state)
{
	static const char *const words[] = {"quiet", "=", "=auto", "consol=auto", "consoles=auto",
		"Console=auto", "console", "\"\"", "\"", "\"\"\"", "-", "--", "console:auto",
		"\xff\x80", "pintle,console=auto", "'console=auto'", "\tconsole=auto"};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		assert_refused(words[i],
			"the options are console=auto loglevel=info maxcpus=512 "
			"panic=stop clock=auto apic=auto\n");
	}
}

static void a_long_refused_word_is_shown_in_part(void **state)
{
	static char word[5000];
	(void)state;
	memset(word, 'w', sizeof(word) - 1);
	assert_refused(word, "www...' refused: the options are console");
	assert_true(strlen(fake_log) < 200);
	memcpy(word, "console=", 8);
	assert_refused(word, "www...' refused: console= takes auto");
	assert_true(strlen(fake_log) < 250);
}

static void the_last_of_an_option_counts(void **state)
{
	(void)state;
	assert_taken("maxcpus=1 console=com1,9600 maxcpus=2 console=com2 maxcpus=3");
	assert_int_equal(options.maxcpus, 3);
	assert_int_equal(options.console.base.address, 0x2f8);
	assert_int_equal(options.console.baud, 115200);
}

static void a_refused_word_does_not_stop_the_others(void **state)
{
	(void)state;
	assert_int_equal(parse("foo  maxcpus=7 maxcpus=x bar= panic=reboot apic "), 4);
	assert_int_equal(options.maxcpus, 7);
	assert_int_equal(options.panic, PANIC_REBOOT);
	assert_int_equal(options.apic, APIC_AUTO);
	unsigned lines = 0;
	for (const char *at = fake_log; (at = strchr(at, '\n')) != NULL; at++) {
		lines++;
	}
	assert_int_equal(lines, 4);
}

static void a_word_counts_to_its_end(void **state)
{
	char word[200];
	(void)state;
	for (unsigned zeros = 0; zeros < 150; zeros++) {
		/* Too large by its last digit, wherever a copy of it may be cut. */
		snprintf(word, sizeof(word), "maxcpus=%0*u", zeros + 4, 5120);
		assert_refused(word, "maxcpus= takes");
		snprintf(word, sizeof(word), "maxcpus=%0*u", zeros, 7);
		assert_taken(word);
		assert_int_equal(options.maxcpus, 7);
	}
}

static void quotes_belong_to_the_word(void **state)
{
	(void)state;
	assert_refused("panic=\"reboot\"", "panic= takes");
	assert_refused("panic=\"", "panic= takes");
	assert_refused("\"panic=reboot\"", "the options are");
	assert_int_equal(parse("x=\"a maxcpus=2\" apic=xapic"), 2);
	assert_int_equal(options.maxcpus, CPUS_MAX);
	assert_int_equal(options.apic, APIC_XAPIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(silence_gives_the_documented_defaults),
		FAKE_TEST(every_default_text_is_a_value_of_its_option),
		FAKE_TEST(parsing_changes_only_what_is_named),
		FAKE_TEST(console_places_are_read),
		FAKE_TEST(console_values_that_are_none_are_refused),
		FAKE_TEST(only_exact_divisions_of_the_base_rate_are_bauds),
		FAKE_TEST(malformed_bauds_are_refused),
		FAKE_TEST(log_levels_are_read_by_name),
		FAKE_TEST(cpu_counts_are_read_up_to_the_limit),
		FAKE_TEST(choices_are_read),
		FAKE_TEST(values_that_an_option_does_not_take_are_refused),
		FAKE_TEST(unknown_words_are_refused_and_the_known_options_named),
		FAKE_TEST(a_long_refused_word_is_shown_in_part),
		FAKE_TEST(the_last_of_an_option_counts),
		FAKE_TEST(a_refused_word_does_not_stop_the_others),
		FAKE_TEST(a_word_counts_to_its_end),
		FAKE_TEST(quotes_belong_to_the_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
