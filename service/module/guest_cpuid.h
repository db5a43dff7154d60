/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * service/module/guest_cpuid.h - what of CPUID guests may know: what needs nothing of the host that
 * does not move with a vCPU, and does not tell of it.
 */
#pragma once

#include "abi/pintle.h"

/* Take from a row what guests do not get. Rows begin as the CPU's own answers in the service VM,
 * which has the hypervisor's leaves and bits in them; those of a VMM are cut, too. Leaf 0dh is
 * Pintle's to answer. */
void guest_cpuid_cut(struct pintle_cpuid *row);
