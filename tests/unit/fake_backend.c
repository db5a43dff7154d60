/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/unit/fake_backend.c - the third backend and the machine around it, on the host.
 */
#define _GNU_SOURCE /* REG_RIP */
#include "tests/unit/fake_backend.h"

#include <asm/prctl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "drivers/lapic.h"
#include "drivers/power.h"
#include "kernel/console.h"
#include "kernel/dispatch.h"
#include "kernel/exit.h"
#include "kernel/monitor.h"
#include "kernel/paging.h"
#include "kernel/pcpu.h"
#include "kernel/time.h"
#include "kernel/trap.h"
#include "tests/unit/stage2_end.h"

struct vm fake_vm;
struct vcpu fake_vcpu[FAKE_VCPUS];
struct fake_hw fake_hw[FAKE_VCPUS];
_Alignas(4096) uint8_t fake_memory[FAKE_MEMORY];

uint64_t fake_tsc, fake_tsc_step, time_frequency;
uint64_t boot_entry_tsc = 12345;
bool fake_retire;
bool fake_msr_there;
uint64_t fake_msr_value;
uint32_t fake_msr_last;
unsigned fake_msr_reads, fake_msr_writes;
uint32_t fake_opened[16];
uint32_t fake_opened_writes;
unsigned fake_interrupt;
unsigned fake_opened_count;
struct cpuid fake_cpuid;
uint32_t fake_cpuid_leaf, fake_cpuid_subleaf;
unsigned fake_cpuid_reads;
bool fake_xcr0_good;
uint64_t fake_xcr0;
unsigned fake_wbinvds, fake_irq_takes;
unsigned fake_yields, fake_woken, fake_timer_arms, fake_focus_taken;
uint64_t fake_timer_ns;
unsigned fake_port_reads, fake_port_writes, fake_stage2_faults, fake_effects, fake_drops;
uint16_t fake_port;
uint8_t fake_port_size;
uint32_t fake_port_value, fake_port_step, fake_port_written[FAKE_PORT_LOG];
uint64_t fake_stage2_gpa;
struct vlapic_effect fake_effect;
jmp_buf fake_reset;
bool fake_port_asks;
unsigned fake_stops, fake_hypercalls, fake_events;
enum pintle_exit fake_stop;
uint64_t fake_stop_value;

static struct pcpu this_one;
static _Alignas(4096) uint8_t apic_pages[FAKE_VCPUS][4096]; /* of the vCPUs' APICs */

/* The backend --------------------------------------------------------------------------------- */

static struct fake_hw *hw_of(struct vcpu *vcpu)
{
	return vcpu->hw;
}

static void reset(struct vcpu *vcpu)
{
	struct fake_hw *hw = hw_of(vcpu);
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	memset(hw->reg, 0, sizeof(hw->reg));
	memset(hw->segment, 0, sizeof(hw->segment));
	hw->reg[VCPU_RIP] = 0xfff0;
	hw->reg[VCPU_CR0] = BIT(4); /* ET */
	hw->segment[SEG_CS] = (struct segment){0xffff0000, 0xffff, 0xf000, 0x9b};
	hw->resets++;
}

static void run(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	struct fake_hw *hw = hw_of(vcpu);
	memset(exit, 0xa5, sizeof(*exit));
	if (hw->runs < hw->script_count) {
		*exit = hw->script[hw->runs];
	} else {
		*exit = (struct vcpu_exit){.kind = EXIT_INTERRUPT};
	}
	hw->runs++;
	hw->injected_now = 0;
	hw->interrupt_window = hw->nmi_window = false;
	if (hw->meanwhile != NULL) {
		hw->meanwhile(vcpu);
	}
}

static uint64_t get(struct vcpu *vcpu, enum vcpu_register reg)
{
	return hw_of(vcpu)->reg[reg];
}

static void set(struct vcpu *vcpu, enum vcpu_register reg, uint64_t value)
{
	hw_of(vcpu)->reg[reg] = value;
	hw_of(vcpu)->sets++;
}

static void get_segment(struct vcpu *vcpu, enum segment_name name, struct segment *segment)
{
	*segment = hw_of(vcpu)->segment[name];
}

static void set_segment(struct vcpu *vcpu, enum segment_name name, const struct segment *segment)
{
	hw_of(vcpu)->segment[name] = *segment;
}

static void skip_instruction(struct vcpu *vcpu, uint8_t length)
{
	assert_in_range(length, 0, 15);
	hw_of(vcpu)->reg[VCPU_RIP] += length;
	hw_of(vcpu)->skips++;
}

