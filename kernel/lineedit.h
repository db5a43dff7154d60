/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lineedit.h - a line editor with history and completion for a VT100-like terminal.
 *
 * Pure state machine: bytes from the terminal go in, bytes for the terminal come out through
 * `emit`. The terminal's bytes are hostile: any sequence, of any length, leaves the editor usable.
 *
 * Keys: left, right, Ctrl-B, Ctrl-F, home, end, Ctrl-A, Ctrl-E, backspace, delete, Ctrl-D, Ctrl-K,
 * Ctrl-U, Ctrl-C (give the line up), up, down, Ctrl-P, Ctrl-N (history), tab (completion), enter
 * (CR or LF). Bytes of 0x80 and above, other control bytes and unknown sequences are ignored; what
 * cannot be done rings the bell.
 */
#pragma once

#include "kernel/types.h"

#define LINE_MAX     160u /* bytes with the ending zero */
#define LINE_HISTORY 16u  /* lines, one of them the draft; a power of two */

/* The first three are the user's to set; all else begins as zero. */
struct lineedit {
	const char *prompt;
	void (*emit)(const char *text, size_t len);
	const char *(*word)(unsigned n); /* the n-th of all that a line may begin with, or NULL */
	size_t len;                      /* bytes in text */
	size_t cursor;                   /* 0..len */
	char sequence;         /* inside an escape sequence: its last byte that matters; 0: none */
	unsigned history_next; /* slot of the next line, modulo LINE_HISTORY */
	unsigned history_at;   /* 0: editing; n: showing the n-th last */
	char text[LINE_MAX];   /* zero ended */
	char history[LINE_HISTORY][LINE_MAX];
};

/* Start a new, empty line: draws the prompt. */
void lineedit_begin(struct lineedit *edit);

/* Take one byte. True when it ended the line, which is then in edit->text (and in the history
 * unless empty or equal to the last). */
bool lineedit_feed(struct lineedit *edit, char byte);

/* Erase the prompt and line from the screen, so that other output can be written; lineedit_show
 * draws them again. */
void lineedit_hide(struct lineedit *edit);
void lineedit_show(struct lineedit *edit);
