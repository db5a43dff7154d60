/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/options.c - one table of options for the command line, the configuration file and the
 * help.
 */
#include "service/vmm/options.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/vmm/memory.h"
#include "service/vmm/say.h"
#include "service/vmm/vcpu.h"

#define MEMORY_MIN_MIB     16u
#define MEMORY_MAX_MIB     (1024u * 1024u)
#define MEMORY_DEFAULT_MIB 512u
#define CONFIG_MAX         65536u

/* where: the option's name, for messages. False after a sentence. */
typedef bool set_fn(struct options *options, const char *where, const char *value);

static bool replace(char **string, const char *value)
{
	free(*string);
	*string = strdup(value);
	return *string != NULL;
}

static bool set_kernel(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->kernel, value);
}

static bool set_initrd(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->initrd, value);
}

static bool set_cmdline(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->cmdline, value);
}

static bool set_console(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->console, value);
}

static bool set_serial(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->serial, value);
}

static bool set_kvm(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->kvm, value);
}

static bool set_pidfile(struct options *options, const char *where, const char *value)
{
	(void)where;
	return replace(&options->pidfile, value);
}

static bool parse_number(
	const char *where, const char *value, uint64_t min, uint64_t max, uint64_t *result)
{
	char *end;
	errno = 0;
	*result = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end != '\0' || errno != 0 || *result < min ||
		*result > max) {
		say("%s: \"%s\" is no number from %lu to %lu", where, value, min, max);
		return false;
	}
	return true;
}

static bool set_cpus(struct options *options, const char *where, const char *value)
{
	uint64_t number;
	bool good = parse_number(where, value, 1, VCPU_MAX, &number);
	options->cpus = good ? (unsigned)number : options->cpus;
	return good;
}

static bool set_memory(struct options *options, const char *where, const char *value)
{
	uint64_t number;
	bool good = parse_number(where, value, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &number);
	options->memory = good ? number * MIB : options->memory;
	return good;
}

static bool set_disk(struct options *options, const char *where, const char *value)
{
	static const char ending[] = ",ro";
	size_t length = strlen(value), cut = sizeof(ending) - 1;
	if (options->disk_count == OPTIONS_DISK_MAX) {
		say("%s: there can be %u disks", where, OPTIONS_DISK_MAX);
		return false;
	}
	struct options_disk *disk = &options->disk[options->disk_count];
	disk->read_only = length > cut && strcmp(value + length - cut, ending) == 0;
	length -= disk->read_only ? cut : 0;
	if (length == 0) {
		say("%s: say which file or block device", where);
		return false;
	}
	disk->path = strndup(value, length);
	options->disk_count++;
	return disk->path != NULL;
}

static bool set_net(struct options *options, const char *where, const char *value)
{
	static const char *const kinds[] = {
		[OPTIONS_NET_TAP] = "tap=", [OPTIONS_NET_PASST] = "passt="};
	if (options->net_count == OPTIONS_NET_MAX) {
		say("%s: there can be %u networks", where, OPTIONS_NET_MAX);
		return false;
	}
	struct options_net *net = &options->net[options->net_count];
	for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		size_t length = strlen(kinds[kind]);
		if (strncmp(value, kinds[kind], length) == 0 && value[length] != '\0') {
			net->kind = (enum options_net_kind)kind;
			net->name = strdup(value + length);
			options->net_count++;
			return net->name != NULL;
		}
	}
	say("%s: \"%s\" is neither tap=NAME, of a tap interface, nor passt=SOCKET, of a running "
	    "passt",
		where, value);
	return false;
}

static bool parse_flag(const char *where, const char *value, bool *flag)
{
	*flag = strcmp(value, "yes") == 0;
	if (!*flag && strcmp(value, "no") != 0) {
		say("%s: \"%s\" is neither yes nor no", where, value);
		return false;
	}
	return true;
}

static bool set_rng(struct options *options, const char *where, const char *value)
{
	return parse_flag(where, value, &options->rng);
}

static bool set_no_reboot(struct options *options, const char *where, const char *value)
{
	return parse_flag(where, value, &options->no_reboot);
}

/* For the pintle command, which reads the same file. */
static bool check_autostart(struct options *options, const char *where, const char *value)
{
	(void)options;
	bool flag;
	return parse_flag(where, value, &flag);
}

static bool read_config(struct options *options, const char *where, const char *path);

static const struct option {
	const char *name;
	set_fn *set;
	const char *value; /* in the help; NULL: a flag, yes or no in a file */
	const char *help;
} table[] = {
	{"kernel", set_kernel, "FILE", "a bzImage, or an ELF file for PVH or Multiboot"},
	{"initrd", set_initrd, "FILE", "its initial RAM disk, or Multiboot module"},
	{"cmdline", set_cmdline, "TEXT", "its command line"},
	{"cpus", set_cpus, "N", "1 to 254 CPUs; 1 unless given"},
	{"mem", set_memory, "MIB", "RAM; 512 unless given"},
	{"disk", set_disk, "FILE[,ro]", "a raw image or a block device; up to 8 times"},
	{"net", set_net, "tap=NAME|passt=SOCKET", "a network; up to 8 times"},
	{"rng", set_rng, NULL, "entropy from the host"},
	{"console", set_console, "PLACE", "a virtio console there; see below"},
	{"serial", set_serial, "PLACE|none",
		"the first serial port; - unless given, or none when --console is -"},
	{"no-reboot", set_no_reboot, NULL, "end where the guest would restart"},
	{"kvm", set_kvm, "PATH", "/dev/kvm unless given"},
	{"pidfile", set_pidfile, "FILE",
		"write the process id there when the guest runs; locked until it ends"},
	{"autostart", check_autostart, NULL, "for the pintle command; nothing here"},
	{"config", read_config, "FILE",
		"all these as `name = value`, a line each; # begins a comment"},
};
#define OPTION_COUNT (sizeof(table) / sizeof(table[0]))

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(table[i].name, name) == 0) {
			return &table[i];
		}
	}
	return NULL;
}

