/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmm_options.c - pintle-vmm's command line and configuration file: what is taken,
 * and that all else is refused with a sentence that names it.
 *
 * Flags: -D_GNU_SOURCE
 * Links: service/vmm/options.c
 */
#include "tests/unit/fake.h"

#include <unistd.h>

#include "service/vmm/options.h"
#include "service/vmm/say.h"

static struct options options;
static char said[1024];

void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(said, sizeof(said), format, arguments);
	va_end(arguments);
}

#define PARSE(...) parse((const char *[]){__VA_ARGS__, NULL})
static enum options_result parse(const char *const *words)
{
	char *copy[32];
	int count = 0;
	said[0] = '\0';
	for (; words[count] != NULL; count++) {
		copy[count] = strdup(words[count]);
	}
	options_free(&options);
	enum options_result result = options_parse(&options, count, copy);
	while (count != 0) {
		free(copy[--count]);
	}
	assert_int_equal(result == OPTIONS_REFUSED, said[0] != '\0');
	return result;
}

/* A configuration file with this text; its path. */
static const char *config(const char *text)
{
	static char path[64];
	snprintf(path, sizeof(path), "/tmp/test_vmm_options.%d", getpid());
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static void a_kernel_is_enough(void **state)
{
	assert_int_equal(PARSE("run", "--kernel", "k"), OPTIONS_RUN);
	assert_string_equal(options.kernel, "k");
	assert_string_equal(options.cmdline, "");
	assert_string_equal(options.serial, "-");
	assert_string_equal(options.kvm, "/dev/kvm");
	assert_int_equal(options.cpus, 1);
	assert_int_equal(options.memory, 512u << 20);
	assert_null(options.initrd);
}

static void every_option_is_taken(void **state)
{
	assert_int_equal(PARSE("run", "--kernel", "k", "--initrd", "i", "--cmdline", "a b=c",
				 "--cpus", "4", "--mem", "2048", "--disk", "d0", "--disk", "d1,ro",
				 "--net", "tap=t0", "--net", "passt=/p", "--rng", "--console", "-",
				 "--kvm", "/dev/k", "--no-reboot", "--pidfile", "/p.pid"),
		OPTIONS_RUN);
	assert_string_equal(options.cmdline, "a b=c");
	assert_int_equal(options.cpus, 4);
	assert_int_equal(options.memory, UINT64_C(2048) << 20);
	assert_int_equal(options.disk_count, 2);
	assert_string_equal(options.disk[0].path, "d0");
	assert_false(options.disk[0].read_only);
	assert_string_equal(options.disk[1].path, "d1");
	assert_true(options.disk[1].read_only);
	assert_int_equal(options.net[0].kind, OPTIONS_NET_TAP);
	assert_string_equal(options.net[0].name, "t0");
	assert_int_equal(options.net[1].kind, OPTIONS_NET_PASST);
	assert_string_equal(options.net[1].name, "/p");
	assert_true(options.rng && options.no_reboot);
	assert_string_equal(options.pidfile, "/p.pid");
	assert_string_equal(options.serial, "none");
}

static void a_file_says_the_same(void **state)
{
	const char *path =
		config("# a guest\n\n kernel = /boot/k \ncmdline=root=/dev/vda ro\n"
		       "cpus = 2\ndisk = a\ndisk = b,ro\nrng = yes\nserial=pty\nautostart = no");
	assert_int_equal(PARSE("run", "--config", path, "--cpus", "3"), OPTIONS_RUN);
	assert_string_equal(options.kernel, "/boot/k");
	assert_string_equal(options.cmdline, "root=/dev/vda ro");
	assert_int_equal(options.cpus, 3);
	assert_int_equal(options.disk_count, 2);
	assert_true(options.rng);
	assert_string_equal(options.serial, "pty");
	unlink(path);
}

#define assert_refused(part, ...)                                                                  \
	do {                                                                                       \
		assert_int_equal(PARSE(__VA_ARGS__), OPTIONS_REFUSED);                             \
		if (strstr(said, part) == NULL) {                                                  \
			fail_msg("\"%s\" does not name %s", said, part);                           \
		}                                                                                  \
	} while (0)

static void nonsense_is_refused_by_name(void **state)
{
	assert_refused("--kernel", "run");
	assert_refused("pintle-vmm run", "walk");
	assert_refused("--colour", "run", "--colour", "x");
	assert_refused("kernel", "run", "kernel", "x");
	assert_refused("--kernel", "run", "--kernel");
	static const char *const numbers[] = {"0", "255", "-1", "", "1x", "0x10", " 1",
		"99999999999999999999", "18446744073709551617"};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_refused("--cpus", "run", "--kernel", "k", "--cpus", numbers[i]);
	}
	assert_refused("--mem", "run", "--kernel", "k", "--mem", "15");
	assert_refused("--disk", "run", "--kernel", "k", "--disk", "");
	assert_refused("--net", "run", "--kernel", "k", "--net", "tap=");
	assert_refused("--net", "run", "--kernel", "k", "--net", "slirp");
	assert_refused("--console", "run", "--kernel", "k", "--console", "-", "--serial", "-");
	assert_refused("/no/such", "run", "--config", "/no/such");
}

static void too_many_disks_are_refused(void **state)
{
	assert_refused("--disk", "run", "--kernel", "k", "--disk", "1", "--disk", "2", "--disk",
		"3", "--disk", "4", "--disk", "5", "--disk", "6", "--disk", "7", "--disk", "8",
		"--disk", "9");
}

static void a_file_s_faults_are_named_by_line(void **state)
{
	const char *path = config("kernel = k\n\nspeed = 3\n");
	assert_refused("line 3", "run", "--config", path);
	assert_refused("speed", "run", "--config", path);
	config("kernel k\n");
	assert_refused("line 1", "run", "--config", path);
	config("kernel = k\nrng = perhaps\n");
	assert_refused("line 2: rng", "run", "--config", path);
	config("config = other\n");
	assert_refused("config", "run", "--config", path);
	unlink(path);
}

static void help_is_no_error(void **state)
{
	assert_int_equal(PARSE("help"), OPTIONS_HELP);
	assert_int_equal(PARSE("run", "--help"), OPTIONS_HELP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_kernel_is_enough),
		FAKE_TEST(every_option_is_taken),
		FAKE_TEST(a_file_says_the_same),
		FAKE_TEST(nonsense_is_refused_by_name),
		FAKE_TEST(too_many_disks_are_refused),
		FAKE_TEST(a_file_s_faults_are_named_by_line),
		FAKE_TEST(help_is_no_error),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	options_free(&options);
	return failed;
}
