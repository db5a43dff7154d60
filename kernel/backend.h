/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/backend.h - the narrow line between the kernel and the two vendors' CPU virtualisation.
 *
 * vmx/ and svm/ each fill one `struct backend`; the third is the fake of the unit tests. A backend
 * knows its hardware structures and nothing of policy: it enters the guest, turns what ended the
 * run into a neutral struct vcpu_exit, and gives access to the guest's registers. All functions
 * work on a vCPU that this CPU runs, interrupts off, no locks.
 */
#pragma once

#include "kernel/types.h"

struct vcpu;
struct vm;

/* The order is that of the encodings in instructions (SDM vol. 2, table 2-8). */
#define GPRS(X)    X(RAX) X(RCX) X(RDX) X(RBX) X(RSP) X(RBP) X(RSI) X(RDI) X(R8) /* to R15 */
#define GPR_ID(id) GPR_##id,
enum gpr { GPRS(GPR_ID) GPR_COUNT = 16 };

/* What enter.S saves and loads. gpr[GPR_RSP] is not kept here: see VCPU_RSP. cr2 and dr6 are the
 * backend's affair. */
struct vcpu_regs {
	uint64_t gpr[GPR_COUNT];
};

/*
 * Registers that live in the VMCS or VMCB, read and written one by one: name; encoding of the
 * VMCS's field (SDM vol. 3, appendix B; 0: none); offset in the VMCB (APM vol. 2, appendix B; of 32
 * bits where it is no multiple of 8); value after INIT (SDM vol. 3, table 10-1). CR0 and CR4 are as
 * the guest sees them, EFER too, without SVME.
 */
#define VCPU_REGISTERS(X)                                                                          \
	X(RIP, 0x681e, 0x578, 0xfff0)                                                              \
	X(RSP, 0x681c, 0x5d8, 0)                                                                   \
	X(RFLAGS, 0x6820, 0x570, 0x2)                                                              \
	X(CR0, 0x6800, 0x558, 0x60000010)                                                          \
	X(CR2, 0, 0x640, 0)                                                                        \
	X(CR3, 0x6802, 0x550, 0)                                                                   \
	X(CR4, 0x6804, 0x548, 0)                                                                   \
	X(EFER, 0x2806, 0x4d0, 0)                                                                  \
	X(DR7, 0x681a, 0x560, 0x400)                                                               \
	X(GDT_BASE, 0x6816, 0x468, 0)                                                              \
	X(GDT_LIMIT, 0x4810, 0x464, 0xffff)                                                        \
	X(IDT_BASE, 0x6818, 0x488, 0)                                                              \
	X(IDT_LIMIT, 0x4812, 0x484, 0xffff)                                                        \
	X(PAT, 0x2804, 0x668, PAT_RESET_VALUE)                                                     \
	X(SYSENTER_CS, 0x482a, 0x628, 0)                                                           \
	X(SYSENTER_ESP, 0x6824, 0x630, 0)                                                          \
	X(SYSENTER_EIP, 0x6826, 0x638, 0)                                                          \
	X(DR6, 0, 0x568, 0xffff0ff0) /* from here on VT-x has them in vcpu->context */             \
	X(STAR, 0, 0x600, 0)         /* INIT leaves what follows as it is there (table 10-1) */    \
	X(LSTAR, 0, 0x608, 0)                                                                      \
	X(CSTAR, 0, 0x610, 0)                                                                      \
	X(SFMASK, 0, 0x618, 0)                                                                     \
	X(KERNEL_GS, 0, 0x620, 0)

#define VCPU_ID(id, ...) VCPU_##id,
enum vcpu_register { VCPU_REGISTERS(VCPU_ID) VCPU_REGISTER_COUNT };
struct vcpu_register_place {
	uint16_t vmcs, vmcb;
};
extern const struct vcpu_register_place vcpu_register_places[VCPU_REGISTER_COUNT];

