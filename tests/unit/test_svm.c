/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/test_svm.c - the AMD-V backend on a VMCB that no CPU runs: what an exit means, what a
 * register's write changes, and that no ASID is used twice without a flush (which no emulator
 * shows).
 *
 * Links: svm/backend.c svm/decode.c svm/state.c svm/stage2.c kernel/vcpu.c
 */
#include "tests/unit/fake.h"

#include "kernel/paging.h"
#include "kernel/x86.h"
#include "svm/svm.h"

static struct vm vm;
static struct vcpu vcpu;
static _Alignas(4096) struct vmcb page;
static struct vmcb *const vmcb = &page;
const struct backend *backend = &svm_backend;
static struct vcpu_exit ended;
static struct vm_bitmaps bitmaps;
static void (*guest)(void); /* what the guest does in a run */
static uint8_t code_byte;   /* what stands at its rip; 0: it cannot be read */

size_t gmem_fetch(struct vcpu *one, uint8_t *bytes)
{
	assert_ptr_equal(one, &vcpu);
	*bytes = code_byte;
	return code_byte != 0;
}

bool msr_try_write(uint32_t msr, uint64_t value)
{
	(void)msr;
	(void)value;
	return false;
}

hpa_t virt_to_phys(const void *va)
{
	return hpa((uint64_t)(uintptr_t)va);
}

void svm_enter(struct vcpu_regs *regs, hpa_t guest_vmcb, hpa_t host)
{
	(void)host;
	assert_ptr_equal(regs, &vcpu.regs);
	assert_int_equal(guest_vmcb.raw, (uint64_t)(uintptr_t)vmcb);
	if (guest != NULL) {
		guest();
	}
}

void vcpu_raise(struct vcpu *one, uint8_t vector, bool has_error, uint32_t error)
{
	one->exception = (struct vcpu_event){true, EVENT_EXCEPTION, vector, 0, has_error, error};
}

static int setup(void **state)
{
	static uint64_t root[512];
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	svm_features = 0;
	guest = NULL;
	code_byte = 0;
	vm.stage2.root = root;
	vcpu.vm = &vm;
	vm.bitmaps = memset(&bitmaps, 0xff, sizeof(bitmaps));
	vcpu.hw = memset(vmcb, 0xa5, sizeof(*vmcb)); /* a reset leaves nothing of it */
	svm_vcpu_reset(&vcpu);
	return fake_setup(state);
}

#define SVM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, fake_teardown)

static enum exit_kind decode(uint64_t code, uint64_t info1, uint64_t info2)
{
	vmcb->exit_code = code;
	vmcb->exit_info1 = info1;
	vmcb->exit_info2 = info2;
	memset(&ended, 0xa5, sizeof(ended));
	svm_decode(&vcpu, &ended);
	assert_int_equal(ended.raw, code);
	return ended.kind;
}

static uint64_t word_at(unsigned offset)
{
	return ((const uint64_t *)vmcb->page)[offset / 8];
}

static bool intercepted(unsigned code)
{
	return vmcb->intercept[code / 32] >> (code % 32) & 1;
}

static void every_listed_exit_has_its_kind_and_no_other_one_has_any(void **state)
{
	(void)state;
	enum exit_kind kinds[0x500];
	for (unsigned code = 0; code < ARRAY_COUNT(kinds); code++) {
		kinds[code] = EXIT_UNKNOWN;
	}
	for (unsigned code = 0; code < SVM_EXIT_INTERCEPTS; code++) {
		kinds[code] = svm_exit_kinds[code];
	}
	kinds[0x400] = EXIT_STAGE2;
	for (unsigned code = 0; code < ARRAY_COUNT(kinds); code++) {
		assert_int_equal(decode(code, 0, 0), kinds[code]);
	}
	assert_int_equal(decode(UINT64_MAX, 0, 0), EXIT_ENTRY_FAILED);
	assert_non_null(strstr(ended.why, "was refused"));
	assert_int_equal(decode(UINT32_MAX, 0, 0), EXIT_ENTRY_FAILED);
	assert_int_equal(decode(UINT64_MAX - 1, 0, 0), EXIT_UNKNOWN);
}

