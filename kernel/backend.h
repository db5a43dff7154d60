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
enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8, /* and so on, R9 to R15 */
	GPR_COUNT = 16
};

/* What enter.S saves and loads. gpr[GPR_RSP] is not kept here: see VCPU_RSP. cr2 and dr6 are the
 * backend's affair. */
struct vcpu_regs {
	uint64_t gpr[GPR_COUNT];
};

/* Registers that live in the VMCS or VMCB, read and written one by one. */
enum vcpu_register {
	VCPU_RIP,
	VCPU_RSP,
	VCPU_RFLAGS,
	VCPU_CR0, /* as the guest sees it */
	VCPU_CR2,
	VCPU_CR3,
	VCPU_CR4,  /* as the guest sees it */
	VCPU_EFER, /* as the guest sees it: without SVME */
	VCPU_DR7,
	VCPU_GDT_BASE,
	VCPU_GDT_LIMIT,
	VCPU_IDT_BASE,
	VCPU_IDT_LIMIT,
	VCPU_FS_BASE,
	VCPU_GS_BASE,
	VCPU_PAT,
	VCPU_REGISTER_COUNT
};

/* In the order of the encodings in instructions, then the two system ones. */
enum segment_name {
	SEG_ES,
	SEG_CS,
	SEG_SS,
	SEG_DS,
	SEG_FS,
	SEG_GS,
	SEG_LDTR,
	SEG_TR,
	SEG_COUNT
};

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

/* Something that is delivered through the guest's IDT. Types are those of both vendors' encodings.
 */
enum event_type {
	EVENT_INTERRUPT = 0,
	EVENT_NMI = 2,
	EVENT_EXCEPTION = 3,
	EVENT_SOFT_INTERRUPT = 4 /* 5 and 6 are VT-x's, for exceptions of instructions */
};
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
	X(INTERRUPT)  /* a host interrupt is pending or was just taken; nothing of the guest's */  \
	X(NMI)        /* a host NMI; already handed to the host's handler */                       \
	X(WINDOW)     /* the guest can take an interrupt now, as backend->window asked */          \
	X(NMI_WINDOW) /* the same for an NMI, or (AMD-V) soon: can_take says which */              \
	X(TIMER)      /* the bound of this run is over (VMX preemption timer) */                   \
	X(EXCEPTION)  /* event: an intercepted exception (#MC, #DB, #AC), not yet delivered */     \
	X(CPUID)                                                                                   \
	X(HLT)                                                                                     \
	X(INVD)                                                                                    \
	X(XSETBV)                                                                                  \
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
	X(ENTRY_FAILED) /* the guest's state was refused; backend->dump says more */               \
	X(UNKNOWN)      /* raw */

enum exit_kind {
#define X(id) EXIT_##id,
	EXIT_KINDS(X)
#undef X
	EXIT_COUNT
};

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
			uint8_t byte_count;   /* of `bytes`; 0: the CPU does not tell them */
			const uint8_t *bytes; /* of the instruction, until the next entry */
		} fault;
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

#define RUN_MAX_NS 10000000ull /* the longest run without a look around */

struct backend {
	const char *name; /* "VT-x" or "AMD-V" */
	const struct stage2_format *stage2;

	/* Can this machine do it? 0, or -ENODEV after one log line for each feature that is missing
	 * and required. */
	int (*probe)(void);

	/* Switch virtualisation on on this CPU (VMXON; EFER.SVME, VM_HSAVE_PA). 0, -ENOMEM or -EIO
	 * (said in the log). */
	int (*cpu_start)(void);

	/*
	 * What a VM's vCPUs share (MSR and I/O bitmaps, all closed), and a vCPU's own (VMCS or
	 * VMCB), from frames of owner FRAME_VCPU. 0 or -ENOMEM. Nothing is left behind after an
	 * error. destroy gives all back.
	 */
	int (*vm_create)(struct vm *vm);
	void (*vm_destroy)(struct vm *vm);
	int (*vcpu_create)(struct vcpu *vcpu);
	void (*vcpu_destroy)(struct vcpu *vcpu);

	/* The state after INIT (SDM vol. 3, table 10-1): real mode, CS f000:fff0; `regs` too. */
	void (*vcpu_reset)(struct vcpu *vcpu);

	/* Let the guest use an MSR or ports without an exit. */
	void (*open_msr)(struct vm *vm, uint32_t msr, bool read, bool write);
	void (*open_ports)(struct vm *vm, uint16_t first, unsigned count);

	/*
	 * Enter the guest, and come back with why it ended; host interrupts that ended it are
	 * pending when this returns. VT-x also ends it after RUN_MAX_NS (its preemption timer).
	 */
	void (*run)(struct vcpu *vcpu, struct vcpu_exit *exit);

	uint64_t (*get)(struct vcpu *vcpu, enum vcpu_register reg);
	void (*set)(struct vcpu *vcpu, enum vcpu_register reg, uint64_t value);
	void (*get_segment)(struct vcpu *vcpu, enum segment_name name, struct segment *segment);
	void (*set_segment)(
		struct vcpu *vcpu, enum segment_name name, const struct segment *segment);

	/* Go on behind the instruction that exited: rip, and the interrupt shadow that ends with
	 * it. */
	void (*skip)(struct vcpu *vcpu, uint8_t length);

	/* Deliver `event` at the next entry. Only when can_take allowed it (exceptions: always),
	 * one an entry. */
	void (*inject)(struct vcpu *vcpu, const struct vcpu_event *event);
	bool (*can_take)(struct vcpu *vcpu,
		enum event_type type); /* an interrupt or NMI would be taken at once */
	void (*window)(struct vcpu *vcpu,
		enum event_type type); /* exit as soon as can_take would be true */

	/*
	 * NULL, or: something changed in the vCPU's APIC, and what it gives was injected. Bring a
	 * CPU that serves the page of registers itself up to date. It then exits (EXIT_EOI) when a
	 * vector of ->owed ends, or any while others wait.
	 */
	void (*lapic_sync)(struct vcpu *vcpu);

	/* At the next entry on this CPU nothing older of the VM's stage-2 mappings, or of its own,
	 * may be used. */
	void (*flush)(struct vcpu *vcpu);

	/* Everything of the VMCS or VMCB that helps to find a fault, through log_error. */
	void (*dump)(struct vcpu *vcpu);
};

extern const struct backend vmx_backend, svm_backend;

/* The one in use; NULL before it was chosen, or when the CPU has neither. [I] after boot */
extern const struct backend *backend;
