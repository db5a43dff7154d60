/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/insn.c - the small instruction decoder. Pure.
 *
 * The guest may change the bytes while its CPU faults on them, so they need not be what the CPU
 * executed: nothing here relies on a well-formed instruction. Formats: SDM vol. 2, chapter 2.
 */
#include "kernel/insn.h"

#include "kernel/errno.h"

#define REX_W 0x08
#define REX_R 0x04

/* The bytes and what was learned from them so far. */
struct insn_reader {
	const uint8_t *bytes;
	size_t len;
	size_t at;
	enum insn_mode mode;
	int error; /* the first one; all that is read after it is 0 */
	bool other_operand_size, other_address_size, lock;
	uint8_t repeat; /* the last of f2 and f3; 0: none */
	uint8_t rex;    /* 0: none */
};

#define ROW_MODRM      0x001 /* the memory operand is in ModRM; else its address follows */
#define ROW_IMMEDIATE  0x002 /* of the operand's size, at most 4 bytes */
#define ROW_IMMEDIATE8 0x004
#define ROW_TWO_WAYS   0x008 /* bit 1 of the opcode: the result goes to the register */
#define ROW_GROUP1     0x010 /* ModRM.reg is bits 5:3 of the opcode that names the operation */
#define ROW_LOCK       0x020 /* F0 is allowed where memory is written (SDM vol. 2, LOCK) */
#define ROW_SIGN       0x040
#define ROW_ONLY_64    0x080
#define ROW_NOT_64     0x100
#define ROW_ARITHMETIC (ROW_MODRM | ROW_TWO_WAYS | ROW_LOCK)

/*
 * Opcodes with a memory operand (SDM vol. 2, appendix A). Bit 0 of each is its width: one byte when
 * clear.
 */
static const struct insn_row {
	uint16_t opcode; /* 0fxx: behind the escape byte */
	uint16_t mask;   /* its bits that count */
	uint8_t kind;    /* enum insn_kind */
	uint16_t flags;
	uint8_t zero;   /* bits of ModRM that are more opcode, and must be 0 */
	uint8_t source; /* bytes of memory, where the register may have more; else 0 */
} insn_rows[] = {
	{0x0000, 0xfffc, INSN_ADD, ROW_ARITHMETIC, 0, 0},
	{0x0008, 0xfffc, INSN_OR, ROW_ARITHMETIC, 0, 0},
	{0x0020, 0xfffc, INSN_AND, ROW_ARITHMETIC, 0, 0},
	{0x0028, 0xfffc, INSN_SUB, ROW_ARITHMETIC, 0, 0},
	{0x0030, 0xfffc, INSN_XOR, ROW_ARITHMETIC, 0, 0},
	{0x0038, 0xfffc, INSN_CMP, ROW_MODRM | ROW_TWO_WAYS, 0, 0},
	{0x0063, 0xffff, INSN_LOAD, ROW_MODRM | ROW_SIGN | ROW_ONLY_64, 0, 4},
	{0x0080, 0xfffe, 0, ROW_MODRM | ROW_GROUP1 | ROW_IMMEDIATE, 0, 0},
	{0x0082, 0xffff, 0, ROW_MODRM | ROW_GROUP1 | ROW_IMMEDIATE8 | ROW_NOT_64, 0, 0},
	{0x0083, 0xffff, 0, ROW_MODRM | ROW_GROUP1 | ROW_IMMEDIATE8, 0, 0},
	{0x0084, 0xfffe, INSN_TEST, ROW_MODRM, 0, 0},
	{0x0086, 0xfffe, INSN_XCHG, ROW_MODRM | ROW_LOCK, 0, 0},
	{0x0088, 0xfffe, INSN_STORE, ROW_MODRM, 0, 0},
	{0x008a, 0xfffe, INSN_LOAD, ROW_MODRM, 0, 0},
	{0x00a0, 0xfffe, INSN_LOAD, 0, 0, 0},
	{0x00a2, 0xfffe, INSN_STORE, 0, 0, 0},
	{0x00c6, 0xfffe, INSN_STORE, ROW_MODRM | ROW_IMMEDIATE, 0x38, 0},
	{0x00f6, 0xfffe, INSN_TEST, ROW_MODRM | ROW_IMMEDIATE, 0x30, 0}, /* /1 is /0 again */
	{0x0fb6, 0xffff, INSN_LOAD, ROW_MODRM, 0, 1},
	{0x0fb7, 0xffff, INSN_LOAD, ROW_MODRM, 0, 2},
	{0x0fbe, 0xffff, INSN_LOAD, ROW_MODRM | ROW_SIGN, 0, 1},
	{0x0fbf, 0xffff, INSN_LOAD, ROW_MODRM | ROW_SIGN, 0, 2},
};

static const struct insn_row *insn_row_find(unsigned opcode)
{
	for (size_t i = 0; i < ARRAY_COUNT(insn_rows); i++) {
		if ((opcode & insn_rows[i].mask) == insn_rows[i].opcode) {
			return &insn_rows[i];
		}
	}
	return NULL;
}

/* The next 0 to 8 bytes, little-endian, sign-extended. */
static uint64_t insn_take(struct insn_reader *reader, size_t count)
{
	size_t end = reader->at + count;
	if (reader->error == 0 && end > reader->len) {
		reader->error = end > INSN_MAX ? -EINVAL : -E2BIG;
	}
	if (reader->error != 0 || count == 0) {
		return 0;
	}
	uint64_t value = reader->bytes[end - 1] & 0x80 ? UINT64_MAX : 0;
	for (size_t i = end; i > reader->at; i--) {
		value = value << 8 | reader->bytes[i - 1];
	}
	reader->at = end;
	return value;
}

