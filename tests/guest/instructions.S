/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/guest/instructions.S - those that always exit and are neither CPUID nor I/O nor an MSR. */
#include "guest.inc"

main:
	CASE "vmcall returns -1000 or is undefined"
	ON	'q', 1f
	ON	'r', 1f
	mov	$5, %eax
	RUNS(vmcall)
	EXPECT(-1000, %rax)
	jmp	2f
1:	FAULTS(VECTOR_UD, vmcall)
2:
	CASE "vmmcall returns -1000 or is undefined"
	ON	'b', 1f
	mov	$5, %eax
	mov	$0x1234, %ebx
	RUNS(vmmcall)
	EXPECT(-1000, %rax)
	EXPECT(0x1234, %rbx)
	RUNS(.byte 0x2e, 0x0f, 0x01, 0xd9)
	jmp	2f
1:	FAULTS(VECTOR_UD, vmmcall)
2:
	CASE "the cache can be flushed"
	movq	$0x11223344, SCRATCH
	RUNS(wbinvd)
	EXPECT(0x11223344, SCRATCH)
	RUNS(invd)
	EXPECT(0x11223344, SCRATCH)
	RUNS(.byte 0x2e, 0x0f, 0x08)
	RUNS(.byte 0x2e, 0x0f, 0x09)
	RUNS(clflush SCRATCH)

	CASE "VMX's instructions are undefined"
	FAULTS(VECTOR_UD, vmxon SCRATCH)
	FAULTS(VECTOR_UD, vmclear SCRATCH)
	FAULTS(VECTOR_UD, vmptrld SCRATCH)
	FAULTS(VECTOR_UD, vmptrst SCRATCH)
	FAULTS(VECTOR_UD, vmread %rax, %rbx)
	FAULTS(VECTOR_UD, vmwrite %rax, %rbx)
	FAULTS(VECTOR_UD, vmlaunch)
	FAULTS(VECTOR_UD, vmresume)
	FAULTS(VECTOR_UD, vmxoff)
	FAULTS(VECTOR_UD, invept SCRATCH, %rax)
	FAULTS(VECTOR_UD, invvpid SCRATCH, %rax)
	FAULTS(VECTOR_UD, vmfunc)

	CASE "SVM's instructions are undefined"
	mov	$SCRATCH, %eax
	FAULTS(VECTOR_UD, vmrun)
	FAULTS(VECTOR_UD, vmload)
	FAULTS(VECTOR_UD, vmsave)
	FAULTS(VECTOR_UD, stgi)
	FAULTS(VECTOR_UD, clgi)
	FAULTS(VECTOR_UD, .byte 0x0f, 0x01, 0xdf)	/* INVLPGA */
	FAULTS(VECTOR_UD, skinit)

	CASE "MONITOR and MWAIT are undefined"
	mov	$SCRATCH, %eax
	xor	%ecx, %ecx
	FAULTS(VECTOR_UD, xor %edx, %edx; 772: monitor)
	xor	%eax, %eax
	FAULTS(VECTOR_UD, mwait)

	CASE "UD2 and undefined opcodes are undefined"
	FAULTS(VECTOR_UD, ud2)
	FAULTS(VECTOR_UD, .byte 0x0f, 0x04)

	CASE "PAUSE, RDTSC and INVLPG run, and time goes on"
	RUNS(pause; invlpg SCRATCH)
	rdtsc
	mov	%eax, %r8d
	mov	%edx, %r9d
	rdtsc
	shl	$32, %rdx
	or	%rax, %rdx
	shl	$32, %r9
	or	%r9, %r8
	cmp	%r8, %rdx
	seta	%r8b
	movzbl	%r8b, %r8d
	EXPECT(1, %r8)

	CASE "debug registers are the guest's"
	mov	$0x1234, %eax
	RUNS(mov %rax, %dr0)
	mov	%dr0, %r8
	EXPECT(0x1234, %r8)
	mov	%dr7, %r8
	EXPECT(0x400, %r8)

	CASE "a software interrupt arrives behind its instruction"
	RUNS(int $0x80)
	EXPECT(1, counts + 8 * 0x80)

	CASE "INT3 is a trap"
	HOOK	VECTOR_BP, on_breakpoint
3:	int3
4:	EXPECT(4b, seen)
	ret

on_breakpoint:
	mov	FRAME_RIP(%rdi), %rax
	mov	%rax, seen
	ret
	.data
seen:	.quad	0
