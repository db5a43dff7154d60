/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/backend.c - AMD-V: what the machine must have, and the VMs and vCPUs that it runs. APM vol.
 * 2, 15. Runs: cpu_start on each CPU at boot; the rest on the CPU of the vCPU.
 */
#include "svm/svm.h"

#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"

uint32_t svm_features;
static uint32_t asid_count;           /* [I] after probe */
static struct svm_cpu cpus[CPUS_MAX]; /* [C] */

static bool is_switched_off(void)
{
	bool off = msr_read(MSR_VM_CR) & VM_CR_SVMDIS;
	if (off) {
		log_error("svm: AMD-V is switched off in the firmware's set-up");
	}
	return off;
}

static int svm_probe(void)
{
	struct cpuid svm = cpuid_read(CPUID_SVM, 0);
	int err = is_switched_off() ? -ENODEV : 0;
	svm_features = svm.edx;
	asid_count = svm.ebx;
	if (!(svm_features & SVM_NESTED_PAGING)) {
		log_error("svm: this CPU has no nested paging");
		err = -ENODEV;
	}
	return err;
}

static int svm_cpu_start(void)
{
	struct svm_cpu *cpu = &cpus[this_cpu()->index];

	if (is_switched_off()) {
		return trace_err(-EIO);
	}
	struct vmcb *pages = frame_alloc(2, FRAME_CPU); /* what VMRUN saves, and what VMSAVE does */
	if (pages == NULL) {
		return trace_err(-ENOMEM);
	}
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
	msr_write(MSR_VM_HSAVE, virt_to_phys(&pages[0]).raw);
	/* The host's state never changes: saved once, loaded after every exit. No ASID is left: the
	 * first entry flushes. */
	*cpu = (struct svm_cpu){virt_to_phys(&pages[1]), 1, asid_count, asid_count};
	__asm__ volatile("vmsave %%rax" : : "a"(cpu->host.raw) : "memory");
	return 0;
}

static int svm_vm_create(struct vm *vm)
{
	vm->hw = frame_alloc(SVM_VM_FRAMES, FRAME_VCPU);
	if (vm->hw == NULL) {
		return trace_err(-ENOMEM);
	}
	memset(vm->hw, 0xff, sizeof(struct svm_vm));
	return 0;
}

static void svm_vm_destroy(struct vm *vm)
{
	frame_free(vm->hw, SVM_VM_FRAMES, FRAME_VCPU);
	vm->hw = NULL;
}

static int svm_vcpu_create(struct vcpu *vcpu)
{
	vcpu->hw = frame_alloc(1, FRAME_VCPU);
	if (vcpu->hw == NULL) {
		return trace_err(-ENOMEM);
	}
	svm_vcpu_reset(vcpu);
	return 0;
}

static void svm_vcpu_destroy(struct vcpu *vcpu)
{
	frame_free(vcpu->hw, 1, FRAME_VCPU);
	vcpu->hw = NULL;
}

/* 15.11: two bits for each MSR, read then write, of three ranges; others always exit. */
static void svm_open_msr(struct vm *vm, uint32_t msr, bool read, bool write)
{
	static const uint32_t ranges[] = {0, 0xc0000000, 0xc0010000};
	const uint32_t range_size = 0x2000;
	struct svm_vm *hw = vm->hw;

	for (uint32_t i = 0; i < ARRAY_COUNT(ranges); i++) {
		if (msr - ranges[i] < range_size) {
			uint32_t n = i * range_size + msr - ranges[i];
			unsigned bits = (read ? 1u : 0) | (write ? 2u : 0);
			hw->msrpm[n / 4] &= (uint8_t) ~(bits << n % 4 * 2);
		}
	}
}

static void svm_open_ports(struct vm *vm, uint16_t first, unsigned count)
{
	struct svm_vm *hw = vm->hw;

	for (uint64_t port = first; port < min_u64((uint64_t)first + count, 0x10000); port++) {
		hw->iopm[port / 8] &= (uint8_t) ~(1u << port % 8);
	}
}

static void svm_run(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct svm_cpu *cpu = &cpus[vcpu->cpu];
	struct vmcb *vmcb = vcpu->hw;

	svm_asid_choose(cpu, vmcb);
	vmcb->rax = vcpu->regs.gpr[GPR_RAX];
	svm_enter(&vcpu->regs, virt_to_phys(vmcb), cpu->host);
	vcpu->regs.gpr[GPR_RAX] = vmcb->rax;
	vmcb->tlb_control = TLB_KEEP;
	vmcb->inject = 0;
	vmcb->clean = CLEAN_ALL;
	svm_decode(vcpu, exit);
}

const struct backend svm_backend = {
	.name = "AMD-V",
	.stage2 = &svm_stage2_format,
	.probe = svm_probe,
	.cpu_start = svm_cpu_start,
	.vm_create = svm_vm_create,
	.vm_destroy = svm_vm_destroy,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_vcpu_reset,
	.open_msr = svm_open_msr,
	.open_ports = svm_open_ports,
	.run = svm_run,
	.get = svm_get,
	.set = svm_set,
	.get_segment = svm_get_segment,
	.set_segment = svm_set_segment,
	.skip = svm_skip,
	.inject = svm_inject,
	.can_take = svm_can_take,
	.window = svm_window,
	.flush = svm_flush,
	.dump = svm_dump,
};
