/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_insn.c - the instruction decoder, form by form.
 * Links: kernel/insn.c
 */
#include "tests/unit/fake.h"

#include "kernel/errno.h"
#include "kernel/insn.h"

struct code {
	uint8_t bytes[32];
	size_t len;
};

/* From hexadecimal digits with spaces. */
static struct code code_from(const char *text)
{
	struct code code = {.len = 0};
	for (int used; sscanf(text, " %2hhx%n", &code.bytes[code.len], &used) == 1; text += used) {
		code.len++;
		assert_true(code.len < sizeof(code.bytes));
	}
	return code;
}

/* The kind, the access's size, the other operand with its size, what is special. */
static const char *insn_text(const struct insn *insn)
{
	static const char *const kinds[] = {"load", "store", "ins", "outs"};
	static char text[128];
	char operand[32];
	snprintf(operand, sizeof(operand), "r%u%s:%u", insn->gpr, insn->high_byte ? "h" : "",
		insn->register_size);
	if (insn->has_immediate) {
		snprintf(operand, sizeof(operand), "0x%lx", insn->immediate);
	}
	if (insn->kind >= INSN_INS) {
		snprintf(operand, sizeof(operand), "a%u s%u", insn->address_size, insn->segment);
	}
	snprintf(text, sizeof(text), "%s %u %s%s", kinds[insn->kind], insn->size, operand,
		insn->sign_extend ? " signed" : "");
	return text;
}

/* Decode from an allocation without a spare byte, so that an over-read is seen. */
static int decode_tight(const uint8_t *bytes, size_t len, enum insn_mode mode, struct insn *insn)
{
	uint8_t *tight = malloc(len);
	memcpy(tight, bytes, len);
	memset(insn, 0xaa, sizeof(*insn));
	int err = insn_decode(tight, len, mode, insn);
	free(tight);
	return err;
}

