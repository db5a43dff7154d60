/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/guests.c - guests from boot modules: memory, vCPUs, the image in its place.
 * Runs: on the boot CPU, once, at the end of the start-up.
 */
#include "boot/guests.h"

#include "kernel/dispatch.h"
#include "kernel/fmt.h"
#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/machine.h"
#include "kernel/paging.h"
#include "kernel/sched_words.h"

#define LOAD_ADDRESS 0x7c00u
#define MEMORY_MAX   1024u /* MiB */
#define VCPUS_MAX    64u
#define FRAMES_LEFT  256u /* of Pintle's, for the service VM's tables */

static struct guest {
	char name[VM_NAME_MAX];
	uint64_t image, size;  /* host-physical, bytes */
	uint64_t base, memory; /* the same; 0: it has none */
	uint64_t vcpu_count;
	struct sched_params params;
	struct vm *vm;
} guests[BOOT_GUESTS_MAX];
static unsigned guest_count;

/* One word of a guest's command line, which is cut up: false when it means nothing. */
static bool read_word(struct guest *guest, char *word)
{
	char *value = strchr(word, '=');
	uint64_t number;

	if (value == NULL) {
		return false;
	}
	*value++ = '\0';
	size_t length = strlen(value);
	bool is_number = fmt_parse_u64(value, length, &number) == 0;
	if (strcmp(word, "name") == 0 && length < VM_NAME_MAX && length != 0) {
		memcpy(guest->name, value, length + 1);
	} else if (strcmp(word, "mem") == 0 && is_number && number >= 1 && number <= MEMORY_MAX) {
		guest->memory = number * MIB;
	} else if (strcmp(word, "cpus") == 0 && is_number && number >= 1 && number <= VCPUS_MAX) {
		guest->vcpu_count = number;
	} else {
		return sched_read_word(&guest->params, word, value);
	}
	return true;
}

static void place(struct guest *guest, const struct boot_module *module)
{
	char args[BOOT_CMDLINE_MAX], *next = args;

	*guest = (struct guest){.name = "guest",
		.image = module->base,
		.size = module->size,
		.memory = MIB,
		.vcpu_count = 1,
		.params = sched_defaults()};
	memcpy(args, module->args, sizeof(args));
	for (char *word; (word = fmt_next_word(&next)) != NULL;) {
		if (!read_word(guest, word)) {
			log_warning("guest %s: \"%s\" means nothing here", guest->name, word);
		}
	}
	if (!sched_valid(&guest->params, &dispatch_machine)) {
		log_warning("guest %s: it cannot be scheduled so", guest->name);
		guest->params = sched_defaults();
	}
	if (guest->size + LOAD_ADDRESS > guest->memory ||
		memmap_find(&machine.memmap, guest->memory, LARGE_SIZE, MIB, UINT64_MAX,
			&guest->base) != 0 ||
		memmap_set(&machine.memmap, guest->base, guest->memory, MEM_GUEST) != 0) {
		log_error("guest %s: its memory is too small, or more than there is", guest->name);
		guest->base = 0;
	}
}

void guests_place(const struct boot_info *info)
{
	for (; guest_count < info->guest_count; guest_count++) {
		place(&guests[guest_count], &info->guest[guest_count]);
	}
}

/* On the CPU that begins with it. */
static void make_vcpu(void *argument)
{
	struct guest *guest = argument;
	struct vm *vm = guest->vm;
	struct segment code = {0, 0xffff, 0, SEGMENT_PRESENT | SEGMENT_S | 0xb};
	struct vcpu *vcpu = vcpu_create(vm, vm->vcpu_count, &guest->params);

	if (vcpu != NULL && vcpu->index == 0) {
		backend->set_segment(vcpu, SEG_CS, &code);
		backend->set(vcpu, VCPU_RIP, LOAD_ADDRESS);
	}
	if (vcpu != NULL) {
		vcpu_publish(vcpu);
	}
}

/* Nothing of what was there before, and the image. */
static bool fill(const struct guest *guest)
{
	for (uint64_t at = 0; at < guest->memory; at += PAGE_SIZE) {
		uint64_t flags = irq_save();
		memset(paging_peek(hpa(guest->base + at)), 0, PAGE_SIZE);
		irq_restore(flags);
	}
	return boot_copy(guest->base + LOAD_ADDRESS, guest->image, guest->size) == 0;
}

static bool start(struct guest *guest, unsigned number)
{
	bool flush = false;
	unsigned cpu = number;

	guest->vm = vm_create(guest->name, true, NULL);
	if (guest->vm == NULL ||
		stage2_map(&guest->vm->stage2, 0, hpa(guest->base), guest->memory, STAGE2_ALL,
			STAGE2_WB, &flush) != 0 ||
		!fill(guest)) {
		return false;
	}
	for (unsigned i = 0; i < guest->vcpu_count && frame_count(FRAME_FREE) >= FRAMES_LEFT; i++) {
		do {
			cpu = (cpu + 1) % cpu_count;
		} while (!sched_mask_has(&guest->params.affinity, cpu));
		smp_call(cpu, make_vcpu, guest);
	}
	if (guest->vm->vcpu_count != guest->vcpu_count) {
		return false;
	}
	guest->vm->vcpu[0]->state = VCPU_RUNNING;
	vcpu_request(guest->vm->vcpu[0], VCPU_REQUEST_LOOK);
	return true;
}

void guests_start(void)
{
	for (unsigned i = 0; i < guest_count; i++) {
		if (guests[i].base != 0 && !start(&guests[i], i)) {
			log_error("guest %s: cannot be started", guests[i].name);
		}
	}
}
