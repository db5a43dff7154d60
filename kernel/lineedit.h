/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lineedit.h - a line editor with history and completion for a VT100-like terminal.
 *
 * Pure state machine: bytes from the terminal go in, bytes for the terminal come out through
 * `emit`. The terminal's bytes are hostile: any sequence, of any length, leaves the editor usable.
 *
 * Keys: left, right, Ctrl-B, Ctrl-F, home, end, Ctrl-A, Ctrl-E, backspace, delete, Ctrl-D, Ctrl-K,
 * Ctrl-U, Ctrl-W, Ctrl-L (redraw), Ctrl-C (give the line up), up, down, Ctrl-P, Ctrl-N (history),
 * tab (completion), enter (CR, LF or CR LF). Bytes of 0x80 and above and other control bytes ring
 * the bell.
 */
#pragma once

#include "kernel/types.h"

#define LINE_MAX     160u /* bytes with the ending zero */
#define LINE_HISTORY 16u

enum lineedit_result {
	LINE_MORE,
	LINE_READY,
	LINE_CANCELLED
};

struct lineedit_ops {
	void (*emit)(void *context, const char *text, size_t len);
	/*
	 * The n-th word (from 0) that may stand where the cursor is, or NULL after the last. `line`
	 * is the text before the cursor and `word` the offset in it where the unfinished word
	 * begins; every candidate starts with that word.
	 */
	const char *(*complete)(void *context, const char *line, size_t word, unsigned n);
};

struct lineedit {
	const struct lineedit_ops *ops;
	void *context;
	const char *prompt;
	size_t len;             /* bytes in text */
	size_t cursor;          /* 0..len */
	uint8_t escape;         /* where inside an escape sequence */
	uint8_t parameter;      /* the number in it */
	bool after_cr;          /* swallow the LF of a CR LF */
	unsigned history_count; /* lines kept */
	unsigned history_next;  /* slot of the next line */
	unsigned history_at;    /* 0: editing; n: showing the n-th last */
	char text[LINE_MAX];    /* zero ended */
	char draft[LINE_MAX];   /* what was typed before going up */
	char history[LINE_HISTORY][LINE_MAX];
};

void lineedit_init(
	struct lineedit *edit, const char *prompt, const struct lineedit_ops *ops, void *context);

/* Start a new, empty line: draws the prompt. */
void lineedit_begin(struct lineedit *edit);

/* Take one byte. LINE_READY: the line is in edit->text (kept in the history unless empty or equal
 * to the last). */
enum lineedit_result lineedit_feed(struct lineedit *edit, char byte);

/* Erase the prompt and line from the screen, so that other output can be written; lineedit_show
 * draws them again. */
void lineedit_hide(struct lineedit *edit);
void lineedit_show(struct lineedit *edit);
