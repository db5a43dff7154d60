/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/calls/service.h - a service VM of few bytes, in C: checks, hypercalls, memory, events.
 *
 * Each program defines service(), which ends with finish(). CASE begins a test, and ends the one
 * before; EXPECT says once a test what is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/pintle.h"

#define PAGE         0x1000ull
#define EPERM        1
#define ENOENT       2
#define ENOMEM       12
#define EAGAIN       11
#define EFAULT       14
#define EBUSY        16
#define EEXIST       17
#define EINVAL       22
#define ENOSPC       28
#define ENOSYS       38
#define ESTALE       116
#define EVENT_VECTOR 0x38u /* of the PCI function's first vector, the next CPU's behind it */
#define TIMER_VECTOR 0x3cu

#define QEMU_AMD    'q' /* machine(): QEMU, AMD-V */
#define BOCHS_INTEL 'b'
#define BOCHS_AMD   'r'

void service(void);
_Noreturn void finish(void);

void case_begin(const char *name);
void expect(uint64_t wanted, uint64_t got, unsigned line);
#define CASE(name)          case_begin(name)
#define EXPECT(wanted, got) expect((uint64_t)(int64_t)(wanted), (uint64_t)(got), __LINE__)
#define EXPECT_TRUE(what)   expect(1, (what) ? 1 : 0, __LINE__)

void say(const char *text);
void say_hex(uint64_t value);
char machine(void);
uint64_t tsc(void);
uint64_t milliseconds(uint64_t count); /* in ticks of the TSC */

/* With up to five arguments; the value of RAX. */
#define CALL(name, ...) call_(PINTLE_##name, (const uint64_t[5]){__VA_ARGS__})
int64_t call_(uint64_t number, const uint64_t *arguments);
int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
int64_t hypercall_user(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
bool keeps_registers(uint64_t number);
#define QUERY(what) CALL(QUERY, PINTLE_QUERY_##what)

/* Memory that nobody uses, all below 4 GiB: a piece, or a page of a piece that is shared. They are
 * pointers, too. */
uint64_t piece(void);
void piece_free(uint64_t freed);
uint64_t shared_page(void);
#define AT(type, address) ((type *)(uintptr_t)(address))

/* Events: the bit of service CPU 0's page is set within ten seconds, and taken away. */
bool event_comes(unsigned bit);
bool event_is_set(unsigned cpu, unsigned bit);
extern volatile unsigned event_interrupts[2]; /* by service CPU */
extern struct pintle_events *event_page[2];

/* Sleep until an interrupt, or some milliseconds. */
void doze(void);
void sleep_until(uint64_t at);
#define WAIT_FOR(condition)                                                                        \
	for (uint64_t limit_ = tsc() + milliseconds(10000); !(condition) && tsc() < limit_;)       \
	doze()

/* The PCI function: its place in port cf8, and its memory once events_on() has been called. */
uint32_t pci_read(uint32_t place, unsigned offset);
void pci_write(uint32_t place, unsigned offset, uint32_t value);
extern uint32_t function_place;
extern volatile uint32_t *function_table;
#define FUNCTION_BAR 0xd0000000u

/* Run a function on the other CPU, for good. */
void other_cpu(void (*function)(void));

uint64_t msr_read(uint32_t msr);
void msr_write(uint32_t msr, uint64_t value);
void port_write8(uint16_t port, uint8_t value);
void port_write32(uint16_t port, uint32_t value);
uint32_t port_read32(uint16_t port);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
