/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/vcpu.h - virtual machines and their CPUs, as all but the backends see them.
 */
#pragma once

#include "abi/pintle.h"
#include "kernel/lock.h"
#include "kernel/sched.h"
#include "kernel/stage2.h"
#include "vdev/lapic.h"

/* What of a vCPU stays in the CPU when it exits, and moves only when another vCPU comes: FPU and
 * vector state, debug registers, and the MSRs that guests change without an exit. */
#define CONTEXT_MSRS 7u
#define DEBUG_DR6    4u
struct vcpu_context {
	void *fpu; /* for XSAVE, or FXSAVE where there is none */
	uint64_t xcr0;
	uint64_t debug[DEBUG_DR6 + 1]; /* DR0 to DR3, DR6 */
	uint64_t msr[CONTEXT_MSRS];
};

/* What a vCPU does. */
#define VCPU_STATES(X)                                                                             \
	X(WAIT_SIPI, "waits for SIPI") /* after INIT; not the first */                             \
	X(RUNNING, "runs")                                                                         \
	X(HALTED, "halted")           /* HLT: until an event */                                    \
	X(WAITS, "waits for a guest") /* PINTLE_VCPU_WAIT: or an interrupt, whatever IF says */    \
	X(DEAD, "dead")               /* by a fault of its own */
enum vcpu_state { VCPU_STATES(VCPU_ID) };

/* What there is to do before a vCPU's next entry, in one word, so that an entry costs one look. The
 * first two are its own affair; for the others its CPU looks around first. */
enum vcpu_request {
	VCPU_REQUEST_EVENT = 1u << 0, /* there may be something to inject */
	VCPU_REQUEST_NMI = 1u << 1,   /* stands until it is injected */
	VCPU_REQUEST_LOOK = 1u << 2,
	VCPU_REQUEST_INIT = 1u << 3,
	VCPU_REQUEST_SIPI = 1u << 4, /* vector in ->sipi_vector */
	VCPU_REQUEST_GO = 1u << 5,   /* whom it waited for sleeps */
	VCPU_REQUEST_KICK = 1u << 6, /* it runs on, but its CPU has to choose again */
};

/* Of an exit that only the VMM can go on with. ASKED: it stopped for it, and the exit is kept;
 * GIVEN: that is to be handled again. */
enum vcpu_answer { ANSWER_NONE, ANSWER_ASKED, ANSWER_GIVEN };

/* [I] constant after create  [C] only the CPU that runs it  [A] atomic; [S] while it is stopped who
 * stopped it, else [C] */
struct vcpu {
	struct vcpu_regs regs;       /* [C] first: enter.S knows where */
	struct vm *vm;               /* [I] */
	uint32_t index;              /* [I] in the VM */
	bool closed;                 /* [I] as its VM, and at hand */
	uint32_t cpu;                /* [A] index of the CPU that has its registers: vcpu_fetch() */
	atomic_uint state;           /* [C] to write; enum vcpu_state */
	atomic_uint requests;        /* [A] enum vcpu_request */
	atomic_uchar sipi_vector;    /* [A] */
	struct vlapic lapic;         /* [A] for vlapic_accept, else [C] */
	uint32_t owed[8];            /* [C] level-triggered vectors whose EOI the host still owes */
	struct vcpu_event reinject;  /* [C] an event whose delivery an exit interrupted */
	struct vcpu_event exception; /* [C] to inject at the next entry */
	uint64_t pvclock;            /* [C] MSR_PVCLOCK_TIME */
	uint64_t steal;              /* [C] MSR_STEAL_TIME */
	uint64_t stolen;             /* [C] ns, as the guest was told last */
	unsigned ipi_target;         /* [C] index of whom it sent the last IPI */
	struct pintle_record *record; /* [I] NULL: it has no VMM */
	atomic_uint event;            /* [A] tells that it stopped */
	struct vcpu *_Atomic waiter;  /* [A] the service VM's, woken when this sleeps; no event */
	atomic_bool busy;             /* [A] taken by who looks at what is [S] */
	atomic_bool stopped;          /* [A] by its VMM, or for it: until PINTLE_VCPU_RUN */
	enum pintle_exit asks;        /* [S] why it stopped */
	enum vcpu_answer answer;      /* [S] */
	uint64_t answer_value;        /* [S] */
	struct vcpu_exit asked;       /* [S] the exit that it stopped for */
	uint64_t asked_rip;           /* [S] and where that was */
	void *hw;                     /* [C] the backend's: VMCS or VMCB and what goes with it */
	struct vcpu_context context;  /* [C] while another's is in the CPU */
	unsigned flushes;             /* [C] of the VM's, those that were seen */
	struct sched_entity sched;    /* [dispatch.c] */
	uint32_t got;                 /* [A] of a CPU's time over the last second, in thousandths */
	uint64_t ran_then;            /* [C] CPU 0: at the last sample */
	struct sched_node alarm;      /* [dispatch.c] while it sleeps and has a timer; in TSC */
	uint64_t exited_at;           /* [C] TSC of the last exit */
	uint64_t exits[EXIT_COUNT];   /* [C] */
	uint64_t ticks[EXIT_COUNT];   /* [C] of the TSC, from exit to entry or sleep */
	enum exit_kind last;          /* [C] */
};

