/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_insn_capstone.c - the instruction decoder, with Capstone as the oracle.
 * Links: kernel/insn.c
 * Libs: -lcapstone
 */
#include "tests/unit/fake.h"

#include <capstone/capstone.h>

#include "kernel/errno.h"
#include "kernel/insn.h"

static const enum insn_mode modes[] = {INSN_16, INSN_32, INSN_64};
static csh oracle[INSN_64 + 1];
static cs_insn *oracle_insn;

static int oracle_open(void **state)
{
	(void)state;
	static const cs_mode cs_modes[] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
	for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
		assert_int_equal(cs_open(CS_ARCH_X86, cs_modes[i], &oracle[modes[i]]), CS_ERR_OK);
		cs_option(oracle[modes[i]], CS_OPT_DETAIL, CS_OPT_ON);
	}
	oracle_insn = cs_malloc(oracle[INSN_64]);
	return 0;
}

static int oracle_close(void **state)
{
	(void)state;
	cs_free(oracle_insn, 1);
	for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
		cs_close(&oracle[modes[i]]);
	}
	return 0;
}

#define R(x) X86_REG_##x
static const x86_reg names[][GPR_COUNT + 4] = {
	{R(AL), R(CL), R(DL), R(BL), R(SPL), R(BPL), R(SIL), R(DIL), R(R8B), R(R9B), R(R10B),
		R(R11B), R(R12B), R(R13B), R(R14B), R(R15B), R(AH), R(CH), R(DH), R(BH)},
	{R(AX), R(CX), R(DX), R(BX), R(SP), R(BP), R(SI), R(DI), R(R8W), R(R9W), R(R10W), R(R11W),
		R(R12W), R(R13W), R(R14W), R(R15W)},
	{R(EAX), R(ECX), R(EDX), R(EBX), R(ESP), R(EBP), R(ESI), R(EDI), R(R8D), R(R9D), R(R10D),
		R(R11D), R(R12D), R(R13D), R(R14D), R(R15D)},
	{R(RAX), R(RCX), R(RDX), R(RBX), R(RSP), R(RBP), R(RSI), R(RDI), R(R8), R(R9), R(R10),
		R(R11), R(R12), R(R13), R(R14), R(R15)},
};

static bool oracle_register(x86_reg name, struct insn *insn)
{
	for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
		for (unsigned j = 0; j < ARRAY_COUNT(names[0]); j++) {
			if (names[i][j] == name) {
				insn->register_size = (uint8_t)(1u << i);
				insn->high_byte = j >= GPR_COUNT;
				insn->gpr = (uint8_t)(j % GPR_COUNT);
				return true;
			}
		}
	}
	return false; /* a segment register, for one */
}

static const struct {
	unsigned id;
	enum insn_kind kind;
} oracle_kinds[] = {
	{X86_INS_MOV, INSN_LOAD},
	{X86_INS_MOVABS, INSN_LOAD},
	{X86_INS_MOVZX, INSN_LOAD},
	{X86_INS_MOVSX, INSN_LOAD},
	{X86_INS_INSB, INSN_INS},
	{X86_INS_INSW, INSN_INS},
	{X86_INS_INSD, INSN_INS},
	{X86_INS_OUTSB, INSN_OUTS},
	{X86_INS_OUTSW, INSN_OUTS},
	{X86_INS_OUTSD, INSN_OUTS},
};

static uint8_t oracle_segment(x86_reg name)
{
	static const x86_reg segments[] = {R(ES), R(CS), R(SS), R(DS), R(FS), R(GS)};
	for (uint8_t i = 0; i < ARRAY_COUNT(segments); i++) {
		if (segments[i] == name) {
			return i;
		}
	}
	return SEG_DS;
}

/* Is what Capstone found one of the decoder's kinds, with a memory operand? Then in *insn. */
static bool oracle_translate(struct insn *insn)
{
	const cs_x86 *x86 = &oracle_insn->detail->x86;
	size_t i = 0;
	while (i < ARRAY_COUNT(oracle_kinds) && oracle_kinds[i].id != oracle_insn->id) {
		i++;
	}
	if (i == ARRAY_COUNT(oracle_kinds) || x86->op_count != 2) {
		return false;
	}
	unsigned at = x86->operands[1].type == X86_OP_MEM ? 1 : 0;
	const cs_x86_op *memory = &x86->operands[at];
	const cs_x86_op *other = &x86->operands[1 - at];
	bool into_memory = at == 0;
	*insn = (struct insn){
		.kind = oracle_kinds[i].kind,
		.length = (uint8_t)oracle_insn->size,
		.size = memory->size,
		.register_size = memory->size,
		.sign_extend = oracle_insn->id == X86_INS_MOVSX,
		.has_immediate = other->type == X86_OP_IMM,
		.address_size = x86->addr_size,
		.segment = oracle_segment(memory->mem.segment),
	};
	if (insn->kind >= INSN_INS) {
		return true;
	}
	if (insn->kind == INSN_LOAD && into_memory) {
		insn->kind = INSN_STORE;
	}
	if (insn->has_immediate) {
		insn->immediate = (uint64_t)other->imm & UINT64_MAX >> (64 - 8 * insn->size);
	}
	bool known = insn->has_immediate || oracle_register(other->reg, insn);
	return memory->type == X86_OP_MEM && known;
}

