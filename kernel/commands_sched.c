/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/commands_sched.c - the monitor's command about the scheduler.
 * Runs: on the monitor's stack on CPU 0, or in a panic.
 */
#include "kernel/dispatch.h"
#include "kernel/monitor.h"

static void show_vcpu(const struct vcpu *vcpu)
{
	const struct sched_entity *e = &vcpu->sched;
	const struct sched_params *p = &e->params;
	uint64_t all = max_u64(e->cpu->weight, p->weight);

	console_printf("%u.%-4u  %3u  %6u  %3u  %-7s  %lu/%-11lu  %5lu  %5u  %12lu  %12lu  %6lu\n",
		vcpu->vm->id, vcpu->index, e->cpu->index, p->weight, p->cap,
		sched_latency_names[p->latency], p->budget / 1000, p->period / 1000,
		p->weight * 1000 / all, vcpu->got, dispatch_ran(vcpu) / 1000, e->waited / 1000,
		e->migrations);
}

static void show_all(void)
{
	uint64_t late[SCHED_BINS] = {0}, now = time_ns() / 1000;

	console_printf("up %lu.%06lu s\n", now / 1000000, now % 1000000);
	console_printf("vcpu    cpu  weight  cap  latency  reserve        asked    got       ran "
		       "(us)   waited (us)   moves\n");
	for (unsigned id = 0; id < VMS_MAX; id++) {
		for (unsigned i = 0; vm_table[id] != NULL && i < vm_table[id]->vcpu_count; i++) {
			show_vcpu(vm_table[id]->vcpu[i]);
		}
	}
	console_printf("cpu  waiting  weight  reserved  switches\n");
	for (unsigned i = 0; i < cpu_count; i++) {
		const struct sched_cpu *cpu = &cpu_table[i]->sched;
		console_printf("%3u  %7u  %6lu  %7lu%%  %8lu\n", i,
			cpu->queue[0].count + cpu->queue[1].count, cpu->weight,
			cpu->share * 100ul / SCHED_SHARE_ONE, cpu->switches);
		for (unsigned bin = 0; bin < SCHED_BINS; bin++) {
			late[bin] += cpu->latency[bin];
		}
	}
	console_printf("wake-ups, by the ns until they ran\n");
	for (unsigned bin = 0; bin < SCHED_BINS; bin++) {
		if (late[bin] != 0) {
			console_printf("  below %12llu  %10lu\n", BIT(bin + 1), late[bin]);
		}
	}
}

static void change(struct vm_range range, const char *name, const char *value)
{
	for (unsigned i = range.first; i < range.end; i++) {
		struct vcpu *vcpu = range.vm->vcpu[i];
		struct sched_params params = vcpu->sched.params;
		bool pinned = !range.vm->closed && strcmp(name, "affinity") == 0;
		if (pinned || !sched_read_word(&params, name, value)) {
			console_printf("\"%s %s\" is no setting; help says more.\n", name, value);
			return;
		}
		int err = dispatch_set(vcpu, &params);
		if (err != 0) {
			console_printf("%u.%u: %s.\n", range.vm->id, i,
				err == -ENOSPC           ? "no CPU has room for that"
					: err == -EINVAL ? "that is out of range"
							 : "it is on its way; try again");
			return;
		}
	}
}

void command_sched(char *argument)
{
	char *set = fmt_next_word(&argument), *vcpu = fmt_next_word(&argument);
	char *name = fmt_next_word(&argument), *value = fmt_next_word(&argument);

	if (set == NULL) {
		show_all();
	} else if (strcmp(set, "set") != 0 || value == NULL || fmt_next_word(&argument) != NULL) {
		console_printf(
			"Usage: sched [set VM[.VCPU] weight|cap|affinity|latency|reserve VALUE]\n");
	} else {
		change(vm_range_read(vcpu), name, value);
	}
}