static void inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
	struct fake_hw *hw = hw_of(vcpu);
	assert_true(event->valid);
	assert_int_equal(hw->injected_now, 0); /* one an entry */
	assert_true(hw->injected_count < FAKE_EVENTS);
	hw->injected[hw->injected_count++] = *event;
	hw->injected_now++;
}

/* Unlike the real ones it does not look at what goes in already: that one event is enough is the
 * kernel's to know, and inject() checks it. */
static bool can_take(struct vcpu *vcpu, enum event_type type)
{
	struct fake_hw *hw = hw_of(vcpu);
	return type == EVENT_NMI ? hw->takes_nmi : hw->takes_interrupt;
}

static void window(struct vcpu *vcpu, enum event_type type)
{
	struct fake_hw *hw = hw_of(vcpu);
	*(type == EVENT_NMI ? &hw->nmi_window : &hw->interrupt_window) = true;
}

static void lapic_sync(struct vcpu *vcpu)
{
	hw_of(vcpu)->lapic_status = vlapic_status(&vcpu->lapic);
}

static void flush(struct vcpu *vcpu)
{
	hw_of(vcpu)->flushes++;
}

static void release(struct vcpu *vcpu)
{
	hw_of(vcpu)->releases++;
}

static void dump(struct vcpu *vcpu)
{
	hw_of(vcpu)->dumps++;
}

static const struct stage2_format format = {
	.table = 7,
	.read = 1,
	.write = 2,
	.execute = 4,
	.large = 0x80,
	.cache_shift = 3,
};

const struct backend fake_backend = {
	.name = "fake",
	.stage2 = &format,
	.vcpu_reset = reset,
	.run = run,
	.get = get,
	.set = set,
	.get_segment = get_segment,
	.set_segment = set_segment,
	.skip = skip_instruction,
	.inject = inject,
	.can_take = can_take,
	.window = window,
	.lapic_sync = lapic_sync,
	.flush = flush,
	.release = release,
	.dump = dump,
};

/* The processor ------------------------------------------------------------------------------- */

struct cpuid cpuid_read(uint32_t leaf, uint32_t subleaf)
{
	fake_cpuid_leaf = leaf;
	fake_cpuid_subleaf = subleaf;
	fake_cpuid_reads++;
	return fake_cpuid;
}

uint64_t tsc_read(void)
{
	fake_tsc += fake_tsc_step;
	return fake_tsc;
}

bool msr_try_read(uint32_t msr, uint64_t *value)
{
	fake_msr_last = msr;
	fake_msr_reads++;
	if (fake_msr_there) {
		*value = fake_msr_value;
	}
	return fake_msr_there;
}

bool msr_try_write(uint32_t msr, uint64_t value)
{
	fake_msr_last = msr;
	fake_msr_writes++;
	if (fake_msr_there) {
		fake_msr_value = value;
	}
	return fake_msr_there;
}

bool xcr0_try_write(uint64_t value)
{
	if (fake_xcr0_good) {
		fake_xcr0 = value;
	}
	return fake_xcr0_good;
}

void irq_enable(void)
{
}

void irq_disable(void)
{
}

void irq_take(void)
{
	fake_irq_takes++;
}

void irq_wait(void)
{
}

/* WBINVD is the kernel's own and faults here: it is counted and skipped. */
static void privileged(int number, siginfo_t *info, void *context)
{
	ucontext_t *machine_state = context;
	greg_t *rip = &machine_state->uc_mcontext.gregs[REG_RIP];
	const uint8_t *code = (const uint8_t *)*rip;
	(void)info;
	if (machine_state->uc_mcontext.gregs[REG_TRAPNO] != 13 || code[0] != 0x0f ||
		code[1] != 0x09) {
		signal(number, SIG_DFL); /* it comes again */
		return;
	}
	fake_wbinvds++;
	*rip += 2;
}

void fake_allow_wbinvd(void)
{
	struct sigaction action = {.sa_sigaction = privileged, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &action, NULL);
}

void vm_open_msr(struct vm *vm, uint32_t msr, bool writes)
{
	assert_ptr_equal(vm, &fake_vm);
	assert_true(fake_opened_count < ARRAY_COUNT(fake_opened));
	fake_opened_writes |= (uint32_t)writes << fake_opened_count;
	fake_opened[fake_opened_count++] = msr;
}

/* The rest of the machine --------------------------------------------------------------------- */

void dispatch_wake(struct vcpu *other, struct pcpu *place)
{
	fake_woken |= 1u << other->index;
}

bool dispatch_swap(struct vcpu *next, uint64_t now)
{
	return false;
}

struct vcpu *dispatch_next(enum sched_how how, uint64_t now)
{
	return NULL;
}

void dispatch_yield(struct vcpu *other)
{
	fake_yields |= 1u << other->index;
}

