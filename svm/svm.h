/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/svm.h - the VMCB, its bits, and what the files of the AMD-V backend share. APM vol. 2, 15 and
 * appendices B and C.
 */
#pragma once

#include "kernel/vcpu.h"

#define EFER_SVME BIT(12)

/* CPUID leaf 8000000ah, EDX. The clean bits need no test: a CPU without them does not look. */
#define SVM_NRIP           BIT(3)
#define SVM_FLUSH_BY_ASID  BIT(6)
#define SVM_DECODE_ASSISTS BIT(7)
#define SVM_PAUSE_FILTER   BIT(10)
extern uint32_t svm_features; /* [I] after probe */

#define SVM_SHADOW BIT(0) /* of vmcb.shadow (15.21.5) */

/* Segment registers of the VMCB: enum segment_name as far as SEG_GS, GDTR, LDTR, IDTR, TR. */
#define VMCB_LDTR 7
#define VMCB_TR   9
struct vmcb_segment {
	uint16_t selector, attributes; /* attributes as in struct segment */
	uint32_t limit;
	uint64_t base;
};

/*
 * Offset, type and name of each field that is used by name (APM vol. 2, appendix B); VCPU_REGISTERS
 * has the others. The last of the control area is software's own (3e0h-3ffh), and holds what a vCPU
 * needs besides.
 */
#define VMCB_FIELDS(X)                                                                             \
	X(0x03c, uint16_t, pause_gap) /* cycles between two of a loop (15.14.4) */                 \
	X(0x03e, uint16_t, pause_count)                                                            \
	X(0x040, uint64_t, iopm)                                                                   \
	X(0x048, uint64_t, msrpm)                                                                  \
	X(0x058, uint32_t, asid)                                                                   \
	X(0x05c, uint8_t, tlb_control)                                                             \
	X(0x060, uint64_t, interrupt_control)                                                      \
	X(0x068, uint64_t, shadow)                                                                 \
	X(0x070, uint64_t, exit_code)                                                              \
	X(0x078, uint64_t, exit_info1)                                                             \
	X(0x080, uint64_t, exit_info2)                                                             \
	X(0x088, uint64_t, exit_event)                                                             \
	X(0x090, uint64_t, nested_control)                                                         \
	X(0x0a8, uint64_t, inject)                                                                 \
	X(0x0b0, uint64_t, nested_cr3)                                                             \
	X(0x0c0, uint32_t, clean)                                                                  \
	X(0x0c8, uint64_t, next_rip)                                                               \
	X(0x0d0, uint8_t, byte_count) /* of the instruction that faulted; the bytes follow */      \
	X(0x3e0, uint64_t, asid_generation) /* of the CPU's ASIDs that `asid` is from; 0: none */  \
	X(0x3e8, uint64_t, iret_rip)        /* of the IRET that unmasks NMIs */                    \
	X(0x3f0, uint32_t, nmi_state)       /* enum nmi_state */                                   \
	X(0x3f8, uint64_t, at)              /* its own host-physical address */                    \
	X(0x4cb, uint8_t, cpl)                                                                     \
	X(0x568, uint64_t, dr6)                                                                    \
	X(0x570, uint64_t, rflags)                                                                 \
	X(0x578, uint64_t, rip)                                                                    \
	X(0x5d8, uint64_t, rsp)                                                                    \
	X(0x5f8, uint64_t, rax)

