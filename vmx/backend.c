/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/backend.c - VT-x behind struct backend: what the CPU can, VMX operation, VMCSs, runs.
 * Runs: on the CPU that the vCPU is pinned to, interrupts off.
 */
#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/time.h"
#include "vmx/vmx.h"

STATIC_ASSERT(offsetof(struct vcpu, regs) == 0, "enter.S");
STATIC_ASSERT(GPR_RSP == 4 && GPR_RDI == 7 && GPR_COUNT == 16, "enter.S");

#define CPUID_VMX        BIT(5) /* leaf 1, ECX */
#define MSR_RANGE_MASK   0x1fffu
#define MSR_RANGE_HIGH   0xc0000000u
#define MSR_BITMAP_WRITE 0x800u /* bytes into the bitmap */
#define VCPU_FRAMES      ((sizeof(struct vmx_vcpu) + PAGE_SIZE - 1) / PAGE_SIZE)

static uint64_t vpid_last[CPUS_MAX]; /* [C] as in struct vmx_vcpu */

uint64_t vmx_cr0_owned, vmx_cr4_owned;
uint32_t vmx_controls[VMX_GROUP_COUNT];

void vmx_load(struct vmx_vcpu *vmx)
{
	struct vmx_vcpu *old = this_cpu()->loaded;
	bool good = vmptrld(virt_to_phys(vmx->vmcs));
	DEBUG_ASSERT(good);
	if (old != NULL) {
		old->cr2 = cr2_read();
	}
	cr2_write(vmx->cr2);
	this_cpu()->loaded = vmx;
	vmx->flush |= vmx->vpid >> 16 != vpid_last[this_cpu()->index] >> 16;
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
	static const uint16_t msrs[VMX_GROUP_COUNT] = {
#define X(id, msr) msr,
		VMX_GROUPS(X)
#undef X
	};
	static const struct {
		const char *name;
		uint64_t bits;
		enum vmx_group group;
	} wanted[] = {
#define X(group, id, bits, name) {name, bits, VMX_##group},
		VMX_FEATURES(X)
#undef X
	};
	uint64_t may[VMX_GROUP_COUNT] = {0};
	bool good = true;

	for (unsigned group = 0; group < VMX_GROUP_COUNT; group++) {
		if (msr_try_read(msrs[group], &may[group]) && group < VMX_BASIC) {
			vmx_controls[group] = (uint32_t)may[group];
			may[group] >>= 32;
		}
	}
	for (unsigned i = 0; i < ARRAY_COUNT(wanted); i++) {
		enum vmx_group group = wanted[i].group;
		vmx_controls[group] |= (uint32_t)(wanted[i].bits & may[group]);
		if (wanted[i].name != NULL && wanted[i].bits & ~may[group]) {
			log_error("vmx: this CPU lacks %s", wanted[i].name);
			good = false;
		}
	}
	vmx_stage2_format.large_1g = may[VMX_EPT_VPID] & EPT_VPID_1G;
	return good;
}

static int probe(void)
{
	bool there = cpuid_read(1, 0).ecx & CPUID_VMX;
	if (!there || !(msr_read(MSR_VMX_BASIC) & VMX_BASIC_TRUE)) {
		log_error("vmx: this CPU lacks %s", there ? "true controls" : "VT-x");
		return -ENODEV;
	}
	vmx_cr0_owned = (msr_read(MSR_VMX_CR0_FIXED0) & ~(CR0_PE | CR0_PG)) | CR0_CD | CR0_NW;
	vmx_cr4_owned = msr_read(MSR_VMX_CR4_FIXED0) | CR4_MCE;
	return allowed_by_firmware() && features_choose() ? 0 : -ENODEV;
}

/* A VMXON region or VMCS begins with the revision of its format (25.2, 25.11.5). */
static void *region_alloc(size_t frames)
{
	uint32_t *region = frame_alloc(frames, FRAME_VCPU);
	if (region != NULL) {
		*region = (uint32_t)(msr_read(MSR_VMX_BASIC) & VMX_BASIC_REVISION);
	}
	return region;
}

