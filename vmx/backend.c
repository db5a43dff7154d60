/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/backend.c - VT-x behind struct backend: what the CPU can, VMX operation, VMCSs, runs.
 * Runs: on the CPU that the vCPU is pinned to, interrupts off.
 */
#include "vmx/vmx.h"

STATIC_ASSERT(offsetof(struct vcpu, regs) == 0, "enter.S");
STATIC_ASSERT(GPR_RSP == 4 && GPR_RDI == 7 && GPR_COUNT == 16, "enter.S");

#define MSR_BITMAP_WRITES      0x800u /* bytes into a bitmap; from 0 on: reads (25.6.9) */
#define MSR_FEATURE_CONTROL    0x3au
#define FEATURE_CONTROL_LOCKED BIT(0)
#define FEATURE_CONTROL_VMX    BIT(2) /* outside SMX */

static uint64_t vpid_last[CPUS_MAX]; /* [C] as in struct vmx_vcpu */

uint64_t vmx_cr0_owned, vmx_cr4_owned;
uint32_t vmx_controls[VMX_GROUP_COUNT];

void vmx_load(struct vmx_vcpu *vmx)
{
	struct pcpu *cpu = this_cpu();
	struct vmx_vcpu *old = cpu->loaded;
	bool good = vmptrld(vmx->at);
	DEBUG_ASSERT(good);
	if (old != NULL) {
		old->cr2 = cr2_read();
	}
	cr2_write(vmx->cr2);
	cpu->loaded = vmx;
	if (vmx->vpid >> 16 != vpid_last[cpu->index] >> 16) {
		vmx->flush = true;
	}
}

/* SDM vol. 3, 24.7. Firmware locks this MSR; where it did not, the choice is ours. */
static bool allowed_by_firmware(void)
{
	uint64_t control = msr_read(MSR_FEATURE_CONTROL);
	if (!(control & FEATURE_CONTROL_LOCKED)) {
		control |= FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX;
		msr_write(MSR_FEATURE_CONTROL, control);
	}
	if (!(control & FEATURE_CONTROL_VMX)) {
		log_error("vmx: the firmware has locked VT-x off; look in its set-up");
	}
	return control & FEATURE_CONTROL_VMX;
}

/* Appendix A.3 to A.5: of controls the low half has the bits that must be 1, the high half those
 * that may. */
static bool features_choose(void)
{
	static const struct {
		const char *name;
		uint64_t bits;
		enum vmx_group group;
	} wanted[] = {
#define FEATURE_WANTED(group, id, bits, name) {name, bits, VMX_##group},
		VMX_FEATURES(FEATURE_WANTED)};
	bool good = true;

	for (unsigned i = 0; i < ARRAY_COUNT(wanted); i++) {
		enum vmx_group group = wanted[i].group;
		uint64_t value = 0;
		msr_try_read(MSR_VMX(group), &value);
		uint64_t may = group == VMX_MISC || group == VMX_EPT_VPID ? value : value >> 32;
		vmx_controls[group] |= (uint32_t)(value | (wanted[i].bits & may));
		if (wanted[i].name != NULL && wanted[i].bits & ~may) {
			log_error("vmx: this CPU lacks %s", wanted[i].name);
			good = false;
		}
	}
	return good;
}

bool vmx_probe(void)
{
	bool there = cpuid_read(1, 0).ecx & BIT(5);
	if (!there || !(msr_read(MSR_VMX_BASIC) & BIT(55))) { /* A.1 */
		log_error("vmx: this CPU lacks %s", there ? "true controls" : "VT-x");
		return false;
	}
	vmx_cr0_owned = (msr_read(MSR_VMX(VMX_CR0_FIXED)) & ~(CR0_PE | CR0_PG)) | CR0_CD | CR0_NW;
	vmx_cr4_owned = msr_read(MSR_VMX(VMX_CR4_FIXED)) | CR4_MCE;
	bool good = allowed_by_firmware() && features_choose();
	vmx_stage2_format.large_1g = good && msr_read(MSR_VMX(VMX_EPT_VPID)) & BIT(17);
	return good;
}

/* A VMXON region or VMCS begins with the revision of its format (25.2, 25.11.5). */
static void set_revision(void *region)
{
	*(uint32_t *)region = (uint32_t)msr_read(MSR_VMX_BASIC) & INT32_MAX;
}

bool vmx_cpu_start(void *frames)
{
	if (!allowed_by_firmware()) {
		return false;
	}
	/* 24.8 */
	cr0_write((cr0_read() | msr_read(MSR_VMX(VMX_CR0_FIXED))) &
		msr_read(MSR_VMX(VMX_CR0_FIXED + 1)));
	cr4_write((cr4_read() | vmx_cr4_owned) & msr_read(MSR_VMX(VMX_CR4_FIXED + 1)));
	vpid_last[this_cpu()->index] = BIT(16); /* generation 1, so that 0 is of none */
	set_revision(frames);
	return vmxon(virt_to_phys(frames));
}

