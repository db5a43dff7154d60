/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/main.c - pintle-vmm: one guest, from the command line to its end.
 */
#include "service/vmm/machine.h"

#define STATUS_REFUSED 1

int main(int count, char **arguments)
{
	struct options options;
	int status = STATUS_REFUSED;
	switch (options_parse(&options, count - 1, arguments + 1)) {
	case OPTIONS_RUN:
		status = machine_run(&options);
		break;
	case OPTIONS_HELP:
		options_help();
		status = 0;
		break;
	case OPTIONS_REFUSED:
		break;
	}
	options_free(&options);
	return status;
}
