"""A mount namespace of our own: what is mounted in it goes with this program, however that ends."""

from coriolis.morphing.guest.commands import find_tool, run

try:
    import ctypes
except ImportError:  # Debian's python3-minimal
    ctypes = None  # type: ignore[assignment]

_NEW_MOUNT_NAMESPACE = 0x00020000  # CLONE_NEWNS of linux/sched.h


def enter_private_namespace() -> bool:
    """False where that cannot be had; every mount is undone one by one in any case."""
    if ctypes is None or ctypes.CDLL(None).unshare(_NEW_MOUNT_NAMESPACE):
        return False
    run([find_tool("mount") or "mount", "--make-rprivate", "/"])
    return True