static void a_reset_vcpu_exits_at_all_that_is_listed_but_windows(void **state)
{
	(void)state;
	/* By hand, so that a wrong row in the table shows. */
	assert_int_equal(vmcb->intercept[0], 0x01000100);
	assert_int_equal(vmcb->intercept[1], 0);
	assert_int_equal(vmcb->intercept[2], 1u << 1 | 1u << 17 | 1u << 18);
	assert_int_equal(vmcb->intercept[3], 0x9d440003);
	assert_int_equal(vmcb->intercept[4], 0x2c7f);
	assert_int_equal(vmcb->intercept[5], 0);
	assert_int_equal(vmcb->nested_control, 1);
	assert_int_equal(vmcb->interrupt_control, BIT(24));
	assert_int_equal(vmcb->clean, 0);
	assert_int_equal(vmcb->iopm, (uintptr_t)bitmaps.ports);
	assert_int_equal(vmcb->msrpm, (uintptr_t)bitmaps.msr);
	assert_int_equal(svm_get(&vcpu, VCPU_RIP), 0xfff0);
	assert_int_equal(svm_get(&vcpu, VCPU_EFER), 0);
	assert_int_equal(svm_get(&vcpu, VCPU_CR0), 0x60000010);
	assert_int_equal(svm_get(&vcpu, VCPU_RFLAGS), 2);
	assert_int_equal(svm_get(&vcpu, VCPU_PAT), 0x0007040600070406);
	assert_int_equal(svm_get(&vcpu, VCPU_IDT_LIMIT), 0xffff);
	assert_int_equal(word_at(0x560), 0x400); /* DR7 */
	assert_int_equal(vmcb->segment[VMCB_TR].attributes, 0x8b);
	assert_int_equal(vmcb->segment[VMCB_LDTR].attributes, 0x82);
	assert_int_equal(vmcb->segment[SEG_SS].attributes, 0x93);
	assert_int_equal(vmcb->segment[SEG_GS].limit, 0xffff);
	assert_int_equal(word_at(0x4d0), BIT(12)); /* EFER */
	struct segment cs;
	svm_get_segment(&vcpu, SEG_CS, &cs);
	assert_int_equal(cs.base, 0xffff0000);
	assert_int_equal(cs.selector, 0xf000);
	assert_int_equal(cs.attributes, 0x9b);
}

static void ports_are_decoded(void **state)
{
	(void)state;
	vmcb->rip = 0x1000;
	assert_int_equal(decode(0x7b, 0x03f80011, 0x1002), EXIT_IO);
	assert_int_equal(ended.io.port, 0x3f8);
	assert_int_equal(ended.io.size, 1);
	assert_true(ended.io.in && !ended.io.string && !ended.io.rep);
	assert_int_equal(ended.length, 2);
	/* rep outsl from FS with 64-bit addresses */
	decode(0x7b, 0xcf8 << 16 | 4 << 10 | 1 << 9 | 1 << 6 | 1 << 3 | 1 << 2, 0x1000 + 16);
	assert_int_equal(ended.io.port, 0xcf8);
	assert_int_equal(ended.io.size, 4);
	assert_true(!ended.io.in && ended.io.string && ended.io.rep);
	assert_int_equal(ended.length, 0); /* none is that long */
	decode(0x7b, 0xcf8 << 16 | 4 << 10 | 1 << 9 | 1 << 6 | 1 << 3 | 1 << 2, 0xfff);
	assert_int_equal(ended.length, 0);
}

static void a_length_is_told_for_instructions_only_and_by_cpus_that_know_it(void **state)
{
	(void)state;
	vmcb->rip = 0xfffffffffffffffe;
	vmcb->next_rip = 0;
	decode(0x72, 0, 0);
	assert_int_equal(ended.length, 0);
	svm_features = SVM_NRIP;
	decode(0x72, 0, 0);
	assert_int_equal(ended.length, 2);
	decode(0x7c, 1, 0);
	assert_int_equal(ended.kind, EXIT_MSR_WRITE);
	assert_int_equal(ended.length, 2);
	vmcb->rip = 0x1000; /* and next_rip is 0, where no instruction was intercepted */
	decode(0x41, 0, 0);
	assert_int_equal(ended.length, 0);
	decode(0x60, 0, 0);
	assert_int_equal(ended.length, 0);
	vmcb->next_rip = 0x100;
	decode(0x72, 0, 0);
	assert_int_equal(ended.length, 0);
}

