/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/insn.c - the small instruction decoder. Pure.
 *
 * The guest may change the bytes while its CPU faults on them, so they need not be what the CPU
 * executed: nothing here relies on a well-formed instruction. Formats: SDM vol. 2, chapter 2.
 */
#include "kernel/insn.h"

#define REX_W 0x08
#define REX_R 0x04

/* The bytes and what was learned from them so far. */
struct insn_reader {
	const uint8_t *bytes;
	size_t len, at;
	int error; /* the first one; all that is read after it is 0 */
	bool other_operand_size, other_address_size, lock;
	uint8_t segment, rex; /* 0: none */
};

#define ROW_MODRM     0x01 /* the memory operand is in ModRM */
#define ROW_OFFSET    0x02 /* its address follows the opcode */
#define ROW_IMMEDIATE 0x04 /* of the operand's size, at most 4 bytes; ModRM.reg is 0 */
#define ROW_EXTEND    0x08 /* one or two bytes of memory for all of the register */
#define ROW_SIGN      0x10

/* Opcodes with a memory operand (SDM vol. 2, appendix A), without bit 0, their width. */
static const struct insn_row {
	uint16_t opcode; /* 0fxx: behind the escape byte */
	uint8_t kind;    /* enum insn_kind */
	uint8_t flags;
} insn_rows[] = {{0x006c, INSN_INS, 0}, {0x006e, INSN_OUTS, 0}, {0x0088, INSN_STORE, ROW_MODRM},
	{0x008a, INSN_LOAD, ROW_MODRM}, {0x00a0, INSN_LOAD, ROW_OFFSET},
	{0x00a2, INSN_STORE, ROW_OFFSET}, {0x00c6, INSN_STORE, ROW_MODRM | ROW_IMMEDIATE},
	{0x0fb6, INSN_LOAD, ROW_MODRM | ROW_EXTEND},
	{0x0fbe, INSN_LOAD, ROW_MODRM | ROW_EXTEND | ROW_SIGN}};

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
	struct insn_reader reader = {
		.bytes = bytes, .len = min_u64(len, INSN_MAX), .segment = SEG_DS};
	for (; reader.at < reader.len; reader.at++) {
		uint8_t byte = bytes[reader.at];
		bool is_rex = mode == INSN_64 && (byte & 0xf0) == 0x40;
		bool is_other = byte == 0x66 || byte == 0x67 || byte == 0xf0 ||
			(byte & 0xfe) == 0xf2; /* REP: the exit has told of it */
		if ((byte & 0xfe) == 0x64) {   /* FS, GS */
			reader.segment = byte & 7;
		} else if ((byte & 0xe7) == 0x26) { /* ES, CS, SS, DS */
			reader.segment = mode == INSN_64 ? reader.segment : byte >> 3 & 3;
		} else if (!is_rex && !is_other) {
			break;
		}
		reader.other_operand_size |= byte == 0x66;
		reader.other_address_size |= byte == 0x67;
		reader.lock |= byte == 0xf0;
		reader.rex = is_rex ? byte : 0;
	}
	return reader;
}

/* ModRM, SIB and displacement of a memory operand (SDM vol. 2, 2.1.5). Returns ModRM. */
static uint8_t insn_take_modrm(struct insn_reader *reader, size_t address_size)
{
	uint8_t modrm = (uint8_t)insn_take(reader, 1);
	unsigned mod = modrm >> 6, base = modrm & 7;
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
	if (flags & ROW_IMMEDIATE) {
		insn->has_immediate = true;
		insn->immediate = insn_take(reader, min_u64(insn->size, 4)) &
			UINT64_MAX >> (64 - 8 * insn->size);
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
	const struct insn_row *row = insn_rows, *end = row + ARRAY_COUNT(insn_rows);
	while (row != end && row->opcode != (opcode & ~1u)) {
		row++;
	}
	if (reader.error != 0 || row == end || reader.lock) {
		return reader.error != 0 ? reader.error : -EINVAL;
	}
	bool is_word = (mode == INSN_16) != reader.other_operand_size;
	bool extends = row->flags & ROW_EXTEND;
	uint8_t operand_size = reader.rex & REX_W ? 8 : is_word ? 2 : 4;
	uint8_t register_size = extends || (opcode & 1) ? operand_size : 1;
	uint8_t other_size = mode == INSN_32 ? 2 : 4;
	*insn = (struct insn){
		.kind = row->kind,
		.size = extends ? (uint8_t)(1 + (opcode & 1)) : register_size,
		.register_size = register_size,
		.address_size = reader.other_address_size ? other_size : (uint8_t)mode,
		.segment = reader.segment,
		.sign_extend = row->flags & ROW_SIGN,
	};
	uint8_t modrm = 0;
	if (row->flags & ROW_MODRM) {
		modrm = insn_take_modrm(&reader, insn->address_size);
	} else if (row->flags & ROW_OFFSET) {
		insn_take(&reader, insn->address_size);
	}
	if ((row->flags & ROW_IMMEDIATE) && (modrm & 0x38)) {
		return -EINVAL;
	}
	insn_set_operand(insn, &reader, row->flags, modrm);
	insn->length = (uint8_t)reader.at;
	return reader.error;
}

uint8_t insn_length(const uint8_t *bytes, size_t len, enum insn_mode mode, const uint8_t *opcode,
	size_t opcode_len, bool modrm)
{
	struct insn_reader reader = insn_begin(bytes, len, mode);
	for (size_t i = 0; i < opcode_len; i++) {
		if ((uint8_t)insn_take(&reader, 1) != opcode[i]) {
			return 0;
		}
	}
	insn_take(&reader, modrm ? 1 : 0);
	return reader.error != 0 ? 0 : (uint8_t)reader.at;
}
