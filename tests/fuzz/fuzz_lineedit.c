/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_lineedit.c - any bytes from a terminal leave the line editor whole.
 * Links: kernel/lineedit.c
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/lineedit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition) {
		abort();
	}
}

/* What is sent to the terminal is printable but for the few bytes that the editor draws with. */
static void fuzz_emit(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool printable = text[i] >= ' ' && text[i] <= '~';
		require(printable || (text[i] != '\0' && strchr("\r\n\a\b\x1b", text[i]) != NULL));
	}
}

static const char *fuzz_word(unsigned n)
{
	static const char *const words[] = {"a", "ab", "abc", "help", "list"};
	return n < ARRAY_COUNT(words) ? words[n] : NULL;
}

static void check(const struct lineedit *edit)
{
	require(edit->cursor <= edit->len);
	require(edit->len < LINE_MAX);
	require(strnlen(edit->text, LINE_MAX) == edit->len);
	require(edit->history_at < LINE_HISTORY);
	for (size_t i = 0; i < edit->len; i++) {
		require(edit->text[i] >= ' ' && edit->text[i] <= '~');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lineedit edit;
	edit = (struct lineedit){.prompt = "> ", .emit = fuzz_emit, .word = fuzz_word};
	lineedit_begin(&edit);
	for (size_t i = 0; i < size; i++) {
		bool ready = lineedit_feed(&edit, (char)data[i]);
		check(&edit);
		if (ready) {
			lineedit_begin(&edit);
			check(&edit);
		}
	}
	return 0;
}
