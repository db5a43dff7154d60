/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * abi/pintle.h - what Pintle and its service VM say to each other: hypercalls, shared pages,
 * events. Numbers are never used twice; what is added changes PINTLE_FEATURES, what is changed
 * PINTLE_VERSION.
 *
 * HYPERCALLS. VMCALL (Intel) or VMMCALL (AMD), at CPL 0 of the service VM, with interrupts on or
 * off. RAX: PINTLE_CALL + number; RDI, RSI, RDX, R10, R8: arguments. Back in RAX: a value, or a
 * negative errno of Linux; no other register changes. From anybody else they do not exist
 * (KVM_ENOSYS). abi/hypercalls.def lists them.
 *
 * PIECES are 2 MiB of the service VM's memory, aligned, named by their guest-physical address. What
 * a VM costs Pintle is taken from pieces that are *deposited* for it: the service VM may not touch
 * these until they come back. *Shared* pieces stay the service VM's; record and event pages lie in
 * them. A piece of which a page is mapped to a guest, or that is shared, cannot be deposited.
 *
 * HANDLES name VMs: an index in bits 15:0, above it how often that was used, so that no handle
 * means two VMs. vCPUs are numbered from 0 in each VM.
 */
#pragma once

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define PINTLE_VERSION_ABI 1u
#define PINTLE_CALL        0x50490000u /* of all hypercalls */
#define PINTLE_PIECE       0x200000u   /* bytes */

#define HYPERCALL(number, name, right, ...) PINTLE_##name = (PINTLE_CALL + (number)),
enum pintle_call {
#include "abi/hypercalls.def"
};
#undef HYPERCALL

/* PINTLE_QUERY, by argument. */
enum pintle_query {
	PINTLE_QUERY_VERSION,    /* PINTLE_VERSION_ABI */
	PINTLE_QUERY_FEATURES,   /* bits of enum pintle_feature */
	PINTLE_QUERY_CPUS,       /* service CPUs, which are those of the event pages */
	PINTLE_QUERY_VM_PAGES,   /* pages that a VM takes of its pieces, without stage-2 tables */
	PINTLE_QUERY_VCPU_PAGES, /* and each of its vCPUs */
	PINTLE_QUERY_VMS,        /* VMs that there are, without the service VM */
	PINTLE_QUERY_PIECES,     /* pieces that are deposited, in all */
	PINTLE_QUERY_TSC_KHZ,
	PINTLE_QUERY_XSAVE_SIZE, /* bytes of a vCPU's XSAVE area */
	PINTLE_QUERY_VCPUS_MAX,  /* of a VM */
};

/* A flag of PINTLE_VCPU_RUN: do what the vCPU stopped for, with the answer, and stay stopped; a
 * string instruction may then ask again in the record. */
#define PINTLE_RUN_ANSWER 1u

/* Another: run it in the place of the vCPU that calls, which sleeps as by PINTLE_VCPU_WAIT. */
#define PINTLE_RUN_WAIT 2u

/* Rights of a mapping. */
#define PINTLE_READ    1u
#define PINTLE_WRITE   2u
#define PINTLE_EXECUTE 4u

/*
 * The record page of a vCPU, in a shared piece. While the vCPU runs it is Pintle's to write; when
 * it has stopped (its event came, or PINTLE_VCPU_STOP returned) it says why, and is the service
 * VM's until the next PINTLE_VCPU_RUN, which reads `value` once.
 */
enum pintle_exit {
	PINTLE_EXIT_NONE,
	PINTLE_EXIT_IO,       /* port, size, write; value */
	PINTLE_EXIT_MMIO,     /* address, size, write; value */
	PINTLE_EXIT_EOI,      /* vector in `value`: a level-triggered interrupt has ended */
	PINTLE_EXIT_SHUTDOWN, /* triple fault */
	PINTLE_EXIT_ERROR,    /* an instruction on a device that Pintle does not know; address */
	PINTLE_EXIT_FAILED,   /* an entry failed or an unknown exit: code in `value` */
	PINTLE_EXIT_STOPPED,  /* by PINTLE_VCPU_STOP */
};
struct pintle_record {
	uint32_t exit; /* enum pintle_exit */
	uint8_t size;  /* bytes: 1, 2, 4, 8 */
	uint8_t write; /* 0: a read, which RUN answers with `value` */
	uint16_t reserved;
	uint64_t address; /* port or guest-physical address */
	uint64_t value;
	uint64_t ran, waited; /* ns, since the vCPU was made */
	uint64_t reserved2[3];
	/* For PINTLE_STATE_GET and _SET: `count` of the call. */
	struct pintle_value {
		uint64_t id; /* PINTLE_REG..., or PINTLE_MSR(n) */
		uint64_t value;
	} values[252];
};

