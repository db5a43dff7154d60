# SPDX-License-Identifier: GPL-2.0-only
"""Debian's packages as material: fetched, unpacked, searched for kernel modules and shared libraries.

Nothing of it is committed or installed: packages are in build/debs, what they hold in build/linux.
"""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEBS = ROOT / "build" / "debs"
PLACE = ROOT / "build" / "linux"


class DebianError(Exception):
    """A command failed, or a package is not what it was taken for."""


def output_of(*command, **options):
    """What a command prints; a DebianError with its complaint when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise DebianError(f"{' '.join(map(str, command))}: {done.stdout.strip()}")
    return done.stdout


def fetch(package):
    """The .deb of this package, downloaded if it is not here."""
    DEBS.mkdir(parents=True, exist_ok=True)
    have = sorted(DEBS.glob(package + "_*.deb"))
    if not have:
        # As root, apt would rather write as its own user, who may not: it says so and goes on.
        output_of("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=DEBS)
        have = sorted(DEBS.glob(package + "_*.deb"))
    return have[-1]


def unpack_deb(deb):
    """The folder with what this package holds."""
    folder = PLACE / deb.stem
    if not folder.is_dir():
        half = PLACE / (deb.stem + ".part")  # a run that was interrupted leaves only this
        half.mkdir(parents=True, exist_ok=True)
        output_of("dpkg-deb", "-x", str(deb), str(half))
        half.rename(folder)
    return folder


def unpack(package):
    """The folder with what this package holds, fetched if it is not here."""
    return unpack_deb(fetch(package))


def unpack_kernel(package):
    """The same of the kernel that `package` depends on now."""
    found = re.search(r"Depends: (linux-image-\S+)", output_of("apt-cache", "depends", package))
    if not found:
        raise DebianError(f"{package} depends on no kernel: is the package list there (apt-get update)?")
    return unpack(found[1])


def kernel_file(folder):
    """The kernel itself in the folder of its package."""
    return next((folder / "boot").glob("vmlinuz-*"))


def module_name(text):
    """As the kernel writes it."""
    return text.replace("-", "_")


def module_facts(path, key):
    """What a kernel module says of itself under this key: all values, in order."""
    return [value.decode() for value in
            re.findall(rb"(?<=\0)" + key.encode() + rb"=([^\0]*)(?=\0)", path.read_bytes())]


def module_needs(path):
    """The names of the modules that this one needs."""
    return [name for text in module_facts(path, "depends") for name in text.split(",") if name]


def module_order(folder, wanted):
    """The files of these kernel modules and of all that they need, each after what it needs."""
    files = {module_name(path.stem): path for path in (folder / "lib" / "modules").rglob("*.ko")}
    order = []

    def add(name):
        # What is built in has no file and needs none.
        path = files.get(module_name(name))
        if path is None or path in order:
            return
        for need in module_needs(path):
            add(need)
        order.append(path)

    for name in wanted:
        add(name)
    return order


def libraries(program, folders):
    """The shared libraries that a program needs, from these packages' folders: each file once."""
    have = {path.name: path for folder in folders for path in folder.rglob("*.so*")}
    found = {}

    def add(path):
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-dW", str(path))):
            if name in found:
                continue
            if name not in have:
                raise DebianError(f"{path.name} needs {name}, which is in no package that was given")
            found[name] = have[name]
            add(have[name])

    add(program)
    return found
