/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lineedit.c - the line editor: each key is one change of the text, drawn afresh.
 *
 * The text holds only 0x20-0x7e, one column each, and the line is assumed to fit the terminal's
 * width; so offsets are columns, and the screen needs no model. Sequences are those of ECMA-48.
 */
#include "kernel/lineedit.h"

#define CTRL(letter) ((letter)&0x1f)
#define ESCAPE       0x1b

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

/* A tab lists the words that continue what stands before the cursor, and adds what they share. */
static void complete(struct lineedit *edit)
{
	size_t done = edit->cursor, shared = done;
	const char *word, *first = NULL;

	emit(edit, "\r\n");
	for (unsigned n = 0; (word = edit->word(n)) != NULL; n++) {
		if (strncmp(word, edit->text, done) == 0) {
			emit(edit, word);
			emit(edit, "  ");
			shared = first != NULL ? shared : strlen(word);
			first = first != NULL ? first : word;
			while (strncmp(word, first, shared) != 0) {
				shared--;
			}
		}
	}
	emit(edit, "\r\n");
	lineedit_show(edit);
	if (shared > done) {
		replace(edit, done, done, first + done, shared - done);
	}
}

/*
 * Follow escape sequences: the key that a byte is or ends, 0 for none. Control bytes and bytes of
 * 0x7f and above end a sequence unfinished and count as themselves, so that enter and Ctrl-C always
 * work.
 */
static char decode(struct lineedit *edit, char byte)
{
	/* What ends the sequences: a letter, or the digit before a tilde; and the same keys. */
	static const char ends[] = "ABCDFH134", same[] = "PNFBEAADE";
	char last = edit->sequence;

	edit->sequence = byte == ESCAPE ? byte : 0;
	if (last == 0 || byte < ' ' || byte > '~') {
		return byte == 0x7f ? CTRL('H') : byte; /* backspace */
	}
	if (byte < '@' || byte == '[' || byte == 'O') {
		/* Of numbers only those of one digit are any key's. */
		edit->sequence = byte >= '@' || last == '[' ? byte : '?';
		return 0;
	}
	const char *end = strchr(ends, byte == '~' ? last : byte);
	return end != NULL ? CTRL(same[end - ends]) : 0;
}

void lineedit_begin(struct lineedit *edit)
{
	edit->len = edit->cursor = edit->history_at = 0;
	edit->text[0] = '\0';
	lineedit_show(edit);
}

bool lineedit_feed(struct lineedit *edit, char byte)
{
	/* A key takes away what lies between two places, and to take away nothing is to move there:
	 * 0 is the start, 1 left of the cursor, 2 the cursor, 3 right of it, 4 the end. */
	static const char letters[] = "ABCDEFHKU"; /* of the keys, with Ctrl */
	static const uint8_t from[] = {0, 1, 4, 2, 4, 3, 1, 2, 0};
	static const uint8_t to[] = {0, 1, 4, 3, 4, 3, 2, 4, 2};
	size_t at = edit->cursor;
	const size_t places[] = {0, at - 1, at, at + 1, edit->len};
	char key = decode(edit, byte);
	const char *letter = strchr(letters, key | '@');

	if (key == '\r' || key == '\n') {
		emit(edit, "\r\n");
		if (edit->len > 0 && strcmp(edit->text, slot(edit, 1)) != 0) {
			memcpy(slot(edit, 0), edit->text, LINE_MAX);
			edit->history_next++;
		}
		return true;
	}
	if (key >= ' ') {
		replace(edit, at, at, &key, 1);
	} else if (key == '\t') {
		complete(edit);
	} else if (key == CTRL('N') || key == CTRL('P')) {
		recall(edit, edit->history_at + (key == CTRL('P') ? 1 : -1u));
	} else if (letter != NULL) {
		size_t n = (size_t)(letter - letters);
		replace(edit, places[from[n]], places[to[n]], "", 0);
	}
	if (key == CTRL('C')) {
		emit(edit, "^C\r\n");
		lineedit_begin(edit);
	}
	return false;
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