/* Cut white space off both ends, in place. */
static char *trim(char *text)
{
	while (isspace((unsigned char)*text)) {
		text++;
	}
	char *end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1])) {
		*--end = '\0';
	}
	return text;
}

static bool set_line(struct options *options, const char *path, unsigned number, char *line)
{
	char where[512];
	line = trim(line);
	if (*line == '\0' || *line == '#') {
		return true;
	}
	char *equals = strchr(line, '=');
	if (equals == NULL) {
		say("%s, line %u: \"%s\" is not of the form name = value", path, number, line);
		return false;
	}
	*equals = '\0';
	const char *name = trim(line);
	const struct option *option = find(name);
	if (option == NULL || option->set == read_config) {
		say("%s, line %u: there is no setting \"%s\"; `pintle-vmm help` lists them", path,
			number, name);
		return false;
	}
	snprintf(where, sizeof(where), "%s, line %u: %s", path, number, name);
	return option->set(options, where, trim(equals + 1));
}

/* The file as one string; NULL after a sentence. */
static char *read_text(const char *where, const char *path)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		say("%s: cannot open %s: %s", where, path, strerror(errno));
		return NULL;
	}
	char *text = calloc(1, CONFIG_MAX + 1);
	size_t size = text != NULL ? fread(text, 1, CONFIG_MAX + 1, file) : 0;
	if (text == NULL || ferror(file) || size > CONFIG_MAX || memchr(text, 0, size) != NULL) {
		say("%s: cannot read %s, or it is no text of at most %u bytes", where, path,
			CONFIG_MAX);
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

static bool read_config(struct options *options, const char *where, const char *path)
{
	char *text = read_text(where, path), *rest = text, *line;
	bool good = text != NULL;
	for (unsigned number = 1; good && (line = strsep(&rest, "\n")) != NULL; number++) {
		good = set_line(options, path, number, line);
	}
	free(text);
	return good;
}

/* The option at arguments[*next], which is moved behind it. */
static bool set_argument(struct options *options, int count, char **arguments, int *next)
{
	const char *text = arguments[(*next)++];
	const struct option *option = strncmp(text, "--", 2) == 0 ? find(text + 2) : NULL;
	if (option == NULL) {
		say("there is no option \"%s\"; `pintle-vmm help` lists them", text);
		return false;
	}
	if (option->value == NULL) {
		return option->set(options, text, "yes");
	}
	if (*next == count) {
		say("%s: its value is missing (%s)", text, option->value);
		return false;
	}
	return option->set(options, text, arguments[(*next)++]);
}

static bool complete(struct options *options)
{
	if (options->kernel == NULL) {
		say("say which kernel to start: --kernel FILE");
		return false;
	}
	bool terminal_taken = options->console != NULL && strcmp(options->console, "-") == 0;
	bool good = (options->cmdline != NULL || replace(&options->cmdline, "")) &&
		(options->kvm != NULL || replace(&options->kvm, "/dev/kvm")) &&
		(options->serial != NULL ||
			replace(&options->serial, terminal_taken ? "none" : "-"));
	if (good && terminal_taken && strcmp(options->serial, "-") == 0) {
		say("--console and --serial cannot both have this terminal: give one another place, "
		    "or none");
		return false;
	}
	return good;
}

enum options_result options_parse(struct options *options, int count, char **arguments)
{
	int next = 1;
	*options = (struct options){.cpus = 1, .memory = MEMORY_DEFAULT_MIB * MIB};
	if (count >= 1 &&
		(strcmp(arguments[0], "help") == 0 || strcmp(arguments[0], "--help") == 0)) {
		return OPTIONS_HELP;
	}
	if (count < 1 || strcmp(arguments[0], "run") != 0) {
		say("say `pintle-vmm run --kernel FILE ...`, or `pintle-vmm help`");
		return OPTIONS_REFUSED;
	}
	while (next < count) {
		if (strcmp(arguments[next], "--help") == 0) {
			return OPTIONS_HELP;
		}
		if (!set_argument(options, count, arguments, &next)) {
			return OPTIONS_REFUSED;
		}
	}
	return complete(options) ? OPTIONS_RUN : OPTIONS_REFUSED;
}

void options_free(struct options *options)
{
	char *const strings[] = {options->kernel, options->initrd, options->cmdline,
		options->console, options->serial, options->kvm, options->pidfile};
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		free(strings[i]);
	}
	for (unsigned i = 0; i < options->disk_count; i++) {
		free(options->disk[i].path);
	}
	for (unsigned i = 0; i < options->net_count; i++) {
		free(options->net[i].name);
	}
	*options = (struct options){0};
}

void options_help(void)
{
	printf("pintle-vmm run OPTIONS: start a guest, and stay until it ends.\n\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char head[64];
		snprintf(head, sizeof(head), "--%s %s", table[i].name,
			table[i].value != NULL ? table[i].value : "");
		printf("  %-32s %s\n", head, table[i].help);
	}
	printf("\nA PLACE is - (this terminal), pty (a new pseudo-terminal), a file or terminal,\n"
	       "a socket that somebody listens at, or listen:SOCKET.\n"
	       "SIGTERM presses the guest's power button, a second one ends it; so does "
	       "Ctrl-C at once.\nSIGPWR presses it, as often as it comes.\n"
	       "The exit status is 0 when the guest ended as it or you asked, 1 when it was "
	       "refused,\n2 when it failed.\n");
}
