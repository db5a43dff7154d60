#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Build pintle.ko against the headers of Debian's kernels: build/module/KIND/pintle.ko.

The headers are the packages that fit the kernels which the tests boot (tests/system/linux.py): fetched into build/debs,
unpacked into build/headers, and never installed. Sources are linked into the build folder, so that nothing is written beside them.
"""

import argparse
import fcntl
import os
import re
import sys

import debian
from debian import ROOT, DebianError, output_of

HEADERS = ROOT / "build" / "headers"
SOURCES = ROOT / "service" / "module"
KINDS = {"cloud": "linux-headers-cloud-amd64", "generic": "linux-headers-amd64"}


def depends(package, pattern):
    """The packages among what this one depends on whose names fit."""
    found = re.findall(r"Depends: (\S+)", output_of("apt-cache", "depends", package))
    found = [name for name in found if re.match(pattern, name)]
    if not found:
        raise DebianError(f"{package} depends on nothing like {pattern}: is the package list there (apt-get update)?")
    return found


def unpack(package):
    """Fetch a package if it is not here, and unpack it into build/headers."""
    deb = debian.fetch(package)
    mark = HEADERS / (deb.stem + ".unpacked")
    if not mark.exists():
        HEADERS.mkdir(parents=True, exist_ok=True)
        output_of("dpkg-deb", "-x", str(deb), str(HEADERS))
        mark.touch()


def headers(kind):
    """The folder of the headers for this kind of kernel, with all that they need."""
    package = depends(KINDS[kind], "linux-headers-6")[0]
    unpack(package)
    for needed in depends(package, "linux-headers-.*-common|linux-kbuild-"):
        unpack(needed)
    folder = HEADERS / "usr" / "src" / package
    makefile = folder / "Makefile"  # names its common part where it would be installed
    makefile.write_text(re.sub(r"^include /usr/src/", f"include {HEADERS}/usr/src/", makefile.read_text()))
    return folder


def build(kind, warnings):
    """Build it for this kind; what the build printed."""
    place = ROOT / "build" / "module" / kind
    place.mkdir(parents=True, exist_ok=True)
    lock = (place.parent / "lock").open("w")  # `make -j module image` comes here twice at once
    fcntl.flock(lock, fcntl.LOCK_EX)
    wanted = {path.name: path for path in (*SOURCES.glob("*.[ch]"), SOURCES / "Kbuild")}
    for link in place.iterdir():
        if link.is_symlink() and link.name not in wanted:
            link.unlink()
    for name, path in wanted.items():
        if not (place / name).is_symlink():
            (place / name).symlink_to(os.path.relpath(path, place))
    text = output_of("make", "-s", "-C", str(headers(kind)), f"M={place}", f"PINTLE={ROOT}",
                     f"KCFLAGS=-ffile-prefix-map={place}/= {'-Werror' if warnings else ''}",
                     "LDFLAGS_MODULE=--build-id=none",  # a hash of this folder's path, too
                     *(("W=1",) if warnings else ()), "modules")
    # Type information needs the kernel itself, and nobody here reads it.
    return "\n".join(line for line in text.splitlines() if "BTF" not in line)


def main():
    """Build for the kinds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="*", default=list(KINDS), help=" or ".join(KINDS))
    arguments = parser.parse_args()
    try:
        for kind in arguments.kind:
            text = build(kind, True)
            if text:
                print(text)
            print(f"build/module/{kind}/pintle.ko")
    except DebianError as error:
        sys.exit(f"module: {error}")


if __name__ == "__main__":
    main()