void dispatch_skip(uint64_t from)
{
}

void dispatch_alarm(uint64_t now)
{
}

__attribute__((weak)) void trap_interrupt(unsigned vector)
{
	fake_interrupt = vector;
}

void console_show_log(void)
{
}

/* To the log, so that tests see what stands where. */
void console_printf(const char *fmt, ...)
{
	char text[256];
	va_list args;
	va_start(args, fmt);
	fmt_vwrite(text, sizeof(text), fmt, args);
	va_end(args);
	log_write(LOG_INFO, "%s", text);
}

void dispatch_sample(void)
{
}

bool smp_call(unsigned index, void (*function)(void *argument), void *argument)
{
	uint32_t here = this_one.index;
	this_one.index = index;
	function(argument);
	this_one.index = here;
	return true;
}

/* The CPUs do it one after the other, each as this one. */
void smp_call_all(void (*function)(void *argument), void *argument)
{
	bool flush;
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		this_one.vcpu = this_one.context = &fake_vcpu[i];
		function(argument);
	}
	this_one.vcpu = this_one.context = &fake_vcpu[0];
	if (fake_retire) {
		uint64_t gpa = 4 * MIB;
		stage2_map(
			&fake_vm.stage2, gpa, hpa(gpa), PAGE_SIZE, STAGE2_ALL, STAGE2_WB, &flush);
		stage2_protect(&fake_vm.stage2, gpa, PAGE_SIZE, 0, &flush);
	}
	fake_retire = false;
}

void power_reset(void)
{
	longjmp(fake_reset, 1);
}

void lapic_timer_arm(uint64_t ticks)
{
	fake_timer_ns = ticks;
	fake_timer_arms++;
}

/* A tick is a nanosecond. */
uint64_t time_to_tsc(uint64_t ns)
{
	return ns;
}

uint64_t time_ns(void)
{
	return fake_tsc;
}

uint64_t time_from_tsc(uint64_t tsc)
{
	return tsc;
}

void monitor_take_focus(void)
{
	fake_focus_taken++;
}

void monitor_step(void)
{
}

void trap_report_nmis(void)
{
}

void console_poll(void)
{
}

bool console_polled;

void devices_poll(void)
{
}

bool devices_port(struct vcpu *vcpu, uint16_t port, uint8_t size, bool write, uint32_t *value)
{
	if (fake_port_asks) {
		return false;
	}
	fake_port = port;
	fake_port_size = size;
	++*(write ? &fake_port_writes : &fake_port_reads);
	if (write) {
		fake_port_value = *value;
		fake_port_written[(fake_port_writes - 1) % FAKE_PORT_LOG] = *value;
	}
	*value = fake_port_value + (write ? 0 : fake_port_step * (fake_port_reads - 1));
	return true;
}

/* Weak, as what is below: a test may link the real ones. */
__attribute__((weak)) void vmm_stop(struct vcpu *vcpu, enum pintle_exit exit, uint64_t value)
{
	fake_stops++;
	fake_stop = exit;
	fake_stop_value = value;
}

__attribute__((weak)) void hypercall_handle(struct vcpu *vcpu)
{
	fake_hypercalls++;
}

void devices_event(unsigned cpu)
{
	fake_events |= 1u << cpu;
}

bool devices_stage2_fault(struct vcpu *vcpu, struct vcpu_exit *exit)
{
	assert_ptr_equal(vcpu, &fake_vcpu[0]);
	fake_stage2_gpa = exit->fault.gpa;
	fake_stage2_faults++;
	return false;
}

void devices_lapic_effect(struct vcpu *vcpu, const struct vlapic_effect *effect)
{
	vcpu_request(vcpu, VCPU_REQUEST_EVENT);
	fake_effect = *effect;
	fake_effects++;
}

void devices_drop_interrupts(struct vcpu *vcpu)
{
	assert_ptr_equal(vcpu, &fake_vcpu[0]);
	fake_drops++;
}

/* Memory: host-physical addresses are this process's. */
void *phys_to_virt(hpa_t base)
{
	return (void *)base.raw;
}

hpa_t virt_to_phys(const void *va)
{
	return hpa((uint64_t)va);
}

void *paging_peek(hpa_t page)
{
	return (void *)page.raw;
}

void *pool_alloc(struct pool *pool, size_t count)
{
	assert_int_equal(count, 1);
	return memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE), 0, PAGE_SIZE);
}

void pool_free(struct pool *pool, void *page)
{
	free(page);
}

/* Life ---------------------------------------------------------------------------------------- */

