/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/insn.h - the small instruction decoder: what touches a device register, and how long an
 * instruction is that exited without a length. Pure.
 *
 * Knows, with every prefix that is legal on them: MOV (88-8b, a0-a3, c6, c7), MOVZX, MOVSX, MOVSXD;
 * OR, AND, XOR, ADD, SUB, CMP, TEST and XCHG with a memory operand. Refuses everything else, string
 * instructions too.
 */
#pragma once

#include "kernel/backend.h"
#include "kernel/types.h"

#define INSN_MAX 15u /* bytes (SDM vol. 2, 2.3.11) */

/* Default operand and address size of the code segment; in bytes, the address's. */
enum insn_mode {
	INSN_16 = 2,
	INSN_32 = 4,
	INSN_64 = 8
};

enum insn_kind {
	INSN_LOAD,  /* register = memory */
	INSN_STORE, /* memory = register or immediate */
	INSN_AND,   /* these: memory with register or immediate, either way */
	INSN_OR,
	INSN_XOR,
	INSN_ADD,
	INSN_SUB,
	INSN_CMP,
	INSN_TEST,
	INSN_XCHG,
};

struct insn {
	enum insn_kind kind;
	uint8_t length;        /* bytes */
	uint8_t size;          /* of the memory access: 1, 2, 4, 8 */
	uint8_t register_size; /* of the register operand: 1, 2, 4, 8; 4 clears the upper half */
	bool sign_extend;      /* a load fills its register's further bytes with the sign */
	bool to_register; /* arithmetic: register = register op memory; CMP compares that way */
	bool has_immediate;
	bool high_byte;     /* the register is AH, CH, DH or BH: bits 15:8 of gpr */
	uint8_t gpr;        /* enum gpr, when there is no immediate */
	uint64_t immediate; /* sign-extended to `size` bytes, 0 above them */
};

/*
 * Decode the instruction at bytes[0..len), which faulted on a memory operand. Returns 0, -EINVAL
 * for what it does not know or what has more than INSN_MAX bytes, or -E2BIG when it needs more than
 * `len`. After an error *insn is undefined.
 */
int insn_decode(const uint8_t *bytes, size_t len, enum insn_mode mode, struct insn *insn);

/*
 * The length of an instruction whose opcode (without prefixes and ModRM) is known from the exit,
 * where the CPU does not tell: prefixes are counted, then the opcode must stand there. `opcode` as
 * its 1 to 3 bytes, F3 first where it is part of it (PAUSE); `modrm`: a ModRM byte follows that
 * names a register whatever its mod bits say (MOV to and from CR and DR). Returns the length, or 0
 * when it is not that instruction.
 */
uint8_t insn_length(const uint8_t *bytes, size_t len, enum insn_mode mode, const uint8_t *opcode,
	size_t opcode_len, bool modrm);
