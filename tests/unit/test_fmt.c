/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_fmt.c - formatting, against the C library's, and the reading of numbers.
 * Links: kernel/fmt.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/fmt.h"

/* The formats are made at run time. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

#define GUARD 0x5a

/* Both texts, whole and cut at every length, with nothing written behind the cut. */
static void same_text(const char *fmt, ...)
{
	char want[512];
	va_list args;
	va_start(args, fmt);
	int want_len = vsnprintf(want, sizeof(want), fmt, args);
	va_end(args);
	assert_in_range(want_len, 0, 300);
	for (size_t size = 0; size <= (size_t)want_len + 2; size++) {
		char got[512];
		memset(got, GUARD, sizeof(got));
		va_start(args, fmt);
		int len = fmt_vwrite(got, size, fmt, args);
		va_end(args);
		assert_int_equal(len, want_len);
		size_t kept = size == 0 ? 0 : min_u64(size - 1, (size_t)want_len);
		assert_memory_equal(got, want, kept);
		if (size > 0) {
			assert_int_equal(got[kept], 0);
		}
		assert_int_equal(got[size == 0 ? 0 : kept + 1], GUARD);
	}
}

static const uint64_t values[] = {0, 1, 7, 9, 10, 15, 16, 99, 100, 127, 128, 255, 256, 32767, 32768,
	65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x123456789abcdef0,
	0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, 0xffffffffffffffff};

static void numbers_are_written_as_the_c_library_writes_them(void **state)
{
	(void)state;
	static const char *const flags[] = {"", "-", "0"};
	static const char *const widths[] = {"", "1", "2", "8", "17", "24"};
	static const char *const lengths[] = {"", "l", "ll", "z"};
	char fmt[32];
	for (size_t f = 0; f < ARRAY_COUNT(flags); f++) {
		for (size_t w = 0; w < ARRAY_COUNT(widths); w++) {
			for (size_t l = 0; l < ARRAY_COUNT(lengths); l++) {
				for (const char *c = "ux"; *c != '\0'; c++) {
					snprintf(fmt, sizeof(fmt), "<%%%s%s%s%c>", flags[f],
						widths[w], lengths[l], *c);
					for (size_t v = 0; v < ARRAY_COUNT(values); v++) {
						same_text(fmt, values[v]);
					}
				}
			}
		}
	}
}

static void random_numbers_are_written_as_the_c_library_writes_them(void **state)
{
	(void)state;
	uint64_t value = 88172645463325252ull;
	for (unsigned i = 0; i < 5000; i++) {
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
		uint64_t shorter = value >> (i % 64);
		same_text("%lu %lx %u", shorter, shorter, (unsigned)shorter);
	}
}

static void strings_are_padded_as_the_c_library_does(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "a", "ab", "abcdef", "with % inside", "\xff\x80"};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		same_text("<%s>", texts[i]);
		same_text("<%5s>", texts[i]);
		same_text("<%-5s>", texts[i]);
		same_text("<%s%s>", texts[i], texts[i]);
	}
}

static void null_strings_print_a_word(void **state)
{
	(void)state;
	char out[32];
	const char *volatile null = NULL; /* hidden from the compiler's own check */
	assert_int_equal(fmt_write(out, sizeof(out), "<%s>", null), 8);
	assert_string_equal(out, "<(null)>");
	fmt_write(out, sizeof(out), "<%-8s>", null);
	assert_string_equal(out, "<(null)  >");
}

static void characters_print_even_when_zero(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		same_text("<%c%3c%-3c>", c, c, c);
	}
}

static void pointers_print_in_hexadecimal(void **state)
{
	(void)state;
	char out[32];
	assert_int_equal(fmt_write(out, sizeof(out), "%p", NULL), 1);
	assert_string_equal(out, "0");
	fmt_write(out, sizeof(out), "<0x%p>", (void *)0xffffffff80000000UL);
	assert_string_equal(out, "<0xffffffff80000000>");
}

