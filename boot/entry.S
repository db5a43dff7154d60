/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/entry.S - from the loader's 32-bit state to boot_main() in long mode.
 *
 * Multiboot2 specification 3.3 (i386 state): EAX magic, EBX boot information, protected mode without paging, no
 * stack. The image may lie at any multiple of 2 MiB below 4 GiB, so this code is position independent: EBP holds the
 * physical address of the image, and a symbol's own is REL(symbol)(%ebp).
 */
#include "kernel/layout.h"

#define REL(symbol) ((symbol) - IMAGE_VA)

	.section .multiboot, "a"
	.balign 8
header:
	.long 0xe85250d6                /* specification 3.1.1 */
	.long 0                         /* i386 */
	.long header_end - header
	.long -(0xe85250d6 + 0 + (header_end - header))

	.balign 8
	.short 1, 0                     /* 3.1.3: information wanted: the memory map, or nothing works */
	.long 12
	.long 6
	.balign 8
	.short 1, 1                     /* and, if there is such a thing: modules, screen, EFI, ACPI tables */
	.long 8 + 4 * 5
	.long 3, 8, 12, 14, 15
	.balign 8
	.short 4, 1                     /* 3.1.7: a text screen will do */
	.long 12
	.long 2
	.balign 8
	.short 6, 0                     /* 3.1.9: modules start a page */
	.long 8
	.balign 8
	.short 10, 0                    /* 3.1.12: relocatable; as high as can be, low memory is the guests' */
	.long 24
	.long 0x200000, 0xffffffff, 0x200000, 2
	.balign 8
	.short 0, 0
	.long 8
header_end:

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

	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb no_long_mode
	mov $0x80000001, %eax
	cpuid
	and $(1 << 29 | 1 << 20), %edx  /* long mode, no-execute */
	cmp $(1 << 29 | 1 << 20), %edx
	jne no_long_mode

	call build_tables

	mov $(1 << 5), %eax             /* PAE, and nothing that firmware may have left, such as LA57 */
	mov %eax, %cr4
	lea REL(boot_pml4)(%ebp), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx           /* EFER */
	rdmsr
	or $(1 << 8 | 1 << 11), %eax    /* LME, NXE */
	wrmsr
	mov %cr0, %eax
	and $~(1 << 2 | 1 << 3 | 1 << 29 | 1 << 30), %eax /* EM, TS, NW, CD off */
	or $(1 << 31 | 1 << 16 | 1 << 5 | 1 << 1), %eax   /* PG, WP, NE, MP */
	mov %eax, %cr0

	lea REL(boot_gdt)(%ebp), %eax
	pushl $0
	pushl %eax
	pushw $(boot_gdt_end - boot_gdt - 1)
	lgdt (%esp)
	pushl $8
	lea REL(entry64)(%ebp), %eax
	pushl %eax
	lret

/*
 * 0-4 GiB at 0 and at DIRECT_VA in large pages, the image at IMAGE_VA, and the table of the windows.
 */
	.macro link table, index, to    /* present, writable */
	lea REL(\to) + 3(%ebp), %eax
	mov %eax, REL(\table) + 8 * (\index)(%ebp)
	.endm
build_tables:
	link boot_pml4, 0, boot_pdpt_low
	link boot_pml4, PML4_INDEX(DIRECT_VA), boot_pdpt_low
	link boot_pml4, PML4_INDEX(IMAGE_VA), boot_pdpt_high
	link boot_pdpt_high, PDPT_INDEX(IMAGE_VA), boot_pd_image
	link boot_pdpt_high, PDPT_INDEX(WINDOW_VA), boot_pd_window
	link boot_pd_window, 0, boot_pt_window
	lea 0x83(%ebp), %eax            /* present, writable, large: the image's own 2 MiB */
	mov %eax, REL(boot_pd_image)(%ebp)

	lea REL(boot_pd_low) + 3(%ebp), %eax
	xor %ecx, %ecx
1:	mov %eax, REL(boot_pdpt_low)(%ebp, %ecx, 8)
	add $4096, %eax
	inc %ecx
	cmp $4, %ecx
	jb 1b

	mov $0x83, %eax                 /* present, writable, large */
	xor %ecx, %ecx
1:	mov %eax, REL(boot_pd_low)(%ebp, %ecx, 8)
	add $0x200000, %eax
	inc %ecx
	cmp $4 * 512, %ecx
	jb 1b
	ret

no_long_mode:
	lea REL(no_long_mode_text)(%ebp), %esi
1:	lodsb
	test %al, %al
	jz 3f
	mov %al, %bl
	mov $0x10000, %ecx              /* a missing UART must not hold us */
	mov $0x3fd, %dx
2:	in %dx, %al
	test $0x20, %al
	loopz 2b
	mov %bl, %al
	mov $0x3f8, %dx
	out %al, %dx
	jmp 1b
3:	hlt
	jmp 3b
no_long_mode_text:
	.asciz "\r\nerror: cannot start: this CPU has no 64-bit mode with no-execute pages\r\n"

	.code64
	.globl entry64
entry64:
	movabs $entry_high, %rax
	jmp *%rax

	.section .text, "ax"
entry_high:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	test %ebp, %ebp
	jz ap_high                      /* not the boot CPU, where it is the image's address */
	lea boot_stack_top(%rip), %rsp
	xor %ebp, %ebp
	mov %edi, %edi                  /* boot_main(uint32_t magic, hpa_t information) */
	mov %esi, %esi
	call boot_main
	ud2

	.section .boot.text, "ax"
	.balign 8
	.globl boot_gdt, boot_gdt_end
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff        /* 64-bit code */
	.quad 0x00cf93000000ffff        /* data */
boot_gdt_end:

	.section .boot.bss, "aw", @nobits
	.balign 4096
	.globl boot_pml4, boot_pt_window
boot_pml4:      .skip 4096
boot_pdpt_low:  .skip 4096
boot_pdpt_high: .skip 4096
boot_pd_image:  .skip 4096
boot_pd_window: .skip 4096
boot_pt_window: .skip 4096
boot_pd_low:    .skip 4 * 4096
	.skip 16384
boot_stack_top:

	.section .data, "aw"
	.balign 8
	.globl image_base, boot_entry_tsc
image_base:     .quad 0                 /* physical address of IMAGE_VA */
boot_entry_tsc: .quad 0                 /* when entry32 ran */
	.section .note.GNU-stack, "", @progbits
