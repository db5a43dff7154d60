/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/entry.S - each CPU's way into long mode: the boot CPU's from the loader's 32-bit state to boot_main(), an
 * application processor's from SIPI (real mode) to ap_main().
 *
 * Multiboot2 specification 3.3 (i386 state): EAX magic, EBX boot information, protected mode without paging, no
 * stack. The image may lie at any multiple of 2 MiB below 4 GiB, so this code is position independent: EBP holds the
 * physical address of the image, and a symbol's own is REL(symbol)(%ebp).
 */
#include "kernel/layout.h"
#include "offsets.h"

#define REL(symbol) ((symbol) - IMAGE_VA)
#define OF(symbol) ((symbol) - ap_trampoline)

	.section .multiboot, "a"
	.balign 8
header:
	/* Specification 3.1.1: magic, i386, length, checksum. */
	.long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + 0 + (header_end - header))

	.macro tag type, optional, words:vararg
	.balign 8
1:	.short \type, \optional
	.long 2f - 1b
	.long \words
2:
	.endm
	tag 1, 0, 6                     /* 3.1.3: information wanted: the memory map, or nothing works */
	tag 1, 1, 3, 8, 12, 14, 15      /* and, if there is such a thing: modules, screen, EFI, ACPI tables */
	tag 4, 1, 2                     /* 3.1.7: a text screen will do */
	tag 6, 0                        /* 3.1.9: modules start a page */
	tag 10, 0, 0x200000, 0xffffffff, 0x200000, 2 /* 3.1.12: relocatable; as high as can be, low memory is the guests' */
	tag 0, 0
header_end:

	/* To long mode with EAX as CR3, from paging off, in protected or real mode. */
	.macro enter_long_mode
	mov %eax, %cr3
	mov $(1 << 5), %eax             /* PAE, and nothing that firmware may have left, such as LA57 */
	mov %eax, %cr4
	mov $0xc0000080, %ecx           /* EFER */
	rdmsr
	or $(1 << 8 | 1 << 11), %eax    /* LME, NXE */
	wrmsr
	mov $(1 << 31 | 1 << 16 | 1 << 5 | 1 << 1 | 1), %eax /* PG, WP, NE, MP, PE; caches on */
	mov %eax, %cr0
	.endm

	/* Write the physical address \to into the variable \place, or its entry \index; leaves it in EAX. */
	.macro set place, to, index=0
	lea REL(\to)(%ebp), %eax
	mov %eax, REL(\place) + 8 * (\index)(%ebp)
	.endm

	.section .boot.text, "ax"
	.code32
	.globl entry32
entry32:
	cli
	cld
	mov %eax, %edi
	mov %ebx, %esi

	/* Where am I? Needs one word of stack: borrow and restore one in RAM that every PC has. */
	mov 0x7bfc, %edx
	mov $0x7c00, %esp
	call 1f
1:	pop %ebp
	sub $REL(1b), %ebp
	mov %edx, 0x7bfc
	lea REL(boot_stack_top)(%ebp), %esp

	rdtsc
	mov %eax, REL(boot_entry_tsc)(%ebp)
	mov %edx, REL(boot_entry_tsc) + 4(%ebp)
	mov %ebp, REL(image_base)(%ebp)

	mov $0x80000001, %eax
	cpuid
	and $(1 << 29 | 1 << 20), %edx  /* long mode, no-execute */
	cmp $(1 << 29 | 1 << 20), %edx
	jne no_long_mode

	/*
	 * 0-4 GiB at 0 and at DIRECT_VA in large pages, the image at IMAGE_VA, and the table of the windows;
	 * 3: present, writable.
	 */
	set boot_pml4, boot_pdpt_low + 3
	set boot_pml4, boot_pdpt_low + 3, PML4_INDEX(DIRECT_VA)
	set boot_pml4, boot_pdpt_high + 3, PML4_INDEX(IMAGE_VA)
	set boot_pdpt_high, boot_pd_image + 3, PDPT_INDEX(IMAGE_VA)
	set boot_pdpt_high, boot_pd_window + 3, PDPT_INDEX(WINDOW_VA)
	set boot_pd_window, boot_pt_window + 3
	.irp gib, 0, 1, 2, 3
	set boot_pdpt_low, (boot_pd_low + 0x1000 * \gib + 3), \gib
	.endr
	lea 0x83(%ebp), %eax            /* present, writable, large: the image's own 2 MiB */
	mov %eax, REL(boot_pd_image)(%ebp)

	mov $0x83, %eax                 /* present, writable, large */
	xor %ecx, %ecx
