/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_lineedit.c - the line editor, seen through the screen that its output draws.
 * Links: kernel/lineedit.c tests/unit/screen.c
 */
#include "tests/unit/fake.h"

#include "kernel/lineedit.h"
#include "tests/unit/screen.h"

#define PROMPT "pintle> "

#define LEFT      "\x1b[D"
#define RIGHT     "\x1b[C"
#define UP        "\x1b[A"
#define DOWN      "\x1b[B"
#define HOME      "\x1b[H"
#define END       "\x1b[F"
#define DELETE    "\x1b[3~"
#define BACKSPACE "\x7f"

static struct lineedit edit;
static const char *const *words;

static void test_emit(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		screen_put(text[i]);
	}
}

static const char *test_word(unsigned n)
{
	return words[n];
}

static void check_screen(void)
{
	char want[SCREEN_COLUMNS + 1];
	assert_int_equal(screen.state, 0);
	assert_true(edit.cursor <= edit.len);
	assert_true(edit.len < LINE_MAX);
	assert_int_equal(strlen(edit.text), edit.len);
	for (size_t i = 0; i < edit.len; i++) {
		assert_in_range(edit.text[i], ' ', '~');
	}
	snprintf(want, sizeof(want), "%s%s%*s", PROMPT, edit.text,
		(int)(SCREEN_COLUMNS - strlen(PROMPT) - edit.len), "");
	assert_memory_equal(screen.row, want, SCREEN_COLUMNS);
	assert_int_equal(screen.column, strlen(PROMPT) + edit.cursor);
}

static bool feed_byte(char byte)
{
	bool ready = lineedit_feed(&edit, byte);
	if (!ready) {
		check_screen();
	} else {
		assert_int_equal(screen.column, 0);
		assert_int_equal(screen.row[0], ' ');
	}
	return ready;
}

/* None of the keys but the last may end the line. */
static bool feed(const char *keys)
{
	bool ready = false;
	for (; *keys != '\0'; keys++) {
		assert_false(ready);
		ready = feed_byte(*keys);
	}
	return ready;
}

static void start(void)
{
	static const char *const none[] = {NULL};
	screen_clear();
	words = none;
	edit = (struct lineedit){.prompt = PROMPT, .emit = test_emit, .word = test_word};
	lineedit_begin(&edit);
	check_screen();
}

static void enter(const char *line)
{
	assert_false(feed(line));
	assert_true(feed("\r"));
	assert_string_equal(edit.text, line);
	lineedit_begin(&edit);
	check_screen();
}

/* `want` shows the cursor as a bar. */
static void expect(const char *want)
{
	char got[LINE_MAX + 1];
	snprintf(got, sizeof(got), "%.*s|%s", (int)edit.cursor, edit.text, edit.text + edit.cursor);
	assert_string_equal(got, want);
}

struct key_case {
	const char *keys;
	const char *want;
	unsigned bells;
};

