/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx/apic.c - APIC virtualisation (SDM vol. 3, 30): in x2APIC mode the CPU reads the vCPU's
 * registers, and writes TPR and EOI, without an exit. In xAPIC mode it all stays the kernel's.
 *
 * Interrupts go in as everywhere, by the kernel; the CPU could deliver them too, when the guest
 * sets IF. But in Bochs 2.7 a host interrupt that comes while IF is clear has the CPU deliver what
 * waits at once. So the CPU knows of a request only while that waits for a lower TPR, or while it
 * exits for the interrupt window, when by the manual it delivers none (30.2.1); EOIs exit while a
 * request waits; and the self-IPI register exits.
 */
#include "vmx/vmx.h"

void vmx_lapic_sync(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = vmx_use(vcpu);
	bool on = (vmx_controls[VMX_PROC] & VMX_PROC_TPR_SHADOW) &&
		(vmx_controls[VMX_PROC2] & VMX_PROC2_X2APIC) == VMX_PROC2_X2APIC &&
		vlapic_is_x2apic(&vcpu->lapic) && vlapic_takes(&vcpu->lapic);

	if (on != vmx->x2apic) {
		vmx->x2apic = on;
		vmcs_change(VMCS_PROC_CONTROLS, on ? VMX_PROC_CR8 : VMX_PROC_TPR_SHADOW,
			on ? VMX_PROC_TPR_SHADOW : VMX_PROC_CR8);
		vmcs_change(VMCS_PROC2_CONTROLS, VMX_PROC2_X2APIC, on ? VMX_PROC2_X2APIC : 0);
		vmcs_write(VMCS_VIRTUAL_APIC, virt_to_phys(vcpu->lapic.reg).raw);
		vmcs_write(
			VMCS_MSR_BITMAP, virt_to_phys(vcpu->vm->bitmaps->msr + on * PAGE_SIZE).raw);
	}
	unsigned status = vlapic_status(&vcpu->lapic);
	vmcs_write(VMCS_INTERRUPT_STATUS, status);
	for (unsigned i = 0; on && i < 4; i++) {
		uint64_t owed = (uint64_t)vcpu->owed[2 * i + 1] << 32 | vcpu->owed[2 * i];
		vmcs_write(VMCS_EOI_EXITS + 2 * i, (uint8_t)status != 0 ? UINT64_MAX : owed);
	}
}
