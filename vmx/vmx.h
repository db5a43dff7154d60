/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/vmx.h - VT-x as the backend's own files see it: VMCS fields, controls, exit reasons,
 * instructions. Numbers are from SDM vol. 3, chapters 25 to 28 and appendices A, B and C. Also read
 * by enter.S.
 */
#pragma once

#define VMX_HOST_RSP 0x6c14 /* VMCS_HOST_RSP, for enter.S */

#ifndef __ASSEMBLER__
#include "kernel/pcpu.h"
#include "kernel/vcpu.h"

/*
 * Appendix B; the fields that Pintle knows by name, all others are zero. What each holds from a
 * reset on, first: `vm` and `cpu` are the vCPU's VM and CPU. An exit also sets the limits of GDTR
 * and IDTR to ffffh (28.5.2): the IDT is full, and no selector above the GDT's is ever used. SS, DS
 * and ES are null then, which says nothing in 64-bit mode at CPL 0.
 */
#define VMCS_SET_UP(X)                                                                             \
	X(HOST_CS_SELECTOR, 0x0c02, GDT_CODE)                                                      \
	X(HOST_TR_SELECTOR, 0x0c0c, GDT_TSS)                                                       \
	X(IO_BITMAP_A, 0x2000, virt_to_phys(bitmaps->ports).raw)                                   \
	X(IO_BITMAP_B, 0x2002, virt_to_phys(bitmaps->ports + PAGE_SIZE).raw)                       \
	X(MSR_BITMAP, 0x2004, virt_to_phys(bitmaps->msr).raw)                                      \
	X(EPT_POINTER, 0x201a, vmx_ept_pointer(vm))                                                \
	X(LINK_POINTER, 0x2800, UINT64_MAX)                                                        \
	X(HOST_PAT, 0x2c00, msr_read(MSR_PAT))                                                     \
	X(HOST_EFER, 0x2c02, msr_read(MSR_EFER))                                                   \
	X(PIN_CONTROLS, 0x4000, vmx_controls[VMX_PIN])                                             \
	X(PROC_CONTROLS, 0x4002, vmx_controls[VMX_PROC] & ~VMX_PROC_LATER)                         \
	X(EXCEPTION_BITMAP, 0x4004, VMX_EXCEPTIONS)                                                \
	X(EXIT_CONTROLS, 0x400c, vmx_controls[VMX_EXIT])                                           \
	X(ENTRY_CONTROLS, 0x4012, vmx_controls[VMX_ENTRY] & ~(uint32_t)VMX_ENTRY_LONG_MODE)        \
	X(PROC2_CONTROLS, 0x401e,                                                                  \
		vmx_controls[VMX_PROC2] &                                                          \
			~(uint32_t)(VMX_PROC2_X2APIC | (vcpu->closed ? 0 : VMX_PROC2_WBINVD)))     \
	X(PAUSE_GAP, 0x4020, 128)     /* ticks of the TSC between two of a loop (25.6.13) */       \
	X(PAUSE_WINDOW, 0x4022, 4096) /* of a loop that exits */                                   \
	X(PREEMPTION_TIMER, 0x482e, timer_start)                                                   \
	X(CR0_MASK, 0x6000, vmx_cr0_owned)                                                         \
	X(CR4_MASK, 0x6002, vmx_cr4_owned)                                                         \
	X(HOST_CR0, 0x6c00, cr0_read())                                                            \
	X(HOST_CR3, 0x6c02, paging_root)                                                           \
	X(HOST_CR4, 0x6c04, cr4_read())                                                            \
	X(HOST_IDTR_BASE, 0x6c0e, idtr.base)                                                       \
	X(HOST_RIP, 0x6c16, (uintptr_t)vmx_exit_point)

/* Of the CPU: written when the vCPU comes to another one. */
#define VMCS_OF_CPU(X)                                                                             \
	X(HOST_GS_BASE, 0x6c08, (uintptr_t)cpu)                                                    \
	X(HOST_TR_BASE, 0x6c0a, (uintptr_t)&cpu->tss)                                              \
	X(HOST_GDTR_BASE, 0x6c0c, (uintptr_t)cpu->gdt)

