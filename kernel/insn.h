/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/insn.h - the small instruction decoder: what touches a device register or is string I/O,
 * and how long an instruction is that exited without a length. Pure.
 *
 * Knows, with every prefix that is legal on them: MOV (88-8b, a0-a3, c6, c7), MOVZX, MOVSX with a
 * memory operand; INS and OUTS. Refuses everything else.
 */
#pragma once

#include "kernel/backend.h"

#define INSN_MAX 15u /* bytes (SDM vol. 2, 2.3.11) */

/* Default operand and address size of the code segment; in bytes, the address's. */
enum insn_mode { INSN_16 = 2, INSN_32 = 4, INSN_64 = 8 };

/* LOAD: register = memory; STORE: memory = register or immediate. */
enum insn_kind { INSN_LOAD, INSN_STORE, INSN_INS, INSN_OUTS };

struct insn {
	enum insn_kind kind;
	uint8_t length;        /* bytes */
	uint8_t size;          /* of the memory access: 1, 2, 4, 8 */
	uint8_t register_size; /* of the register operand: 1, 2, 4, 8 */
	uint8_t address_size;  /* 2, 4, 8 */
	uint8_t segment;       /* enum segment_name: that of the last prefix, else SEG_DS */
	bool sign_extend;      /* a load fills its register's further bytes with the sign */
	bool has_immediate;
	bool high_byte;     /* the register is AH, CH, DH or BH: bits 15:8 of gpr */
	uint8_t gpr;        /* enum gpr, when there is no immediate */
	uint64_t immediate; /* sign-extended to `size` bytes, 0 above them */
};

/*
 * Decode the instruction at bytes[0..len), which faulted on a memory operand or is string I/O.
 * Returns 0, -EINVAL for what it does not know or what has more than INSN_MAX bytes, or -E2BIG when
 * it needs more than `len`. After an error *insn is undefined.
 */
int insn_decode(const uint8_t *bytes, size_t len, enum insn_mode mode, struct insn *insn);

/*
 * The length of an instruction whose opcode (without prefixes and ModRM) is known from the exit,
 * where the CPU does not tell: prefixes are counted, then the opcode must stand there, of 1 to 3
 * bytes. `modrm`: a ModRM byte follows that names a register whatever its mod bits say (MOV to and
 * from CR and DR). Returns the length, or 0 when it is not that instruction.
 */
uint8_t insn_length(const uint8_t *bytes, size_t len, enum insn_mode mode, const uint8_t *opcode,
	size_t opcode_len, bool modrm);

/* Write the low `size` bytes of a register as instructions do: 4 clear the upper half. */
static inline void insn_write_gpr(uint64_t *gpr, unsigned size, uint64_t value)
{
	uint64_t mask = size >= 4 ? UINT64_MAX : BIT(8 * size) - 1;
	value = size == 4 ? (uint32_t)value : value;
	*gpr = (*gpr & ~mask) | (value & mask);
}