static int cpu_start(void)
{
	struct pcpu *cpu = this_cpu();
	if (!allowed_by_firmware()) {
		return -EIO;
	}
	void *region = region_alloc(1);
	if (region == NULL) {
		return trace_err(-ENOMEM);
	}
	/* 24.8 */
	cr0_write((cr0_read() | msr_read(MSR_VMX_CR0_FIXED0)) & msr_read(MSR_VMX_CR0_FIXED0 + 1));
	cr4_write((cr4_read() | vmx_cr4_owned) & msr_read(MSR_VMX_CR4_FIXED0 + 1));
	if (!vmxon(virt_to_phys(region))) {
		log_error("vmx: cpu %u refuses VMXON", cpu->index);
		frame_free(region, 1, FRAME_VCPU);
		return -EIO;
	}
	vpid_last[cpu->index] = BIT(16); /* generation 1, so that 0 is of none */
	return 0;
}

/* 25.6.9: the bitmap has reads and writes of two ranges; others always exit. */
static void open_in(uint8_t *bitmap, uint32_t msr, bool read, bool write)
{
	uint32_t index = (msr & MSR_RANGE_MASK) + (msr >= MSR_RANGE_HIGH ? MSR_RANGE_MASK + 1 : 0);
	uint8_t closed = (uint8_t) ~(1u << index % 8);

	DEBUG_ASSERT((msr & ~(MSR_RANGE_MASK | MSR_RANGE_HIGH)) == 0);
	if (read) {
		bitmap[index / 8] &= closed;
	}
	if (write) {
		bitmap[MSR_BITMAP_WRITE + index / 8] &= closed;
	}
}

static void open_msr(struct vm *vm, uint32_t msr, bool read, bool write)
{
	struct vmx_vm *shared = vm->hw;
	open_in(shared->msr[false], msr, read, write);
	open_in(shared->msr[true], msr, read, write);
}

static void open_ports(struct vm *vm, uint16_t first, unsigned count)
{
	uint8_t *bitmap = ((struct vmx_vm *)vm->hw)->ports;
	for (unsigned port = first; port < first + count && port <= UINT16_MAX; port++) {
		bitmap[port / 8] &= (uint8_t) ~(1u << port % 8);
	}
}

/* Registers of an x2APIC that the CPU serves, a bit each: those that have nothing but their value
 * (the current count has not, the ICR has 64 bits). */
#define X2APIC_READS                                                                               \
	(BIT(VLAPIC_ID) | BIT(VLAPIC_VERSION) | BIT(VLAPIC_TPR) | BIT(VLAPIC_PPR) |                \
		BIT(VLAPIC_LDR) | BIT(VLAPIC_SVR) | (BIT(VLAPIC_ESR + 1) - BIT(VLAPIC_ISR)) |      \
		BIT(VLAPIC_LVT_CMCI) | (BIT(VLAPIC_TIMER_NOW) - BIT(VLAPIC_LVT_TIMER)) |           \
		BIT(VLAPIC_TIMER_DIVIDE))
#define X2APIC_WRITES (BIT(VLAPIC_TPR) | BIT(VLAPIC_EOI))

static int vm_create(struct vm *vm)
{
	vm->hw = frame_alloc(sizeof(struct vmx_vm) / PAGE_SIZE, FRAME_VCPU);
	if (vm->hw == NULL) {
		return trace_err(-ENOMEM);
	}
	memset(vm->hw, 0xff, sizeof(struct vmx_vm));
	for (unsigned reg = 0; reg < VLAPIC_REGISTERS; reg++) {
		open_in(((struct vmx_vm *)vm->hw)->msr[true], MSR_X2APIC + reg,
			X2APIC_READS >> reg & 1, X2APIC_WRITES >> reg & 1);
	}
	return 0;
}

static void vm_destroy(struct vm *vm)
{
	frame_free(vm->hw, sizeof(struct vmx_vm) / PAGE_SIZE, FRAME_VCPU);
	vm->hw = NULL;
}