#define VMCS_FIELDS(X)                                                                             \
	X(GUEST_PHYSICAL_ADDRESS, 0x2400)                                                          \
	X(ENTRY_EVENT, 0x4016)                                                                     \
	X(ENTRY_EVENT_ERROR, 0x4018)                                                               \
	X(ENTRY_EVENT_LENGTH, 0x401a)                                                              \
	X(INSTRUCTION_ERROR, 0x4400)                                                               \
	X(EXIT_REASON, 0x4402)                                                                     \
	X(EXIT_EVENT, 0x4404)                                                                      \
	X(EXIT_EVENT_ERROR, 0x4406)                                                                \
	X(VECTORING_EVENT, 0x4408)                                                                 \
	X(VECTORING_EVENT_ERROR, 0x440a)                                                           \
	X(EXIT_INSTRUCTION_LENGTH, 0x440c)                                                         \
	X(GUEST_PDPTES, 0x280a) /* the first of four */                                            \
	X(GUEST_INTERRUPTIBILITY, 0x4824)                                                          \
	X(CR0_SHADOW, 0x6004)                                                                      \
	X(CR4_SHADOW, 0x6006)                                                                      \
	X(EXIT_QUALIFICATION, 0x6400)                                                              \
	X(GUEST_PENDING_DEBUG, 0x6822)

enum vmcs_field {
	VMCS_VPID = 0, /* this and those up to EOI_EXITS are not on every CPU */
	VMCS_INTERRUPT_STATUS = 0x0810,
	VMCS_VIRTUAL_APIC = 0x2012,
	VMCS_EOI_EXITS = 0x201c, /* the first of four */
#define VMCS_ID(id, encoding, ...) VMCS_##id = (encoding),
	VMCS_SET_UP(VMCS_ID) VMCS_OF_CPU(VMCS_ID) VMCS_FIELDS(VMCS_ID)
#define VMCS_GUEST_ID(id, encoding, ...) VMCS_GUEST_##id = (encoding),
		VCPU_REGISTERS(VMCS_GUEST_ID)
};

/* All fields there may be, numbered: width, in bits 14:13 of an encoding, type 11:10, index 9:1. */
#define VMCS_FIELD_COUNT 1024u
static inline unsigned vmcs_field_number(unsigned n)
{
	return (n >> 8) << 13 | (n >> 6 & 3) << 10 | (n & 63) << 1;
}

/* The fields of the segments, in the order of enum segment_name. */
#define VMCS_SELECTOR(name) (0x0800u + 2 * (unsigned)(name))
#define VMCS_LIMIT(name)    (0x4800u + 2 * (unsigned)(name))
#define VMCS_RIGHTS(name)   (0x4814u + 2 * (unsigned)(name))
#define VMCS_BASE(name)     (0x6806u + 2 * (unsigned)(name))

/* Capability MSRs (appendix A), and the controls and capabilities that they tell (25.6 to 25.8). */
#define MSR_VMX_BASIC 0x480u
enum vmx_group {
	VMX_MISC = 5,
	VMX_CR0_FIXED, /* bits that must be 1; the next MSR: those that may be */
	VMX_CR4_FIXED = 8,
	VMX_PROC2 = 0xb,
	VMX_EPT_VPID,
	VMX_PIN,
	VMX_PROC,
	VMX_EXIT,
	VMX_ENTRY,
	VMX_GROUP_COUNT
};
#define MSR_VMX(group) (MSR_VMX_BASIC + (unsigned)(group))

/* The controls that Pintle sets, all others are as the CPU demands, and the capabilities it needs:
 * group, id, bits, name if it cannot do without. GUESTS are RDTSCP, INVPCID, XSAVES, TPAUSE and
 * UMWAIT. */