/* Every form, with what is special about it. */
static const struct {
	enum insn_mode mode;
	const char *code;
	const char *want;
} forms[] = {
	/* the forms, in the three modes' own sizes */
	{INSN_64, "88 01", "store 1 r0:1"},
	{INSN_64, "89 01", "store 4 r0:4"},
	{INSN_64, "8a 11", "load 1 r2:1"},
	{INSN_64, "8b 11", "load 4 r2:4"},
	{INSN_32, "8b 11", "load 4 r2:4"},
	{INSN_16, "8b 11", "load 2 r2:2"},
	{INSN_64, "c6 00 85", "store 1 0x85"},
	{INSN_64, "c7 00 78 56 34 92", "store 4 0x92345678"},
	{INSN_16, "c7 07 34 92", "store 2 0x9234"},
	{INSN_64, "0f b6 08", "load 1 r1:4"},
	{INSN_64, "0f b7 08", "load 2 r1:4"},
	{INSN_64, "0f be 08", "load 1 r1:4 signed"},
	{INSN_64, "0f bf 08", "load 2 r1:4 signed"},
	{INSN_64, "48 0f bf 08", "load 2 r1:8 signed"},
	{INSN_64, "66 0f b6 08", "load 1 r1:2"},
	{INSN_16, "0f b6 0f", "load 1 r1:2"},
	/* string I/O: the size of an address and the segment */
	{INSN_64, "6c", "ins 1 a8 s3"},
	{INSN_32, "6d", "ins 4 a4 s3"},
	{INSN_16, "6d", "ins 2 a2 s3"},
	{INSN_64, "f3 66 6d", "ins 2 a8 s3"},
	{INSN_64, "67 f2 6e", "outs 1 a4 s3"},
	{INSN_32, "67 6f", "outs 4 a2 s3"},
	{INSN_16, "67 66 f3 6f", "outs 4 a4 s3"},
	{INSN_16, "26 6e", "outs 1 a2 s0"},
	{INSN_16, "2e 6e", "outs 1 a2 s1"},
	{INSN_16, "36 6e", "outs 1 a2 s2"},
	{INSN_16, "3e 6e", "outs 1 a2 s3"},
	{INSN_64, "36 64 6e", "outs 1 a8 s4"},
	{INSN_64, "64 65 6e", "outs 1 a8 s5"},
	/* offsets without ModRM */
	{INSN_64, "a0 01 02 03 04 05 06 07 08", "load 1 r0:1"},
	{INSN_64, "4f a1 01 02 03 04 05 06 07 08", "load 8 r0:8"},
	{INSN_64, "67 a2 01 02 03 04", "store 1 r0:1"},
	{INSN_32, "a3 01 02 03 04", "store 4 r0:4"},
	{INSN_32, "67 a3 01 02", "store 4 r0:4"},
	{INSN_16, "a1 01 02", "load 2 r0:2"},
	{INSN_16, "67 a1 01 02 03 04", "load 2 r0:2"},
	/* sizes */
	{INSN_64, "66 8b 11", "load 2 r2:2"},
	{INSN_32, "66 8b 11", "load 2 r2:2"},
	{INSN_16, "66 8b 11", "load 4 r2:4"},
	{INSN_64, "48 8b 11", "load 8 r2:8"},
	{INSN_64, "66 48 8b 11", "load 8 r2:8"},
	{INSN_64, "48 c7 00 00 00 00 80", "store 8 0xffffffff80000000"},
	{INSN_64, "66 c7 00 01 80", "store 2 0x8001"},
	/* REX: its registers, and that it counts only as the last prefix */
	{INSN_64, "4c 89 01", "store 8 r8:8"},
	{INSN_64, "44 8a 39", "load 1 r15:1"},
	{INSN_64, "48 66 89 01", "store 2 r0:2"},
	{INSN_64, "4c 40 89 01", "store 4 r0:4"},
	{INSN_64, "88 21", "store 1 r0h:1"},
	{INSN_64, "8a 39", "load 1 r3h:1"},
	{INSN_32, "88 31", "store 1 r2h:1"},
	{INSN_64, "40 88 21", "store 1 r4:1"},
	{INSN_64, "44 88 21", "store 1 r12:1"},
	{INSN_64, "40 2e 88 21", "store 1 r0h:1"},
	{INSN_64, "0f b6 21", "load 1 r4:4"},
	/* the other prefixes */
	{INSN_64, "26 2e 36 3e 64 65 8b 11", "load 4 r2:4"},
	{INSN_64, "66 66 67 67 f2 f3 8b 11", "load 2 r2:2"},
	{INSN_64, "f3 0f be 08", "load 1 r1:4 signed"},
	/* addresses: no base, displacements, SIB, RIP */
	{INSN_64, "8b 05 01 02 03 04", "load 4 r0:4"},
	{INSN_64, "8b 41 10", "load 4 r0:4"},
	{INSN_64, "8b 81 01 02 03 04", "load 4 r0:4"},
	{INSN_64, "8b 04 18", "load 4 r0:4"},
	{INSN_64, "8b 04 25 01 02 03 04", "load 4 r0:4"},
	{INSN_64, "8b 44 25 10", "load 4 r0:4"},
	{INSN_64, "8b 84 25 01 02 03 04", "load 4 r0:4"},
	{INSN_64, "67 8b 05 01 02 03 04", "load 4 r0:4"},
	{INSN_16, "8b 04", "load 2 r0:2"},
	{INSN_16, "8b 05", "load 2 r0:2"},
	{INSN_16, "8b 06 01 02", "load 2 r0:2"},
	{INSN_16, "8b 46 10", "load 2 r0:2"},
	{INSN_16, "8b 86 01 02", "load 2 r0:2"},
	{INSN_32, "67 8b 06 01 02", "load 4 r0:4"},
	{INSN_16, "67 8b 04 25 01 02 03 04", "load 2 r0:2"},
	/* a displacement and an immediate; the longest there is */
	{INSN_64, "c7 80 00 03 00 00 fb 08 0c 00", "store 4 0xc08fb"},
	{INSN_64, "65 65 65 65 65 c7 80 00 03 00 00 01 02 03 04", "store 4 0x4030201"},
};

static void every_form_is_decoded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
		struct code code = code_from(forms[i].code);
		struct insn insn;
		if (decode_tight(code.bytes, code.len, forms[i].mode, &insn) != 0 ||
			insn.length != code.len || strcmp(insn_text(&insn), forms[i].want) != 0) {
			fail_msg("%u-byte mode, %s: %s", forms[i].mode, forms[i].code,
				insn_text(&insn));
		}
	}
}

static void a_form_cut_short_needs_more_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
		struct code code = code_from(forms[i].code);
		for (size_t len = 0; len < code.len; len++) {
			struct insn insn;
			assert_int_equal(
				decode_tight(code.bytes, len, forms[i].mode, &insn), -E2BIG);
		}
	}
}