/* What PINTLE_STATE_GET and _SET can name. Segments: in the order ES, CS, SS, DS, FS, GS, LDTR, TR;
 * attributes: type 0-3, S 4, DPL 5-6, P 7, AVL 8, L 9, D/B 10, G 11; 0: unusable. */
#define PINTLE_GPR(n)            (0x000ull + (n)) /* RAX RCX RDX RBX RSP RBP RSI RDI R8 ... R15 */
#define PINTLE_REG(n)            (0x100ull + (n)) /* enum pintle_register */
#define PINTLE_SEGMENT(n, field) (0x200ull + 4 * (n) + (field)) /* enum pintle_segment_field */
#define PINTLE_DEBUG(n)          (0x300ull + (n))               /* DR0 to DR3; 4: DR6 */
#define PINTLE_MSR(n)            (0x100000000ull + (n))
enum pintle_register {
	PINTLE_RIP,
	PINTLE_RSP,
	PINTLE_RFLAGS,
	PINTLE_CR0,
	PINTLE_CR2,
	PINTLE_CR3,
	PINTLE_CR4,
	PINTLE_EFER,
	PINTLE_DR7,
	PINTLE_GDT_BASE,
	PINTLE_GDT_LIMIT,
	PINTLE_IDT_BASE,
	PINTLE_IDT_LIMIT,
	PINTLE_PAT,
	PINTLE_XCR0,
	PINTLE_CR8,
	PINTLE_ACTIVITY, /* enum pintle_activity */
	PINTLE_EVENT,    /* an event that waits to be injected again: bits 7:0 vector, 10:8 type (0
			    interrupt, 2 NMI, 3 exception), 11 has an error code, 31 valid, 63:32 it */
	PINTLE_NMI_PENDING, /* 1: one is pending */
};
enum pintle_segment_field { PINTLE_BASE, PINTLE_LIMIT, PINTLE_SELECTOR, PINTLE_ATTRIBUTES };
enum pintle_activity { PINTLE_WAITS_FOR_SIPI, PINTLE_RUNS, PINTLE_HALTED };

/* Larger parts of a vCPU, for PINTLE_BULK_GET and _SET: whole pages of a shared piece. */
enum pintle_bulk {
	PINTLE_BULK_XSAVE, /* of PINTLE_QUERY_XSAVE_SIZE bytes, as XSAVE writes it (not compacted)
			    */
	PINTLE_BULK_LAPIC, /* 1 KiB: the registers as on the APIC's page */
};

/* For PINTLE_CPUID_SET: a page of these. */
struct pintle_cpuid {
	uint32_t leaf, subleaf;
	uint32_t any_subleaf; /* 1: `subleaf` does not count */
	uint32_t eax, ebx, ecx, edx;
	uint32_t reserved;
};
#define PINTLE_CPUID_MAX 128u

/*
 * The event page of a service CPU, in a shared piece. Pintle sets a bit of `bits`, then the bit of
 * its word in `words`, then raises the CPU's vector of the PCI function; the service VM takes them
 * away in the other order, with atomic exchanges. An event's number is the one that was given to
 * PINTLE_VCPU_CREATE, PINTLE_VCPU_WAIT or PINTLE_DOORBELL: service CPU in bits 31:16, bit in 11:0.
 */
#define PINTLE_EVENTS             4096u
#define PINTLE_EVENT_ID(cpu, bit) ((uint32_t)(cpu) << 16 | (bit))
struct pintle_events {
	uint64_t words;
	uint64_t reserved[7];
	uint64_t bits[PINTLE_EVENTS / 64];
};

/* A doorbell: a write that becomes an event and does not stop the vCPU. */
#define PINTLE_DOORBELLS 128u /* of a VM */
enum pintle_place { PINTLE_NOWHERE, PINTLE_PORT, PINTLE_MEMORY };
struct pintle_doorbell {
	uint64_t address; /* port or guest-physical address */
	uint64_t data;    /* that must be written, when `match` is 1 */
	uint32_t event;
	uint8_t size;  /* bytes: 1, 2, 4, 8; 0: any */
	uint8_t place; /* enum pintle_place */
	uint8_t match, reserved;
};

/* Scheduling, for PINTLE_SCHED_SET; docs/options.md says what they mean. */
struct pintle_sched {
	uint32_t weight, cap, latency, reserved;
	uint64_t budget, period; /* ns */
	uint64_t affinity[8];    /* all 0: all CPUs */
};

/* The PCI function: one MSI-X vector for each service CPU. */
#define PINTLE_PCI_VENDOR 0x5049u
#define PINTLE_PCI_DEVICE 0x0001u
