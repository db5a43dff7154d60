/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/system/kvmapi.h - a small VM on /dev/kvm, for programs that check what its ioctls do.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAM_SIZE 0x200000u /* from 0 on; a hole from HOLE on for one page */
#define CODE     0x1000u
#define HANDLER  0x2000u /* of all interrupt vectors: see guest_handler() */
#define STACK    0x3000u
#define PORT     0x510u
#define MMIO     0xd0000u /* nothing is there */
#define LOW_SIZE 0xa0000u

/* One VM with a vCPU in real mode, whose segments begin at 0. */
struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *ram;
};

/* All end the program with a message when they fail. */
void guest_create(struct guest *guest);
/* Segments and tables of real mode, from 0 on. */
void guest_real_mode(struct guest *guest);
void guest_destroy(struct guest *guest);
/* Put code at CODE and let the vCPU begin there. */
void guest_load(struct guest *guest, const void *code, size_t size);
/* Interrupts end in this code. */
void guest_handler(struct guest *guest, const void *code, size_t size);
/* Run until an exit: its reason. */
uint32_t guest_run(struct guest *guest);
/* Run for so long at most: 0, or a negative errno. */
int guest_run_for(struct guest *guest, unsigned milliseconds);
int must(const char *what, int fd, unsigned long request, void *argument);

/* The result of an ioctl, or -errno. */
int try_ioctl(int fd, unsigned long request, void *argument);

/* Say ok or FAIL; remembers failures. */
void report(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern unsigned failures;

struct check {
	const char *name;
	void (*run)(struct guest *guest);
};
extern const struct check state_checks[]; /* the last has no name */
