/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake.h - what pure modules reach for outside themselves, replaced for the host: log,
 * panic, locks. Include this instead of cmocka.h.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All that was logged since fake_log_clear(), each line as "level: text\n", cut at 64 KiB. */
extern char fake_log[];
void fake_log_clear(void);

/* Run `statement`, which must end in panic(); fake_panic_text then holds its message. */
extern jmp_buf fake_panic_jump;
extern bool fake_panic_expected;
extern char fake_panic_text[256];
#define expect_panic(statement)                                                                    \
	do {                                                                                       \
		fake_panic_expected = true;                                                        \
		if (setjmp(fake_panic_jump) == 0) {                                                \
			statement;                                                                 \
			fake_panic_expected = false;                                               \
			fail_msg("no panic in: %s", #statement);                                   \
		}                                                                                  \
		fake_panic_expected = false;                                                       \
		fake_locks_forget();                                                               \
	} while (0)

/* Locks held now; a test that ends with locks held fails in fake_teardown(). */
extern int fake_locks_held;
void fake_locks_forget(void);

/* For cmocka_unit_test_setup_teardown: clears the log before, checks after that no lock is left
 * held. */
int fake_setup(void **state);
int fake_teardown(void **state);
#define FAKE_TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
