/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/fmt.c - text from values, and numbers from text.
 */
#include "kernel/fmt.h"
#include "kernel/errno.h"
#include "kernel/string.h"

#define FMT_DIGITS_MAX 20u  /* UINT64_MAX in decimal */
#define FMT_COUNT_MAX  9999 /* a written width or precision takes no digit above this */

struct fmt_out {
	char *text;
	size_t size;
	size_t len; /* of the whole text, cut or not */
};

struct fmt_spec {
	bool left;
	bool zero;
	int64_t width; /* wide enough for the opposite of any int */
	int precision; /* negative: none */
	unsigned size; /* bytes of the argument */
};

static void fmt_put(struct fmt_out *out, char c)
{
	if (out->len < out->size) {
		out->text[out->len] = c;
	}
	out->len++;
}

static void fmt_put_text(struct fmt_out *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		fmt_put(out, text[i]);
	}
}

static void fmt_pad(struct fmt_out *out, char c, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fmt_put(out, c);
	}
}

/* `prefix` is what stands before the zeros that fill a number: its sign or 0x. */
static void fmt_put_field(struct fmt_out *out, const struct fmt_spec *spec, const char *prefix,
	const char *text, size_t len)
{
	size_t used = strlen(prefix) + len;
	size_t width = (size_t)spec->width;
	size_t fill = width > used ? width - used : 0;
	bool zero = spec->zero && !spec->left;
	fmt_pad(out, ' ', spec->left || zero ? 0 : fill);
	fmt_put_text(out, prefix, strlen(prefix));
	fmt_pad(out, '0', zero ? fill : 0);
	fmt_put_text(out, text, len);
	fmt_pad(out, ' ', spec->left ? fill : 0);
}

static void fmt_put_number(struct fmt_out *out, const struct fmt_spec *spec, const char *prefix,
	uint64_t value, char conversion)
{
	const char *digits = conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned base = conversion == 'd' ? 10 : 16;
	char text[FMT_DIGITS_MAX];
	size_t at = sizeof(text);
	do {
		text[--at] = digits[value % base];
		value /= base;
	} while (value != 0);
	fmt_put_field(out, spec, prefix, text + at, sizeof(text) - at);
}

/* Extended to 64 bits; what the caller left above the bytes that count is dropped. */
static uint64_t fmt_take_number(const struct fmt_spec *spec, bool is_signed, va_list *args)
{
	uint64_t raw = spec->size == 8 ? va_arg(*args, uint64_t) : va_arg(*args, unsigned);
	unsigned shift = 64 - 8 * spec->size;
	raw <<= shift;
	return is_signed ? (uint64_t)((int64_t)raw >> shift) : raw >> shift;
}

static int fmt_parse_count(const char **at, va_list *args)
{
	int count = 0;
	if (**at == '*') {
		(*at)++;
		return va_arg(*args, int);
	}
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (count <= FMT_COUNT_MAX) {
			count = count * 10 + **at - '0';
		}
	}
	return count;
}

/* Read flags, width, precision and length; returns where the conversion stands. */
static const char *fmt_parse_spec(const char *at, struct fmt_spec *spec, va_list *args)
{
	*spec = (struct fmt_spec){.precision = -1, .size = sizeof(int)};
	for (; *at == '-' || *at == '0'; at++) {
		spec->left |= *at == '-';
		spec->zero |= *at == '0';
	}
	spec->width = fmt_parse_count(&at, args);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*at == '.') {
		at++;
		spec->precision = fmt_parse_count(&at, args);
	}
	for (; *at == 'h' && spec->size > 1; at++) {
		spec->size /= 2;
	}
	for (; *at == 'l' || *at == 'z' || *at == 'j' || *at == 't'; at++) {
		spec->size = 8;
	}
	return at;
}

static bool fmt_convert(
	struct fmt_out *out, const struct fmt_spec *spec, char conversion, va_list *args)
{
	uint64_t number;
	bool minus;
	const char *text;
	char c;
	switch (conversion) {
	case 'd':
	case 'i':
		number = fmt_take_number(spec, true, args);
		minus = (int64_t)number < 0;
		fmt_put_number(out, spec, minus ? "-" : "", minus ? -number : number, 'd');
		return true;
	case 'u':
		fmt_put_number(out, spec, "", fmt_take_number(spec, false, args), 'd');
		return true;
	case 'x':
	case 'X':
		fmt_put_number(out, spec, "", fmt_take_number(spec, false, args), conversion);
		return true;
	case 'p':
		fmt_put_number(out, spec, "0x", (uintptr_t)va_arg(*args, void *), 'x');
		return true;
	case 'c':
		c = (char)va_arg(*args, int);
		fmt_put_field(out, spec, "", &c, 1);
		return true;
	case 's':
		text = va_arg(*args, const char *);
		text = text != NULL ? text : "(null)";
		fmt_put_field(out, spec, "", text, strnlen(text, (size_t)spec->precision));
		return true;
	case '%':
		fmt_put(out, '%');
		return true;
	default:
		return false;
	}
}

int fmt_vwrite(char *out, size_t size, const char *fmt, va_list args)
{
	struct fmt_out to = {.text = out, .size = size};
	struct fmt_spec spec;
	va_list rest; /* `args` is a pointer here, so that its address has another type */
	va_copy(rest, args);
	while (*fmt != '\0') {
		const char *at = fmt + 1;
		if (*fmt == '%') {
			at = fmt_parse_spec(at, &spec, &rest);
		}
		if (*fmt == '%' && fmt_convert(&to, &spec, *at, &rest)) {
			at++;
		} else {
			fmt_put_text(&to, fmt, (size_t)(at - fmt));
		}
		fmt = at;
	}
	va_end(rest);
	if (size > 0) {
		out[min_u64(to.len, size - 1)] = '\0';
	}
	return (int)min_u64(to.len, INT32_MAX);
}

int fmt_write(char *out, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = fmt_vwrite(out, size, fmt, args);
	va_end(args);
	return len;
}

static unsigned fmt_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return (unsigned)(c - '0');
	}
	if (c >= 'a' && c <= 'f') {
		return (unsigned)(c - 'a') + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return (unsigned)(c - 'A') + 10;
	}
	return UINT32_MAX;
}

int fmt_parse_u64(const char *text, size_t len, uint64_t *value)
{
	bool hex = len >= 2 && text[0] == '0' && text[1] == 'x';
	unsigned base = hex ? 16 : 10;
	size_t at = hex ? 2 : 0;
	uint64_t sum = 0;
	bool over = false;
	if (at == len) {
		return -EINVAL;
	}
	/* All is read even after an overflow: a malformed text is -EINVAL however long it is. */
	for (; at < len; at++) {
		unsigned digit = fmt_digit(text[at]);
		if (digit >= base) {
			return -EINVAL;
		}
		over |= __builtin_mul_overflow(sum, base, &sum);
		over |= __builtin_add_overflow(sum, digit, &sum);
	}
	if (over) {
		return -ERANGE;
	}
	*value = sum;
	return 0;
}