static void plain_text_and_percent_signs_are_copied(void **state)
{
	(void)state;
	same_text("%s", "");
	same_text("plain\n");
	same_text("100%%");
	same_text("%%%%u%%%u%%", 5);
}

static void unknown_conversions_show_their_letter_and_take_no_argument(void **state)
{
	(void)state;
	static const char *const odd[][2] = {{"%q", "q"}, {"%5q", "    q"}, {"%hhu", "hhu"},
		{"%.3s", ".3s"}, {"%#x", "#x"}, {"%+u", "+u"}, {"%d", "d"}, {"%n", "n"},
		{"%f", "f"}, {"%\n", "\n"}, {"%5%", "    %"}};
	char out[64];
	char fmt[64];
	char want[64];
	for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
		snprintf(fmt, sizeof(fmt), "%s|%%u", odd[i][0]);
		snprintf(want, sizeof(want), "%s|7", odd[i][1]);
		fmt_write(out, sizeof(out), fmt, 7);
		assert_string_equal(out, want);
	}
}

static void a_format_that_ends_in_a_conversion_ends(void **state)
{
	(void)state;
	static const char *const cut[] = {"%", "a%", "%5", "%-0", "%"};
	char out[64];
	for (size_t i = 0; i < ARRAY_COUNT(cut); i++) {
		assert_in_range(fmt_write(out, sizeof(out), cut[i]), 1, 5);
	}
}

static void huge_widths_end_and_are_counted(void **state)
{
	(void)state;
	char out[8];
	assert_int_equal(fmt_write(out, sizeof(out), "%9000u|", 5), 9001);
	assert_string_equal(out, "       ");
	assert_int_equal(fmt_write(out, sizeof(out), "%-9000u|", 5), 9001);
	assert_string_equal(out, "5      ");
	const char *volatile huge = "%99999999999999999999u";
	assert_in_range(fmt_write(out, sizeof(out), huge, 5), 9000, 99999);
	huge = "%099999999999999999999u";
	assert_in_range(fmt_write(out, sizeof(out), huge, 5), 9000, 99999);
}

static void the_same_arguments_can_be_read_twice_by_the_caller(void **state)
{
	(void)state;
	same_text("%u %s %lx %c %u", 1, "two", 3ul, '4', 5);
}

struct parse_case {
	const char *text;
	int result;
	uint64_t value;
};

#define UNTOUCHED 0x1122334455667788u
static const struct parse_case parse_cases[] = {
	{"0", 0, 0},
	{"7", 0, 7},
	{"0000000000000000000000000042", 0, 42},
	{"18446744073709551615", 0, UINT64_MAX},
	{"18446744073709551616", -EINVAL, 0},
	{"18446744073709551620", -EINVAL, 0},
	{"28446744073709551615", -EINVAL, 0},
	{"99999999999999999999999999", -EINVAL, 0},
	{"99999999999999999999999999x", -EINVAL, 0},
	{"0x0", 0, 0},
	{"0xdeadBEEF", 0, 0xdeadbeef},
	{"0x0123456789abcdef", 0, 0x0123456789abcdef},
	{"0xffffffffffffffff", 0, UINT64_MAX},
	{"0x00000000ffffffffffffffff", 0, UINT64_MAX},
	{"0x10000000000000000", -EINVAL, 0},
	{"0xfffffffffffffffff", -EINVAL, 0},
	{"", -EINVAL, 0},
	{"0x", -EINVAL, 0},
	{"x", -EINVAL, 0},
	{"0xg", -EINVAL, 0},
	{"0X1", -EINVAL, 0},
	{"00x1", -EINVAL, 0},
	{"1f", -EINVAL, 0},
	{"f", -EINVAL, 0},
	{" 1", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"-1", -EINVAL, 0},
	{"+1", -EINVAL, 0},
	{"1\n", -EINVAL, 0},
	{"1.5", -EINVAL, 0},
	{"12k", -EINVAL, 0},
	{"\xb1", -EINVAL, 0},
};