struct vmcb {
	union {
		uint8_t page[PAGE_SIZE];
		uint32_t intercept[6]; /* bit n of word w: exit code 32w + n */
		struct {
			uint8_t before_segments[0x400];
			struct vmcb_segment segment[VMCB_TR + 1];
		};
#define VMCB_FIELD(offset, type, name)                                                             \
	struct {                                                                                   \
		uint8_t before_##name[offset];                                                     \
		type name;                                                                         \
	};
		VMCB_FIELDS(VMCB_FIELD)
	};
};
STATIC_ASSERT(sizeof(struct vmcb) == PAGE_SIZE, "a VMCB is a page");
#define VMCB_FIELD_CHECK(offset, type, name)                                                       \
	STATIC_ASSERT(offsetof(struct vmcb, name) == (offset), "VMCB: " #name);
VMCB_FIELDS(VMCB_FIELD_CHECK)

/* `clean`: what did not change since the last exit of this VMCB on this CPU (15.15). */
#define CLEAN_INTERCEPTS BIT(0)
#define CLEAN_ASID       BIT(2)
#define CLEAN_INTERRUPT  BIT(3)
#define CLEAN_ALL        0x1fffu /* all that are defined; others stay unclean */

/* tlb_control, 15.16.1; 0: keep all */
#define TLB_FLUSH_ALL  1
#define TLB_FLUSH_ASID 3

/* interrupt_control, 15.21 */
#define VIRQ_PENDING      BIT(8)
#define VIRQ_PRIORITY_MAX (15ull << 16)
#define VIRQ_IGNORE_TPR   BIT(20)
#define VIRQ_MASKING      BIT(24) /* the host has its own IF and TPR */

/* inject, exit_event: 15.20. Vector in bits 7:0, error code in 63:32. */
#define EVENT_TYPE_SHIFT  8
#define EVENT_ERROR_SHIFT 32

/* Exit codes (appendix C) below SVM_EXIT_INTERCEPTS are those that can be asked for; decode.c has
 * what they mean, and all that mean something are intercepted, these two only at times. */
enum svm_exit_code {
	SVM_EXIT_VINTR = 0x64,
	SVM_EXIT_IRET = 0x74,
	SVM_EXIT_PAUSE = 0x77,
	SVM_EXIT_WBINVD = 0x89,
	SVM_EXIT_INTERCEPTS = 0xc0,
	SVM_EXIT_NPF = 0x400,
	SVM_EXIT_INVALID = -1
};
extern const uint8_t svm_exit_kinds[SVM_EXIT_INTERCEPTS];

/*
 * Without virtual NMIs, an injected NMI masks others until its IRET, which is intercepted: BLOCKED.
 * That exit comes before the IRET, which then runs without an intercept: RETURNING. The next exit
 * with another rip finds it done: OPEN.
 */
enum nmi_state { NMI_OPEN, NMI_BLOCKED, NMI_RETURNING };

/* [C] one CPU's own. ASIDs 1..asid_count - 1 are given out once in a generation. */
struct svm_cpu {
	hpa_t host; /* what VMLOAD brings back: FS, GS, TR, LDTR and the system call MSRs */
	uint64_t generation;
	uint32_t next_asid, asid_count;
};

static inline void vmcb_intercept(struct vmcb *vmcb, unsigned code, bool on)
{
	uint32_t bit = 1u << (code % 32);
	vmcb->intercept[code / 32] = (vmcb->intercept[code / 32] & ~bit) | (on ? bit : 0);
	vmcb->clean &= (uint32_t)~CLEAN_INTERCEPTS;
}

/*
 * enter.S: run the guest of VMCB `guest` until it exits. Interrupts off before and after; those of
 * the host that came are pending after, an NMI has been handled.
 */
void svm_enter(struct vcpu_regs *regs, hpa_t guest, hpa_t host);

/* decode.c: what the VMCB says of the exit, and the state of NMIs and windows that goes with it. */
void svm_decode(struct vcpu *vcpu, struct vcpu_exit *exit);

#define SVM_PROTOTYPE(type, name, ...) type svm_##name(__VA_ARGS__);
BACKEND_OPERATIONS(SVM_PROTOTYPE)

/* state.c: an ASID for the next entry on *cpu. */
void svm_asid_choose(struct svm_cpu *cpu, struct vmcb *vmcb);

extern const struct stage2_format svm_stage2_format;
