/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * drivers/pic.h - the two legacy 8259 interrupt controllers, only to silence them.
 */
#pragma once

/* Move their vectors off the exceptions' (a spurious one still comes) and mask every line. Once,
 * boot CPU. */
void pic_disable(void);
