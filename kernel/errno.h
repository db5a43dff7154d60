/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/errno.h - error numbers, returned negated; the values are Linux's, so they can cross the
 * ABI.
 */
#pragma once

#define EPERM   1
#define ENOENT  2
#define EAGAIN  11
#define ENOMEM  12
#define EFAULT  14
#define EBUSY   16
#define EEXIST  17
#define ENODEV  19
#define EINVAL  22
#define ENOSPC  28
#define ENOSYS  38
#define EBADMSG 74
#define ESTALE  116
#define E2BIG   7