#define VMX_FEATURES(X)                                                                            \
	X(PIN, INTERRUPT, BIT(0), "external-interrupt exiting")                                    \
	X(PIN, NMI, BIT(3) | BIT(5), "NMI exiting and virtual NMIs")                               \
	X(PIN, TIMER, BIT(6), "VMX-preemption timer")                                              \
	X(PROC, INTERRUPT_WINDOW, BIT(2), "interrupt-window exiting")                              \
	X(PROC, HLT, BIT(7), "HLT exiting")                                                        \
	X(PROC, MWAIT, BIT(10) | BIT(29), "MONITOR and MWAIT exiting")                             \
	X(PROC, CR8, BIT(19) | BIT(20), "CR8-load and -store exiting")                             \
	X(PROC, TPR_SHADOW, BIT(21), NULL)                                                         \
	X(PROC, NMI_WINDOW, BIT(22), "NMI-window exiting")                                         \
	X(PROC, BITMAPS, BIT(25) | BIT(28), "I/O and MSR bitmaps")                                 \
	X(PROC, SECONDARY, BIT(31), "secondary controls")                                          \
	X(PROC2, EPT, BIT(1), "extended page tables (EPT)")                                        \
	X(PROC2, GUESTS, BIT(3) | BIT(12) | BIT(20) | BIT(26), NULL)                               \
	X(PROC2, VPID, BIT(5), NULL)                                                               \
	X(PROC2, WBINVD, BIT(6), NULL) /* of guests */                                             \
	X(PROC2, UNRESTRICTED, BIT(7), "unrestricted guest")                                       \
	X(PROC2, PAUSE_LOOP, BIT(10), NULL)                                                        \
	X(PROC2, X2APIC, BIT(4) | BIT(8) | BIT(9), NULL)                                           \
	X(EXIT, HOST_64, BIT(9), "64-bit host")                                                    \
	X(EXIT, ACKNOWLEDGE, BIT(15), "acknowledgement of interrupts on exit")                     \
	X(EXIT, SAVE, BIT(2) | BIT(18) | BIT(20), "saving of DR7, PAT and EFER")                   \
	X(EXIT, LOAD, BIT(19) | BIT(21), "loading of the host's PAT and EFER")                     \
	X(ENTRY, LONG_MODE, BIT(9), "64-bit guests")                                               \
	X(ENTRY, LOAD, BIT(2) | BIT(14) | BIT(15), "loading of DR7, PAT and EFER")                 \
	X(MISC, SAVES_LMA, BIT(5), "saving of EFER.LMA as an entry control")                       \
	X(EPT_VPID, PAGES, BIT(6) | BIT(14) | BIT(16),                                             \
		"write-back EPT of four levels with 2 MiB pages")                                  \
	X(EPT_VPID, INVEPT, BIT(20) | BIT(25), "INVEPT of a single context")

enum vmx_feature {
#define VMX_FEATURE_ID(group, id, bits, name) VMX_##group##_##id = (bits),
	VMX_FEATURES(VMX_FEATURE_ID)
};

/* Set while somebody waits, and in the guest's x2APIC mode. */
#define VMX_PROC_LATER                                                                             \
	((uint32_t)(VMX_PROC_INTERRUPT_WINDOW | VMX_PROC_NMI_WINDOW | VMX_PROC_TPR_SHADOW))

/* Interruption information, at entry, exit and vectoring (25.8.3, 25.9.2): vector 7:0, type 10:8.
 */
#define EVENT_INFO_IRET    BIT(12) /* exits: NMIs were unblocked by an IRET that faulted */
#define EVENT_INFO_TYPE(i) ((i) >> 8 & 7u)

/* GUEST_INTERRUPTIBILITY (25.4.2). */
#define BLOCKED_BY_STI    BIT(0)
#define BLOCKED_BY_SHADOW (BLOCKED_BY_STI | BIT(1)) /* or by MOV SS */
#define BLOCKED_BY_NMI    BIT(3)

/* #DB and #AC could be raised by their own delivery, without end; #MC is the host's. */
#define VMX_EXCEPTIONS     (BIT(1) | BIT(17) | BIT(18))
#define PENDING_DEBUG_STEP BIT(14) /* 25.4.2 */
#define RIGHTS_UNUSABLE    BIT(16) /* 25.4.1 */
#define RIGHTS_LONG        BIT(13)