struct vm {
	const char *name;    /* [I] */
	uint32_t id;         /* [I] index in vm_table */
	bool closed;         /* [I] a guest: has what it is given; else the service VM */
	atomic_bool held;    /* [A] none of its vCPUs is entered: paused, or one has ended */
	atomic_uint flushes; /* [A] counts vm_flush() */
	atomic_bool logs;    /* [A] PINTLE_DIRTY_LOG has been asked */
	unsigned vcpu_count; /* [busy] to write */
	struct vcpu *vcpu[CPUS_MAX]; /* [I] */
	struct stage2 stage2;        /* [vm.lock] to change */
	struct vm_bitmaps *bitmaps;  /* [I] */
	uint64_t handle;             /* [I] abi/pintle.h */
	atomic_bool busy;            /* [A] taken by who changes what is guarded by it */
	atomic_uint users;           /* [A] hypercalls that have found it */
	struct pool pool;            /* [busy] what it costs */
	struct pintle_cpuid *cpuid;  /* [busy], no vCPU runs; NULL: none */
	unsigned cpuid_count;        /* the same */
	struct spinlock doorbell_lock;
	struct pintle_doorbell *doorbells; /* [doorbell_lock] of PINTLE_DOORBELLS */
	atomic_uint doorbell_end;          /* [doorbell_lock] to write; none from here on */
};

extern struct spinlock vm_lock; /* changes of struct vm's stage 2; gmem_copy() reads without it */

#define VMS_MAX 64u
extern struct vm *vm_table[VMS_MAX]; /* [I] after start; the first is the service VM's */
extern struct vm *service_vm;        /* [I] once it is made; NULL: none */

/* vm.c. A VM without memory, or NULL. It lives in the pool, which is its own from then on: a
 * guest's has pieces, the service VM's is empty. One at a time. */
struct vm *vm_create(struct pool *pool);

/* Nobody finds the VM any more, and no CPU has anything of it. No locks, interrupts off; its `busy`
 * and the VMs are taken. */
void vm_destroy(struct vm *vm);

/* VMs neither come nor go while this is taken: for who looks at them in a way that answers other
 * CPUs. */
extern atomic_bool vms_busy;
static inline bool take(atomic_bool *busy) /* false: somebody else has it */
{
	return !atomic_exchange(busy, true);
}

/* Change the rights of what is mapped in the range, none: unmap; or map it to itself. As
 * stage2_protect(); no CPU uses what was there any more. Interrupts off, no locks. */
#define VM_IDENTITY UINT32_MAX
int vm_protect(struct vm *vm, uint64_t gpa, uint64_t size, unsigned rights);

