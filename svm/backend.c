/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * svm/backend.c - AMD-V: what the machine must have, and the VMs and vCPUs that it runs. APM vol.
 * 2, 15. Runs: cpu_start on each CPU at boot; the rest on the CPU of the vCPU.
 */
#include "svm/svm.h"

#include "kernel/pcpu.h"

#define MSR_VM_CR    0xc0010114u
#define VM_CR_SVMDIS BIT(4)

uint32_t svm_features;
static uint32_t asid_count;           /* [I] after probe */
static struct svm_cpu cpus[CPUS_MAX]; /* [C] */

bool svm_probe(void)
{
	struct cpuid svm = cpuid_read(0x8000000a, 0);
	bool off = msr_read(MSR_VM_CR) & VM_CR_SVMDIS, paging = svm.edx & BIT(0);
	svm_features = svm.edx;
	asid_count = svm.ebx;
	if (off || !paging) {
		log_error("svm: %s",
			off ? "AMD-V is switched off in the firmware's set-up"
			    : "this CPU lacks nested paging");
	}
	return !off && paging;
}

/* The host's state never changes: saved once, loaded after every exit. No ASID is left: the first
 * entry flushes. */
bool svm_cpu_start(void *frames)
{
	struct vmcb *pages = frames; /* what VMRUN saves, and what VMSAVE does */
	hpa_t host = virt_to_phys(&pages[1]);

	cpus[this_cpu()->index] = (struct svm_cpu){host, 1, asid_count, asid_count};
	if (!msr_try_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME)) { /* VM_CR_SVMDIS */
		return false;
	}
	/* DIS_A20M: the service VM has the ports that mask A20, which would be the host's, too. */
	msr_try_write(MSR_VM_CR, msr_read(MSR_VM_CR) | BIT(2));
	msr_write(0xc0010117 /* VM_HSAVE_PA */, virt_to_phys(&pages[0]).raw);
	__asm__ volatile("vmsave %%rax" : : "a"(host.raw) : "memory");
	return true;
}

void svm_run(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct svm_cpu *cpu = &cpus[vcpu->cpu];
	struct vmcb *vmcb = vcpu->hw;

	svm_asid_choose(cpu, vmcb);
	vmcb->rax = vcpu->regs.gpr[GPR_RAX];
	svm_enter(&vcpu->regs, hpa(vmcb->at), cpu->host);
	vcpu->regs.gpr[GPR_RAX] = vmcb->rax;
	vmcb->tlb_control = 0;
	vmcb->inject = 0;
	vmcb->clean = CLEAN_ALL;
	svm_decode(vcpu, exit);
}

const struct backend svm_backend = {.name = "AMD-V",
	.stage2 = &svm_stage2_format,
	.vcpu_frames = 1,
	/* Each MSR's read and write side by side (15.11). */
	.msr_step = 2,
	.msr_bits = 2,
	.msr_distance = 1,
	.own_msrs = 5, /* VMLOAD and VMSAVE */
#define SVM_OPERATION(type, name, ...) .name = svm_##name,
	BACKEND_OPERATIONS(SVM_OPERATION)};
