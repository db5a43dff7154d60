/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/errno.h - error numbers, returned negated; the values are Linux's, so they can cross the
 * ABI.
 */
#pragma once

#define ENOENT  2
#define EAGAIN  11
#define ENOMEM  12
#define EFAULT  14
#define ENODEV  19
#define EINVAL  22
#define ENOSPC  28
#define EBADMSG 74
#define E2BIG   7