/* In the order of the encodings in instructions, then the two system ones. */
enum segment_name { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* attributes: type 0-3, S 4, DPL 5-6, P 7, AVL 8, L 9, D/B 10, G 11 (APM vol. 2, 15.5.1); 0:
 * unusable. */
struct segment {
	uint64_t base;
	uint32_t limit; /* in bytes, G already applied */
	uint16_t selector;
	uint16_t attributes;
};
#define SEGMENT_S         0x0010u
#define SEGMENT_DPL       0x0060u
#define SEGMENT_DPL_SHIFT 5
#define SEGMENT_PRESENT   0x0080u
#define SEGMENT_LONG      0x0200u
#define SEGMENT_BIG       0x0400u
#define SEGMENT_GRAN      0x0800u

/* Something that is delivered through the guest's IDT. Types and these bits are those of both
 * vendors' encodings (SDM vol. 3, 25.8.3; APM vol. 2, 15.20). */
#define EVENT_HAS_ERROR BIT(11)
#define EVENT_VALID     BIT(31)
/* From SOFT_INTERRUPT on: an instruction's. */
enum event_type { EVENT_INTERRUPT, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFT_INTERRUPT = 4 };
struct vcpu_event {
	bool valid;
	uint8_t type; /* enum event_type */
	uint8_t vector;
	uint8_t length; /* of the instruction, for soft events */
	bool has_error;
	uint32_t error;
};

/* Why a run ended. What each carries is said beside it; everything else in struct vcpu_exit is then
 * undefined. */
#define EXIT_KINDS(X)                                                                              \
	X(UNKNOWN)    /* 0 in the backends' tables */                                              \
	X(INTERRUPT)  /* nothing of the guest's: a host interrupt is pending, or acknowledged      \
			 already: event.vector, else 0 */                                          \
	X(NMI)        /* a host NMI; already handed to the host's handler */                       \
	X(WINDOW)     /* the guest can take an interrupt now, as backend->window asked */          \
	X(NMI_WINDOW) /* the same for an NMI, or (AMD-V) soon: can_take says which */              \
	X(TIMER)      /* the bound of this run is over (VMX preemption timer) */                   \
	X(EXCEPTION)  /* event: an intercepted exception (#MC, #DB, #AC), not yet delivered */     \
	X(CPUID)      /* from here to CR_WRITE: instructions, whose length VT-x tells */           \
	X(HLT)                                                                                     \
	X(INVD)                                                                                    \
	X(WBINVD)                                                                                  \
	X(XSETBV)                                                                                  \
	X(PAUSE)     /* many of them in a short time: it spins */                                  \
	X(HYPERCALL) /* VMCALL or VMMCALL */                                                       \
	X(FORBIDDEN) /* a virtualisation instruction that guests do not have: #UD */               \
	X(IO)        /* io */                                                                      \
	X(MSR_READ)  /* ECX names it */                                                            \
	X(MSR_WRITE)                                                                               \
	X(CR_READ)  /* cr: MOV from CR8 */                                                         \
	X(CR_WRITE) /* cr: MOV to CR8; the backend does what it exits for of others itself */      \
	X(STAGE2)   /* fault: an access that the stage-2 tables do not allow */                    \
	X(TASK_SWITCH)                                                                             \
	X(EOI)          /* event.vector: its EOI is done, as backend->lapic_sync asked */          \
	X(SHUTDOWN)     /* triple fault */                                                         \
	X(RESET)        /* hardware wants the CPU reset: of the machine, not of the guest alone */ \
	X(ENTRY_FAILED) /* why */

#define EXIT_ID(id) EXIT_##id,
enum exit_kind { EXIT_KINDS(EXIT_ID) EXIT_COUNT };

struct vcpu_exit {
	enum exit_kind kind;
	uint8_t length;                /* of the instruction; 0: not known, and nothing to skip */
	uint64_t raw;                  /* the vendor's exit reason or code, for reports */
	struct vcpu_event interrupted; /* valid: delivery of this event was interrupted, and it is
					  to be injected again */
	struct vcpu_event event;
	union {
		struct {
			uint16_t port;
			uint8_t size; /* bytes: 1, 2, 4 */
			bool in, string, rep;
		} io;
		struct {
			uint8_t gpr;    /* enum gpr; not known when `length` is 0 */
			uint64_t value; /* CR_WRITE */
		} cr;
		struct {
			uint64_t gpa;
			bool write;
			uint8_t byte_count;   /* of `bytes`; 0: the CPU does not tell them */
			const uint8_t *bytes; /* of the instruction, until the next entry */
		} fault;
		const char *why;
	};
};

/* The bits of a stage-2 entry (vmx: SDM vol. 3, 29.3.3; svm: APM vol. 2, 15.25.5). Both have four
 * levels. */
enum stage2_cache { /* the CPU's numbers (SDM vol. 3, table 12-2): 1 and 5 are WC and WP */
	STAGE2_UC = 0,
	STAGE2_WT = 4,
	STAGE2_WB = 6
};
struct stage2_format {
	uint64_t table;       /* all of an entry that points to a table, but its address */
	uint64_t read;        /* in a leaf: present and readable */
	uint64_t write;       /* in a leaf: writable */
	uint64_t execute;     /* in a leaf: set when executable */
	uint64_t no_execute;  /* in a leaf: set when not */
	uint64_t large;       /* in a leaf above the lowest level */
	unsigned cache_shift; /* in a leaf: of enum stage2_cache, three bits */
	bool large_1g; /* this machine has leaves of 1 GiB; true or false after backend->probe */
};

/* What a VM's vCPUs share, of FRAME_VM: bits that are set make the access exit (SDM vol.
 * 3, 25.6.4 and 25.6.9; APM vol. 2, 15.10.1 and 15.11). AMD-V's CPUs look at three bits behind the
 * last port. */
struct vm_bitmaps {
	uint8_t ports[3 * PAGE_SIZE];
	uint8_t msr[2 * PAGE_SIZE];
};

#define RUN_MAX_NS 10000000ull /* the longest run without a look around */

/*
 * What a backend does:
 * probe: can this machine do it? False after one log line for each feature that is missing and
 *	required.
 * cpu_start: switch virtualisation on on this CPU (VMXON; EFER.SVME, VM_HSAVE_PA), which gets two
 *	frames for it. False: it is locked or refused.
 * vcpu_reset: all of ->hw anew, and the state after INIT: vcpu_reset_registers().
 * run: enter the guest, and come back with why it ended; host interrupts that ended it are pending
 *	when this returns, or told. VT-x also ends it after RUN_MAX_NS (its preemption timer).
 * skip: go on behind the instruction that exited: rip, and the interrupt shadow that ends with it.
 * inject: deliver `event` at the next entry. Only when can_take allowed it (exceptions: always),
 *one an entry. can_take: would an interrupt or NMI be taken at once? window: exit as soon as
 *can_take would be true. flush: at the next entry on this CPU nothing older of the VM's stage-2
 *mappings, or of its own, may be used. release: nothing of it may stay in this CPU: another one
 *runs it next, and flushes before. dump: what is not zero in the VMCS or VMCB, through log_error.
 */
#define BACKEND_OPERATIONS(X)                                                                      \
	X(bool, probe, void)                                                                       \
	X(bool, cpu_start, void *frames)                                                           \
	X(void, vcpu_reset, struct vcpu *vcpu)                                                     \
	X(void, run, struct vcpu *vcpu, struct vcpu_exit *exit)                                    \
	X(uint64_t, get, struct vcpu *vcpu, enum vcpu_register reg)                                \
	X(void, set, struct vcpu *vcpu, enum vcpu_register reg, uint64_t value)                    \
	X(void, get_segment, struct vcpu *vcpu, enum segment_name name, struct segment *segment)   \
	X(void, set_segment, struct vcpu *vcpu, enum segment_name name,                            \
		const struct segment *segment)                                                     \
	X(void, skip, struct vcpu *vcpu, uint8_t length)                                           \
	X(void, inject, struct vcpu *vcpu, const struct vcpu_event *event)                         \
	X(bool, can_take, struct vcpu *vcpu, enum event_type type)                                 \
	X(void, window, struct vcpu *vcpu, enum event_type type)                                   \
	X(void, flush, struct vcpu *vcpu)                                                          \
	X(void, release, struct vcpu *vcpu)                                                        \
	X(void, dump, struct vcpu *vcpu)

struct backend {
	const char *name; /* "VT-x" or "AMD-V" */
	const struct stage2_format *stage2;
	size_t vcpu_frames; /* of a vCPU's ->hw, zeroed */

	/* In vm_bitmaps.msr an MSR, counted through its ranges, has `msr_bits` bits, for reads and
	 * writes in turn, the first at `msr_step` times its number, each `msr_distance` behind the
	 * one before. */
	unsigned msr_step, msr_bits, msr_distance;
	unsigned own_msrs; /* so many of the first of context.c's move with ->hw */

#define BACKEND_OPERATION(type, name, ...) type (*name)(__VA_ARGS__);
	BACKEND_OPERATIONS(BACKEND_OPERATION)

	/*
	 * NULL, or: something changed in the vCPU's APIC, and what it gives was injected. Bring a
	 * CPU that serves the page of registers itself up to date. It then exits (EXIT_EOI) when a
	 * vector of ->owed ends, or any while others wait.
	 */
	void (*lapic_sync)(struct vcpu *vcpu);
};

extern const struct backend vmx_backend, svm_backend;

/* The one in use; NULL before it was chosen, or when the CPU has neither. [I] after boot */
extern const struct backend *backend;
