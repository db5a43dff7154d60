/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/vmm/machine.c - make the machine, start it, and do what becomes of it.
 *
 * The main thread waits in the event loop; vCPUs run in threads of their own and ask it, by
 * machine_tell(), for what concerns them all.
 */
#include "service/vmm/machine.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service/vmm/acpi.h"
#include "service/vmm/com.h"
#include "service/vmm/devices.h"
#include "service/vmm/irq.h"
#include "service/vmm/load.h"
#include "service/vmm/loop.h"
#include "service/vmm/pci.h"
#include "service/vmm/pidfile.h"
#include "service/vmm/platform.h"
#include "service/vmm/say.h"
#include "service/vmm/vcpu.h"

#define STATUS_REFUSED 1
#define STATUS_FAILED  2

static const struct options *options; /* constant while the machine is there */
static struct memory memory;
static struct vm vm = {.kvm = -1, .fd = -1};
static _Atomic enum machine_event event; /* told and not yet done */
static int event_fd = -1;
static int signal_fd = -1;
static bool button_pressed; /* the main thread's */
static int exit_status;     /* the main thread's */

void machine_tell(enum machine_event news)
{
	enum machine_event before = atomic_load(&event);
	while (before < news && !atomic_compare_exchange_weak(&event, &before, news)) {
	}
	uint64_t one = 1;
	ssize_t written = write(event_fd, &one, sizeof(one));
	(void)written; /* fails only when it is awake already */
}

/* Kernel and initrd into RAM; how they are entered. */
static int load_files(struct vcpu_start *start)
{
	struct load load = {.memory = &memory, .cmdline = options->cmdline, .rsdp = LOAD_ACPI};
	int err = load_open(&load.kernel, options->kernel);
	if (err == 0 && options->initrd != NULL) {
		err = load_open(&load.initrd, options->initrd);
	}
	if (err == 0) {
		err = load_kernel(&load);
	}
	load_close(&load.kernel);
	load_close(&load.initrd);
	*start = load.start;
	return err;
}

/* What firmware would do besides: ACPI tables; and the vCPUs to the entry. */
static int prepare(const struct vcpu_start *start)
{
	struct acpi_machine tables = {.cpus = options->cpus, .pci_devices = pci_devices()};
	size_t room = LOAD_MIN - LOAD_ACPI;
	if (acpi_write(&tables, LOAD_ACPI, memory_at(&memory, LOAD_ACPI, room), room) == 0) {
		say("the ACPI tables find no room");
		return -ENOSPC;
	}
	return vcpus_reset(start);
}

static void end(int status)
{
	exit_status = status;
	loop_stop();
}

/* Everything as after power-on. False after a message. */
static bool restart(void)
{
	struct vcpu_start start;
	devices_reset();
	pci_reset();
	com_reset();
	power_reset();
	cmos_reset();
	pit_reset();
	irq_reset();
	button_pressed = false;
	return load_files(&start) == 0 && prepare(&start) == 0 && vcpus_run() == 0;
}

static void reset(void)
{
	if (options->no_reboot) {
		say("the guest wants to restart, which --no-reboot makes its end");
		end(0);
		return;
	}
	static unsigned restarts;
	if (++restarts < TOLD) {
		say("the guest restarts");
	} else if (restarts == TOLD) {
		say("the guest restarts again and again; that is not told any more");
	}
	vcpus_pause();
	/* That others wanted the same meanwhile is done with; more than that comes first. */
	enum machine_event more = atomic_exchange(&event, MACHINE_GOES_ON);
	if (more > MACHINE_RESET) {
		end(more == MACHINE_OFF ? 0 : STATUS_FAILED);
	} else if (!restart()) {
		end(STATUS_FAILED);
	}
}

static void on_event(void *argument, uint32_t events)
{
	(void)argument;
	(void)events;
	uint64_t count;
	ssize_t got = read(event_fd, &count, sizeof(count));
	(void)got;
	switch (atomic_exchange(&event, MACHINE_GOES_ON)) {
	case MACHINE_RESET:
		reset();
		break;
	case MACHINE_OFF:
		end(0);
		break;
	case MACHINE_FAILED:
		end(STATUS_FAILED);
		break;
	case MACHINE_GOES_ON:
		break;
	}
}

/* SIGTERM asks the guest first, a second one ends it. SIGPWR asks as often as it comes: who asks
 * anew does not know of the first. All others end it. */
static void on_signal(void *argument, uint32_t events)
{
	(void)argument;
	(void)events;
	struct signalfd_siginfo info;
	if (read(signal_fd, &info, sizeof(info)) != sizeof(info)) {
		return;
	}
	bool asks = info.ssi_signo == SIGTERM;
	if (info.ssi_signo != SIGPWR && (!asks || button_pressed)) {
		say("stopped");
		end(0);
		return;
	}
	button_pressed = button_pressed || asks;
	say("%s%s",
		power_press_button() ? "the power button is pressed"
				     : "the guest does not listen to its power button",
		asks ? "; a second SIGTERM ends the guest at once" : "");
}

static int watch_signals(void)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGPWR);
	signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	/* Threads inherit this; the vCPUs' own signal is for them alone. */
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (signal_fd < 0 || event_fd < 0) {
		return -errno;
	}
	int err = loop_add(signal_fd, EPOLLIN, on_signal, NULL);
	return err != 0 ? err : loop_add(event_fd, EPOLLIN, on_event, NULL);
}

static int create_platform(void)
{
	int err = loop_create();
	err = err != 0 ? err : watch_signals();
	err = err != 0 ? err : irq_create(&vm);
	err = err != 0 ? err : power_create();
	err = err != 0 ? err : cmos_create(memory_low(&memory), memory_high(&memory));
	err = err != 0 ? err : pit_create();
	err = err != 0 ? err : pci_create();
	if (err != 0) {
		say("cannot set up the machine: %s", strerror(-err));
	}
	return err;
}

static int create(void)
{
	int err = options->pidfile != NULL ? pidfile_create(options->pidfile) : 0;
	if (err != 0) {
		return err;
	}
	err = memory_create(&memory, options->memory);
	if (err != 0) {
		say("the host has not %lu MiB of address space for the guest: give it less (--mem)",
			options->memory / MIB);
		return err;
	}
	struct vcpu_start start;
	err = load_files(&start); /* first: most is refused here, without a VM */
	err = err != 0 ? err : vm_create(&vm, options->kvm, &memory);
	err = err != 0 ? err : create_platform();
	err = err != 0 ? err : devices_create(options, &memory, &vm);
	err = err != 0 ? err : com_create(options->serial);
	err = err != 0 ? err : vcpus_create(&vm, options->cpus);
	return err != 0 ? err : prepare(&start);
}

int machine_run(const struct options *wanted)
{
	options = wanted;
	exit_status = STATUS_REFUSED;
	if (create() == 0 && vcpus_run() == 0 && pidfile_write() == 0) {
		loop_run();
	}
	vcpus_destroy();
	devices_destroy();
	com_destroy();
	vm_destroy(&vm);
	memory_destroy(&memory);
	pidfile_destroy();
	return exit_status;
}
