/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_context.c - what stays in the CPU between vCPUs: nobody sees another's state.
 * XSAVE and XRSTOR are the host's own; what no process may touch is in the variables here.
 * Flags: -Itests/unit/shim
 * Links: tests/unit/fake_backend.c kernel/exit.c kernel/msr.c kernel/cpuid.c kernel/gmem.c
 * Links: kernel/run.c kernel/guest.c kernel/insn.c kernel/stage2.c kernel/fmt.c
 * Links: kernel/pvclock.c vdev/lapic.c
 */
#include "tests/unit/fake_backend.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/frame.h"

static uint64_t debug[7], msr[7], xcr0;
static unsigned msr_writes, xcr0_writes;
static bool there[7]; /* MSRs that this CPU has */

static uint64_t *place_of(uint32_t number)
{
	static const uint32_t numbers[7] = {
		0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103, 0x48};
	for (unsigned i = 0; i < 7; i++) {
		if (numbers[i] == number) {
			return there[i] ? &msr[i] : NULL;
		}
	}
	fail_msg("MSR %x is switched", number);
	return NULL;
}

static bool test_msr_read(uint32_t number, uint64_t *value)
{
	*value = place_of(number) != NULL ? *place_of(number) : *value;
	return place_of(number) != NULL;
}

static bool test_msr_write(uint32_t number, uint64_t value)
{
	if (place_of(number) != NULL) {
		*place_of(number) = value;
		msr_writes++;
	}
	return place_of(number) != NULL;
}

static uint64_t test_msr_value(uint32_t number)
{
	uint64_t value = 0;
	assert_true(test_msr_read(number, &value));
	return value;
}

static void test_xcr0_write(uint64_t value)
{
	xcr0 = value;
	xcr0_writes++;
}

#define dr0_read()           debug[0]
#define dr1_read()           debug[1]
#define dr2_read()           debug[2]
#define dr3_read()           debug[3]
#define dr6_read()           debug[6]
#define dr0_write(value)     (debug[0] = (value))
#define dr1_write(value)     (debug[1] = (value))
#define dr2_write(value)     (debug[2] = (value))
#define dr3_write(value)     (debug[3] = (value))
#define dr6_write(value)     (debug[6] = (value))
#define cr4_read()           CR4_OSXSAVE
#define xcr0_read()          xcr0
#define xcr0_write           test_xcr0_write
#define msr_try_read         test_msr_read
#define msr_read             test_msr_value
#define msr_write            test_msr_write
#define msr_try_write        test_msr_write
#define frame_alloc(n, by)   test_frames(n)
#define frame_free(p, n, by) free(p)
static void *test_frames(size_t count)
{
	void *frames = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);
	memset(frames, 0, count * PAGE_SIZE);
	return frames;
}
#include "kernel/context.c"

#define X87_AND_SSE 3u
static struct vcpu *const one = &fake_vcpu[0], *const two = &fake_vcpu[1];

