/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/stage2.c - extended page tables: their format, and what the CPU keeps of them. SDM vol.
 * 3, 29.3 and 29.4.
 */
#include "kernel/paging.h"
#include "vmx/vmx.h"

/* Table 29-1 to 29-7. The guest's own PAT still counts. */
struct stage2_format vmx_stage2_format = {
	.table = BIT(0) | BIT(1) | BIT(2),
	.read = BIT(0),
	.write = BIT(1),
	.execute = BIT(2),
	.large = BIT(7),
	.cache_shift = 3,
};

/* 25.6.11: the CPU reads the tables write-back, and they have four levels (less one). */
uint64_t vmx_ept_pointer(const struct vm *vm)
{
	return virt_to_phys(vm->stage2.root).raw | STAGE2_WB | 3 << 3;
}

/*
 * Before an entry: a VPID, and the flush that was asked for. With EPT all that the CPU caches is
 * tagged with the EPT pointer, and what has linear addresses with the VPID too; INVEPT of that
 * pointer drops it under every VPID (29.4.3.1), so that INVVPID is not needed, not even when a new
 * generation of VPIDs begins: who takes a new one flushes.
 */
void vmx_stage2_prepare(struct vcpu *vcpu, uint64_t *vpid_last)
{
	struct vmx_vcpu *vmx = vcpu->hw;

	if (vmx->vpid >> 16 != *vpid_last >> 16) { /* also of another CPU: vmx_release() */
		struct pcpu *cpu = this_cpu();
		++*vpid_last;
		*vpid_last += (uint16_t)*vpid_last == 0; /* VPID 0 is the host's */
		vmx->vpid = *vpid_last;
		if (vmx_controls[VMX_PROC2] & VMX_PROC2_VPID) {
			vmcs_write(VMCS_VPID, (uint16_t)vmx->vpid);
		}
		VMCS_OF_CPU(VMCS_WRITE)
	}
	const uint64_t descriptor[2] = {vmx_ept_pointer(vcpu->vm), 0};
	const uint64_t single_context = 1;
	__asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(single_context) : "cc", "memory");
	vmx->flush = false;
}