static const struct key_case key_cases[] = {
	{"", "|", 0},
	{"abc", "abc|", 0},
	{" ~", " ~|", 0},
	{"abc" LEFT, "ab|c", 0},
	{"abc\x02\x02", "a|bc", 0},
	{"ab" LEFT LEFT LEFT, "|ab", 1},
	{"ab" RIGHT, "ab|", 1},
	{"ab" LEFT LEFT RIGHT "X", "aX|b", 0},
	{"ab" LEFT LEFT "\x06X", "aX|b", 0},
	{"abc" HOME "X", "X|abc", 0},
	{"abc\x01X", "X|abc", 0},
	{"abc" HOME END "X", "abcX|", 0},
	{"abc\x01\x05X", "abcX|", 0},
	{HOME END, "|", 0},
	{"abc" BACKSPACE, "ab|", 0},
	{"abc\b\b", "a|", 0},
	{"abc" LEFT BACKSPACE, "a|c", 0},
	{BACKSPACE, "|", 1},
	{"abc" HOME BACKSPACE, "|abc", 1},
	{"abc" HOME DELETE, "|bc", 0},
	{"abc" HOME "\x04\x04", "|c", 0},
	{"abc" DELETE, "abc|", 1},
	{"\x04", "|", 1},
	{"abcd" LEFT LEFT "\x0b", "ab|", 0},
	{"abcd\x0b", "abcd|", 0},
	{"abcd" LEFT LEFT "\x15", "|cd", 0},
	{"abcd" HOME "\x15", "|abcd", 0},
	{"abc" LEFT "\x0c", "ab|c", 0},
	{"abc\x03", "|", 0},
	{"abc" HOME "\x03xy", "xy|", 0},
	{"a\x80\xff\xc3\xa4z", "az|", 0},
	{"a\x07\x11\x13\x16\x1d\x1f", "a|", 0},
	{"\x1b[1~", "|", 0},
	{"ab\x1b[1~X", "X|ab", 0},
	{"ab\x1bOHX", "X|ab", 0},
	{"ab\x01\x1b[4~X", "abX|", 0},
	{"ab\x01\x1bOFX", "abX|", 0},
	{"ab\x1bOD\x1bOD\x1bOCX", "aX|b", 0},
};

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(key_cases); i++) {
		start();
		assert_false(feed(key_cases[i].keys));
		expect(key_cases[i].want);
		assert_int_equal(screen.bells, key_cases[i].bells);
	}
}

static const struct key_case escape_cases[] = {
	{"ab\x1b[Zc", "abc|", 0},
	{"ab\x1b[99~c", "abc|", 0},
	{"ab\x1b[2~c", "abc|", 0},
	{"ab\x1b[0~c", "abc|", 0},
	{"ab\x1b[~c", "abc|", 0},
	{"abc" HOME DELETE "\x1b[~", "|bc", 0},
	{"ab\x1b[257~c", "abc|", 0}, /* 1 in eight bits */
	{"ab\x1b[65537~c", "abc|", 0},
	{"ab\x1b[4294967297~c", "abc|", 0},
	{"ab\x1b[3;5~c", "abc|", 0},
	{"ab\x1b[;3~c", "abc|", 0},
	{"ab\x1b[?3~c", "abc|", 0},
	{"ab\x1b[3 ~c", "abc|", 0},
	{"ab\x1b[[C", "ab|", 1},
	{"ab\x1bxc", "abc|", 0},
	{"ab\x1b~c", "abc|", 0},
	{"ab\x1bOPc", "abc|", 0},
	{"ab\x1b\x1b[DX", "aX|b", 0},
	{"ab\x1b[\x1b[DX", "aX|b", 0},
	{"ab\x1b[12\x1b[DX", "aX|b", 0},
	{"ab\x1b[\x02X", "aX|b", 0},
	{"ab\x1b\x7f", "a|", 0},
	{"ab\x1b[3\x7f~", "a~|", 0},
	{"ab\x1b[\x80H", "abH|", 0},
	{"ab\x1b[", "ab|", 0},
	{"ab\x1b", "ab|", 0},
};

static void unknown_sequences_are_swallowed_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(escape_cases); i++) {
		start();
		assert_false(feed(escape_cases[i].keys));
		expect(escape_cases[i].want);
		assert_int_equal(screen.bells, escape_cases[i].bells);
	}
}

static void an_endless_sequence_leaves_enter_and_cancel_working(void **state)
{
	(void)state;
	static const char *const ends[] = {"\r", "\n"};
	for (size_t e = 0; e < ARRAY_COUNT(ends); e++) {
		start();
		feed("ab\x1b[");
		for (unsigned i = 0; i < 100000; i++) {
			assert_false(lineedit_feed(&edit, "0123456789;?"[i % 12]));
		}
		expect("ab|");
		assert_true(feed(ends[e]));
		assert_string_equal(edit.text, "ab");
	}
	start();
	feed("ab\x1b[1;\x03");
	expect("|");
}

