/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/symbols.h - names for code addresses, from the table that the build puts into the image.
 */
#pragma once

#include "kernel/types.h"

/*
 * The function that holds `address`, and the offset in it; NULL when the address is not in Pintle's
 * text. Pure, any context.
 */
const char *symbol_find(uint64_t address, uint64_t *offset);