1:	mov %eax, REL(boot_pd_low)(%ebp, %ecx, 8)
	add $0x200000, %eax
	inc %ecx
	cmp $4 * 512, %ecx
	jb 1b

	set ap_entry, entry64
	set ap_gdt + 2, boot_gdt
	lgdt REL(ap_gdt)(%ebp)
	set ap_cr3, boot_pml4
	enter_long_mode
	ljmp *REL(ap_entry)(%ebp)

no_long_mode:
	lea REL(no_long_mode_text)(%ebp), %esi
1:	mov $0x3fd, %dx                 /* COM1: wait until it can take a byte; a missing one seems to */
2:	in %dx, %al
	test $0x20, %al
	jz 2b
	mov $0x3f8, %dx
	outsb
	cmpb $0, (%esi)
	jne 1b
3:	hlt
	jmp 3b
no_long_mode_text:
	.asciz "\r\nerror: cannot start: this CPU has no 64-bit mode with no-execute pages\r\n"

	.code64
entry64:
	movabs $entry_high, %rax
	jmp *%rax

	.section .text, "ax"
entry_high:
	mov $0x10, %eax
	.irp segment, ds, es, ss, fs, gs
	mov %eax, %\segment
	.endr
	test %ebp, %ebp
	jz ap_high                      /* not the boot CPU, where it is the image's address */
	lea boot_stack_top(%rip), %rsp
	xor %ebp, %ebp
	mov %esi, %esi                  /* boot_main(uint32_t magic, hpa_t information) */
	call boot_main
	ud2

ap_high:
	/* SDM vol. 3, 9.9: the initial APIC id, all of it in xAPIC mode; in x2APIC mode leaf 0bh has it, which is there then. */
	mov $1, %eax
	cpuid
	shr $24, %ebx
	cmpl $2, lapic_mode(%rip)       /* APIC_X2APIC */
	jne 2f
	mov $0xb, %eax
	xor %ecx, %ecx
	cpuid
	mov %edx, %ebx
2:	mov cpu_count(%rip), %ecx
	lea cpu_table(%rip), %rsi
3:	lodsq                           /* each finds its area by itself: all can start at once */
	cmp %ebx, PCPU_APIC_ID(%rax)
	je 4f
	loop 3b
5:	hlt                             /* nobody asked for this CPU, or it comes too late: Pintle's tables may not have this */
	jmp 5b
4:	cmpl $0, PCPU_STATE(%rax)       /* CPU_STARTING */
	jne 5b
	mov paging_root(%rip), %rcx
	mov %rcx, %cr3
	mov PCPU_STACK_TOP(%rax), %rsp
	mov %rax, %rdi
	call ap_main
	ud2

	.section .data, "aw"
	.balign 16
	.globl image_base, boot_entry_tsc, ap_trampoline, ap_trampoline_end
image_base:     .quad 0                 /* physical address of IMAGE_VA */
boot_entry_tsc: .quad 0                 /* when entry32 ran */
	/* What ap.c copies to a page below 1 MiB; its variables are the boot CPU's too, which has set them. */
	.code16
ap_trampoline:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	lgdtl OF(ap_gdt)
	mov OF(ap_cr3), %eax
	enter_long_mode
	xor %ebp, %ebp                  /* tells entry64 who comes */
	ljmpl *OF(ap_entry)
ap_gdt:
	.short boot_gdt_end - boot_gdt - 1
	.long 0                         /* boot_gdt */
ap_entry:
	.long 0                         /* entry64 */
	.short 8
ap_cr3:
	.long 0                         /* boot_pml4 */
ap_trampoline_end:

	.section .boot.text, "ax"
	.balign 8
boot_gdt:
	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff /* none, 64-bit code, data */
boot_gdt_end:

	.section .boot.bss, "aw", @nobits
	.balign 4096
	.globl boot_pt_window
	.irp table, boot_pml4, boot_pdpt_low, boot_pdpt_high, boot_pd_image, boot_pd_window, boot_pt_window, boot_pd_low
\table:
	.skip 4096
	.endr
	.skip 3 * 4096 + 16384          /* the other three of boot_pd_low, and the stack */
boot_stack_top:
	.section .note.GNU-stack, "", @progbits