static void a_nul_byte_is_not_stored(void **state)
{
	(void)state;
	start();
	feed("ab");
	assert_false(feed_byte('\0'));
	feed("\x1b[");
	assert_false(feed_byte('\0'));
	expect("ab|");
	assert_int_equal(screen.bells, 0);
}

static void enter_is_cr_or_lf(void **state)
{
	(void)state;
	start();
	enter("one");
	assert_true(feed("two\n"));
	lineedit_begin(&edit);
	assert_true(feed("\n"));
	lineedit_begin(&edit);
	assert_true(feed("\r"));
	lineedit_begin(&edit);
	assert_true(feed("\r"));
	lineedit_begin(&edit);
	assert_true(feed("a\n"));
	assert_string_equal(edit.text, "a");
	assert_string_equal(screen.above,
		"pintle> one\npintle> two\npintle>\npintle>\n"
		"pintle>\npintle> a\n");
	assert_int_equal(screen.bells, 0);
}

static void enter_takes_the_whole_line_wherever_the_cursor_is(void **state)
{
	(void)state;
	start();
	assert_true(feed("abcdef" HOME RIGHT "\r"));
	assert_string_equal(edit.text, "abcdef");
	assert_string_equal(screen.above, PROMPT "abcdef\n");
}

static void cancel_shows_itself_behind_the_line(void **state)
{
	(void)state;
	start();
	assert_false(feed("abcdef" HOME "\x03"));
	assert_string_equal(screen.above, PROMPT "abcdef^C\n");
	expect("|");
	assert_false(feed(UP)); /* nothing was kept */
	expect("|");
	assert_int_equal(screen.bells, 1);
}

static void a_line_that_is_full_takes_no_more(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < LINE_MAX - 1; i++) {
		feed_byte((char)('a' + i % 26));
	}
	assert_int_equal(edit.len, LINE_MAX - 1);
	assert_int_equal(screen.bells, 0);
	for (unsigned i = 0; i < 1000; i++) {
		feed_byte('!');
	}
	assert_null(strchr(edit.text, '!'));
	assert_int_equal(screen.bells, 1000);
	feed(HOME "!");
	assert_null(strchr(edit.text, '!'));
	feed(DELETE "!");
	assert_int_equal(edit.text[0], '!');
	assert_int_equal(edit.len, LINE_MAX - 1);
	assert_true(feed("\r"));
	lineedit_begin(&edit);
	feed(UP);
	assert_int_equal(edit.len, LINE_MAX - 1);
}

static void history_goes_up_and_down_and_back_to_the_draft(void **state)
{
	(void)state;
	start();
	enter("first");
	enter("second line");
	enter("third");
	feed("draft" LEFT);
	feed(UP);
	expect("third|");
	feed("\x10");
	expect("second line|");
	feed(UP);
	expect("first|");
	assert_int_equal(screen.bells, 0);
	feed(UP);
	expect("first|");
	assert_int_equal(screen.bells, 1);
	feed("\x0e");
	expect("second line|");
	feed(DOWN DOWN);
	expect("draft|");
	feed(DOWN);
	expect("draft|");
	assert_int_equal(screen.bells, 2);
}

static void history_is_not_changed_by_editing_what_it_shows(void **state)
{
	(void)state;
	start();
	enter("one");
	enter("two");
	feed(UP UP "!!" DOWN);
	expect("two|");
	feed(UP);
	expect("one|");
	feed("?\r");
	assert_string_equal(edit.text, "one?");
	lineedit_begin(&edit);
	feed(UP);
	expect("one?|");
	feed(UP UP);
	expect("one|");
}

static void history_leaves_out_empty_lines_and_repetitions(void **state)
{
	(void)state;
	start();
	enter("");
	feed(UP);
	assert_int_equal(screen.bells, 1);
	enter("a");
	enter("a");
	enter("");
	enter("a");
	enter("b");
	enter("a");
	feed(UP UP);
	expect("b|");
	feed(UP);
	expect("a|");
	feed(UP);
	expect("a|");
	assert_int_equal(screen.bells, 2);
}

