/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/guest/broken/pae.S - QEMU, AMD-V: CPUID under PAE paging hangs. QEMU sets the accessed bit
 * (5) in the page-directory-pointer entry, which kernel/guest.c, mode_pae, takes for reserved: so
 * the instruction cannot be fetched, and is run again for ever.
 */
#define WITH_PAE
#include "../modes.S"