/* The next vCPU of `vm`, in the state after power-on, asleep on the calling CPU until it is asked
 * something, of so many pages; or NULL. `apic_id`: its own. It is one of the VM's when it has been
 * published. One at a time. */
struct vcpu *vcpu_create(struct vm *vm, uint32_t apic_id, const struct sched_params *params);
size_t vcpu_pages(void);
void vcpu_publish(struct vcpu *vcpu);

/* The state after power-on. On the CPU that has its registers. */
void vcpu_power_on(struct vcpu *vcpu, uint32_t apic_id);

/* Nothing of it is in any CPU any more: its registers can be had on this one, those of the context
 * in memory. It is stopped. Interrupts off, no locks. */
void vcpu_take(struct vcpu *vcpu);

/* Bring the registers of a vCPU to this CPU, and put away those that were in it. In the main loop,
 * interrupts off, no locks. */
void vcpu_fetch(struct vcpu *vcpu);

/* When one that sleeps has to be woken by its own timer, as a TSC; UINT64_MAX: never. */
uint64_t vcpu_alarm(const struct vcpu *vcpu);

/* Ask something of a vCPU, enum vcpu_request, and have it look. Any context but NMI. */
void vcpu_request(struct vcpu *vcpu, unsigned requests);

/* The state after INIT. On its CPU. */
void vcpu_restart(struct vcpu *vcpu);

/* Its timer may fire earlier than was thought. On its CPU. */
void vcpu_timer_changed(struct vcpu *vcpu);

/* For the backend's vcpu_reset: registers and segments after INIT. */
void vcpu_reset_registers(struct vcpu *vcpu);

/* Let the guest read, and write, an MSR without an exit, if the bitmaps have it. */
void vm_open_msr(struct vm *vm, uint32_t msr, bool writes);

/* An exception of the vCPU's own making, at its next entry. On its CPU. */
void vcpu_raise(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

/* End the vCPU and stop its VM: say why, with its registers; the monitor goes on. On its CPU. */
void vcpu_kill(struct vcpu *vcpu, const char *why);

/* Show the registers on the console. On the vCPU's CPU. */
void vcpu_show(struct vcpu *vcpu);

/* Something that was mapped is gone or has changed: no vCPU may use it any more when this returns,
 * and tables that were taken out are given back. All CPUs have left what they did with interrupts
 * off, or wait for another one there. Interrupts off, no locks. */
void vm_flush(struct vm *vm);

/* Keep all vCPUs of `vm` (or NULL: none) out of the guest from when this returns, or let them go
 * on; returns what it was before. Interrupts off or on, no locks. */
bool vm_hold(struct vm *vm, bool hold);

/* context.c. Find out what there is to move. Once, before the first vCPU. */
void context_init(void);

/* The state after power-on. On the vCPU's CPU. */
void context_reset(struct vcpu *vcpu);

/* Of a vCPU whose state is in no CPU. Its FPU state, so many bytes as XSAVE writes them, taken
 * over; false: it would fault. XCR0: false when the CPU refuses it. One of the MSRs that move with
 * it, but for those that are registers; NULL: none of them. */
size_t context_fpu_size(void);
bool context_set_fpu(struct vcpu *vcpu, const void *from);
bool context_set_xcr0(struct vcpu *vcpu, uint64_t value);
uint64_t *context_msr(struct vcpu *vcpu, uint32_t number);

/* Put the state of the vCPU whose it is away, and bring that of `vcpu`; NULL: of nobody, yet. On
 * this CPU, interrupts off. */
void context_load(struct vcpu *vcpu);

/* Whether writes of an MSR have to exit, so that a switch need not read what it holds; and what the
 * guest wrote is in it. On the vCPU's CPU. */
bool context_notes_msr(uint32_t msr);
void context_note_msr(struct vcpu *vcpu, uint32_t msr);

/* The CPU's work from now on: its vCPU when that can run, the monitor on CPU 0, else sleep. */
NORETURN void cpu_loop(void);

#define VECTOR_DEBUG      1u
#define VECTOR_UNDEFINED  6u
#define VECTOR_PROTECTION 13u