/* Registers of an x2APIC that the CPU serves, a bit each: those that have nothing but their value
 * (the current count has not, the ICR has 64 bits). */
#define X2APIC_READS                                                                               \
	(BIT(LAPIC_ID) | BIT(LAPIC_VERSION) | BIT(LAPIC_TPR) | BIT(LAPIC_PPR) | BIT(LAPIC_LDR) |   \
		BIT(LAPIC_SVR) | (BIT(LAPIC_ESR + 1) - BIT(LAPIC_ISR)) | BIT(LAPIC_LVT_CMCI) |     \
		(BIT(LAPIC_TIMER_NOW) - BIT(LAPIC_LVT_TIMER)) | BIT(LAPIC_TIMER_DIVIDE))
#define X2APIC_WRITES (BIT(LAPIC_TPR) | BIT(LAPIC_EOI))

/* From scratch: every field is written, whatever the VMCS was before; the CPU may hold one in
 * itself until VMCLEAR (25.11.1). */
void vmx_vcpu_reset(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->hw;
	const struct vm *vm = vcpu->vm;
	struct vm_bitmaps *bitmaps = vm->bitmaps;
	struct pcpu *cpu = this_cpu();
	struct table_register idtr;
	__asm__ volatile("sidt %0" : "=m"(idtr));
	/* A tick of the timer is 2^rate of the TSC's (A.6). */
	unsigned timer_rate = msr_read(MSR_VMX(VMX_MISC)) & 0x1f;
	uint64_t timer_start = min_u64(time_to_tsc(RUN_MAX_NS) >> timer_rate, UINT32_MAX);

	set_revision(vmx->vmcs);
	bool good = vmclear(virt_to_phys(vmx->vmcs));
	DEBUG_ASSERT(good);
	if (cpu->loaded == vmx) {
		cpu->loaded = NULL;
	}
	memset((uint8_t *)vmx + PAGE_SIZE, 0, sizeof(*vmx) - PAGE_SIZE);
	vmx->at = virt_to_phys(vmx->vmcs);
	vmx->flush = true;
	vmx_use(vcpu);
	for (unsigned n = 0; n < VMCS_FIELD_COUNT; n++) {
		vmcs_write(vmcs_field_number(n), 0);
	}
	VMCS_SET_UP(VMCS_WRITE)
	vcpu_reset_registers(vcpu);
	if (cpu->context == vcpu) { /* DR0-3 and DR6 are the guest's */
		dr6_write(0xffff0ff0);
	}
	*(uint64_t *)&bitmaps->msr[PAGE_SIZE + MSR_X2APIC / 8] = ~X2APIC_READS;
	*(uint64_t *)&bitmaps->msr[PAGE_SIZE + MSR_BITMAP_WRITES + MSR_X2APIC / 8] = ~X2APIC_WRITES;
}

void vmx_run(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct vmx_vcpu *vmx = vmx_use(vcpu);

	if (vmx->flush) {
		vmx_stage2_prepare(vcpu, &vpid_last[this_cpu()->index]);
	}
	if (!vmx_enter(&vcpu->regs, &vmx->host_rsp, vmx->launched)) {
		*exit = (struct vcpu_exit){.kind = EXIT_ENTRY_FAILED,
			.raw = vmcs_read(VMCS_INSTRUCTION_ERROR), /* 31.4 */
			.why = "its entry was refused: invalid control fields or host state"};
		return;
	}
	vmx_decode(vcpu, exit);
	vmx->launched |= !(exit->raw & BIT(31)); /* the entry failed */
}

void vmx_flush(struct vcpu *vcpu)
{
	((struct vmx_vcpu *)vcpu->hw)->flush = true;
}

/* 25.11.1: VMCLEAR before another CPU loads it, there with VMLAUNCH. VPIDs are each CPU's own. */
void vmx_release(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_use(vcpu);

	vmx->cr2 = cr2_read();
	vmclear(virt_to_phys(vmx->vmcs));
	vmx->launched = false;
	vmx->vpid = 0;
	this_cpu()->loaded = NULL;
}

const struct backend vmx_backend = {.name = "VT-x",
	.stage2 = &vmx_stage2_format,
	.vcpu_frames = PAGES_OF(sizeof(struct vmx_vcpu)),
	/* Reads, then writes; then both again, for vCPUs whose x2APIC the CPU serves. */
	.msr_step = 1,
	.msr_bits = 4,
	.msr_distance = MSR_BITMAP_WRITES * 8,
	.lapic_sync = vmx_lapic_sync,
#define VMX_OPERATION(type, name, ...) .name = vmx_##name,
	BACKEND_OPERATIONS(VMX_OPERATION)};
