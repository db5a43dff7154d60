/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/vcpu.c - the vCPUs' threads: run, do what the exit asks for, stop when told.
 *
 * To stop a vCPU the state is changed first and then a signal sent: the signal's handler sets
 * immediate_exit, so that it does not matter whether it comes before KVM_RUN or within.
 */
#include "service/vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "service/vmm/bus.h"
#include "service/vmm/cpuid.h"
#include "service/vmm/irq.h"
#include "service/vmm/machine.h"
#include "service/vmm/say.h"
#include "service/vmm/vcpu_state.h"

#define SIGNAL_STOP SIGUSR1

enum run_state {
	STATE_PAUSED,
	STATE_RUNNING,
	STATE_ENDING,
};

/* [I] constant after vcpus_create()  [M] the main thread, while no vCPU runs */
struct vcpu {
	unsigned id;               /* [I] */
	int fd;                    /* [I] */
	struct kvm_run *run;       /* [I]; what it leads to is its thread's */
	bool threaded;             /* [M] */
	pthread_t thread;          /* [M] */
	struct vcpu_state initial; /* [I] */
};

static struct vm *vcpus_vm; /* [I] */
static struct vcpu *vcpus;  /* [I] */
static unsigned vcpu_count; /* [M] */
static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t run_changed = PTHREAD_COND_INITIALIZER;
static atomic_uint shutdowns;
static _Atomic enum run_state run_state; /* changed with run_lock held */
static unsigned active;                  /* [run_lock] threads that are not waiting */

static _Thread_local struct kvm_run *current_run;

static void on_stop(int number)
{
	(void)number;
	if (current_run != NULL) {
		current_run->immediate_exit = 1;
	}
}

/* An end of the guest that it did not ask for; the registers say where. */
static void fail(const struct vcpu *vcpu, const char *what, uint64_t detail)
{
	struct kvm_regs regs = {0};
	struct kvm_sregs sregs = {0};
	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);
	say("vCPU %u: %s (0x%lx) at rip 0x%lx, cs base 0x%lx, rflags 0x%lx, cr0 0x%lx, cr3 0x%lx, "
	    "cr4 0x%lx, efer 0x%lx; the guest ends here",
		vcpu->id, what, detail, (uint64_t)regs.rip, (uint64_t)sregs.cs.base,
		(uint64_t)regs.rflags, (uint64_t)sregs.cr0, (uint64_t)sregs.cr3,
		(uint64_t)sregs.cr4, (uint64_t)sregs.efer);
	machine_tell(MACHINE_FAILED);
}

static void do_io(const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint64_t value = 0;
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, run->io.size);
			bus_write(BUS_PORT, run->io.port, run->io.size, value);
		} else {
			value = bus_read(BUS_PORT, run->io.port, run->io.size);
			memcpy(data, &value, run->io.size);
		}
	}
}

static void do_mmio(const struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;
	unsigned len = run->mmio.len <= 8 ? run->mmio.len : 8;
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, len);
		bus_write(BUS_MMIO, run->mmio.phys_addr, len, value);
	} else {
		value = bus_read(BUS_MMIO, run->mmio.phys_addr, len);
		memcpy(run->mmio.data, &value, len);
	}
}

static void do_system_event(const struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		say("the guest switches itself off");
		machine_tell(MACHINE_OFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		machine_tell(MACHINE_RESET);
		break;
	default:
		fail(vcpu, "the guest has crashed, by its own word", vcpu->run->system_event.type);
		break;
	}
}

/* False: it cannot go on until the machine does. */
static bool do_exit(const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		do_io(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		do_mmio(vcpu);
		return true;
	case KVM_EXIT_IOAPIC_EOI:
		irq_eoi(run->eoi.vector);
		return true;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_SHUTDOWN:
		if (atomic_fetch_add(&shutdowns, 1) < TOLD) {
			say("vCPU %u shut down (a triple fault), which resets a PC", vcpu->id);
		}
		machine_tell(MACHINE_RESET);
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		do_system_event(vcpu);
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		fail(vcpu, "the CPU refuses to enter the guest",
			run->fail_entry.hardware_entry_failure_reason);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		fail(vcpu, "KVM cannot go on, internal error", run->internal.suberror);
		return false;
	default:
		fail(vcpu, "an exit that is not known here", run->exit_reason);
		return false;
	}
}

/* Run until told otherwise. */
static void run_while_wanted(const struct vcpu *vcpu)
{
	bool going = true;
	while (going) {
		vcpu->run->immediate_exit = 0;
		if (atomic_load(&run_state) != STATE_RUNNING) {
			break;
		}
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			going = do_exit(vcpu);
		} else if (errno != EINTR && errno != EAGAIN) {
			fail(vcpu, strerror(errno), (uint64_t)errno);
			going = false;
		}
	}
	/* What the last exit began (the register of a read) ends with the next entry. */
	vcpu->run->immediate_exit = 1;
	ioctl(vcpu->fd, KVM_RUN, 0);
}

