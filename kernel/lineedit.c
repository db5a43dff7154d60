/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lineedit.c - the line editor: keys change the text and the screen by the same few steps.
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

enum escape_state {
	ESCAPE_NONE,
	ESCAPE_BEGUN,
	ESCAPE_SEQUENCE
};

static void lineedit_emit(struct lineedit *edit, const char *text)
{
	edit->ops->emit(edit->context, text, strlen(text));
}

static void lineedit_bell(struct lineedit *edit)
{
	lineedit_emit(edit, "\a");
}

/* One step left of offset 0 wraps around and so lies beyond the end as well. */
static void lineedit_move(struct lineedit *edit, size_t to)
{
	char sequence[24];
	if (to > edit->len) {
		lineedit_bell(edit);
		return;
	}
	if (to < edit->cursor) {
		fmt_write(sequence, sizeof(sequence), "\x1b[%zuD", edit->cursor - to);
		lineedit_emit(edit, sequence);
	} else if (to > edit->cursor) {
		fmt_write(sequence, sizeof(sequence), "\x1b[%zuC", to - edit->cursor);
		lineedit_emit(edit, sequence);
	}
	edit->cursor = to;
}

/*
 * The one change of the text: put new[0..count) where [from, to) was, and the cursor behind it.
 * Refused with a bell when the range is none (from - 1 may have wrapped) or the line too long.
 */
static void lineedit_replace(
	struct lineedit *edit, size_t from, size_t to, const char *new, size_t count)
{
	size_t old_len = edit->len;
	if (from > to || to > old_len || old_len - (to - from) + count >= LINE_MAX) {
		lineedit_bell(edit);
		return;
	}
	lineedit_move(edit, from);
	memmove(edit->text + from + count, edit->text + to, old_len - to + 1);
	memcpy(edit->text + from, new, count);
	edit->len = old_len - (to - from) + count;
	lineedit_emit(edit, edit->text + from);
	if (edit->len < old_len) {
		lineedit_emit(edit, "\x1b[K");
	}
	edit->cursor = edit->len;
	lineedit_move(edit, from + count);
}

static size_t lineedit_word(const struct lineedit *edit)
{
	size_t at = edit->cursor;
	while (at > 0 && edit->text[at - 1] != ' ') {
		at--;
	}
	return at;
}

static void lineedit_delete_word(struct lineedit *edit)
{
	size_t from = edit->cursor;
	while (from > 0 && edit->text[from - 1] == ' ') {
		from--;
	}
	while (from > 0 && edit->text[from - 1] != ' ') {
		from--;
	}
	lineedit_replace(edit, from, edit->cursor, "", 0);
}

/* The n-th last line; 0 is the one being typed. */
static char *lineedit_history(struct lineedit *edit, unsigned n)
{
	if (n == 0) {
		return edit->draft;
	}
	return edit->history[(edit->history_next + LINE_HISTORY - n) % LINE_HISTORY];
}

/* One step down from the line being typed wraps around and so lies beyond the oldest as well. */
static void lineedit_recall(struct lineedit *edit, unsigned n)
{
	if (n > edit->history_count) {
		lineedit_bell(edit);
		return;
	}
	if (edit->history_at == 0) {
		memcpy(edit->draft, edit->text, LINE_MAX);
	}
	edit->history_at = n;
	const char *line = lineedit_history(edit, n);
	lineedit_replace(edit, 0, edit->len, line, strlen(line));
}

static void lineedit_keep(struct lineedit *edit)
{
	bool again = edit->history_count > 0 && strcmp(edit->text, lineedit_history(edit, 1)) == 0;
	if (edit->len == 0 || again) {
		return;
	}
	memcpy(edit->history[edit->history_next], edit->text, LINE_MAX);
	edit->history_next = (edit->history_next + 1) % LINE_HISTORY;
	if (edit->history_count < LINE_HISTORY) {
		edit->history_count++;
	}
}

static const char *lineedit_candidate(struct lineedit *edit, const char *before, unsigned n)
{
	return edit->ops->complete(edit->context, before, lineedit_word(edit), n);
}

static void lineedit_list(struct lineedit *edit, const char *before)
{
	const char *candidate;
	lineedit_emit(edit, "\r\n");
	for (unsigned n = 0; (candidate = lineedit_candidate(edit, before, n)) != NULL; n++) {
		lineedit_emit(edit, candidate);
		lineedit_emit(edit, "  ");
	}
	lineedit_emit(edit, "\r\n");
	lineedit_show(edit);
}

/* A tab adds what all candidates share; when that is nothing, as on a second tab, it lists them. */
static void lineedit_complete(struct lineedit *edit)
{
	char before[LINE_MAX];
	char common[LINE_MAX]; /* copied: a candidate need not outlive the next call */
	size_t common_len = 0;
	size_t at = edit->cursor;
	size_t done = at - lineedit_word(edit);
	const char *candidate;
	unsigned n;
	memcpy(before, edit->text, at);
	before[at] = '\0';
	for (n = 0; (candidate = lineedit_candidate(edit, before, n)) != NULL; n++) {
		if (n == 0) {
			common_len = strnlen(candidate, LINE_MAX - 1);
			memcpy(common, candidate, common_len);
		}
		size_t same = 0;
		while (same < common_len && candidate[same] == common[same]) {
			same++;
		}
		common_len = same;
	}
	if (n == 1) {
		common[common_len++] = ' ';
	}
	if (common_len > done) {
		lineedit_replace(edit, at, at, common + done, common_len - done);
	} else if (n > 1) {
		lineedit_list(edit, before);
	} else {
		lineedit_bell(edit);
	}
}

