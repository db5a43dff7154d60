// SPDX-License-Identifier: GPL-2.0-only
/*
 * service/module/events.c - the interrupts of Pintle's PCI function, one vector for each CPU.
 *
 * An event has the same bit on all CPUs, so that telling it to another is no more than another
 * number. Handlers look it up by RCU; interrupts count as readers.
 */
#include <linux/bitmap.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "service/module/events.h"
#include "service/module/hypercall.h"
#include "service/module/shared.h"

static DEFINE_MUTEX(events_lock);
static DECLARE_BITMAP(events_used, PINTLE_EVENTS);      /* [events_lock] */
static struct event __rcu *events_table[PINTLE_EVENTS]; /* [events_lock] to write */
static struct pintle_events **events_page;              /* [constant after start] by CPU */
static unsigned int events_cpus;                        /* [constant after start] */

static void tell(unsigned int bit)
{
	struct event *event = rcu_dereference(events_table[bit]);

	if (event) {
		event->happened(event);
	}
}

/* In the order that abi/pintle.h demands: words, then their bits. */
static irqreturn_t events_interrupt(int irq, void *argument)
{
	struct pintle_events *page = argument;
	unsigned long words = xchg(&page->words, 0);
	unsigned int word, bit;

	rcu_read_lock();
	for_each_set_bit(word, &words, BITS_PER_LONG)
	{
		unsigned long bits = xchg(&page->bits[word], 0);

		for_each_set_bit(bit, &bits, BITS_PER_LONG)
		{
			tell(word * BITS_PER_LONG + bit);
		}
	}
	rcu_read_unlock();
	return IRQ_HANDLED;
}

int event_add(struct event *event)
{
	unsigned long bit;

	mutex_lock(&events_lock);
	bit = find_first_zero_bit(events_used, PINTLE_EVENTS);
	if (bit < PINTLE_EVENTS) {
		__set_bit(bit, events_used);
		event->bit = bit;
		rcu_assign_pointer(events_table[bit], event);
	}
	mutex_unlock(&events_lock);
	return bit < PINTLE_EVENTS ? 0 : -ENOSPC;
}

u32 event_id(const struct event *event, unsigned int cpu)
{
	return PINTLE_EVENT_ID(cpu % events_cpus, event->bit);
}

void event_remove(struct event *event)
{
	unsigned int cpu;

	mutex_lock(&events_lock);
	RCU_INIT_POINTER(events_table[event->bit], NULL);
	/* What was told and not taken is not the next owner's. */
	for (cpu = 0; events_page && cpu < events_cpus; cpu++) {
		if (events_page[cpu]) {
			clear_bit(event->bit, (unsigned long *)events_page[cpu]->bits);
		}
	}
	__clear_bit(event->bit, events_used);
	mutex_unlock(&events_lock);
}

void events_wait(void)
{
	synchronize_rcu_expedited();
}

/* The vector of one CPU, and its page to Pintle. */
static int start_cpu(struct pci_dev *function, unsigned int cpu)
{
	struct pintle_events *page = shared_alloc(1);
	int irq = pci_irq_vector(function, cpu);
	int err;

	BUILD_BUG_ON(sizeof(*page) > PAGE_SIZE);
	if (!page) {
		return -ENOMEM;
	}
	err = request_irq(irq, events_interrupt, 0, "pintle", page);
	if (err) {
		shared_free(page, 1);
		return err;
	}
	if (cpu_possible(cpu)) {
		irq_set_affinity_and_hint(irq, cpumask_of(cpu));
	}
	events_page[cpu] = page;
	return pintle_call_alone(EVENT_PAGE, cpu, shared_address(page));
}

int events_start(struct pci_dev *function)
{
	long cpus = pintle_query(PINTLE_QUERY_CPUS);
	unsigned int cpu;
	int err;

	if (cpus < 1 || cpus > U16_MAX) {
		return -ENODEV;
	}
	events_page = kcalloc(cpus, sizeof(*events_page), GFP_KERNEL);
	if (!events_page) {
		return -ENOMEM;
	}
	err = pci_alloc_irq_vectors(function, 1, cpus, PCI_IRQ_MSIX);
	if (err < 0) {
		dev_err(&function->dev, "no interrupts: %d\n", err);
		kfree(events_page);
		events_page = NULL;
		return err;
	}
	events_cpus = err;
	for (cpu = 0; cpu < events_cpus; cpu++) {
		err = start_cpu(function, cpu);
		if (err) {
			dev_err(&function->dev, "no events for CPU %u: %d\n", cpu, err);
			events_stop(function);
			return err;
		}
	}
	return 0;
}

void events_stop(struct pci_dev *function)
{
	unsigned int cpu;

	mutex_lock(&events_lock);
	for (cpu = 0; cpu < events_cpus; cpu++) {
		if (events_page[cpu]) {
			int irq = pci_irq_vector(function, cpu);

			pintle_call_alone(EVENT_PAGE, cpu, 0);
			irq_set_affinity_and_hint(irq, NULL);
			free_irq(irq, events_page[cpu]);
			shared_free(events_page[cpu], 1);
		}
	}
	pci_free_irq_vectors(function);
	kfree(events_page);
	events_page = NULL; /* VMs may live on, deaf */
	mutex_unlock(&events_lock);
}
