/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/options.h - what the machine is to be: the command line, or a file with the same
 * names. Pure but for reading that file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_DISK_MAX 8u
#define OPTIONS_NET_MAX  8u

struct options_disk {
	char *path;
	bool read_only;
};

enum options_net_kind {
	OPTIONS_NET_TAP,
	OPTIONS_NET_PASST,
};

struct options_net {
	enum options_net_kind kind;
	char *name; /* of the interface, or the socket's path */
};

/* Strings are this structure's own; NULL where not given. */
struct options {
	char *kernel, *initrd, *cmdline;
	unsigned cpus;
	uint64_t memory; /* bytes */
	struct options_disk disk[OPTIONS_DISK_MAX];
	unsigned disk_count;
	struct options_net net[OPTIONS_NET_MAX];
	unsigned net_count;
	bool rng;
	char *console; /* virtio's */
	char *serial;  /* of the first serial port */
	char *kvm;     /* the device file */
	char *pidfile;
	bool no_reboot;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_HELP,    /* wanted, not an error */
	OPTIONS_REFUSED, /* after a sentence on stderr */
};

/* arguments: without the program's name. Free the options whatever the result. */
enum options_result options_parse(struct options *options, int count, char **arguments);
void options_free(struct options *options);

/* The help text, on stdout. */
void options_help(void);
