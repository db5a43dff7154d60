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

#define CTRL(letter)   ((letter)&0x1f)
#define KEY_ESCAPE     0x1b
#define KEY_BACKSPACE  0x7f
#define PARAMETER_NONE 10u /* stands for all that no key has */

STATIC_ASSERT(
	(LINE_HISTORY & (LINE_HISTORY - 1)) == 0, "slots follow one another when the count wraps");

static void lineedit_emit(struct lineedit *edit, const char *text)
{
	edit->ops->emit(text, strlen(text));
}

/*
 * The one change of the text: put new[0..count) where [from, to) was, and the cursor behind it.
 * Refused with a bell when the range is none (one left of 0 wraps) or the line too long.
 */
static void lineedit_replace(
	struct lineedit *edit, size_t from, size_t to, const char *new, size_t count)
{
	size_t old_len = edit->len;
	bool appends = from == old_len && edit->cursor == old_len;
	if (from > to || to > old_len || old_len - (to - from) + count >= LINE_MAX) {
		lineedit_emit(edit, "\a");
		return;
	}
	memmove(edit->text + from + count, edit->text + to, old_len - to + 1);
	memcpy(edit->text + from, new, count);
	edit->len = old_len - (to - from) + count;
	edit->cursor = from + count;
	if (appends) {
		lineedit_emit(edit, edit->text + from);
	} else {
		lineedit_hide(edit);
		lineedit_show(edit);
	}
}

/* To delete nothing is to move there. */
static void lineedit_delete(struct lineedit *edit, size_t from, size_t to)
{
	lineedit_replace(edit, from, to, "", 0);
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
		word = edit->ops->word(edit->text, at, (*n)++);
	} while (word != NULL && strncmp(word, edit->text + at, edit->cursor - at) != 0);
	return word;
}

static void lineedit_list(struct lineedit *edit, size_t at)
{
	const char *word;
	lineedit_emit(edit, "\r\n");
	for (unsigned n = 0; (word = lineedit_candidate(edit, at, &n)) != NULL;) {
		lineedit_emit(edit, word);
		lineedit_emit(edit, "  ");
	}
	lineedit_emit(edit, "\r\n");
	lineedit_show(edit);
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
	size_t shared = first != NULL ? strlen(first) : 0;
	const char *word;
	while (first != NULL && (word = lineedit_candidate(edit, at, &n)) != NULL) {
		size_t same = 0;
		while (same < shared && word[same] == first[same]) {
			same++;
		}
		shared = same;
	}
	if (shared > done) {
		lineedit_replace(edit, edit->cursor, edit->cursor, first + done, shared - done);
	} else {
		lineedit_list(edit, at);
	}
}

/*
 * Follow escape sequences: the key that a byte stands for or ends, 0 for none. Control bytes and
 * bytes of 0x7f and above end a sequence unfinished and count as themselves, so that enter and
 * Ctrl-C always work.
 */
static uint8_t lineedit_decode(struct lineedit *edit, uint8_t byte)
{
	/* By the letter that ends the sequence, or by the number before a tilde. */
	static const uint8_t keys[] = {
		[1] = CTRL('A'),
		[3] = CTRL('D'),
		[4] = CTRL('E'),
		['A'] = CTRL('P'),
		['B'] = CTRL('N'),
		['C'] = CTRL('F'),
		['D'] = CTRL('B'),
		['F'] = CTRL('E'),
		['H'] = CTRL('A'),
	};
	bool inside = edit->escape && byte >= ' ' && byte <= '~';
	bool number = inside && byte < '@';
	unsigned digit = byte >= '0' && byte <= '9' ? (unsigned)(byte - '0') : PARAMETER_NONE;
	unsigned key = byte == '~' ? edit->parameter : byte;
	edit->parameter =
		number ? (unsigned)min_u64(edit->parameter * 10 + digit, PARAMETER_NONE) : 0;
	edit->escape = number || byte == KEY_ESCAPE || (inside && (byte == '[' || byte == 'O'));
	if (edit->escape) {
		return 0;
	}
	if (!inside) {
		return byte;
	}
	return key < sizeof(keys) ? keys[key] : 0;
}

static void lineedit_key(struct lineedit *edit, uint8_t key)
{
	size_t cursor = edit->cursor;
	char c = (char)key;
	switch (key) {
	case CTRL('A'):
		lineedit_delete(edit, 0, 0);
		break;
	case CTRL('B'):
		lineedit_delete(edit, cursor - 1, cursor - 1);
		break;
	case CTRL('C'):
		lineedit_delete(edit, edit->len, edit->len);
		lineedit_emit(edit, "^C\r\n");
		lineedit_begin(edit);
		break;
	case CTRL('D'):
		lineedit_delete(edit, cursor, cursor + 1);
		break;
	case CTRL('E'):
		lineedit_delete(edit, edit->len, edit->len);
		break;
	case CTRL('F'):
		lineedit_delete(edit, cursor + 1, cursor + 1);
		break;
	case CTRL('H'):
	case KEY_BACKSPACE:
		lineedit_delete(edit, cursor - 1, cursor);
		break;
	case CTRL('I'):
		lineedit_complete(edit);
		break;
	case CTRL('K'):
		lineedit_delete(edit, cursor, edit->len);
		break;
	case CTRL('N'):
		lineedit_recall(edit, edit->history_at - 1);
		break;
	case CTRL('P'):
		lineedit_recall(edit, edit->history_at + 1);
		break;
	case CTRL('U'):
		lineedit_delete(edit, 0, cursor);
		break;
	default:
		if (c >= ' ' && c <= '~') {
			lineedit_replace(edit, cursor, cursor, &c, 1);
		}
	}
}

void lineedit_init(struct lineedit *edit, const char *prompt, const struct lineedit_ops *ops)
{
	memset(edit, 0, sizeof(*edit));
	edit->ops = ops;
	edit->prompt = prompt;
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
	uint8_t key = lineedit_decode(edit, (uint8_t)byte);
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