/* Of string I/O the exit tells the size, and INS has but one segment. */
static bool insn_equal(const struct insn *a, const struct insn *b)
{
	if (a->kind == b->kind && a->kind >= INSN_INS) {
		return a->length == b->length && a->address_size == b->address_size &&
			(a->kind == INSN_INS || a->segment == b->segment);
	}
	return a->kind == b->kind && a->length == b->length && a->size == b->size &&
		a->register_size == b->register_size && a->sign_extend == b->sign_extend &&
		a->has_immediate == b->has_immediate && a->high_byte == b->high_byte &&
		a->gpr == b->gpr && a->immediate == b->immediate;
}

/*
 * F2 and F3 mean nothing to the decoder's instructions, but 66 beside them leads Capstone to wrong
 * sizes: it sees another prefix without a meaning.
 */
static void hide_repeat(uint8_t *bytes, enum insn_mode mode)
{
	static const uint8_t prefixes[] = {
		0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
	for (size_t i = 0; i < INSN_MAX; i++) {
		bool rex = mode == INSN_64 && (bytes[i] & 0xf0) == 0x40;
		if (!rex && memchr(prefixes, bytes[i], sizeof(prefixes)) == NULL) {
			return;
		}
		if (bytes[i] == 0xf2 || bytes[i] == 0xf3) {
			bytes[i] = 0x3e;
		}
	}
}

static void print_text(
	const char *who, const uint8_t *bytes, enum insn_mode mode, const struct insn *insn)
{
	print_error("%u-byte mode, ", mode);
	for (size_t i = 0; i < INSN_MAX; i++) {
		print_error("%02x ", bytes[i]);
	}
	if (insn == NULL) {
		print_error("%s: not known\n", who);
		return;
	}
	print_error("%s: length %u, kind %u, %u bytes, r%u:%u, immediate 0x%lx%s%s%s\n", who,
		insn->length, insn->kind, insn->size, insn->gpr, insn->register_size,
		insn->immediate, insn->has_immediate ? "" : " (none)",
		insn->high_byte ? ", high byte" : "", insn->sign_extend ? ", signed" : "");
}

/* Decode the 15 bytes both ways, and cut. Returns 1 when both know them. */
static size_t agree(const uint8_t *bytes, enum insn_mode mode)
{
	struct insn got, want, cut;
	uint8_t shown[INSN_MAX];
	memcpy(shown, bytes, INSN_MAX);
	hide_repeat(shown, mode);
	const uint8_t *at = shown;
	size_t len = INSN_MAX;
	uint64_t address = 0;
	bool known = cs_disasm_iter(oracle[mode], &at, &len, &address, oracle_insn) &&
		oracle_translate(&want);
	int err = insn_decode(bytes, INSN_MAX, mode, &got);
	if (!known && err == -EINVAL) {
		return 0;
	}
	if (memcmp(shown, bytes, INSN_MAX) != 0 || (mode == INSN_64 && want.segment < SEG_FS)) {
		/* What hides a repeat is a segment; Capstone shows those that 64-bit mode ignores.
		 */
		want.segment = got.segment;
	}
	if (known && err == 0 && insn_equal(&got, &want)) {
		assert_int_equal(insn_decode(bytes, want.length, mode, &cut), 0);
		assert_true(insn_equal(&got, &cut));
		assert_int_equal(insn_decode(bytes, want.length - 1u, mode, &cut), -E2BIG);
		return 1;
	}
	print_text("decoder ", bytes, mode, err == 0 ? &got : NULL);
	print_text("capstone", bytes, mode, known ? &want : NULL);
	print_error("capstone: %s %s\n", oracle_insn->mnemonic, oracle_insn->op_str);
	fail();
	return 0;
}

/* The same bytes in every run (xorshift). */
static void random_fill(uint8_t *bytes, size_t len)
{
	static uint64_t seed = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		bytes[i] = (uint8_t)(seed >> 32);
	}
}

/* The number'th string of up to three prefixes, then random bytes. Returns its length. */
static const uint8_t some_prefixes[] = {0x66, 0x67, 0xf0, 0xf3, 0x2e, 0x40, 0x44, 0x48, 0x4f};
#define PREFIX_CHOICES (ARRAY_COUNT(some_prefixes) + 1) /* or none */
#define PREFIX_STRINGS (PREFIX_CHOICES * PREFIX_CHOICES * PREFIX_CHOICES)
static size_t put_prefixes(uint8_t *bytes, size_t number)
{
	size_t at = 0;
	random_fill(bytes, INSN_MAX);
	for (; number != 0; number /= PREFIX_CHOICES) {
		if (number % PREFIX_CHOICES != 0) {
			bytes[at++] = some_prefixes[number % PREFIX_CHOICES - 1];
		}
	}
	return at;
}

