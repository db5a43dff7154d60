/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/fmt.c - text from values, and numbers from text.
 */
#include "kernel/fmt.h"

static const char fmt_digits[] = "0123456789abcdef";

struct fmt_state {
	char *out;
	size_t size;
	size_t len; /* of the whole text, cut or not */
	va_list args;
	/* What stands between the percent sign and the conversion. */
	bool left, zero;
	size_t width;
};

static void fmt_put(struct fmt_state *fmt, const char *text, size_t len)
{
	size_t columns = max_u64(fmt->width, len);
	size_t start = fmt->left ? 0 : columns - len;
	for (size_t i = 0; i < columns; i++, fmt->len++) {
		if (fmt->len < fmt->size) { /* before the start, i - start wraps */
			fmt->out[fmt->len] = i - start < len ? text[i - start] : ' ';
		}
	}
}

/* A width is filled with zeros as if they were digits. */
static void fmt_put_number(struct fmt_state *fmt, char conversion, uint64_t value)
{
	unsigned base = conversion == 'u' ? 10 : 16;
	char text[24]; /* UINT64_MAX in decimal fits; zeros fill no further */
	size_t at = sizeof(text);
	size_t zeros = fmt->zero ? min_u64(fmt->width, sizeof(text)) : 0;
	do {
		text[--at] = fmt_digits[value % base];
		value /= base;
	} while (value != 0 || at + zeros > sizeof(text));
	fmt_put(fmt, text + at, sizeof(text) - at);
}

/* Show the next argument as flags, width, length and conversion at `at` say; returns where the
 * conversion stands. */
static const char *fmt_convert(struct fmt_state *fmt, const char *at)
{
	bool is_long = false;

	fmt->left = *at == '-';
	at += fmt->left;
	fmt->zero = *at == '0';
	for (; *at >= '0' && *at <= '9'; at++) {
		fmt->width = min_u64(fmt->width * 10 + (size_t)(*at - '0'), 9999);
	}
	for (; *at == 'l' || *at == 'z'; at++) {
		is_long = true;
	}
	if (*at == 's') {
		const char *text = va_arg(fmt->args, const char *);
		text = text != NULL ? text : "(null)";
		fmt_put(fmt, text, strlen(text));
	} else if (is_long || *at == 'p') {
		fmt_put_number(fmt, *at, va_arg(fmt->args, uint64_t));
	} else if (*at == 'u' || *at == 'x') {
		fmt_put_number(fmt, *at, va_arg(fmt->args, unsigned));
	} else {
		char c = *at == 'c' ? (char)va_arg(fmt->args, int) : *at;
		fmt_put(fmt, &c, 1);
	}
	return at;
}

int fmt_vwrite(char *out, size_t size, const char *fmt, va_list args)
{
	struct fmt_state state = {.out = out, .size = size};
	va_copy(state.args, args);
	for (; *fmt != '\0'; fmt += *fmt != '\0') {
		state.width = 0;
		if (*fmt != '%') {
			fmt_put(&state, fmt, 1);
		} else {
			fmt = fmt_convert(&state, fmt + 1);
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

char *fmt_next_word(char **text)
{
	char *word = *text;
	while (*word == ' ') {
		word++;
	}
	char *end = strchr(word, ' ') ?: word + strlen(word);
	*text = end + (*end == ' ');
	*end = '\0';
	return *word != '\0' ? word : NULL;
}

bool fmt_find(const char *word, const char *const *names, unsigned count, unsigned *place)
{
	unsigned at = 0;
	while (at < count && strcmp(word, names[at]) != 0) {
		at++;
	}
	*place = at < count ? at : *place;
	return at < count;
}

bool fmt_take_u64(const char **text, uint64_t *value)
{
	size_t len = 0;
	while ((*text)[len] >= '0' && (*text)[len] <= '9') {
		len++;
	}
	*text += len;
	return fmt_parse_u64(*text - len, len, value) == 0;
}

int fmt_parse_u64(const char *text, size_t len, uint64_t *value)
{
	bool hex = len > 2 && text[0] == '0' && text[1] == 'x';
	uint64_t base = hex ? 16 : 10, sum = 0;
	bool good = len > 0;
	for (size_t at = hex ? 2 : 0; good && at < len; at++) {
		/* Bit 5 makes letters small and leaves digits; below the space it would make some.
		 */
		const char *digit = text[at] > ' ' ? strchr(fmt_digits, text[at] | 0x20) : NULL;
		good = digit != NULL && digit < fmt_digits + base &&
			!__builtin_mul_overflow(sum, base, &sum) &&
			!__builtin_add_overflow(sum, (uint64_t)(digit - fmt_digits), &sum);
	}
	if (good) {
		*value = sum;
	}
	return good ? 0 : -EINVAL;
}