static void numbers_are_read_whole_or_refused_without_effect(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		size_t len = strlen(c->text);
		char *exact = malloc(len + (len == 0)); /* no ending zero: reads behind show */
		uint64_t value = UNTOUCHED;
		memcpy(exact, c->text, len);
		assert_int_equal(fmt_parse_u64(exact, len, &value), c->result);
		assert_true(value == (c->result == 0 ? c->value : UNTOUCHED));
		free(exact);
	}
}

static void only_the_named_bytes_are_read(void **state)
{
	(void)state;
	uint64_t value = 0;
	assert_int_equal(fmt_parse_u64("123456", 3, &value), 0);
	assert_int_equal(value, 123);
	assert_int_equal(fmt_parse_u64("0x12", 1, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(fmt_parse_u64("0x12", 2, &value), -EINVAL);
	assert_int_equal(fmt_parse_u64("1\0", 2, &value), -EINVAL);
	assert_int_equal(fmt_parse_u64(NULL, 0, &value), -EINVAL);
}

static void every_byte_is_a_digit_or_refused(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[4] = {'0', 'x', (char)c, '\0'};
		uint64_t value = 0;
		bool hex = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;
		bool decimal = c >= '0' && c <= '9';
		assert_int_equal(fmt_parse_u64(text, 3, &value), hex ? 0 : -EINVAL);
		if (hex) {
			assert_int_equal(value, strtoul(text, NULL, 16));
		}
		assert_int_equal(fmt_parse_u64(text + 2, 1, &value), decimal ? 0 : -EINVAL);
	}
}

static void what_is_written_reads_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
		char text[32];
		uint64_t value = 0;
		int len = fmt_write(text, sizeof(text), "%lu", values[i]);
		assert_int_equal(fmt_parse_u64(text, (size_t)len, &value), 0);
		assert_true(value == values[i]);
		len = fmt_write(text, sizeof(text), "0x%016lx", values[i]);
		assert_int_equal(fmt_parse_u64(text, (size_t)len, &value), 0);
		assert_true(value == values[i]);
	}
}

static void words_are_cut_off_one_by_one(void **state)
{
	static const char *const cases[][4] = {{""}, {"   "}, {"one", "one"}, {"  one ", "one"},
		{"one  two three", "one", "two", "three"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[20], *rest = text;
		strcpy(text, cases[i][0]);
		for (size_t n = 1; n < 4 && cases[i][n] != NULL; n++) {
			assert_string_equal(fmt_next_word(&rest), cases[i][n]);
		}
		assert_null(fmt_next_word(&rest));
		assert_null(fmt_next_word(&rest)); /* the end stays the end */
	}
}

static void behind_a_word_stands_all_that_follows_it(void **state)
{
	char text[] = "sched  set 1", *rest = text;
	assert_string_equal(fmt_next_word(&rest), "sched");
	assert_string_equal(rest, " set 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(numbers_are_written_as_the_c_library_writes_them),
		FAKE_TEST(random_numbers_are_written_as_the_c_library_writes_them),
		FAKE_TEST(strings_are_padded_as_the_c_library_does),
		FAKE_TEST(null_strings_print_a_word),
		FAKE_TEST(characters_print_even_when_zero),
		FAKE_TEST(pointers_print_in_hexadecimal),
		FAKE_TEST(plain_text_and_percent_signs_are_copied),
		FAKE_TEST(unknown_conversions_show_their_letter_and_take_no_argument),
		FAKE_TEST(a_format_that_ends_in_a_conversion_ends),
		FAKE_TEST(huge_widths_end_and_are_counted),
		FAKE_TEST(the_same_arguments_can_be_read_twice_by_the_caller),
		FAKE_TEST(numbers_are_read_whole_or_refused_without_effect),
		FAKE_TEST(only_the_named_bytes_are_read),
		FAKE_TEST(every_byte_is_a_digit_or_refused),
		FAKE_TEST(what_is_written_reads_back),
		FAKE_TEST(words_are_cut_off_one_by_one),
		FAKE_TEST(behind_a_word_stands_all_that_follows_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
