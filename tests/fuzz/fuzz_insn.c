/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/fuzz/fuzz_insn.c - any bytes as an instruction; the first one chooses the mode.
 * Links: kernel/insn.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static bool is_size(uint8_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static void check_insn(const struct insn *insn)
{
	check(insn->length >= 1 && insn->length <= INSN_MAX);
	check(is_size(insn->size) && is_size(insn->register_size));
	check(insn->register_size >= insn->size);
	check(insn->kind == INSN_LOAD || insn->register_size == insn->size);
	check(insn->kind == INSN_LOAD || !insn->sign_extend);
	check(insn->kind <= INSN_OUTS && insn->gpr < GPR_COUNT);
	check(insn->segment <= SEG_GS && is_size(insn->address_size) && insn->address_size > 1);
	check(!insn->high_byte || (insn->register_size == 1 && insn->gpr <= GPR_RBX));
	check(insn->has_immediate || insn->immediate == 0);
	check(insn->size == 8 || insn->immediate >> 8 * insn->size == 0);
}

/* More bytes never change an answer, and none is needed twice. */
static void check_decode(const uint8_t *bytes, size_t size, enum insn_mode mode)
{
	int before = -E2BIG;
	size_t length = 0;
	for (size_t len = 0; len <= size; len++) {
		struct insn insn;
		uint8_t *tight = malloc(len);
		memcpy(tight, bytes, len);
		int err = insn_decode(tight, len, mode, &insn);
		free(tight);
		check(err == 0 || err == -EINVAL || (err == -E2BIG && len < INSN_MAX));
		check(before == -E2BIG || err == before);
		if (err == 0) {
			check_insn(&insn);
			length = before == 0 ? length : len;
			check(insn.length == length);
		}
		before = err;
	}
}

static void check_length(const uint8_t *bytes, size_t size, enum insn_mode mode)
{
	static const uint8_t opcodes[][3] = {
		{0x0f, 0xa2}, {0x0f, 0x20}, {0x0f, 0x01, 0xd9}, {0xf4}};
	static const uint8_t lens[] = {2, 2, 3, 1};
	uint8_t *tight = malloc(size);
	memcpy(tight, bytes, size);
	for (size_t i = 0; i < ARRAY_COUNT(opcodes); i++) {
		bool modrm = opcodes[i][1] == 0x20;
		size_t least = lens[i] + (modrm ? 1u : 0u);
		uint8_t length = insn_length(tight, size, mode, opcodes[i], lens[i], modrm);
		check(length == 0 || (length >= least && length <= min_u64(size, INSN_MAX)));
	}
	free(tight);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum insn_mode modes[] = {INSN_16, INSN_32, INSN_64};
	if (size == 0) {
		return 0;
	}
	enum insn_mode mode = modes[data[0] % ARRAY_COUNT(modes)];
	size = min_u64(size - 1, INSN_MAX + 5);
	check_decode(data + 1, size, mode);
	check_length(data + 1, size, mode);
	return 0;
}