static int vcpu_create(struct vcpu *vcpu)
{
	vcpu->hw = region_alloc(VCPU_FRAMES);
	return vcpu->hw != NULL ? 0 : trace_err(-ENOMEM);
}

/* The CPU may hold a VMCS in itself until VMCLEAR (25.11.1). */
static void vmcs_forget(struct vmx_vcpu *vmx)
{
	bool good = vmclear(virt_to_phys(vmx->vmcs));
	DEBUG_ASSERT(good);
	if (this_cpu()->loaded == vmx) {
		this_cpu()->loaded = NULL;
	}
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	vmcs_forget(vcpu->hw);
	frame_free(vcpu->hw, VCPU_FRAMES, FRAME_VCPU);
	vcpu->hw = NULL;
}

/* From scratch: every field is written, whatever the VMCS was before. */
static void vcpu_reset(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vcpu->hw;
	const struct vm *vm = vcpu->vm;
	const struct vmx_vm *shared = vm->hw;
	struct pcpu *cpu = this_cpu();
	struct PACKED {
		uint16_t limit;
		uint64_t base;
	} idtr;
	__asm__ volatile("sidt %0" : "=m"(idtr));
	/* A tick of the timer is 2^rate of the TSC's. */
	unsigned timer_rate = msr_read(MSR_VMX_MISC) & VMX_MISC_TIMER_RATE;
	uint64_t timer_start = min_u64(time_to_tsc(RUN_MAX_NS) >> timer_rate, UINT32_MAX);
	const struct {
		unsigned field;
		uint64_t value;
	} set_up[] = {
#define X(id, encoding, value) {VMCS_##id, value},
		VMCS_SET_UP(X)
#undef X
	};

	vmcs_forget(vmx);
	memset((uint8_t *)vmx + PAGE_SIZE, 0, sizeof(*vmx) - PAGE_SIZE);
	vmx->flush = true;
	vmx_use(vcpu);
	unsigned last = VMCS_ENUM_LAST(msr_read(MSR_VMX_VMCS_ENUM));
	for (unsigned kind = 0; kind < 16; kind++) {
		for (unsigned index = 0; index <= last; index++) {
			vmcs_write(VMCS_ENCODING(kind / 4, kind % 4, index), 0);
		}
	}
	for (unsigned i = 0; i < ARRAY_COUNT(set_up); i++) {
		vmcs_write(set_up[i].field, set_up[i].value);
	}
	vmx_state_reset(vcpu);
}

static void run(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct vmx_vcpu *vmx = vmx_use(vcpu);

	if (vmx->flush) {
		vmx_stage2_prepare(vcpu, &vpid_last[vcpu->cpu]);
	}
	if (!vmx_enter(&vcpu->regs, &vmx->host_rsp, vmx->launched)) {
		vmx->refused = true;
		*exit = (struct vcpu_exit){
			.kind = EXIT_ENTRY_FAILED, .raw = vmcs_read(VMCS_INSTRUCTION_ERROR)};
		return;
	}
	vmx_decode(vcpu, exit);
	if (!vmx->launched) {
		vmx->launched = !(exit->raw & VMX_EXIT_REFUSED);
	}
}

static void flush(struct vcpu *vcpu)
{
	((struct vmx_vcpu *)vcpu->hw)->flush = true;
}

const struct backend vmx_backend = {
	.name = "VT-x",
	.stage2 = &vmx_stage2_format,
	.probe = probe,
	.cpu_start = cpu_start,
	.vm_create = vm_create,
	.vm_destroy = vm_destroy,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_reset = vcpu_reset,
	.open_msr = open_msr,
	.open_ports = open_ports,
	.run = run,
	.get = vmx_get,
	.set = vmx_set,
	.get_segment = vmx_get_segment,
	.set_segment = vmx_set_segment,
	.skip = vmx_skip,
	.inject = vmx_inject,
	.can_take = vmx_can_take,
	.window = vmx_window,
	.lapic_sync = vmx_lapic_sync,
	.flush = flush,
	.dump = vmx_dump,
};
