/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_lineedit.c - any bytes from a terminal leave the line editor whole.
 * Links: kernel/lineedit.c kernel/fmt.c
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
static void fuzz_emit(void *context, const char *text, size_t len)
{
	(void)context;
	for (size_t i = 0; i < len; i++) {
		bool printable = text[i] >= ' ' && text[i] <= '~';
		require(printable || (text[i] != '\0' && strchr("\r\n\a\x1b", text[i]) != NULL));
	}
}

static const char *fuzz_complete(void *context, const char *line, size_t word, unsigned n)
{
	static const char *const words[] = {"a", "ab", "abc", "help", "list"};
	(void)context;
	require(strlen(line) < LINE_MAX && word <= strlen(line));
	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		bool fits = strncmp(words[i], line + word, strlen(line + word)) == 0;
		if (fits && n-- == 0) {
			return words[i];
		}
	}
	return NULL;
}

static void check(const struct lineedit *edit)
{
	require(edit->cursor <= edit->len);
	require(edit->len < LINE_MAX);
	require(strnlen(edit->text, LINE_MAX) == edit->len);
	require(edit->history_count <= LINE_HISTORY);
	require(edit->history_next < LINE_HISTORY);
	require(edit->history_at <= edit->history_count);
	for (size_t i = 0; i < edit->len; i++) {
		require(edit->text[i] >= ' ' && edit->text[i] <= '~');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lineedit_ops ops = {.emit = fuzz_emit, .complete = fuzz_complete};
	static struct lineedit edit;
	lineedit_init(&edit, "> ", &ops, NULL);
	lineedit_begin(&edit);
	for (size_t i = 0; i < size; i++) {
		enum lineedit_result result = lineedit_feed(&edit, (char)data[i]);
		check(&edit);
		if (result != LINE_MORE) {
			lineedit_begin(&edit);
			check(&edit);
		}
	}
	return 0;
}