static int setup(void **state)
{
	fake_vm_setup(state);
	memset(debug, 0, sizeof(debug));
	memset(msr, 0, sizeof(msr));
	memset(there, true, sizeof(there));
	msr_writes = xcr0_writes = 0;
	xcr0 = 1;
	fake_cpuid = (struct cpuid){.eax = X87_AND_SSE, .ecx = 2 * PAGE_SIZE};
	this_cpu()->context = NULL;
	context_init();
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		fake_vcpu[i].context.fpu = frame_alloc(2, FRAME_VM);
		context_reset(&fake_vcpu[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		frame_free(fake_vcpu[i].context.fpu, 2, FRAME_VM);
	}
	return fake_vm_teardown(state);
}

/* The guest writes an MSR, and exits for it. */
static void guest_writes(struct vcpu *vcpu, uint32_t number, uint64_t value)
{
	*place_of(number) = value;
	context_note_msr(vcpu, number);
}

static uint32_t mxcsr_read(void)
{
	uint32_t value;
	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static void mxcsr_write(uint32_t value)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static void each_vcpu_finds_its_registers_again(void **state)
{
	(void)state;
	context_load(one);
	debug[0] = 1;
	debug[3] = 2;
	debug[6] = 3;
	guest_writes(one, 0xc0000082, 4);
	msr[4] = 6; /* by SWAPGS */
	mxcsr_write(0x1fa0);
	context_load(two);
	assert_int_equal(debug[0], 0);
	assert_int_equal(debug[3], 0);
	assert_int_equal(debug[6], 0xffff0ff0);
	assert_int_equal(msr[1], 0);
	assert_int_equal(msr[4], 0);
	assert_int_equal(mxcsr_read(), 0x1f80);
	guest_writes(two, 0x48, 5);
	context_load(one);
	assert_int_equal(debug[0], 1);
	assert_int_equal(debug[3], 2);
	assert_int_equal(debug[6], 3);
	assert_int_equal(msr[1], 4);
	assert_int_equal(msr[4], 6);
	assert_int_equal(msr[6], 0);
	assert_int_equal(mxcsr_read(), 0x1fa0);
	context_load(two);
	assert_int_equal(msr[6], 5);
	assert_ptr_equal(this_cpu()->context, two);
}

/* SSE registers that one vCPU has switched off in XCR0 are saved and cleared all the same. */
static void a_component_that_is_off_does_not_show_anothers(void **state)
{
	uint64_t secret = 0x5ec7e7, seen;
	(void)state;
	context_load(one);
	xcr0 = X87_AND_SSE;
	__asm__ volatile("movq %0, %%xmm7" : : "r"(secret));
	context_load(two); /* whose XCR0 is that of a reset */
	assert_int_equal(xcr0, 1);
	__asm__ volatile("movq %%xmm7, %0" : "=r"(seen));
	assert_int_equal(seen, 0);
	context_load(one);
	assert_int_equal(xcr0, X87_AND_SSE);
	__asm__ volatile("movq %%xmm7, %0" : "=r"(seen));
	assert_int_equal(seen, secret);
}

static void only_msrs_that_differ_are_written(void **state)
{
	(void)state;
	context_load(one);
	assert_int_equal(msr_writes, 7); /* nothing is known of what was there */
	msr_writes = 0;
	context_load(two);
	assert_int_equal(msr_writes, 0);
	guest_writes(two, 0xc0000083, 1);
	context_load(one);
	assert_int_equal(msr_writes, 1);
}

/* All but what SWAPGS writes, and what a VMCB has. */
static void writes_are_noted_of_what_is_not_read(void **state)
{
	static const struct backend svm_like = {.own_msrs = 5};
	const struct backend *was = backend;
	(void)state;
	assert_true(context_notes_msr(0xc0000081) && context_notes_msr(0xc0000084));
	assert_true(context_notes_msr(0xc0000103) && context_notes_msr(0x48));
	assert_false(context_notes_msr(0xc0000102) || context_notes_msr(0xc0000100));
	backend = &svm_like;
	assert_false(context_notes_msr(0xc0000081) || context_notes_msr(0xc0000084));
	assert_true(context_notes_msr(0xc0000103) && context_notes_msr(0x48));
	backend = was;
}

static void msrs_that_this_cpu_lacks_are_left_alone(void **state)
{
	(void)state;
	there[6] = moves[6] = false;
	context_load(one);
	context_load(two);
	assert_int_equal(msr_writes, 6);
}

static void xcr0_is_written_for_a_change_alone(void **state)
{
	(void)state;
	context_load(one);
	xcr0 = X87_AND_SSE;
	context_load(two);
	xcr0 = X87_AND_SSE;
	xcr0_writes = 0;
	context_load(one);
	context_load(two);
	assert_int_equal(xcr0_writes, 0);
}

static void a_reset_forgets_what_is_in_the_cpu(void **state)
{
	(void)state;
	context_load(one);
	guest_writes(one, 0xc0000081, 7);
	mxcsr_write(0x1fa0);
	context_reset(one);
	context_load(one);
	assert_int_equal(msr[0], 0);
	assert_int_equal(mxcsr_read(), 0x1f80);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_vcpu_finds_its_registers_again),
		TEST(a_component_that_is_off_does_not_show_anothers),
		TEST(only_msrs_that_differ_are_written),
		TEST(writes_are_noted_of_what_is_not_read),
		TEST(msrs_that_this_cpu_lacks_are_left_alone),
		TEST(xcr0_is_written_for_a_change_alone),
		TEST(a_reset_forgets_what_is_in_the_cpu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
