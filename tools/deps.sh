#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tools/deps.sh - see to it that the Debian packages are there that build, run and test Pintle: install what is missing
# when root, else say the command that does. Quick when nothing is missing.
set -eu

# What proves a package, and the package.
missing=''
need() {
	case $1 in
	/*) [ -e "$1" ] || missing="$missing $2" ;;
	*) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
	esac
}
need gcc gcc
need /usr/include/stdlib.h libc6-dev
need ld binutils
need /usr/lib/x86_64-linux-gnu/libelf.so.1 libelf1
need clang clang
need clang-format clang-format
need /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-14-dev
need /usr/include/cmocka.h libcmocka-dev
need /usr/include/capstone/capstone.h libcapstone-dev
need /usr/include/liburing.h liburing-dev
need cpio cpio
need lz4 lz4
need /bin/busybox busybox-static
need passt passt
need python3 python3
need gdb gdb
need xxd xxd
need grub-mkrescue grub-common
need /usr/lib/grub/i386-pc/multiboot2.mod grub-pc-bin
need /usr/lib/grub/x86_64-efi/multiboot2.mod grub-efi-amd64-bin
need xorriso xorriso
need mformat mtools
need qemu-system-x86_64 qemu-system-x86
need /usr/share/OVMF/OVMF_CODE_4M.fd ovmf
need bochs bochs
need /usr/share/bochs/BIOS-bochs-latest bochsbios
need /usr/share/vgabios/vgabios.bin vgabios
need /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so bochs-term

[ -n "$missing" ] || exit 0
command='apt-get install -y --no-install-recommends'
if [ "$(id -u)" != 0 ]; then
	echo "Missing Debian packages; install them with: sudo $command$missing" >&2
	exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086
if ! { apt-get update && $command $missing; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "Cannot install the packages above; try: $command$missing" >&2
	exit 1
fi
rm -f "$log"