static void the_register_of_a_cr8_access_is_told_by_cpus_that_know_it(void **state)
{
	(void)state;
	vcpu.regs.gpr[(GPR_R8 + 1)] = 7;
	vmcb->rsp = 9;
	decode(0x18, BIT(63) | (GPR_R8 + 1), 0);
	svm_features = SVM_NRIP | SVM_DECODE_ASSISTS;
	vmcb->next_rip = vmcb->rip + 4;
	decode(0x18, BIT(63) | (GPR_R8 + 1), 0);
	assert_int_equal(ended.cr.gpr, (GPR_R8 + 1));
	assert_int_equal(ended.cr.value, 7);
	assert_int_equal(ended.length, 4);
	decode(0x18, BIT(63) | GPR_RSP, 0);
	assert_int_equal(ended.cr.value, 9);
	/* Where it is not known, neither is the length, and the bytes are asked. */
	decode(0x08, (GPR_R8 + 1), 0);
	assert_int_equal(ended.length, 0);
	svm_features = SVM_NRIP;
	decode(0x18, BIT(63) | (GPR_R8 + 1), 0);
	assert_int_equal(ended.length, 0);
}

static void faults_and_exceptions_are_decoded(void **state)
{
	(void)state;
	decode(0x400, BIT(33) | 0x7, 0xfee000b0);
	assert_int_equal(ended.fault.gpa, 0xfee000b0);
	/* The instruction's bytes, from CPUs that know them: never more than 15. */
	memcpy(vmcb->page + 0xd0, "\x02\x8b\x11\x90", 4);
	decode(0x400, 4, 0);
	assert_int_equal(ended.fault.byte_count, 0);
	svm_features = SVM_DECODE_ASSISTS;
	decode(0x400, 4, 0);
	assert_int_equal(ended.fault.byte_count, 2);
	assert_memory_equal(ended.fault.bytes, "\x8b\x11", 2);
	vmcb->byte_count = 0xff;
	decode(0x400, 4, 0);
	assert_int_equal(ended.fault.byte_count, 15);
	decode(0x51, 0, 0);
	assert_true(ended.event.valid && ended.event.has_error);
	assert_int_equal(ended.event.vector, 17);
	decode(0x41, 0, 0);
	assert_true(ended.event.valid && !ended.event.has_error);
	assert_int_equal(ended.event.vector, 1);
	assert_int_equal(ended.event.type, EVENT_EXCEPTION);
}

static bool interrupted(uint64_t event)
{
	vmcb->exit_event = event;
	decode(0x400, 0, 0);
	return ended.interrupted.valid;
}

static void an_interrupted_event_is_handed_over_unless_its_instruction_raises_it_anew(void **state)
{
	(void)state;
	assert_false(interrupted(0x350));
	assert_false(interrupted(0x80000480)); /* INT 80 */
	assert_false(interrupted(0x80000303)); /* INT3 */
	assert_false(interrupted(0x80000304)); /* INTO */
	assert_true(interrupted(0x80000060));
	assert_int_equal(ended.interrupted.type, EVENT_INTERRUPT);
	assert_int_equal(ended.interrupted.vector, 0x60);
	assert_false(ended.interrupted.has_error);
	assert_true(interrupted(0x0000000580000b0e));
	assert_int_equal(ended.interrupted.type, EVENT_EXCEPTION);
	assert_true(ended.interrupted.has_error);
	assert_int_equal(ended.interrupted.error, 5);
	svm_inject(&vcpu, &ended.interrupted); /* real mode has no error codes */
	assert_int_equal(vmcb->inject, 0x8000030e);
	svm_set(&vcpu, VCPU_CR0, 0x60000011);
	svm_inject(&vcpu, &ended.interrupted);
	assert_int_equal(vmcb->inject, 0x0000000580000b0e);
}

static void an_nmi_masks_others_until_its_iret_is_done(void **state)
{
	(void)state;
	const struct vcpu_event nmi = {.valid = true, .type = EVENT_NMI, .vector = 2};
	assert_true(svm_can_take(&vcpu, EVENT_NMI));
	svm_inject(&vcpu, &nmi);
	vmcb->inject = 0;
	assert_true(intercepted(0x74));
	assert_false(svm_can_take(&vcpu, EVENT_NMI));
	svm_window(&vcpu, EVENT_NMI);
	assert_false(intercepted(0x64));
	vmcb->rip = 0x500;
	assert_int_equal(decode(0x74, 0, 0), EXIT_NMI_WINDOW);
	assert_false(intercepted(0x74));
	assert_false(svm_can_take(&vcpu, EVENT_NMI));
	svm_window(&vcpu, EVENT_NMI); /* behind the IRET, not before it */
	assert_true(intercepted(0x64));
	assert_int_equal(vmcb->shadow, 1);
	decode(0x60, 0, 0);
	assert_false(svm_can_take(&vcpu, EVENT_NMI));
	vmcb->shadow = 0;
	vmcb->rip = 0x600;
	decode(0x60, 0, 0);
	assert_true(svm_can_take(&vcpu, EVENT_NMI));
	/* one that was not delivered masks nothing */
	svm_inject(&vcpu, &nmi);
	vmcb->inject = 0;
	vmcb->exit_event = 0x80000202;
	decode(0x400, 0, 0);
	assert_true(svm_can_take(&vcpu, EVENT_NMI));
	assert_false(intercepted(0x74));
}