static void history_keeps_the_last_lines_only(void **state)
{
	(void)state;
	start();
	char text[8];
	for (unsigned i = 0; i < 3 * LINE_HISTORY + 5; i++) {
		snprintf(text, sizeof(text), "line%u", i);
		enter(text);
	}
	for (unsigned i = 1; i < LINE_HISTORY; i++) {
		feed(UP);
		snprintf(text, sizeof(text), "line%u", 3 * LINE_HISTORY + 5 - i);
		assert_string_equal(edit.text, text);
	}
	assert_int_equal(screen.bells, 0);
	feed(UP);
	assert_string_equal(edit.text, text);
	assert_int_equal(screen.bells, 1);
}

static const char *const some_words[] = {"create", "credit", "console", "vm", "vcpu", "list", NULL};

static void completion_of_nothing_known_lists_nothing(void **state)
{
	(void)state;
	start();
	words = some_words;
	feed("xyz\t");
	expect("xyz|");
	assert_string_equal(screen.above, PROMPT "xyz\n\n");
}

static void completion_of_one_word_adds_its_rest(void **state)
{
	(void)state;
	start();
	words = some_words;
	feed("l\t");
	expect("list|");
	assert_string_equal(screen.above, PROMPT "l\nlist\n");
	assert_int_equal(screen.bells, 0);
	feed("\t");
	expect("list|");
	assert_string_equal(screen.above, PROMPT "l\nlist\n" PROMPT "list\nlist\n");
}

static void completion_works_in_the_middle_of_a_line(void **state)
{
	(void)state;
	start();
	words = some_words;
	feed("l rest" HOME RIGHT "\t");
	expect("list| rest");
	feed(" c\t");
	expect("list c| rest");
	assert_string_equal(screen.above, PROMPT "l rest\nlist\n" PROMPT "list c rest\n\n");
}

static void completion_of_several_lists_them_and_adds_what_they_share(void **state)
{
	(void)state;
	start();
	words = some_words;
	feed("cr\t");
	expect("cre|");
	assert_string_equal(screen.above, PROMPT "cr\ncreate  credit\n");
	screen.above_len = 0;
	feed("a\t");
	expect("create|");
	assert_string_equal(screen.above, PROMPT "crea\ncreate\n");
	screen.above_len = 0;
	feed("\x15\t");
	assert_string_equal(screen.above, "pintle>\ncreate  credit  console  vm  vcpu  list\n");
	expect("|");
	assert_int_equal(screen.bells, 0);
}

static void completion_of_a_word_that_begins_another_lists_both(void **state)
{
	(void)state;
	static const char *const nested[] = {"vm", "vmstat", NULL};
	start();
	words = nested;
	feed("v\t");
	expect("vm|");
	assert_string_equal(screen.above, PROMPT "v\nvm  vmstat\n");
	feed("\t");
	expect("vm|");
}

static void completion_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	static char giant[LINE_MAX + 8];
	static const char *const wide[] = {"abcdef", giant, NULL};
	memset(giant, 'g', sizeof(giant) - 1);
	start();
	words = wide;
	for (unsigned room = 0; room < 8; room++) {
		start();
		words = wide;
		for (unsigned i = 0; i < LINE_MAX - 1 - 2 - room; i++) {
			feed(" ");
		}
		feed(HOME "a\t" END); /* needs five bytes more */
		assert_int_equal(screen.bells, room + 1 < 5);
		assert_int_equal(strncmp(edit.text, "abcdef", 6) != 0, room + 1 < 5);
	}
	start();
	words = wide;
	feed("g\t");
	expect("g|");
	assert_int_equal(screen.bells, 1);
}