/* The control key that the end of a sequence stands for; 0 rings the bell. */
static uint8_t lineedit_sequence_key(uint8_t last, unsigned parameter)
{
	static const uint8_t letters[] = {
		['A'] = CTRL('P'),
		['B'] = CTRL('N'),
		['C'] = CTRL('F'),
		['D'] = CTRL('B'),
		['F'] = CTRL('E'),
		['H'] = CTRL('A'),
	};
	static const uint8_t numbers[] = {
		[1] = CTRL('A'),
		[3] = CTRL('D'),
		[4] = CTRL('E'),
		[7] = CTRL('A'),
		[8] = CTRL('E'),
	};
	if (last == '~') {
		return parameter < sizeof(numbers) ? numbers[parameter] : 0;
	}
	return last < sizeof(letters) ? letters[last] : 0;
}

/*
 * Follow escape sequences: true when *key is to be acted upon. Control bytes and bytes of 0x7f and
 * above end a sequence unfinished and count as themselves, so that enter and Ctrl-C always work.
 */
static bool lineedit_decode(struct lineedit *edit, uint8_t *key)
{
	uint8_t byte = *key;
	uint8_t state = edit->escape;
	edit->escape = ESCAPE_NONE;
	if (byte == KEY_ESCAPE) {
		edit->escape = ESCAPE_BEGUN;
		return false;
	}
	if (state == ESCAPE_NONE || byte < ' ' || byte > '~') {
		return true;
	}
	if (state == ESCAPE_BEGUN && (byte == '[' || byte == 'O')) {
		edit->escape = ESCAPE_SEQUENCE;
		edit->parameter = 0;
		return false;
	}
	if (state == ESCAPE_SEQUENCE && byte < '@') {
		/* Anything but one number makes it one that no key has. */
		unsigned digit = byte >= '0' && byte <= '9' ? (unsigned)(byte - '0') : UINT8_MAX;
		edit->escape = ESCAPE_SEQUENCE;
		edit->parameter = (uint8_t)min_u64(edit->parameter * 10u + digit, UINT8_MAX);
		return false;
	}
	*key = state == ESCAPE_SEQUENCE ? lineedit_sequence_key(byte, edit->parameter) : 0;
	return true;
}

static void lineedit_key(struct lineedit *edit, uint8_t key)
{
	size_t cursor = edit->cursor;
	char c = (char)key;
	switch (key) {
	case CTRL('B'):
		lineedit_move(edit, cursor - 1);
		break;
	case CTRL('F'):
		lineedit_move(edit, cursor + 1);
		break;
	case CTRL('A'):
		lineedit_move(edit, 0);
		break;
	case CTRL('E'):
		lineedit_move(edit, edit->len);
		break;
	case CTRL('H'):
	case KEY_BACKSPACE:
		lineedit_replace(edit, cursor - 1, cursor, "", 0);
		break;
	case CTRL('D'):
		lineedit_replace(edit, cursor, cursor + 1, "", 0);
		break;
	case CTRL('K'):
		lineedit_replace(edit, cursor, edit->len, "", 0);
		break;
	case CTRL('U'):
		lineedit_replace(edit, 0, cursor, "", 0);
		break;
	case CTRL('W'):
		lineedit_delete_word(edit);
		break;
	case CTRL('P'):
		lineedit_recall(edit, edit->history_at + 1);
		break;
	case CTRL('N'):
		lineedit_recall(edit, edit->history_at - 1);
		break;
	case CTRL('L'):
		lineedit_hide(edit);
		lineedit_show(edit);
		break;
	case CTRL('I'):
		lineedit_complete(edit);
		break;
	default:
		if (key < ' ' || key > '~') {
			lineedit_bell(edit);
		} else {
			lineedit_replace(edit, cursor, cursor, &c, 1);
		}
	}
}

void lineedit_init(
	struct lineedit *edit, const char *prompt, const struct lineedit_ops *ops, void *context)
{
	memset(edit, 0, sizeof(*edit));
	edit->ops = ops;
	edit->context = context;
	edit->prompt = prompt;
}

void lineedit_begin(struct lineedit *edit)
{
	edit->len = 0;
	edit->cursor = 0;
	edit->text[0] = '\0';
	edit->escape = ESCAPE_NONE;
	edit->history_at = 0;
	lineedit_show(edit);
}

enum lineedit_result lineedit_feed(struct lineedit *edit, char byte)
{
	uint8_t key = (uint8_t)byte;
	bool second = edit->after_cr && key == '\n';
	edit->after_cr = key == '\r';
	if (second || !lineedit_decode(edit, &key)) {
		return LINE_MORE;
	}
	switch (key) {
	case '\r':
	case '\n':
		lineedit_emit(edit, "\r\n");
		lineedit_keep(edit);
		return LINE_READY;
	case CTRL('C'):
		lineedit_move(edit, edit->len);
		lineedit_emit(edit, "^C\r\n");
		return LINE_CANCELLED;
	default:
		lineedit_key(edit, key);
		return LINE_MORE;
	}
}

void lineedit_hide(struct lineedit *edit)
{
	lineedit_emit(edit, "\r\x1b[K");
}

void lineedit_show(struct lineedit *edit)
{
	size_t cursor = edit->cursor;
	lineedit_emit(edit, edit->prompt);
	lineedit_emit(edit, edit->text);
	edit->cursor = edit->len;
	lineedit_move(edit, cursor);
}