static void what_is_not_known_is_refused(void **state)
{
	(void)state;
	static const struct {
		enum insn_mode mode;
		const char *code;
	} refused[] = {
		{INSN_64, "89 c1"}, /* registers only */
		{INSN_64, "0f b6 c1"},
		{INSN_64, "01 18"}, /* arithmetic, XCHG, MOVSXD */
		{INSN_64, "83 20 01"},
		{INSN_64, "f6 00 80"},
		{INSN_64, "87 18"},
		{INSN_64, "48 63 08"},
		{INSN_32, "48 89 01"},
		{INSN_64, "c7 08 01 02 03 04"}, /* the group's other members */
		{INSN_64, "c6 38 01"},
		{INSN_64, "a4"}, /* MOVS, STOS, LODS */
		{INSN_64, "f3 a5"},
		{INSN_64, "ab"},
		{INSN_64, "ad"},
		{INSN_64, "8c 00"}, /* segment registers */
		{INSN_64, "8e 00"},
		{INSN_64, "8f 00"},    /* POP, XOP */
		{INSN_64, "0f b1 08"}, /* CMPXCHG, XADD, BTS, MOVNTI, MOVAPS */
		{INSN_64, "0f c1 08"},
		{INSN_64, "0f ab 08"},
		{INSN_64, "0f c3 08"},
		{INSN_64, "0f 28 00"},
		{INSN_64, "0f 38 f0 00"}, /* MOVBE */
		{INSN_64, "c5 f9 6f 00"}, /* VEX, EVEX */
		{INSN_64, "62 f1 7c 48 10 00"},
		{INSN_64, "f0 89 01"}, /* LOCK, where it is not legal */
		{INSN_64, "f0 8b 01"},
		{INSN_64, "f0 c7 00 01 02 03 04"},
		{INSN_64, "f0 a3 01 02 03 04 05 06 07 08"},
		{INSN_64, "f0 0f b6 00"},
		/* more than 15 bytes */
		{INSN_64, "65 65 65 65 65 65 c7 80 00 03 00 00 01 02 03 04"},
		{INSN_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 89 01"},
		{INSN_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 89 01"},
		{INSN_64, "66 66 66 66 66 66 66 a1"},
	};
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct code code = code_from(refused[i].code);
		struct insn insn;
		int err = decode_tight(code.bytes, code.len, refused[i].mode, &insn);
		if (err != -EINVAL) {
			fail_msg("%s: %d", refused[i].code, err);
		}
	}
}

static uint8_t length_tight(
	const char *text, enum insn_mode mode, const char *opcode_text, bool modrm)
{
	struct code code = code_from(text);
	struct code opcode = code_from(opcode_text);
	uint8_t *tight = malloc(code.len);
	memcpy(tight, code.bytes, code.len);
	uint8_t length = insn_length(tight, code.len, mode, opcode.bytes, opcode.len, modrm);
	free(tight);
	return length;
}

static void a_length_counts_prefixes_and_needs_the_opcode(void **state)
{
	(void)state;
	static const struct {
		enum insn_mode mode;
		const char *code, *opcode;
		bool modrm;
		uint8_t length;
	} lengths[] = {
		{INSN_64, "0f a2 ff", "0f a2", false, 2},
		{INSN_64, "66 f3 48 0f a2", "0f a2", false, 5},
		{INSN_64, "48 66 0f a2", "0f a2", false, 4},
		{INSN_32, "48 0f a2", "0f a2", false, 0},
		{INSN_16, "f4", "f4", false, 1},
		{INSN_64, "0f 01 d9", "0f 01 d9", false, 3},
		{INSN_64, "0f 01 d9", "0f 01 d8", false, 0},
		{INSN_64, "0f 20 c0", "0f 20", true, 3},
		{INSN_64, "44 0f 22 c7", "0f 22", true, 4},
		{INSN_32, "f0 0f 20 00", "0f 20", true, 4},
		/* cut short, or too long */
		{INSN_64, "", "f4", false, 0},
		{INSN_64, "66", "f4", false, 0},
		{INSN_64, "0f", "0f a2", false, 0},
		{INSN_64, "0f 20", "0f 20", true, 0},
		{INSN_64, "0f", "0f 00", false, 0},
		{INSN_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 0f a2", "0f a2", false, 15},
		{INSN_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 0f a2", "0f a2", false, 0},
		{INSN_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 0f 20 c0", "0f 20", true, 0},
	};
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		uint8_t length = length_tight(
			lengths[i].code, lengths[i].mode, lengths[i].opcode, lengths[i].modrm);
		if (length != lengths[i].length) {
			fail_msg("%s: %u", lengths[i].code, length);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(every_form_is_decoded),
		FAKE_TEST(a_form_cut_short_needs_more_bytes),
		FAKE_TEST(what_is_not_known_is_refused),
		FAKE_TEST(a_length_counts_prefixes_and_needs_the_opcode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
