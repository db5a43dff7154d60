#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make the service VM's image, build/image/vmlinuz and initrd.img, from Debian's packages (service/image/README.md)."""

import argparse
import pathlib
import sys

import debian
import initramfs
from debian import ROOT, DebianError

IMAGE = ROOT / "service" / "image"
OUT = ROOT / "build" / "image"
FILES = ("vmlinuz", "initrd.img")  # kernel and initial file system, in OUT
KERNEL = "linux-image-amd64"
GUEST_KERNEL = "linux-image-cloud-amd64"

# The demo guest's drivers, in the order in which they are asked for.
GUEST_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "ext4", "button", "evdev")

XTABLES = "usr/lib/x86_64-linux-gnu/xtables/"
# Programs besides busybox, and a plugin of one: package, file in it, name in the image.
PROGRAMS = (
    ("e2fsprogs", "sbin/mke2fs", "sbin/mke2fs"),
    ("e2fsprogs", "sbin/e2fsck", "sbin/e2fsck"),
    ("iptables", "usr/sbin/xtables-legacy-multi", "sbin/iptables"),
    ("iptables", XTABLES + "libxt_NAT.so", XTABLES + "libxt_MASQUERADE.so"),
)
LIBRARIES = ("libc6", "libext2fs2", "libcom-err2", "libblkid1", "libuuid1", "libxtables12", "libip4tc2", "libip6tc2")
LOADER = "lib64/ld-linux-x86-64.so.2"


def stripped(path, what="-s"):
    """A copy of what we built, without what only a debugger reads."""
    OUT.mkdir(parents=True, exist_ok=True)
    copy = OUT / path.name
    debian.output_of("strip", what, "-o", str(copy), str(path))
    return copy


def module_list(path):
    """The names in a list of modules."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def add_modules(archive, folder, more):
    """The kernel's modules, where modprobe finds them, with what it needs to know of them.

    more: paths of modules that are not the kernel's.
    """
    release = next((folder / "lib" / "modules").iterdir()).name
    files = debian.module_order(folder, module_list(IMAGE / "modules")) + list(more)
    names = [debian.module_name(path.stem) for path in files]

    def needed_by(path):
        """The places in `files` of all that this one needs."""
        places = {names.index(debian.module_name(name)) for name in debian.module_needs(path)}
        return places.union(*(needed_by(files[place]) for place in places))

    depends, aliases = [], []
    for path in files:
        # modprobe begins at the end of the line.
        needs = [files[place].name for place in sorted(needed_by(path), reverse=True)]
        depends.append(f"{path.name}:" + "".join(f" {name}" for name in needs) + "\n")
        aliases += [f"alias {alias} {path.stem}\n" for alias in debian.module_facts(path, "alias")]
        archive.add_file(f"lib/modules/{release}/{path.name}", path)
    archive.add(f"lib/modules/{release}/modules.dep", "".join(depends).encode())
    archive.add(f"lib/modules/{release}/modules.alias", "".join(aliases).encode())


def add_programs(archive):
    """Debian's programs with the libraries that they need."""
    folders = [debian.unpack(package) for package in LIBRARIES]
    for package, name, place in PROGRAMS:
        path = debian.unpack(package) / name
        archive.add_file(place, path, 0o755)
        for library, file in debian.libraries(path, folders).items():
            archive.add_file(f"lib/x86_64-linux-gnu/{library}", file, 0o755)
    archive.add_file(LOADER, folders[0] / LOADER, 0o755)


def guest_initrd(folder, busybox):
    """The demo guest's initial file system."""
    archive = initramfs.Archive()
    modules = debian.module_order(folder, GUEST_MODULES)
    for name in ("dev", "mnt"):
        archive.add_folder(name)
    archive.add_tree(IMAGE / "demo" / "initrd")
    archive.add_file("bin/busybox", busybox)
    for path in modules:
        archive.add_file(f"modules/{path.name}", path)
    archive.add("modules/order", "".join(path.name + "\n" for path in modules).encode())
    return archive.packed()


def make_initrd(folder, pintle_ko, more=()):
    """The service VM's initial file system, for the kernel in this folder."""
    archive = initramfs.Archive()
    busybox = debian.unpack("busybox-static") / "bin" / "busybox"
    guest = debian.unpack_kernel(GUEST_KERNEL)
    for name in ("dev", "proc", "sys", "run", "tmp", "mnt", "root", "var/lib/pintle"):
        archive.add_folder(name)
    archive.add_link("var/run", "/run")
    archive.add_link("sbin/modprobe", "/bin/modprobe")  # which is the path that the kernel calls
    archive.add_tree(IMAGE / "root")
    archive.add_file("bin/busybox", busybox)
    archive.add_file("bin/pintle", ROOT / "service" / "pintle" / "pintle")
    archive.add_file("bin/pintle-vmm", stripped(ROOT / "build" / "pintle-vmm"))
    add_programs(archive)
    add_modules(archive, folder, [stripped(pintle_ko, "-g")] if pintle_ko else [])
    demo = "usr/share/pintle/demo/"
    archive.add_file(demo + "make-disk", IMAGE / "demo" / "make-disk")
    archive.add_tree(IMAGE / "demo" / "root", demo + "root/")
    archive.add_file(demo + "vmlinuz", debian.kernel_file(guest))
    archive.add(demo + "initrd.img", guest_initrd(guest, busybox))
    for name, path in more:
        archive.add_file(name, path, 0o755)
    return archive.packed()


def make_image(out=OUT, kernel=KERNEL, more=()):
    """Make the image in the folder `out`; the paths of kernel and initrd.

    more: (name there, path here) of more files.
    """
    folder = debian.unpack_kernel(kernel)
    kind = "cloud" if "cloud" in kernel else "generic"
    pintle_ko = ROOT / "build" / "module" / kind / "pintle.ko"
    paths = [pathlib.Path(out) / name for name in FILES]
    initramfs.write(paths[1], make_initrd(folder, pintle_ko if pintle_ko.is_file() else None, more))
    initramfs.write(paths[0], debian.kernel_file(folder).read_bytes())
    return paths


def main():
    """Read the command line and make the image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help="the folder for both files (%(default)s)")
    parser.add_argument("--kernel", default=KERNEL, help="the package that depends on the kernel (%(default)s)")
    options = parser.parse_args()
    try:
        for path in make_image(options.out, options.kernel):
            print(f"{path}: {path.stat().st_size >> 10} KiB")
    except (DebianError, OSError) as error:
        sys.exit(f"mkimage: {error}")


if __name__ == "__main__":
    main()
