/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/msr.S - MSRs: passed, kept, hidden and faulting ones; the rows of kernel/msr.c. */
#include "guest.inc"

#define RDMSR(n) mov $(n), %ecx; rdmsr
#define EFER 0xc0000080

main:
	CASE "a passed MSR keeps what is written"
	mov	$0xc0000102, %ecx		/* KERNEL_GS_BASE: open */
	mov	$0x12345678, %eax
	mov	$0x00007fff, %edx
	wrmsr
	xor	%eax, %eax
	xor	%edx, %edx
	rdmsr
	EXPECT(0x12345678, %rax)
	mov	$0xc0000102, %ecx
	rdmsr
	mov	%edx, %r8d
	EXPECT(0x7fff, %r8)

	CASE "rdmsr clears the upper halves of RAX and RDX"
	mov	$-1, %rax
	mov	$-1, %rdx
	RDMSR(EFER)
	mov	%rdx, %r8
	EXPECT(0x500, %rax)
	EXPECT(0, %r8)

	CASE "the MSR's number is ECX, whatever is above it"
	movabs	$0xffffffff00000000 | EFER, %rcx
	rdmsr
	EXPECT(0x500, %rax)

	CASE "rdmsr and wrmsr with prefixes are skipped whole"
	mov	$EFER, %ecx
	RUNS(.byte 0x48, 0x2e, 0x0f, 0x32)
	RUNS(.byte 0x66, 0x0f, 0x32)
	EXPECT(0x500, %rax)
	mov	$EFER, %ecx
	mov	$0x500, %eax
	RUNS(xor %edx, %edx; .byte 0x2e, 0x0f, 0x30)

	CASE "EFER: SCE and NXE can be switched"
	mov	$EFER, %ecx
	mov	$0xd01, %eax
	RUNS(xor %edx, %edx; wrmsr)
	rdmsr
	EXPECT(0xd01, %rax)
	mov	$0x500, %eax
	RUNS(xor %edx, %edx; wrmsr)

	CASE "EFER: a reserved bit or SVME is a #GP and changes nothing"
	mov	$EFER, %ecx
	mov	$0x1500, %eax			/* SVME */
	xor	%edx, %edx
	FAULTS(VECTOR_GP, wrmsr)
	mov	$0x502, %eax
	xor	%edx, %edx
	FAULTS(VECTOR_GP, wrmsr)
	EXPECT(0, exc_error)
	mov	$0x500, %eax
	FAULTS(VECTOR_GP, mov $1, %edx; 772: wrmsr)
	RDMSR(EFER)
	EXPECT(0x500, %rax)

	CASE "EFER: LME cannot change under paging"
	mov	$EFER, %ecx
	mov	$0x400, %eax
	xor	%edx, %edx
	FAULTS(VECTOR_GP, wrmsr)

	CASE "a hidden MSR reads zero and forgets writes"
	mov	$0x3a, %ecx			/* FEATURE_CONTROL */
	rdmsr
	EXPECT(0, %rax)
	mov	$0xc0010114, %ecx		/* VM_CR */
	mov	$0x10, %eax
	xor	%edx, %edx
	RUNS(wrmsr)
	mov	$0xc0010114, %ecx
	rdmsr
	EXPECT(0, %rax)

	CASE "VMX capabilities are a #GP"
	mov	$0x480, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0x48d, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0x493, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	EXPECT(0, exc_error)

	CASE "SMM and SVM control MSRs are a #GP, to read and to write"
	mov	$0x9b, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0x9e, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0xc0010111, %ecx		/* SMBASE */
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0xc0010117, %ecx		/* VM_HSAVE_PA */
	FAULTS(VECTOR_GP, rdmsr)
	xor	%eax, %eax
	mov	$0xc0010117, %ecx
	FAULTS(VECTOR_GP, xor %edx, %edx; 772: wrmsr)

	CASE "KVM's MSRs of what is not offered are a #GP"
	mov	$0x4b564d02, %ecx
	FAULTS(VECTOR_GP, rdmsr)
	mov	$0x4b564d02, %ecx
	xor	%eax, %eax
	FAULTS(VECTOR_GP, xor %edx, %edx; 772: wrmsr)

	/* Both emulators read 0 for all MSRs; bare machines and KVM give #GP. */
	CASE "an unknown MSR harms nobody"
	movq	$1f, exc_resume
	mov	$0x12345678, %ecx
	rdmsr
1:	movq	$2f, exc_resume
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
2:	movq	$3f, exc_resume
	mov	$0xc0001fff, %ecx
	rdmsr
3:	movq	$0, exc_resume

	CASE "the MTRRs do not change by a write"
	mov	$0x2ff, %ecx
	rdmsr
	mov	%eax, %r8d
	xor	%eax, %eax
	xor	%edx, %edx
	RUNS(mov $0x2ff, %ecx; wrmsr)
	rdmsr
	xor	%eax, %r8d
	EXPECT(0, %r8)

	CASE "PAT: written and read back, a bad type is a #GP"
	mov	$0x277, %ecx
	mov	$0x00070106, %eax
	mov	$0x00070406, %edx
	RUNS(mov $0x277, %ecx; mov $0x00070406, %edx; wrmsr)
	mov	$0x277, %ecx
	rdmsr
	mov	%edx, %r8d
	EXPECT(0x00070106, %rax)
	EXPECT(0x00070406, %r8)
	mov	$0x277, %ecx
	mov	$0x00070102, %eax
	FAULTS(VECTOR_GP, mov $0x00070406, %edx; 772: wrmsr)
	mov	$0x277, %ecx
	mov	$0x00070106, %eax
	FAULTS(VECTOR_GP, mov $0x08070406, %edx; 772: wrmsr)
	rdmsr
	mov	%edx, %r8d
	EXPECT(0x00070406, %r8)

	CASE "FS and GS bases, STAR and SYSENTER are the guest's"
	mov	$0xc0000100, %ecx
	mov	$0x55000, %eax
	RUNS(xor %edx, %edx; wrmsr)
	movl	$0x600dcafe, 0x55010
	mov	%fs:0x10, %r8d
	EXPECT(0x600dcafe, %r8)
	mov	$0x175, %ecx
	mov	$0x7000, %eax
	RUNS(xor %edx, %edx; wrmsr)
	rdmsr
	EXPECT(0x7000, %rax)

	CASE "a non-canonical base is a #GP"
	ON	'q', 2f				/* QEMU does not check */
	mov	$0xc0000101, %ecx
	xor	%eax, %eax
	FAULTS(VECTOR_GP, mov $0x00800000, %edx; 772: wrmsr)
2:
	ret