static void a_window_is_asked_for_once_and_closes_when_it_came(void **state)
{
	(void)state;
	assert_false(svm_can_take(&vcpu, EVENT_INTERRUPT));
	vmcb->clean = UINT32_MAX;
	svm_window(&vcpu, EVENT_INTERRUPT);
	assert_true(intercepted(0x64));
	assert_int_equal(vmcb->interrupt_control, BIT(24) | BIT(20) | 0xf0000 | BIT(8));
	assert_int_equal(vmcb->clean, ~(uint32_t)(BIT(0) | BIT(3)));
	assert_int_equal(decode(0x64, 0, 0), EXIT_WINDOW);
	assert_false(intercepted(0x64));
	assert_false(vmcb->interrupt_control & BIT(8));
	svm_set(&vcpu, VCPU_RFLAGS, 0x202);
	assert_true(svm_can_take(&vcpu, EVENT_INTERRUPT));
	vmcb->shadow = 3;
	assert_false(svm_can_take(&vcpu, EVENT_INTERRUPT));
	assert_false(svm_can_take(&vcpu, EVENT_NMI));
	svm_skip(&vcpu, 1);
	assert_int_equal(vmcb->shadow, 2);
	assert_int_equal(vmcb->rip, 0xfff1);
	assert_true(svm_can_take(&vcpu, EVENT_INTERRUPT));
	vmcb->inject = BIT(31);
	assert_false(svm_can_take(&vcpu, EVENT_INTERRUPT));
}

static void an_interrupt_between_sti_and_hlt_comes_behind_the_hlt(void **state)
{
	(void)state;
	code_byte = 0xf4;
	assert_int_equal(decode(0x60, 0, 0), EXIT_INTERRUPT);
	vmcb->shadow = 1;
	assert_int_equal(decode(0x60, 0, 0), EXIT_HLT);
	assert_int_equal(ended.length, 1);
	assert_int_equal(decode(0x61, 0, 0), EXIT_HLT);
	assert_int_equal(decode(0x64, 0, 0), EXIT_WINDOW);
	vmcb->cpl = 3; /* there it is a #GP, which the CPU will raise */
	assert_int_equal(decode(0x60, 0, 0), EXIT_INTERRUPT);
	vmcb->cpl = 0;
	code_byte = 0x90;
	assert_int_equal(decode(0x60, 0, 0), EXIT_INTERRUPT);
	code_byte = 0;
	assert_int_equal(decode(0x60, 0, 0), EXIT_INTERRUPT);
}

static void every_register_keeps_its_own_value(void **state)
{
	(void)state;
	for (unsigned reg = 0; reg < VCPU_REGISTER_COUNT; reg++) {
		svm_set(&vcpu, reg, 0x1001 * (reg + 1));
	}
	for (unsigned reg = 0; reg < VCPU_REGISTER_COUNT; reg++) {
		assert_int_equal(svm_get(&vcpu, reg),
			0x1001 * (reg + 1) & ~(reg == VCPU_EFER ? BIT(12) : 0));
	}
	assert_true(word_at(0x4d0) & BIT(12));
	vmcb->clean = UINT32_MAX;
	svm_set(&vcpu, VCPU_IDT_LIMIT, UINT64_MAX);
	assert_int_equal(svm_get(&vcpu, VCPU_IDT_LIMIT), UINT32_MAX);
	assert_int_equal(svm_get(&vcpu, VCPU_IDT_BASE), 0x1001 * (VCPU_IDT_BASE + 1));
	assert_int_equal(vmcb->clean, 0);
}

