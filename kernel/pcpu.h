/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/pcpu.h - what each CPU has for itself, reached by this_cpu().
 */
#pragma once

#include "kernel/basic.h"
#include "kernel/sched.h"

/*
 * The stacks of one CPU, each at the top of its part of the CPU's slot in the stack area, with
 * guard pages below. Of the first part the lowest page is the CPU's peephole (paging_peek). The
 * others' numbers are those in the IST; IST 0 means: no change of stack.
 */
enum stack_kind { STACK_MAIN, STACK_NMI, STACK_DOUBLE_FAULT, STACK_MACHINE_CHECK, STACK_KINDS };
#define STACK_STRIDE (8 * PAGE_SIZE)

/* SDM vol. 3, 8.7: the 64-bit task-state segment. */
struct PACKED tss {
	uint32_t reserved0;
	uint64_t rsp[3], ist[8], reserved1; /* of ist the first is reserved, too */
	uint16_t reserved2, io_map;         /* looked at outside ring 0 alone */
};
STATIC_ASSERT(sizeof(struct tss) == 104, "TSS layout");

#define GDT_CODE 0x08u
#define GDT_DATA 0x10u
#define GDT_TSS  0x18u /* two entries */

enum cpu_state { CPU_STARTING, CPU_ONLINE, CPU_GIVEN_UP, CPU_STOPPED };

/* [I] constant once the CPU is online  [C] this CPU only  [A] atomic, any CPU */
struct pcpu {
	struct pcpu *self;                 /* [I] first: this_cpu() reads it through GS */
	uint64_t stack_top;                /* [I] of the main stack; read by entry.S */
	struct vcpu *service;              /* [C] the service VM's, pinned here; NULL: none */
	struct vcpu *vcpu;                 /* [C] whom the scheduler chose; NULL: nobody */
	uint64_t until;                    /* [C] TSC at which it has to choose again */
	void *loaded;                      /* [C] the backend's: whose VMCS the CPU holds */
	struct vcpu *context;              /* [C] whose registers it holds: context_load() */
	uint64_t timer_at;                 /* [C] TSC at which the timer fires; UINT64_MAX: never */
	atomic_bool resched;               /* [A] it has to choose at once */
	bool yields;                       /* [C] ->vcpu lets others go before */
	struct spinlock sched_lock;        /* rank SCHED */
	struct sched_cpu sched;            /* [sched_lock] */
	struct sched_tree alarms;          /* [sched_lock] timers of those who sleep here */
	atomic_ulong alarm_at;             /* [sched_lock] to write; TSC of the first one */
	uint32_t index, apic_id;           /* [I] index 0 is the CPU that booted */
	atomic_uint state;                 /* [A] enum cpu_state */
	uint32_t locks;                    /* [C] debug builds: lock_held_push() */
	atomic_ulong calls[CPUS_MAX / 64]; /* [A] CPUs whose cross-call waits for this one */
	atomic_ulong interrupts[VECTOR_OWN_COUNT]; /* [C] counts; read by the monitor */
	atomic_ulong nmis;                         /* [C] NMIs that nobody had asked for */
	uint64_t nmi_rip;                          /* [C] where the last one came; 0: reported */
	atomic_ulong spurious;                     /* [C] interrupts without a handler */
	uint64_t gdt[GDT_TSS / 8 + 2];             /* [I] */
	struct tss tss;                            /* [I] */
};

static inline struct pcpu *this_cpu(void)
{
	struct pcpu *cpu;
	__asm__("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/* CPUs by index; 0..cpu_count-1 are the CPUs that Pintle uses, all online once the machine is up.
 * [I] after start */
extern struct pcpu *cpu_table[CPUS_MAX];
extern unsigned cpu_count;
extern struct pcpu cpu_boot; /* the boot CPU's, on the boot stack until cpu_prepare() */

/* Fill in *cpu, and map its stacks in slot `index` of the stack area. At boot. Returns 0 or
 * -ENOMEM. */
int cpu_prepare(struct pcpu *cpu, uint32_t index, uint32_t apic_id);

/* On the CPU itself, once, after trap_init(): load GDT, TSS, IDT and GS base. */
void cpu_load(struct pcpu *cpu);

/* On each CPU: the page attributes, machine checks and CR4 bits that Pintle wants. */
void cpu_enable_features(void);

/* One past the last byte of a stack of slot `slot` (a CPU's index). */
uint64_t stack_top(unsigned slot, enum stack_kind kind);

/*
 * Cross-CPU calls (smp.c). Each CPU owns one request; a CPU that is asked has a bit for each asker.
 * So nothing is queued, nothing is locked, and a CPU that waits for an answer answers others
 * meanwhile.
 */

/*
 * Run `function(argument)` on CPU `index` and wait until it has returned there. Interrupts may be
 * on or off; no locks may be held. On this CPU itself it is a plain call. False: the CPU is not
 * online or does not answer for seconds, and did not and will not run it.
 */
bool smp_call(unsigned index, void (*function)(void *argument), void *argument);

/* The same on all online CPUs, this one included, at the same time. `function` may not call again
 * on the asking CPU. Panics when a CPU does not answer for seconds. */
void smp_call_all(void (*function)(void *argument), void *argument);

/* Run what others ask of this CPU: while it waits for another one with interrupts off. */
void smp_answer(void);

unsigned smp_online_count(void);

/* Make CPU `index` leave its idle sleep. Any context but NMI. */
void smp_wake(unsigned index);

/* Stop all other CPUs by NMI, for good, and wait until they have stopped, a second at most; `cpus`
 * shows which did not. Any context. */
void smp_stop_others(void);

/* Take VECTOR_CALL and VECTOR_TIMER. Once, after the LAPIC driver is up. */
void smp_init(void);