/* What a vCPU has in its ->hw. */
struct vmx_vcpu {
	uint8_t vmcs[PAGE_SIZE];
	hpa_t at;          /* [I] of the VMCS */
	uint64_t host_rsp; /* [C] what VMCS_HOST_RSP holds; enter.S */
	uint64_t cr2;      /* [C] the guest's, while the VMCS is not the current one */
	uint64_t vpid;     /* [C] low 16 bits: its VPID; others: of which generation of its CPU's */
	bool x2apic;       /* [C] the CPU serves its x2APIC: vmx_lapic_sync() */
	bool launched;     /* [C] VMRESUME, no more VMLAUNCH */
	bool flush;        /* [C] INVEPT before the next entry */
};

/* [I] after probe: bits of CR0 and CR4 that are the host's, and of which the guest sees what it
 * wrote: those that VT-x wants to be 1 (but CR0_PE and CR0_PG: unrestricted guest), caches, machine
 * checks. */
extern uint64_t vmx_cr0_owned, vmx_cr4_owned;
extern uint32_t vmx_controls[VMX_GROUP_COUNT]; /* [I] after probe: all that we want and may */
extern struct stage2_format vmx_stage2_format; /* [I] after probe */

/* Make a vCPU's VMCS the one that VMREAD and VMWRITE mean on this CPU. */
void vmx_load(struct vmx_vcpu *vmx);
static inline struct vmx_vcpu *vmx_use(struct vcpu *vcpu)
{
	if (this_cpu()->loaded != vcpu->hw) {
		vmx_load(vcpu->hw);
	}
	return vcpu->hw;
}

#define VMX_PROTOTYPE(type, name, ...) type vmx_##name(__VA_ARGS__);
BACKEND_OPERATIONS(VMX_PROTOTYPE)
void vmx_lapic_sync(struct vcpu *vcpu);

/* decode.c: fill *exit after an exit from the current VMCS; also what an exit leaves undone. */
void vmx_decode(struct vcpu *vcpu, struct vcpu_exit *exit);

/* stage2.c */
uint64_t vmx_ept_pointer(const struct vm *vm);
void vmx_stage2_prepare(struct vcpu *vcpu, uint64_t *vpid_last);

/*
 * enter.S: enter the guest with `regs`, and save them when it exits. *host_rsp is what
 * VMCS_HOST_RSP holds. False: the entry was refused (VMfail) and nothing has changed. Interrupts
 * off.
 */
bool vmx_enter(struct vcpu_regs *regs, uint64_t *host_rsp, bool resume);
void vmx_exit_point(void); /* for VMCS_HOST_RIP */
void vmx_take_nmi(void);   /* the host's NMI handler, for an NMI that ended a run */

/* Of a field that this CPU does not have, what it gives is undefined. */
static inline uint64_t vmcs_read(unsigned field)
{
	uint64_t value;
	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc", "memory");
	return value;
}

static inline void vmcs_write(unsigned field, uint64_t value)
{
	__asm__ volatile("vmwrite %0, %1" : : "r"(value), "r"((uint64_t)field) : "cc", "memory");
}

/* Of VMCS_SET_UP and VMCS_OF_CPU. */
#define VMCS_WRITE(id, encoding, value) vmcs_write(VMCS_##id, value);

static inline void vmcs_change(unsigned field, uint64_t clear, uint64_t set)
{
	vmcs_write(field, (vmcs_read(field) & ~clear) | set);
}

/* VMXON, VMCLEAR, VMPTRLD on the region at a host-physical address; false: it was refused. */
#define VMX_REGION(name)                                                                           \
	static inline bool name(hpa_t region)                                                      \
	{                                                                                          \
		bool failed;                                                                       \
		__asm__ volatile(#name " %1" : "=@ccbe"(failed) : "m"(region.raw) : "memory");     \
		return !failed;                                                                    \
	}
VMX_REGION(vmxon)
VMX_REGION(vmclear)
VMX_REGION(vmptrld)
#endif