static void *vcpu_main(void *argument)
{
	const struct vcpu *vcpu = argument;
	sigset_t stop;
	current_run = vcpu->run;
	sigemptyset(&stop);
	sigaddset(&stop, SIGNAL_STOP);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	pthread_mutex_lock(&run_lock);
	for (;;) {
		while (atomic_load(&run_state) == STATE_PAUSED) {
			pthread_cond_wait(&run_changed, &run_lock);
		}
		if (atomic_load(&run_state) == STATE_ENDING) {
			break;
		}
		active++;
		pthread_mutex_unlock(&run_lock);
		run_while_wanted(vcpu);
		pthread_mutex_lock(&run_lock);
		/* After a failure of its own it waits for what the machine decides. */
		while (atomic_load(&run_state) == STATE_RUNNING) {
			pthread_cond_wait(&run_changed, &run_lock);
		}
		active--;
		pthread_cond_broadcast(&run_changed);
	}
	pthread_mutex_unlock(&run_lock);
	return NULL;
}

static int set_cpuid(const struct vcpu *vcpu, unsigned count)
{
	struct kvm_cpuid2 *table =
		calloc(1, sizeof(*table) + CPUID_MAX * sizeof(table->entries[0]));
	if (table == NULL) {
		return -ENOMEM;
	}
	table->nent = CPUID_MAX;
	int err = 0;
	if (ioctl(vcpus_vm->kvm, KVM_GET_SUPPORTED_CPUID, table) != 0) {
		err = -errno;
	} else {
		cpuid_adjust(table, vcpu->id, count, vcpus_vm->tsc_deadline);
		err = ioctl(vcpu->fd, KVM_SET_CPUID2, table) == 0 ? 0 : -errno;
	}
	free(table);
	return err;
}

static int create(struct vcpu *vcpu, unsigned id, unsigned count)
{
	vcpu->id = id;
	vcpu->fd = vm_create_vcpu(vcpus_vm, id);
	if (vcpu->fd < 0) {
		return vcpu->fd;
	}
	void *run = mmap(NULL, vcpus_vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	int err = run == MAP_FAILED ? -errno : 0;
	if (err == 0) {
		vcpu->run = run;
		err = set_cpuid(vcpu, count);
	}
	if (err == 0) {
		err = vcpu_state_save(vcpu->fd, &vcpu->initial);
	}
	if (err != 0) {
		say("cannot set up vCPU %u: %s", id, strerror(-err));
	}
	return err;
}

int vcpus_create(struct vm *vm, unsigned count)
{
	struct sigaction action = {.sa_handler = on_stop};
	sigaction(SIGNAL_STOP, &action, NULL);
	vcpus_vm = vm;
	vcpus = calloc(count, sizeof(*vcpus));
	if (vcpus == NULL) {
		say("no memory for %u vCPUs", count);
		return -ENOMEM;
	}
	for (vcpu_count = 0; vcpu_count < count; vcpu_count++) {
		int err = create(&vcpus[vcpu_count], vcpu_count, count);
		if (err != 0) {
			vcpu_count++; /* it is there in part */
			return err;
		}
	}
	return 0;
}

int vcpus_reset(const struct vcpu_start *start)
{
	for (unsigned i = 0; i < vcpu_count; i++) {
		struct vcpu_state state = vcpus[i].initial;
		if (i == 0) {
			vcpu_state_enter(&state, start);
		}
		int err = vcpu_state_restore(vcpus[i].fd, &state);
		if (err != 0) {
			say("cannot reset vCPU %u: %s", i, strerror(-err));
			return err;
		}
	}
	return 0;
}

static void set_state(enum run_state state)
{
	pthread_mutex_lock(&run_lock);
	atomic_store(&run_state, state);
	pthread_cond_broadcast(&run_changed);
	pthread_mutex_unlock(&run_lock);
}

int vcpus_run(void)
{
	for (unsigned i = 0; i < vcpu_count; i++) {
		if (!vcpus[i].threaded) {
			int err = pthread_create(&vcpus[i].thread, NULL, vcpu_main, &vcpus[i]);
			if (err != 0) {
				say("no thread for vCPU %u: %s", i, strerror(err));
				return -err;
			}
			vcpus[i].threaded = true;
		}
	}
	set_state(STATE_RUNNING);
	return 0;
}

static void stop_threads(enum run_state state)
{
	set_state(state);
	for (unsigned i = 0; i < vcpu_count; i++) {
		if (vcpus[i].threaded) {
			pthread_kill(vcpus[i].thread, SIGNAL_STOP);
		}
	}
}

void vcpus_pause(void)
{
	stop_threads(STATE_PAUSED);
	pthread_mutex_lock(&run_lock);
	while (active != 0) {
		pthread_cond_wait(&run_changed, &run_lock);
	}
	pthread_mutex_unlock(&run_lock);
}

void vcpus_destroy(void)
{
	stop_threads(STATE_ENDING);
	for (unsigned i = 0; i < vcpu_count; i++) {
		struct vcpu *vcpu = &vcpus[i];
		if (vcpu->threaded) {
			pthread_join(vcpu->thread, NULL);
		}
		if (vcpu->run != NULL) {
			munmap(vcpu->run, vcpus_vm->run_size);
		}
		if (vcpu->fd >= 0) {
			close(vcpu->fd);
		}
	}
	free(vcpus);
	vcpus = NULL;
	vcpu_count = 0;
}
