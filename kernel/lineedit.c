/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lineedit.c - the line editor: each key is one change of the text, drawn afresh.
 *
 * The text holds only 0x20-0x7e, one column each, and the line is assumed to fit the terminal's
 * width; so offsets are columns, and the screen needs no model. Sequences are those of ECMA-48.
 */
#include "kernel/lineedit.h"

#define CTRL(letter)  ((letter)&0x1f)
#define KEY_ESCAPE    0x1b
#define KEY_BACKSPACE 0x7f

STATIC_ASSERT(
	(LINE_HISTORY & (LINE_HISTORY - 1)) == 0, "slots follow one another when the count wraps");

static void emit(struct lineedit *edit, const char *text)
{
	edit->emit(text, strlen(text));
}

/*
 * The one change of the text: put new[0..count) where [from, to) was, and the cursor behind it.
 * Refused with a bell when the range is none (one left of 0 wraps) or the line too long.
 */
static void replace(struct lineedit *edit, size_t from, size_t to, const char *new, size_t count)
{
	char rest[LINE_MAX];
	size_t old_len = edit->len;
	bool appends = from == old_len && edit->cursor == old_len;
	if (from > to || to > old_len || old_len - (to - from) + count >= LINE_MAX) {
		emit(edit, "\a");
		return;
	}
	memcpy(rest, edit->text + to, old_len - to + 1);
	memcpy(edit->text + from, new, count);
	memcpy(edit->text + from + count, rest, old_len - to + 1);
	edit->len = old_len - (to - from) + count;
	edit->cursor = from + count;
	if (appends) {
		emit(edit, edit->text + from);
	} else {
		lineedit_hide(edit);
		lineedit_show(edit);
	}
}

/* The n-th last line; 0 is the slot of the next one, where a draft waits. */
static char *slot(struct lineedit *edit, unsigned n)
{
	return edit->history[(edit->history_next - n) % LINE_HISTORY];
}

/* One step down from the line being typed wraps around and so lies beyond the oldest as well. */
static void recall(struct lineedit *edit, unsigned n)
{
	char *line = slot(edit, n);
	if (n >= LINE_HISTORY || (n > 0 && *line == '\0')) {
		emit(edit, "\a");
		return;
	}
	if (edit->history_at == 0) {
		memcpy(slot(edit, 0), edit->text, LINE_MAX);
	}
	edit->history_at = n;
	replace(edit, 0, edit->len, line, strlen(line));
}

/* The next word from the n-th on that continues what stands before the cursor. */
static const char *candidate(struct lineedit *edit, unsigned *n)
{
	const char *word;
	do {
		word = edit->word((*n)++);
	} while (word != NULL && strncmp(word, edit->text, edit->cursor) != 0);
	return word;
}

/* A tab adds what all candidates share; when that is nothing, as on a second tab, it lists them. */
static void complete(struct lineedit *edit)
{
	unsigned n = 0;
	size_t done = edit->cursor;
	const char *first = candidate(edit, &n);
	const char *word = first;
	size_t shared = first != NULL ? strlen(first) : 0;
	while (word != NULL) {
		while (strncmp(word, first, shared) != 0) {
			shared--;
		}
		word = candidate(edit, &n);
	}
	if (shared > done) {
		replace(edit, done, done, first + done, shared - done);
		return;
	}
	emit(edit, "\r\n");
	for (n = 0; (word = candidate(edit, &n)) != NULL;) {
		emit(edit, word);
		emit(edit, "  ");
	}
	emit(edit, "\r\n");
	lineedit_show(edit);
}

/*
 * A key takes away what lies between two places, and to take away nothing is to move there. What
 * ends its escape sequences: a letter, or the digit before a tilde.
 */
static const char places[] = "^<|>$"; /* start, left of the cursor, cursor, right of it, end */
static const struct key {
	char control;
	char sequence[3];
	char from, to;
} keys[] = {
	{CTRL('A'), "H1", '^', '^'},
	{CTRL('B'), "D", '<', '<'},
	{CTRL('C'), "", '$', '$'},
	{CTRL('D'), "3", '|', '>'},
	{CTRL('E'), "F4", '$', '$'},
	{CTRL('F'), "C", '>', '>'},
	{CTRL('H'), "", '<', '|'},
	{CTRL('K'), "", '|', '$'},
	{CTRL('N'), "B", '|', '|'}, /* the history's, like Ctrl-P */
	{CTRL('P'), "A", '|', '|'},
	{CTRL('U'), "", '^', '|'},
	{KEY_BACKSPACE, "", '<', '|'},
};

/*
 * Follow escape sequences: the key that a byte stands for or ends, 0 for none. Control bytes and
 * bytes of 0x7f and above end a sequence unfinished and count as themselves, so that enter and
 * Ctrl-C always work.
 */
static char decode(struct lineedit *edit, char byte)
{
	char last = edit->sequence;
	edit->sequence = byte == KEY_ESCAPE ? byte : 0;
	if (last == 0 || byte < ' ' || byte > '~') {
		return byte;
	}
	if (byte < '@' || byte == '[' || byte == 'O') {
		/* Of numbers only those of one digit are any key's. */
		edit->sequence = byte >= '@' || last == '[' ? byte : '?';
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
		if (strchr(keys[i].sequence, byte == '~' ? last : byte) != NULL) {
			return keys[i].control;
		}
	}
	return 0;
}

static void obey(struct lineedit *edit, char key)
{
	size_t cursor = edit->cursor;
	const size_t offsets[] = {0, cursor - 1, cursor, cursor + 1, edit->len};
	if (key >= ' ' && key <= '~') {
		replace(edit, cursor, cursor, &key, 1);
	} else if (key == CTRL('I')) {
		complete(edit);
	} else if (key == CTRL('N') || key == CTRL('P')) {
		recall(edit, edit->history_at + (key == CTRL('P') ? 1 : -1u));
	} else {
		for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
			if (keys[i].control == key) {
				replace(edit, offsets[strchr(places, keys[i].from) - places],
					offsets[strchr(places, keys[i].to) - places], "", 0);
			}
		}
	}
	if (key == CTRL('C')) {
		emit(edit, "^C\r\n");
		lineedit_begin(edit);
	}
}

void lineedit_begin(struct lineedit *edit)
{
	edit->len = 0;
	edit->cursor = 0;
	edit->text[0] = '\0';
	edit->history_at = 0;
	lineedit_show(edit);
}

bool lineedit_feed(struct lineedit *edit, char byte)
{
	char key = decode(edit, byte);
	if (key != '\r' && key != '\n') {
		obey(edit, key);
		return false;
	}
	emit(edit, "\r\n");
	if (edit->len > 0 && strcmp(edit->text, slot(edit, 1)) != 0) {
		memcpy(slot(edit, 0), edit->text, LINE_MAX);
		edit->history_next++;
	}
	return true;
}

void lineedit_hide(struct lineedit *edit)
{
	emit(edit, "\r\x1b[K");
}

void lineedit_show(struct lineedit *edit)
{
	emit(edit, edit->prompt);
	emit(edit, edit->text);
	for (size_t column = edit->cursor; column < edit->len; column++) {
		emit(edit, "\b");
	}
}
