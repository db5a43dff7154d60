/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_stage2.c - changes of stage-2 tables beside the model of stage2_world.h.
 *
 * Links: kernel/stage2.c tests/unit/stage2_world.c
 *
 * Input: a byte whose bit 0 chooses the format and bit 1 whether there are 1 GiB pages, then
 * changes of WORLD_STEP bytes.
 */
#include "tests/unit/fake.h"
#include "tests/unit/stage2_world.h"

#define STEPS_MAX 24u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	world_begin(data[0] & 1 ? &world_npt : &world_ept, data[0] & 2);
	for (size_t at = 1, steps = 0; at + WORLD_STEP <= size && steps < STEPS_MAX;
		at += WORLD_STEP, steps++) {
		world_step(data + at);
		fake_log_clear();
	}
	world_check();
	world_end();
	return 0;
}
