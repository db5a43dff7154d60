/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/say.c - sentences on stderr, each in one write, so that threads do not mix them.
 */
#include "service/vmm/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PREFIX "pintle-vmm: "

void say(const char *format, ...)
{
	char line[1024] = PREFIX;
	const size_t begin = sizeof(PREFIX) - 1, room = sizeof(line) - begin - 1;
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(line + begin, room, format, arguments);
	va_end(arguments);
	size_t end = begin + (length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1);
	line[end++] = '\n';
	ssize_t written = write(STDERR_FILENO, line, end);
	(void)written;
}
