/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/fmt.c - text from values, and numbers from text.
 */
#include "kernel/fmt.h"
#include "kernel/errno.h"
#include "kernel/string.h"

#define FMT_DIGITS_MAX 24u   /* UINT64_MAX in decimal and a sign fit; zeros fill no further */
#define FMT_WIDTH_MAX  9999u /* the greatest width in a format */

struct fmt_state {
	char *out;
	size_t size;
	size_t len; /* of the whole text, cut or not */
	va_list args;
	/* What stands between the percent sign and the conversion. */
	bool left, zero, is_long;
	size_t width, precision;
};

static void fmt_put(struct fmt_state *fmt, char c)
{
	if (fmt->len < fmt->size) {
		fmt->out[fmt->len] = c;
	}
	fmt->len++;
}

static void fmt_put_text(struct fmt_state *fmt, const char *text, size_t len)
{
	size_t columns = max_u64(fmt->width, len);
	size_t start = fmt->left ? 0 : columns - len;
	for (size_t i = 0; i < columns; i++) {
		fmt_put(fmt, i >= start && i < start + len ? text[i - start] : ' ');
	}
}

/* A width is filled with zeros as if they were digits. */
static void fmt_put_number(struct fmt_state *fmt, unsigned base, bool minus, uint64_t value)
{
	char text[FMT_DIGITS_MAX];
	size_t at = sizeof(text);
	size_t zeros_end =
		fmt->zero ? sizeof(text) - min_u64(fmt->width, sizeof(text)) + minus : at;
	do {
		text[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0 || at > zeros_end);
	if (minus) {
		text[--at] = '-';
	}
	fmt_put_text(fmt, text + at, sizeof(text) - at);
}

/* Read flags, width, precision and length; returns where the conversion stands. */
static const char *fmt_parse(struct fmt_state *fmt, const char *at)
{
	fmt->left = *at == '-';
	at += fmt->left;
	fmt->zero = *at == '0';
	for (fmt->width = 0; *at >= '0' && *at <= '9'; at++) {
		fmt->width = min_u64(fmt->width * 10 + (size_t)(*at - '0'), FMT_WIDTH_MAX);
	}
	fmt->precision = SIZE_MAX;
	if (at[0] == '.' && at[1] == '*') {
		fmt->precision = (size_t)va_arg(fmt->args, int);
		at += 2;
	}
	for (fmt->is_long = false; *at == 'l' || *at == 'z'; at++) {
		fmt->is_long = true;
	}
	return at;
}

static bool fmt_convert(struct fmt_state *fmt, char conversion)
{
	const char *text;
	int64_t number;
	char c;
	switch (conversion) {
	case 'd':
		number = fmt->is_long ? va_arg(fmt->args, int64_t) : va_arg(fmt->args, int);
		fmt_put_number(
			fmt, 10, number < 0, number < 0 ? -(uint64_t)number : (uint64_t)number);
		return true;
	case 'p':
		fmt_put(fmt, '0');
		fmt_put(fmt, 'x');
		fmt->is_long = true;
		/* fall through */
	case 'u':
	case 'x':
		fmt_put_number(fmt, conversion == 'u' ? 10 : 16, false,
			fmt->is_long ? va_arg(fmt->args, uint64_t) : va_arg(fmt->args, unsigned));
		return true;
	case 'c':
		c = (char)va_arg(fmt->args, int);
		fmt_put_text(fmt, &c, 1);
		return true;
	case 's':
		text = va_arg(fmt->args, const char *);
		text = text != NULL ? text : "(null)";
		fmt_put_text(fmt, text, strnlen(text, fmt->precision));
		return true;
	case '%':
		fmt_put(fmt, '%');
		return true;
	default:
		return false;
	}
}

int fmt_vwrite(char *out, size_t size, const char *fmt, va_list args)
{
	struct fmt_state state = {.out = out, .size = size};
	va_copy(state.args, args);
	for (; *fmt != '\0'; fmt++) {
		const char *end = *fmt == '%' ? fmt_parse(&state, fmt + 1) : NULL;
		if (end != NULL && fmt_convert(&state, *end)) {
			fmt = end;
		} else {
			fmt_put(&state, *fmt);
		}
	}
	va_end(state.args);
	if (size > 0) {
		out[min_u64(state.len, size - 1)] = '\0';
	}
	return (int)state.len;
}

int fmt_write(char *out, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = fmt_vwrite(out, size, fmt, args);
	va_end(args);
	return len;
}

/* The value of a digit in any base up to 16, or more than that. */
static unsigned fmt_digit(char c)
{
	unsigned letter = (unsigned)(c | 0x20) - 'a';
	if (c >= '0' && c <= '9') {
		return (unsigned)(c - '0');
	}
	return letter < 6 ? letter + 10 : UINT32_MAX;
}

int fmt_parse_u64(const char *text, size_t len, uint64_t *value)
{
	bool hex = len > 2 && text[0] == '0' && text[1] == 'x';
	unsigned base = hex ? 16 : 10;
	uint64_t sum = 0;
	for (size_t at = hex ? 2 : 0; at < len; at++) {
		unsigned digit = fmt_digit(text[at]);
		if (digit >= base || __builtin_mul_overflow(sum, base, &sum) ||
			__builtin_add_overflow(sum, digit, &sum)) {
			return -EINVAL;
		}
	}
	if (len == 0) {
		return -EINVAL;
	}
	*value = sum;
	return 0;
}