/* docs/decisions.md: an exit without it hangs QEMU. */
static void long_mode_without_paging_has_pae(void **state)
{
	(void)state;
	svm_set(&vcpu, VCPU_CR0, CR0_PE);
	svm_set(&vcpu, VCPU_CR4, 0);
	assert_int_equal(svm_get(&vcpu, VCPU_CR4), 0);
	svm_set(&vcpu, VCPU_EFER, EFER_LME);
	assert_int_equal(svm_get(&vcpu, VCPU_CR4), CR4_PAE);
	svm_set(&vcpu, VCPU_CR4, 1);
	assert_int_equal(svm_get(&vcpu, VCPU_CR4), CR4_PAE | 1);
	svm_set(&vcpu, VCPU_CR0, CR0_PE | CR0_PG);
	svm_set(&vcpu, VCPU_CR4, 1); /* VMRUN refuses this, and QEMU leaves it well */
	assert_int_equal(svm_get(&vcpu, VCPU_CR4), 1);
}

static void every_segment_keeps_its_own_value(void **state)
{
	(void)state;
	vmcb->clean = UINT32_MAX;
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		struct segment s = {.base = i + 1,
			.limit = i + 2,
			.selector = (uint16_t)(i + 3),
			.attributes = 0x8f3};
		svm_set_segment(&vcpu, i, &s);
	}
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		struct segment s;
		svm_get_segment(&vcpu, i, &s);
		assert_true(s.base == i + 1 && s.limit == i + 2 && s.selector == i + 3);
		assert_int_equal(s.attributes, 0x8f3);
	}
	assert_int_equal(vmcb->cpl, 3);
	assert_int_equal(vmcb->clean, 0);
	vmcb->cpl = 0;
	struct segment ss;
	svm_get_segment(&vcpu, SEG_SS, &ss);
	assert_int_equal(ss.attributes, 0x893);
}

static void no_asid_is_used_for_two_without_a_flush(void **state)
{
	(void)state;
	enum { VCPUS = 7, ASIDS = 5 };
	static struct vmcb other[VCPUS];
	struct svm_cpu cpu = {.generation = 1, .next_asid = ASIDS, .asid_count = ASIDS};
	const struct vmcb *user[ASIDS] = {0}; /* whose entries the TLB may hold */
	memset(other, 0, sizeof(other));
	srand(1);
	for (unsigned round = 0; round < 10000; round++) {
		struct vmcb *v = &other[rand() % VCPUS];
		bool forget = round == 0 || rand() % 4 == 0;
		if (forget) {
			vcpu.hw = v;
			svm_features = rand() % 2 ? SVM_FLUSH_BY_ASID : 0;
			svm_flush(&vcpu);
			vcpu.hw = vmcb;
		}
		v->clean = UINT32_MAX;
		uint32_t before = v->asid;
		svm_asid_choose(&cpu, v);
		assert_true(v->asid > 0 && v->asid < ASIDS);
		assert_true(v->asid == before || !(v->clean & CLEAN_ASID));
		if (v->tlb_control == TLB_FLUSH_ALL) {
			memset(user, 0, sizeof(user));
		} else if (v->tlb_control == TLB_FLUSH_ASID) {
			user[v->asid] = NULL;
		}
		assert_true(user[v->asid] == NULL || (user[v->asid] == v && !forget));
		assert_true(round != 0 || v->tlb_control == TLB_FLUSH_ALL);
		user[v->asid] = v;
		v->tlb_control = 0;
	}
}

static void add_one_and_exit(void)
{
	assert_int_equal(vmcb->rax, 41);
	assert_int_equal(vmcb->inject, 0x80000040);
	vmcb->rax++;
	vmcb->exit_code = 0x81;
}

static void a_run_carries_rax_and_leaves_nothing_for_the_next(void **state)
{
	(void)state;
	const struct vcpu_event event = {.valid = true, .type = EVENT_INTERRUPT, .vector = 0x40};
	vcpu.regs.gpr[GPR_RAX] = 41;
	svm_inject(&vcpu, &event);
	vmcb->tlb_control = TLB_FLUSH_ASID;
	guest = add_one_and_exit;
	svm_backend.run(&vcpu, &ended);
	assert_int_equal(ended.kind, EXIT_HYPERCALL);
	assert_int_equal(vcpu.regs.gpr[GPR_RAX], 42);
	assert_int_equal(vmcb->inject, 0);
	assert_int_equal(vmcb->tlb_control, 0);
	assert_int_equal(vmcb->clean, CLEAN_ALL);
}

static size_t zero_bits(const uint8_t *bytes, size_t len)
{
	size_t count = 0;
	for (size_t i = 0; i < len * 8; i++) {
		count += !(bytes[i / 8] >> i % 8 & 1);
	}
	return count;
}

