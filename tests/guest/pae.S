/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tests/guest/pae.S - the modes again, with an excursion to PAE paging. QEMU sets the accessed bit in
 * the page-directory-pointer entry, which the walk of kernel/guest.c must not take for reserved.
 */
#define WITH_PAE
#include "modes.S"
