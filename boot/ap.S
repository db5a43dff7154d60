/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/ap.S - an application processor's way from SIPI (real mode) to ap_main() in long mode.
 *
 * ap_trampoline is copied to a page below 1 MiB, where ap.c fills in the variables at its end. It goes straight to
 * long mode, on the boot page tables, and on by entry64; there it finds its area by its APIC id, so that all can start
 * at once without sharing a stack.
 */
#include "kernel/layout.h"
#include "offsets.h"

#define OF(symbol) ((symbol) - ap_trampoline)

	.section .rodata, "a"
	.balign 16
	.globl ap_trampoline, ap_trampoline_end
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
	xor %ebp, %ebp                  /* tells entry64 who comes */
	ljmpl *OF(ap_trampoline_entry)

ap_trampoline_gdt:                      /* from here on struct trampoline in ap.c */
	.short 0
	.long 0                         /* boot_gdt */
ap_trampoline_entry:
	.long 0                         /* entry64 */
	.short 0
ap_trampoline_cr3:
	.long 0
ap_trampoline_end:

	.section .text, "ax"
	.code64
	.globl ap_high
ap_high:
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
	mov %rax, %rdi
	call ap_main
	ud2
	.section .note.GNU-stack, "", @progbits