static void opening_touches_the_bits_that_were_named(void **state)
{
	(void)state;
	const struct backend vmx_like = {.msr_step = 1, .msr_bits = 4, .msr_distance = 0x4000};
	uint8_t *msr = bitmaps.msr;
	vm_open_msr(&vm, 0x1b, true);
	assert_int_equal(msr[0x1b / 4], 0xff & ~(3 << 6));
	vm_open_msr(&vm, 0xc0000082, true);
	assert_int_equal(msr[0x800 + 0x82 / 4], 0xff & ~(3 << 4));
	vm_open_msr(&vm, 0xc0001fff, true);
	assert_int_equal(msr[0xfff], 0x3f);
	vm_open_msr(&vm, 0x2000, true);
	vm_open_msr(&vm, 0x80000000, true);
	vm_open_msr(&vm, 0xc0012000, true);
	vm_open_msr(&vm, UINT32_MAX, true);
	assert_int_equal(zero_bits(msr, sizeof(bitmaps.msr)), 6);
	/* VT-x: reads of both ranges, then writes, in either page. */
	memset(&bitmaps, 0xff, sizeof(bitmaps));
	backend = &vmx_like;
	vm_open_msr(&vm, 0x1b, true);
	vm_open_msr(&vm, 0xc0001fff, true);
	backend = &svm_backend;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(msr[0x800 * i + 0x1b / 8], 0xff & ~(1 << 3));
		assert_int_equal(msr[0x800 * i + 0x7ff], 0x7f);
	}
	assert_int_equal(zero_bits(msr, sizeof(bitmaps.msr)), 8);
	/* For reads alone: every other bit. */
	memset(&bitmaps, 0xff, sizeof(bitmaps));
	vm_open_msr(&vm, 0x1b, false);
	assert_int_equal(msr[0x1b / 4], 0xff & ~(1 << 6));
	memset(&bitmaps, 0xff, sizeof(bitmaps));
	backend = &vmx_like;
	vm_open_msr(&vm, 0x1b, false);
	backend = &svm_backend;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(msr[0x800 * i + 0x1b / 8], i % 2 == 0 ? 0xff & ~(1 << 3) : 0xff);
	}
	assert_int_equal(zero_bits(bitmaps.ports, sizeof(bitmaps.ports)), 0);
}

static void the_bits_of_a_stage_2_entry_do_not_meet(void **state)
{
	(void)state;
	const struct stage2_format *f = svm_backend.stage2;
	const uint64_t address = 0xffffffffff000;
	assert_int_equal(f->read & f->write, 0);
	assert_int_equal((f->read | f->write) & (f->large | f->no_execute | address), 0);
	assert_int_equal(f->table & (f->large | f->no_execute | address), 0);
	assert_int_equal(f->cache_shift, 9); /* AVL (5.4.1) */
	assert_true(f->read & f->table & 1);
}

static void a_dump_has_what_is_not_zero(void **state)
{
	(void)state;
	svm_dump(&vcpu);
	assert_non_null(strstr(fake_log, "svm: VMCB 578: 000000000000fff0\n")); /* rip */
	assert_null(strstr(fake_log, "svm: VMCB 700"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SVM_TEST(every_listed_exit_has_its_kind_and_no_other_one_has_any),
		SVM_TEST(a_reset_vcpu_exits_at_all_that_is_listed_but_windows),
		SVM_TEST(ports_are_decoded),
		SVM_TEST(a_length_is_told_for_instructions_only_and_by_cpus_that_know_it),
		SVM_TEST(the_register_of_a_cr8_access_is_told_by_cpus_that_know_it),
		SVM_TEST(faults_and_exceptions_are_decoded),
		SVM_TEST(an_interrupted_event_is_handed_over_unless_its_instruction_raises_it_anew),
		SVM_TEST(an_nmi_masks_others_until_its_iret_is_done),
		SVM_TEST(a_window_is_asked_for_once_and_closes_when_it_came),
		SVM_TEST(an_interrupt_between_sti_and_hlt_comes_behind_the_hlt),
		SVM_TEST(every_register_keeps_its_own_value),
		SVM_TEST(long_mode_without_paging_has_pae),
		SVM_TEST(every_segment_keeps_its_own_value),
		SVM_TEST(no_asid_is_used_for_two_without_a_flush),
		SVM_TEST(a_run_carries_rax_and_leaves_nothing_for_the_next),
		SVM_TEST(opening_touches_the_bits_that_were_named),
		SVM_TEST(the_bits_of_a_stage_2_entry_do_not_meet),
		SVM_TEST(a_dump_has_what_is_not_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
