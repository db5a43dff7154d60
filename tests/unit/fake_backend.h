/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_backend.h - the third backend: a VM of two vCPUs that no hardware runs, and what
 * the kernel around it reaches for. A test that includes it has "Flags: -Itests/unit/shim".
 */
#pragma once

#include "tests/unit/fake.h"

#include "kernel/vcpu.h"
#include "kernel/x86.h"

#define FAKE_VCPUS  2u
#define FAKE_EVENTS 16u
#define FAKE_SCRIPT 16u
#define FAKE_MEMORY (16 * PAGE_SIZE) /* of the guest, from address 0 on; nothing above */
#define FAKE_CODE   0x8000u          /* rip at the start: 32-bit, flat, no paging */

/* What backs one vCPU. */
struct fake_hw {
	uint64_t reg[VCPU_REGISTER_COUNT];
	struct segment segment[SEG_COUNT];
	bool takes_interrupt, takes_nmi;         /* what can_take says */
	bool interrupt_window, nmi_window;       /* were asked for since the last run */
	struct vcpu_event injected[FAKE_EVENTS]; /* all, in order */
	unsigned injected_count;
	unsigned injected_now;                /* since the last run */
	struct vcpu_exit script[FAKE_SCRIPT]; /* what the runs end with; then EXIT_INTERRUPT */
	void (*meanwhile)(struct vcpu *vcpu); /* called in each run */
	unsigned lapic_status;                /* vlapic_status() at the last lapic_sync */
	unsigned script_count, runs, skips, sets, resets, flushes, dumps, releases;
};

extern const struct backend fake_backend;
extern struct vm fake_vm;
extern struct vcpu fake_vcpu[FAKE_VCPUS]; /* the first on this CPU, the other on CPU 1 */
extern struct fake_hw fake_hw[FAKE_VCPUS];
extern uint8_t fake_memory[FAKE_MEMORY];

/* For a test of this VM: a fresh one before, all given back after. */
int fake_vm_setup(void **state);
int fake_vm_teardown(void **state);
#define VM_TEST(f) cmocka_unit_test_setup_teardown(f, fake_vm_setup, fake_vm_teardown)

/* 64-bit mode with page tables that map the guest's memory onto itself. */
void fake_long_mode(void);

/* Put code at rip. */
void fake_code(const void *bytes, size_t len);

/* The next run of the first vCPU that is not yet scripted ends so. */
void fake_script(const struct vcpu_exit *exit);

/* The processor. */
extern uint64_t fake_tsc, fake_tsc_step; /* each look at the clock moves it on */
extern uint64_t boot_entry_tsc;
extern bool fake_msr_there;     /* else #GP */
extern uint64_t fake_msr_value; /* read from all, written to all */
extern uint32_t fake_msr_last;
extern unsigned fake_msr_reads, fake_msr_writes;
#define FAKE_NOTED 0xc0000082u      /* whose writes context.c has to know of */
extern uint32_t fake_opened[16];    /* by vm_open_msr() */
extern uint32_t fake_opened_writes; /* which of them for writes too, a bit each */
extern unsigned fake_interrupt;     /* the last one of trap_interrupt(); 0: none */
extern unsigned fake_opened_count;
extern struct cpuid fake_cpuid; /* the answer of all leaves */
extern uint32_t fake_cpuid_leaf, fake_cpuid_subleaf;
extern unsigned fake_cpuid_reads;
extern bool fake_xcr0_good;
extern uint64_t fake_xcr0;
extern unsigned fake_wbinvds, fake_irq_takes;

/* Until the end of the test (cmocka takes the signal back): WBINVD is counted and skipped. */
void fake_allow_wbinvd(void);

/* The rest of the machine: CPUs woken, a bit each; the timer; the monitor; devices. */
extern unsigned fake_woken, fake_yields;
extern bool fake_retire; /* the next smp_call_all() retires a table of stage 2 */
extern unsigned fake_timer_arms;
extern uint64_t fake_timer_ns;
extern unsigned fake_focus_taken;
extern unsigned fake_port_reads, fake_port_writes, fake_stage2_faults, fake_effects, fake_drops;
extern uint16_t fake_port;
extern uint8_t fake_port_size;
extern uint32_t fake_port_value; /* read from all, written to all */
extern uint32_t fake_port_step;  /* each read gives so much more */
#define FAKE_PORT_LOG 32u
extern uint32_t fake_port_written[FAKE_PORT_LOG];
extern bool fake_port_asks; /* the VMM is asked: no answer yet */
extern uint64_t fake_stage2_gpa;
extern struct vlapic_effect fake_effect;
/* By vmm_stop(), hypercall_handle() and devices_event(), a bit each. */
extern unsigned fake_stops, fake_hypercalls, fake_events;
extern enum pintle_exit fake_stop;
extern uint64_t fake_stop_value;
extern jmp_buf fake_reset; /* where a reset of the machine goes */
