/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/events.h - what Pintle tells: a vCPU has stopped, a doorbell was rung.
 */
#pragma once

#include <linux/pci.h>
#include <linux/types.h>

struct event {
	void (*happened)(struct event *event); /* in an interrupt; may come once too often */
	unsigned int bit;                      /* events.c's */
};

/* Give the event a number; -ENOSPC. It may come from then on. May sleep. */
int event_add(struct event *event);

/* For Pintle, when it is to be told to this CPU of Linux. */
u32 event_id(const struct event *event, unsigned int cpu);

/* Pintle knows it no longer; it may come until events_wait() has returned. May sleep. */
void event_remove(struct event *event);
void events_wait(void);

/* The function's vectors and the event pages. 0 or a negative errno, said. */
int events_start(struct pci_dev *function);
void events_stop(struct pci_dev *function);
