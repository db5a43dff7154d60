/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/hypercall.h - ask Pintle. Any context; abi/hypercalls.def says what it answers.
 */
#pragma once

#include <linux/sched.h>
#include <linux/types.h>
#include <asm/alternative.h>
#include <asm/cpufeatures.h>

#include "abi/pintle.h"

static inline long hypercall(u64 call, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 asm("r10") = a4;
	register u64 r8 asm("r8") = a5;
	long result;

	asm volatile(ALTERNATIVE("vmcall", "vmmcall", X86_FEATURE_VMMCALL)
		     : "=a"(result)
		     : "a"(call), "D"(a1), "S"(a2), "d"(a3), "r"(r10), "r"(r8)
		     : "memory");
	return result;
}

/* pintle_call(NAME, arguments...): those that are left out are 0. */
#define pintle_call(name, ...)                      pintle_call_(PINTLE_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define pintle_call_(call, a1, a2, a3, a4, a5, ...) hypercall(call, a1, a2, a3, a4, a5)

/* A call that makes or ends something for all VMs, in process context: it waits while another CPU,
 * or the monitor, has that right. */
#define pintle_call_alone(name, ...)                                                               \
	({                                                                                         \
		long result_;                                                                      \
		while ((result_ = pintle_call(name, ##__VA_ARGS__)) == -EAGAIN) {                  \
			cond_resched();                                                            \
		}                                                                                  \
		result_;                                                                           \
	})

static inline long pintle_query(enum pintle_query what)
{
	return pintle_call(QUERY, what);
}
