/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_vmx.c - events into a VMCS that no CPU holds, judged by the checks of an entry
 * that Bochs leaves out.
 *
 * Links: kernel/vcpu.c
 */
#include "tests/unit/fake.h"

#define vmcs_read   real_vmcs_read
#define vmcs_write  real_vmcs_write
#define vmcs_change real_vmcs_change
#define vmx_use     real_vmx_use
#include "vmx/vmx.h"
#undef vmcs_read
#undef vmcs_write
#undef vmcs_change
#undef vmx_use

const struct backend *backend;
uint64_t vmx_cr0_owned, vmx_cr4_owned;

static uint64_t fields[0x8000]; /* by encoding */

static struct vmx_vcpu *vmx_use(struct vcpu *one)
{
	return one->hw;
}

bool gmem_copy(struct vm *vm, uint64_t gpa, void *to, size_t size, bool write)
{
	(void)vm;
	(void)gpa;
	(void)to;
	(void)size;
	(void)write;
	return false;
}

static uint64_t vmcs_read(unsigned field)
{
	return fields[field];
}

static void vmcs_write(unsigned field, uint64_t value)
{
	fields[field] = value;
}

static void vmcs_change(unsigned field, uint64_t clear, uint64_t set)
{
	fields[field] = (fields[field] & ~clear) | set;
}

#include "vmx/state.c"

static struct vcpu vcpu;

/* SDM vol. 3, 27.3.1.5: under a block, a single step that waits must be there if TF is. */
static bool may_enter(void)
{
	bool step = fields[VMCS_GUEST_PENDING_DEBUG] & PENDING_DEBUG_STEP;
	return !(fields[VMCS_GUEST_INTERRUPTIBILITY] & BLOCKED_BY_SHADOW) ||
		step == ((fields[VMCS_GUEST_RFLAGS] & RFLAGS_TF) != 0);
}

static void inject_under(
	uint64_t block, bool step, uint8_t type, uint8_t vector, bool has_error, uint64_t cr0)
{
	struct vcpu_event event = {true, type, vector, 1, has_error, 0x18};
	memset(fields, 0, sizeof(fields));
	fields[VMCS_GUEST_RFLAGS] = RFLAGS_TF | RFLAGS_IF;
	fields[VMCS_GUEST_CR0] = cr0;
	fields[VMCS_GUEST_INTERRUPTIBILITY] = block;
	fields[VMCS_GUEST_PENDING_DEBUG] = step ? PENDING_DEBUG_STEP : 0;
	vmx_inject(&vcpu, &event);
	assert_int_equal((uint8_t)fields[VMCS_ENTRY_EVENT], vector);
	assert_int_equal(EVENT_INFO_TYPE(fields[VMCS_ENTRY_EVENT]), type);
	assert_true(fields[VMCS_ENTRY_EVENT] & EVENT_VALID);
}

/* An exit by #DB saves the block and not the step that waits: a process could end the VM. */
static void a_debug_exception_under_a_block_goes_in_again(void **state)
{
	(void)state;
	for (uint64_t block = 0; block <= 2; block++) { /* none, STI, MOV SS */
		inject_under(block, false, EVENT_EXCEPTION, VECTOR_DEBUG, false, CR0_PE);
		assert_true(may_enter());
		inject_under(block, false, 5 /* INT1 */, VECTOR_DEBUG, false, CR0_PE);
		assert_true(may_enter());
		assert_int_equal(fields[VMCS_ENTRY_EVENT_LENGTH], 1);
	}
}

/* An exit by another exception saves both. */
static void other_exceptions_keep_the_block_and_the_step(void **state)
{
	(void)state;
	inject_under(2, true, EVENT_EXCEPTION, 17, true, CR0_PE);
	assert_true(may_enter());
	assert_int_equal(fields[VMCS_GUEST_INTERRUPTIBILITY], 2);
}

static void an_error_code_goes_in_but_in_real_mode(void **state)
{
	(void)state;
	inject_under(0, false, EVENT_EXCEPTION, 13, true, CR0_PE);
	assert_true(fields[VMCS_ENTRY_EVENT] & EVENT_HAS_ERROR);
	assert_int_equal(fields[VMCS_ENTRY_EVENT_ERROR], 0x18);
	inject_under(0, false, EVENT_EXCEPTION, 13, true, 0);
	assert_false(fields[VMCS_ENTRY_EVENT] & EVENT_HAS_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_debug_exception_under_a_block_goes_in_again),
		FAKE_TEST(other_exceptions_keep_the_block_and_the_step),
		FAKE_TEST(an_error_code_goes_in_but_in_real_mode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
