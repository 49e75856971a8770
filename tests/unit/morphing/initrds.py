"""Initramfs images as distributions make them, built from our own writer and the real packers."""

import bz2
import gzip
import lzma
import stat
import subprocess
from collections.abc import Callable

from coriolis.morphing.guest.cpio import Entry, directory, regular_file, write_archive

VERSION = "6.1.0-39-amd64"
MODULES = f"usr/lib/modules/{VERSION}"
MICROCODE = write_archive(
    [directory("kernel"), directory("kernel/x86"), regular_file("kernel/x86/GenuineIntel.bin", b"\1" * 999)]
)


def main_archive() -> bytes:
    """As initramfs-tools of Debian 12: merged /usr, so lib is a link."""
    return write_archive(
        [
            Entry("init", stat.S_IFREG | 0o755, b"#!/bin/sh\n"),
            Entry("lib", stat.S_IFLNK | 0o777, b"usr/lib"),
            directory("usr"),
            directory("usr/lib"),
            directory("usr/lib/modules"),
            directory(MODULES),
            directory("scripts"),
            regular_file("scripts/functions", b"load_modules() { :; }\n"),
            directory("conf"),
            regular_file("conf/modules", b"vmw_pvscsi\n"),
            regular_file(f"{MODULES}/kernel/drivers/scsi/vmw_pvscsi.ko", b"pvscsi" * 50),
            regular_file(f"{MODULES}/modules.dep", b"kernel/drivers/scsi/vmw_pvscsi.ko:\n"),
        ]
    )


def command(*args: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(args, input=data, capture_output=True, check=True).stdout


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "bzip2": bz2.compress,
    "zstd": command("zstd", "-q", "-c"),
    "lz4": command("lz4", "-l", "-c"),
}


def unpack_program(name: str, data: bytes) -> bytes:
    return command(name, "-dc")(data)
