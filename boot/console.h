/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * boot/console.h - which serial port is the console.
 */
#pragma once

#include "boot/mbi.h"
#include "boot/options.h"
#include "drivers/acpi.h"
#include "kernel/console.h"

/*
 * Open the console that the option asks for, or, where nothing answers there and for `auto`, the
 * one that the SPCR names, else the first of COM1 to COM4 that answers. Where none does, it is said
 * on the text screen, and all output goes nowhere. Does nothing the second time.
 */
void boot_console_open(const struct uart_place *option, const struct boot_screen *screen);
