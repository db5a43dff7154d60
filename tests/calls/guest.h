/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/calls/guest.h - guests of a few instructions, as their VMM sees them.
 */
#pragma once

#include "tests/calls/service.h"

#define GUEST_PAGES  64u     /* of RAM, from address 0 on */
#define GUEST_CODE   0x1000u /* where its code lies, and runs */
#define GUEST_TABLES 0x8000u /* page tables of 64-bit guests: themselves, then 2 MiB pages */
#define GUEST_STACK  0x7000u
#define GUEST_DATA   0x10000u
#define GUEST_HOLE   0x100000u /* nothing there: MMIO */

/* A guest's code, for `bits` (16, 32, 64); it lies at another place than it runs at. */
#define GUEST(name, bits, code)                                                                    \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n.code" #bits "\n" #name ":\n" code "\n" #name               \
		"_end:\n.code64\n.popsection")

struct guest {
	uint64_t vm;
	uint64_t piece; /* the VM's first */
	uint64_t ram;   /* the service VM's address of its RAM */
	struct pintle_record *record;
	unsigned event;
};

/* A VM with one stopped vCPU that is to run this code. */
struct guest guest_new(unsigned bits, const uint8_t *code, const uint8_t *end);
#define NEW(bits, name) guest_new(bits, name, name##_end)

/* Only the VM, with memory and no vCPU. */
struct guest guest_empty(void);

/* A vCPU with its own record and event: the number, or an error. */
int64_t guest_add(struct guest *g, unsigned apic_id);

/* State of vCPU `index`, whose record it is, to begin at `rip` in this mode. */
void guest_state(const struct guest *g, unsigned index, struct pintle_record *record, unsigned bits,
	uint64_t rip);

/* Run vCPU 0 until its event comes: why it stopped; PINTLE_EXIT_NONE: it does not. */
unsigned guest_run(struct guest *g);

/* The next exit is this one. */
void guest_expect(struct guest *g, unsigned exit, uint64_t address, unsigned size, unsigned write,
	uint64_t value, unsigned line);
#define EXPECT_EXIT(g, exit, address, size, write, value)                                          \
	guest_expect(g, PINTLE_EXIT_##exit, address, size, write, value, __LINE__)

/* One value of a vCPU's state. */
uint64_t state_get(const struct guest *g, uint64_t id);
int64_t state_set(const struct guest *g, uint64_t id, uint64_t value);

/* It goes; everything has come back. */
void guest_end(struct guest *g);

/* Map `count` pages from `page` of the service VM on, at `gpa`. */
int64_t guest_map(uint64_t vm, uint64_t gpa, uint64_t page, uint64_t count, uint64_t rights);

/* How many entries of struct pintle_cpuid were made of what the CPU says, on a shared page. */
unsigned cpuid_table(struct pintle_cpuid *rows);