static void hiding_leaves_an_empty_row_and_showing_restores_it(void **state)
{
	(void)state;
	start();
	feed("abcdef" LEFT LEFT);
	lineedit_hide(&edit);
	assert_int_equal(screen.column, 0);
	for (size_t i = 0; i < SCREEN_COLUMNS; i++) {
		assert_int_equal(screen.row[i], ' ');
	}
	test_emit("a message\r\n", 11);
	lineedit_show(&edit);
	check_screen();
	expect("abcd|ef");
	assert_string_equal(screen.above, "a message\n");
}

static void hiding_in_the_middle_of_a_sequence_does_not_break_it(void **state)
{
	(void)state;
	start();
	feed("ab\x1b[");
	lineedit_hide(&edit);
	lineedit_show(&edit);
	feed("D");
	expect("a|b");
}

static void a_new_line_starts_clean_whatever_came_before(void **state)
{
	(void)state;
	start();
	enter("kept");
	feed("ab" UP);
	screen_put('\r');
	screen_put('\n');
	lineedit_begin(&edit);
	check_screen();
	expect("|");
	feed("A");
	expect("A|");
	feed(UP DOWN);
	expect("A|");
}

static void random_keys_always_leave_the_screen_true(void **state)
{
	(void)state;
	static const char *const sequences[] = {LEFT, RIGHT, UP, DOWN, HOME, END, DELETE, "\x1b[",
		"\x1bO", "\x1b[12", "\x1b[8~", "\t", "\t\t", "word ", "cre", "v", "\x17", "\x0b"};
	uint32_t seed = 12345;
	start();
	words = some_words;
	for (unsigned i = 0; i < 100000; i++) {
		seed = seed * 1664525u + 1013904223u;
		unsigned kind = seed >> 29;
		unsigned pick = (seed >> 8) & 0xffff;
		const char *sequence = sequences[pick % ARRAY_COUNT(sequences)];
		char byte[2] = {(char)pick, '\0'};
		if (kind < 3) {
			sequence = byte;
			byte[0] = (char)(' ' + pick % 95);
		} else if (kind < 4) {
			sequence = byte;
		}
		screen.above_len = 0;
		if (*sequence == '\0' ? feed_byte('\0') : feed(sequence)) {
			lineedit_begin(&edit);
			check_screen();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_key_does_what_it_says),
		FAKE_TEST(unknown_sequences_are_swallowed_whole),
		FAKE_TEST(an_endless_sequence_leaves_enter_and_cancel_working),
		FAKE_TEST(a_nul_byte_is_not_stored),
		FAKE_TEST(enter_is_cr_or_lf),
		FAKE_TEST(enter_takes_the_whole_line_wherever_the_cursor_is),
		FAKE_TEST(cancel_shows_itself_behind_the_line),
		FAKE_TEST(a_line_that_is_full_takes_no_more),
		FAKE_TEST(history_goes_up_and_down_and_back_to_the_draft),
		FAKE_TEST(history_is_not_changed_by_editing_what_it_shows),
		FAKE_TEST(history_leaves_out_empty_lines_and_repetitions),
		FAKE_TEST(history_keeps_the_last_lines_only),
		FAKE_TEST(completion_of_nothing_known_lists_nothing),
		FAKE_TEST(completion_of_one_word_adds_its_rest),
		FAKE_TEST(completion_works_in_the_middle_of_a_line),
		FAKE_TEST(completion_of_several_lists_them_and_adds_what_they_share),
		FAKE_TEST(completion_of_a_word_that_begins_another_lists_both),
		FAKE_TEST(completion_that_does_not_fit_is_refused),
		FAKE_TEST(hiding_leaves_an_empty_row_and_showing_restores_it),
		FAKE_TEST(hiding_in_the_middle_of_a_sequence_does_not_break_it),
		FAKE_TEST(a_new_line_starts_clean_whatever_came_before),
		FAKE_TEST(random_keys_always_leave_the_screen_true),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
