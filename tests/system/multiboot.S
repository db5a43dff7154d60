/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/multiboot.S - a guest by the Multiboot specification: says over COM1 what it was
 * told, and switches the machine off (port 604h, ACPI's PM1 control of pintle-vmm).
 */
	.set FLAGS, 3

	.section .text
	.align 4
	.long 0x1badb002, FLAGS, -(0x1badb002 + FLAGS)

	.globl _start
_start:
	mov $stack, %esp
	mov %ebx, %edi
	cmp $0x2badb002, %eax
	jne off
	mov $up, %esi
	call print
	mov 16(%edi), %esi		/* the command line */
	call print
	mov $modules, %esi
	call print
	mov 20(%edi), %eax		/* how many modules, one digit, */
	add $'0', %al
	call put
	cmpl $0, 20(%edi)
	je end
	mov 24(%edi), %ebx		/* and the first one's text */
	mov (%ebx), %esi
	call print
end:
	mov $newline, %esi
	call print
off:
	mov $0x604, %dx
	mov $0x3400, %ax		/* sleep type 5, now */
	out %ax, %dx
1:	hlt
	jmp 1b

print:	lodsb				/* the text at %esi */
	test %al, %al
	jz 1f
	call put
	jmp print
1:	ret

put:	mov %al, %ah			/* the character in %al */
	mov $0x3fd, %dx
1:	in %dx, %al
	test $0x20, %al
	jz 1b
	mov %ah, %al
	mov $0x3f8, %dx
	out %al, %dx
	ret

up:	.asciz "MULTIBOOT-UP "
modules: .asciz " modules="
newline: .asciz "\n"

	.bss
	.skip 256
stack:
