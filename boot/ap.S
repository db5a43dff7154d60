/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/ap.S - an application processor's way from SIPI (real mode) to ap_main() in long mode.
 *
 * ap_trampoline is copied to a page below 1 MiB, where ap.c fills in the three variables at its end. The boot page
 * tables, which map that page, carry the CPU until it stands in the image; there it finds its area by its APIC id,
 * so that all can start at once without sharing a stack.
 */
#include "kernel/layout.h"
#include "offsets.h"

#define OF(symbol) ((symbol) - ap_trampoline)

	.section .rodata, "a"
	.balign 16
	.globl ap_trampoline, ap_trampoline_end, ap_trampoline_cr3, ap_trampoline_gdt, ap_trampoline_far
	.code16
ap_trampoline:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	lgdtl OF(ap_trampoline_gdt)
	mov OF(ap_trampoline_cr3), %eax
	mov %eax, %cr3
	mov $(1 << 5), %eax             /* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx           /* EFER */
	rdmsr
	or $(1 << 8 | 1 << 11), %eax    /* LME, NXE */
	wrmsr
	mov $(1 << 31 | 1 << 16 | 1 << 5 | 1 << 1 | 1), %eax /* PG, WP, NE, MP, PE; caches on */
	mov %eax, %cr0
	ljmpl *OF(ap_trampoline_far)
	.code64
ap_long:
	movabs $ap_high, %rax
	jmp *%rax
	.balign 8
	.globl ap_long
ap_gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
	.globl ap_gdt
ap_trampoline_gdt:
	.short 3 * 8 - 1
	.long 0                         /* address of ap_gdt's copy */
ap_trampoline_far:
	.long 0                         /* address of ap_long's copy */
	.short 8
ap_trampoline_cr3:
	.long 0
ap_trampoline_end:

	.section .text, "ax"
ap_high:
	mov $0x10, %eax                 /* while the trampoline's GDT is mapped */
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov paging_root(%rip), %rax
	mov %rax, %cr3

	/* SDM vol. 3, 9.9: the x2APIC id from leaf 0bh where that exists, else the initial APIC id. */
	xor %eax, %eax
	cpuid
	cmp $0xb, %eax
	jb 1f
	mov $0xb, %eax
	xor %ecx, %ecx
	cpuid
	test %ebx, %ebx
	jnz 2f
1:	mov $1, %eax
	cpuid
	shr $24, %ebx
	mov %ebx, %edx
2:	mov cpu_count(%rip), %ecx
	lea cpu_table(%rip), %rsi
3:	lodsq
	cmp %edx, PCPU_APIC_ID(%rax)
	je 4f
	loop 3b
5:	cli                             /* nobody asked for this CPU */
	hlt
	jmp 5b
4:	mov PCPU_STACK_TOP(%rax), %rsp
	xor %ebp, %ebp
	mov %rax, %rdi
	call ap_main
	ud2
	.section .note.GNU-stack, "", @progbits