/* Up to the opcode: prefixes in any order and number; a REX counts only as the last one. */
static struct insn_reader insn_begin(const uint8_t *bytes, size_t len, enum insn_mode mode)
{
	struct insn_reader reader = {.bytes = bytes, .len = min_u64(len, INSN_MAX), .mode = mode};
	for (; reader.at < reader.len; reader.at++) {
		uint8_t byte = bytes[reader.at];
		if (mode == INSN_64 && (byte & 0xf0) == 0x40) {
			reader.rex = byte;
			continue;
		}
		switch (byte) {
		case 0x66:
			reader.other_operand_size = true;
			break;
		case 0x67:
			reader.other_address_size = true;
			break;
		case 0xf0:
			reader.lock = true;
			break;
		case 0xf2:
		case 0xf3:
			reader.repeat = byte;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			break; /* segments: the fault has told the address */
		default:
			return reader;
		}
		reader.rex = 0;
	}
	return reader;
}

/* ModRM, SIB and displacement of a memory operand (SDM vol. 2, 2.1.5). Returns ModRM. */
static uint8_t insn_take_modrm(struct insn_reader *reader, size_t address_size)
{
	uint8_t modrm = (uint8_t)insn_take(reader, 1);
	unsigned mod = modrm >> 6;
	unsigned base = modrm & 7;
	if (mod == 3) {
		reader->error = -EINVAL;
	}
	if (address_size != 2 && base == 4) {
		base = insn_take(reader, 1) & 7;
	}
	size_t wide = address_size == 2 ? 2 : 4;
	bool no_base = mod == 0 && base == (address_size == 2 ? 6 : 5);
	insn_take(reader, mod == 1 ? 1 : mod == 2 || no_base ? wide : 0);
	return modrm;
}

/* The operand that is not memory: the accumulator, a register or an immediate. */
static void insn_set_operand(
	struct insn *insn, struct insn_reader *reader, unsigned flags, uint8_t modrm)
{
	if (flags & (ROW_IMMEDIATE | ROW_IMMEDIATE8)) {
		size_t count = flags & ROW_IMMEDIATE8 ? 1 : min_u64(insn->size, 4);
		insn->has_immediate = true;
		insn->immediate = insn_take(reader, count) & UINT64_MAX >> (64 - 8 * insn->size);
		return;
	}
	insn->gpr = modrm >> 3 & 7;
	if (insn->register_size == 1 && reader->rex == 0 && insn->gpr >= GPR_RSP) {
		insn->gpr -= GPR_RSP;
		insn->high_byte = true;
	}
	if ((flags & ROW_MODRM) && (reader->rex & REX_R)) {
		insn->gpr += GPR_R8;
	}
}

int insn_decode(const uint8_t *bytes, size_t len, enum insn_mode mode, struct insn *insn)
{
	struct insn_reader reader = insn_begin(bytes, len, mode);
	unsigned opcode = (uint8_t)insn_take(&reader, 1);
	if (opcode == 0x0f) {
		opcode = 0x0f00 | (uint8_t)insn_take(&reader, 1);
	}
	if (reader.error != 0) {
		return reader.error;
	}
	const struct insn_row *row = insn_row_find(opcode);
	if (row == NULL || (row->flags & (mode == INSN_64 ? ROW_NOT_64 : ROW_ONLY_64))) {
		return -EINVAL;
	}
	bool is_word = (mode == INSN_16) != reader.other_operand_size;
	uint8_t operand_size = reader.rex & REX_W ? 8 : is_word ? 2 : 4;
	size_t address_size = !reader.other_address_size ? mode : mode == INSN_32 ? 2 : 4;
	uint8_t width = opcode & 1 ? operand_size : 1;
	*insn = (struct insn){
		/* 66 before MOVSXD without REX.W: Intel reads 2 bytes, AMD 4 and drops 2 */
		.size = row->source != 0 ? (uint8_t)min_u64(row->source, operand_size) : width,
		.register_size = row->source != 0 ? operand_size : width,
		.sign_extend = row->flags & ROW_SIGN,
		.to_register = (row->flags & ROW_TWO_WAYS) && (opcode & 2),
	};
	uint8_t modrm = 0;
	if (row->flags & ROW_MODRM) {
		modrm = insn_take_modrm(&reader, address_size);
	} else {
		insn_take(&reader, address_size);
	}
	const struct insn_row *named = row->flags & ROW_GROUP1 ? insn_row_find(modrm & 0x38) : row;
	if (named == NULL || (modrm & row->zero)) {
		return -EINVAL;
	}
	if (reader.lock && (!(named->flags & ROW_LOCK) || insn->to_register)) {
		return -EINVAL;
	}
	insn_set_operand(insn, &reader, row->flags, modrm);
	if (reader.error != 0) {
		return reader.error;
	}
	insn->kind = named->kind;
	insn->length = (uint8_t)reader.at;
	return 0;
}

uint8_t insn_length(const uint8_t *bytes, size_t len, enum insn_mode mode, const uint8_t *opcode,
	size_t opcode_len, bool modrm)
{
	struct insn_reader reader = insn_begin(bytes, len, mode);
	size_t i = opcode[0] == reader.repeat ? 1 : 0; /* PAUSE: its F3 is among the prefixes */
	for (; i < opcode_len; i++) {
		if ((uint8_t)insn_take(&reader, 1) != opcode[i]) {
			return 0;
		}
	}
	insn_take(&reader, modrm ? 1 : 0);
	return reader.error != 0 ? 0 : (uint8_t)reader.at;
}