static void begin_cpu(void)
{
	memset(&this_one, 0, sizeof(this_one));
	this_one.self = &this_one;
	this_one.vcpu = &fake_vcpu[0];
	this_one.timer_at = UINT64_MAX;
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &this_one), 0); /* this_cpu() */
	fake_tsc = 1000000;
	fake_tsc_step = 0;
	time_frequency = 2000000000;
	fake_msr_there = fake_xcr0_good = true;
	fake_msr_value = fake_xcr0 = 0;
	fake_opened_writes = fake_interrupt = 0;
	fake_msr_reads = fake_msr_writes = fake_opened_count = fake_cpuid_reads = fake_wbinvds =
		fake_irq_takes = 0;
	fake_port_step = 0;
	fake_port_asks = false;
	fake_stops = fake_hypercalls = fake_events = 0;
	fake_yields = fake_woken = fake_timer_arms = fake_focus_taken = 0;
	fake_port_reads = fake_port_writes = fake_stage2_faults = fake_effects = fake_drops = 0;
}

static void begin_vcpu(unsigned index)
{
	struct vcpu *vcpu = &fake_vcpu[index];
	struct fake_hw *hw = &fake_hw[index];
	memset(vcpu, 0, sizeof(*vcpu));
	memset(hw, 0, sizeof(*hw));
	vcpu->hw = hw;
	vcpu->vm = &fake_vm;
	vcpu->index = index; /* all of them here, so that no CPU is asked */
	vcpu->state = VCPU_RUNNING;
	vcpu->lapic.reg = memset(apic_pages[index], 0, PAGE_SIZE);
	vlapic_init(&vcpu->lapic, index, index == 0);
	vcpu->lapic.reg[LAPIC_SVR].value = 0x1ff; /* enabled by software */
	fake_vm.vcpu[index] = vcpu;
	hw->reg[VCPU_RIP] = FAKE_CODE;
	hw->reg[VCPU_CR0] = CR0_PE;
	hw->segment[SEG_CS] = (struct segment){0, UINT32_MAX, 8, 0xc9b};
	hw->takes_interrupt = hw->takes_nmi = true;
}

int fake_vm_setup(void **state)
{
	bool flushes = false;

	backend = &fake_backend;
	service_vm = &fake_vm;
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(fake_memory, 0, sizeof(fake_memory));
	fake_vm.vcpu_count = FAKE_VCPUS;
	begin_cpu();
	for (unsigned i = 0; i < FAKE_VCPUS; i++) {
		begin_vcpu(i);
	}
	assert_int_equal(stage2_init(&fake_vm.stage2, &format, &fake_vm.pool, false), 0);
	assert_int_equal(stage2_map(&fake_vm.stage2, 0, virt_to_phys(fake_memory), FAKE_MEMORY,
				 STAGE2_ALL, STAGE2_WB, &flushes),
		0);
	return fake_setup(state);
}

int fake_vm_teardown(void **state)
{
	stage2_end(&fake_vm.stage2);
	return fake_teardown(state);
}

void fake_long_mode(void)
{
	const uint64_t tables[] = {0x2000 | 3, 0x3000 | 3, 0x83}; /* the last: 2 MiB */
	for (unsigned i = 0; i < ARRAY_COUNT(tables); i++) {
		memcpy(fake_memory + 0x1000 * (i + 1), &tables[i], sizeof(tables[i]));
	}
	fake_hw[0].reg[VCPU_CR3] = 0x1000;
	fake_hw[0].reg[VCPU_CR4] = CR4_PAE;
	fake_hw[0].reg[VCPU_CR0] = CR0_PE | CR0_PG;
	fake_hw[0].reg[VCPU_EFER] = EFER_LME | BIT(10); /* and LMA */
	fake_hw[0].segment[SEG_CS].attributes = 0xa9b;
}

void fake_code(const void *bytes, size_t len)
{
	uint64_t rip = fake_hw[0].reg[VCPU_RIP];
	assert_true(rip + len <= FAKE_MEMORY);
	memcpy(fake_memory + rip, bytes, len);
}

void fake_script(const struct vcpu_exit *exit)
{
	assert_true(fake_hw[0].script_count < FAKE_SCRIPT);
	fake_hw[0].script[fake_hw[0].script_count++] = *exit;
}

/* Weak, as the next two: test_context.c has the real ones. */
__attribute__((weak)) bool context_notes_msr(uint32_t msr)
{
	return msr == FAKE_NOTED;
}

__attribute__((weak)) void context_note_msr(struct vcpu *vcpu, uint32_t msr)
{
	vcpu->context.msr[0] = msr == FAKE_NOTED ? fake_msr_value : vcpu->context.msr[0];
}

__attribute__((weak)) void context_load(struct vcpu *vcpu)
{
	this_cpu()->context = vcpu;
}