/* Opcodes 0 to 0xff, then those behind the escape byte. Returns their length. */
static size_t put_opcode(uint8_t *bytes, unsigned number)
{
	bytes[0] = 0x0f;
	bytes[number >> 8] = (uint8_t)number;
	return (number >> 8) + 1;
}

static void capstone_agrees_on_every_opcode_and_modrm(void **state)
{
	(void)state;
	size_t known = 0;
	for (unsigned i = 0; i < 512 * 256 * ARRAY_COUNT(modes); i++) {
		uint8_t bytes[INSN_MAX];
		random_fill(bytes, sizeof(bytes));
		bytes[put_opcode(bytes, i >> 8 & 511)] = (uint8_t)i;
		known += agree(bytes, modes[i >> 17]);
	}
	assert_in_range(known, 11000, 14000);
}

static void capstone_agrees_on_every_opcode_and_prefix(void **state)
{
	(void)state;
	size_t known = 0;
	for (unsigned i = 0; i < 512 * ARRAY_COUNT(modes); i++) {
		for (size_t prefixes = 0; prefixes < PREFIX_STRINGS; prefixes++) {
			uint8_t bytes[INSN_MAX];
			size_t at = put_prefixes(bytes, prefixes);
			put_opcode(bytes + at, i % 512);
			known += agree(bytes, modes[i / 512]);
		}
	}
	assert_in_range(known, 14000, 16000);
}

static void capstone_agrees_on_random_bytes(void **state)
{
	(void)state;
	size_t known = 0;
	for (size_t i = 0; i < 300000; i++) {
		uint8_t bytes[INSN_MAX];
		random_fill(bytes, sizeof(bytes));
		known += agree(bytes, modes[i % ARRAY_COUNT(modes)]);
	}
	assert_in_range(known, 12000, 16000);
}

static const struct {
	uint8_t opcode[3];
	uint8_t len;
	unsigned id;
} named[] = {
	{{0xf4}, 1, X86_INS_HLT},
	{{0x0f, 0x01, 0xc1}, 3, X86_INS_VMCALL},
	{{0x0f, 0x01, 0xc8}, 3, X86_INS_MONITOR},
	{{0x0f, 0x01, 0xc9}, 3, X86_INS_MWAIT},
	{{0x0f, 0x01, 0xd1}, 3, X86_INS_XSETBV},
	{{0x0f, 0x01, 0xd9}, 3, X86_INS_VMMCALL},
	{{0x0f, 0x01, 0xf9}, 3, X86_INS_RDTSCP},
	{{0x0f, 0x06}, 2, X86_INS_CLTS},
	{{0x0f, 0x08}, 2, X86_INS_INVD},
	{{0x0f, 0x09}, 2, X86_INS_WBINVD},
	{{0x0f, 0x30}, 2, X86_INS_WRMSR},
	{{0x0f, 0x31}, 2, X86_INS_RDTSC},
	{{0x0f, 0x32}, 2, X86_INS_RDMSR},
	{{0x0f, 0x33}, 2, X86_INS_RDPMC},
	{{0x0f, 0xa2}, 2, X86_INS_CPUID},
};

static void agree_on_length(size_t i, size_t prefixes, enum insn_mode mode)
{
	uint8_t bytes[INSN_MAX];
	size_t at = put_prefixes(bytes, prefixes);
	if (memchr(bytes, 0xf0, at) != NULL) {
		return; /* these are undefined with LOCK and do not exit */
	}
	memcpy(bytes + at, named[i].opcode, named[i].len);
	const uint8_t *next = bytes;
	size_t len = sizeof(bytes);
	uint64_t address = 0;
	bool known = cs_disasm_iter(oracle[mode], &next, &len, &address, oracle_insn) &&
		oracle_insn->id == named[i].id;
	uint8_t length =
		insn_length(bytes, sizeof(bytes), mode, named[i].opcode, named[i].len, false);
	if (length != (known ? oracle_insn->size : 0)) {
		struct insn got = {.length = length};
		print_text("decoder", bytes, mode, &got);
		fail_msg("capstone: %s, length %u", oracle_insn->mnemonic, oracle_insn->size);
	}
}

static void capstone_agrees_on_lengths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(named); i++) {
		for (size_t prefixes = 0; prefixes < PREFIX_STRINGS; prefixes++) {
			for (size_t j = 0; j < ARRAY_COUNT(modes); j++) {
				agree_on_length(i, prefixes, modes[j]);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(capstone_agrees_on_every_opcode_and_modrm),
		FAKE_TEST(capstone_agrees_on_every_opcode_and_prefix),
		FAKE_TEST(capstone_agrees_on_random_bytes),
		FAKE_TEST(capstone_agrees_on_lengths),
	};
	return cmocka_run_group_tests(tests, oracle_open, oracle_close);
}
