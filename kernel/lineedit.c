/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lineedit.c - the line editor: each key is one change of the text, drawn afresh.
 *
 * The text holds only 0x20-0x7e, one column each, and the line is assumed to fit the terminal's
 * width; so offsets are columns, and the screen needs no model. Sequences are those of ECMA-48.
 */
#include "kernel/lineedit.h"
#include "kernel/fmt.h"
#include "kernel/string.h"

#define CTRL(letter)  ((letter)&0x1f)
#define KEY_ESCAPE    0x1b
#define KEY_BACKSPACE 0x7f

STATIC_ASSERT(
	(LINE_HISTORY & (LINE_HISTORY - 1)) == 0, "slots follow one another when the count wraps");

static void lineedit_emit(struct lineedit *edit, const char *text)
{
	edit->emit(text, strlen(text));
}

/*
 * The one change of the text: put new[0..count) where [from, to) was, and the cursor behind it.
 * Refused with a bell when the range is none (one left of 0 wraps) or the line too long.
 */
static void lineedit_replace(
	struct lineedit *edit, size_t from, size_t to, const char *new, size_t count)
{
	char rest[LINE_MAX];
	size_t old_len = edit->len;
	bool appends = from == old_len && edit->cursor == old_len;
	if (from > to || to > old_len || old_len - (to - from) + count >= LINE_MAX) {
		lineedit_emit(edit, "\a");
		return;
	}
	memcpy(rest, edit->text + to, old_len - to + 1);
	memcpy(edit->text + from, new, count);
	memcpy(edit->text + from + count, rest, old_len - to + 1);
	edit->len = old_len - (to - from) + count;
	edit->cursor = from + count;
	if (appends) {
		lineedit_emit(edit, edit->text + from);
	} else {
		lineedit_hide(edit);
		lineedit_show(edit);
	}
}

/* The n-th last line; 0 is the slot of the next one, where a draft waits. */
static char *lineedit_history(struct lineedit *edit, unsigned n)
{
	return edit->history[(edit->history_next - n) % LINE_HISTORY];
}

/* One step down from the line being typed wraps around and so lies beyond the oldest as well. */
static void lineedit_recall(struct lineedit *edit, unsigned n)
{
	char *line = lineedit_history(edit, n);
	if (n >= LINE_HISTORY || (n > 0 && *line == '\0')) {
		lineedit_emit(edit, "\a");
		return;
	}
	if (edit->history_at == 0) {
		memcpy(lineedit_history(edit, 0), edit->text, LINE_MAX);
	}
	edit->history_at = n;
	lineedit_replace(edit, 0, edit->len, line, strlen(line));
}

static void lineedit_keep(struct lineedit *edit)
{
	if (edit->len > 0 && strcmp(edit->text, lineedit_history(edit, 1)) != 0) {
		memcpy(lineedit_history(edit, 0), edit->text, LINE_MAX);
		edit->history_next++;
	}
}

/* The next word from the n-th on that continues text[at..cursor). */
static const char *lineedit_candidate(struct lineedit *edit, size_t at, unsigned *n)
{
	const char *word;
	do {
		word = edit->word(edit->text, at, (*n)++);
	} while (word != NULL && strncmp(word, edit->text + at, edit->cursor - at) != 0);
	return word;
}

/* A tab adds what all candidates share; when that is nothing, as on a second tab, it lists them. */
static void lineedit_complete(struct lineedit *edit)
{
	size_t at = edit->cursor;
	while (at > 0 && edit->text[at - 1] != ' ') {
		at--;
	}
	unsigned n = 0;
	size_t done = edit->cursor - at;
	const char *first = lineedit_candidate(edit, at, &n);
	const char *word = first;
	size_t shared = first != NULL ? strlen(first) : 0;
	while (word != NULL) {
		while (strncmp(word, first, shared) != 0) {
			shared--;
		}
		word = lineedit_candidate(edit, at, &n);
	}
	if (shared > done) {
		lineedit_replace(edit, edit->cursor, edit->cursor, first + done, shared - done);
		return;
	}
	lineedit_emit(edit, "\r\n");
	for (n = 0; (word = lineedit_candidate(edit, at, &n)) != NULL;) {
		lineedit_emit(edit, word);
		lineedit_emit(edit, "  ");
	}
	lineedit_emit(edit, "\r\n");
	lineedit_show(edit);
}

enum lineedit_place {
	START,
	LEFT,
	CURSOR,
	RIGHT,
	END
};

/*
 * A key takes away what lies between two places, and to take away nothing is to move there. What
 * ends its escape sequences: a letter, or the digit before a tilde.
 */
static const struct lineedit_key {
	char control;
	char sequence[3];
	enum lineedit_place from, to;
} keys[] = {
	{CTRL('A'), "H1", START, START},
	{CTRL('B'), "D", LEFT, LEFT},
	{CTRL('C'), "", END, END},
	{CTRL('D'), "3", CURSOR, RIGHT},
	{CTRL('E'), "F4", END, END},
	{CTRL('F'), "C", RIGHT, RIGHT},
	{CTRL('H'), "", LEFT, CURSOR},
	{CTRL('K'), "", CURSOR, END},
	{CTRL('N'), "B", CURSOR, CURSOR}, /* the history's, like Ctrl-P */
	{CTRL('P'), "A", CURSOR, CURSOR},
	{CTRL('U'), "", START, CURSOR},
	{KEY_BACKSPACE, "", LEFT, CURSOR},
};

/*
 * Follow escape sequences: the key that a byte stands for or ends, 0 for none. Control bytes and
 * bytes of 0x7f and above end a sequence unfinished and count as themselves, so that enter and
 * Ctrl-C always work.
 */
static char lineedit_decode(struct lineedit *edit, char byte)
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

static void lineedit_key(struct lineedit *edit, char key)
{
	size_t cursor = edit->cursor;
	const size_t places[] = {0, cursor - 1, cursor, cursor + 1, edit->len};
	if (key >= ' ' && key <= '~') {
		lineedit_replace(edit, cursor, cursor, &key, 1);
	} else if (key == CTRL('I')) {
		lineedit_complete(edit);
	} else if (key == CTRL('N') || key == CTRL('P')) {
		lineedit_recall(edit, edit->history_at + (key == CTRL('P') ? 1 : -1u));
	} else {
		for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
			if (keys[i].control == key) {
				lineedit_replace(
					edit, places[keys[i].from], places[keys[i].to], "", 0);
			}
		}
	}
	if (key == CTRL('C')) {
		lineedit_emit(edit, "^C\r\n");
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
	char key = lineedit_decode(edit, byte);
	if (key != '\r' && key != '\n') {
		lineedit_key(edit, key);
		return false;
	}
	lineedit_emit(edit, "\r\n");
	lineedit_keep(edit);
	return true;
}

void lineedit_hide(struct lineedit *edit)
{
	lineedit_emit(edit, "\r\x1b[K");
}

void lineedit_show(struct lineedit *edit)
{
	char back[24];
	lineedit_emit(edit, edit->prompt);
	lineedit_emit(edit, edit->text);
	if (edit->cursor < edit->len) {
		fmt_write(back, sizeof(back), "\x1b[%zuD", edit->len - edit->cursor);
		lineedit_emit(edit, back);
	}
}
