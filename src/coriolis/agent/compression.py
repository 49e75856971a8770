"""Compression of payloads: zstd through ctypes where the worker has the library, zlib where asked for, or
none.

zstd level 1 does 320 MB a CPU second on text and notices noise at 3 GB/s; zlib does 68 and 50, so it is never
chosen by itself. `Policy` decides when compressing pays: only while the sender is held up by a slow wire.
"""

import contextlib
import ctypes
import mmap
import os
import threading
import time
import zlib
from typing import Any, Callable, List, Optional

from coriolis.agent.frames import CODEC_NONE, CODEC_ZLIB, CODEC_ZSTD, FRAME_BYTES, ProtocolError

CODEC_NAMES = {"none": CODEC_NONE, "zstd": CODEC_ZSTD, "zlib": CODEC_ZLIB}
_LEVEL = 1
_PROBE_BYTES = 16384
_MISSES_BEFORE_PROBING = 4


def _load_zstd() -> Optional[Any]:
    try:
        library = ctypes.CDLL("libzstd.so.1")
    except OSError:
        return None
    for name in ("ZSTD_createCCtx", "ZSTD_createDCtx"):
        getattr(library, name).restype = ctypes.c_void_p
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.ZSTD_compressCCtx.restype = size
    library.ZSTD_compressCCtx.argtypes = [pointer, pointer, size, pointer, size, ctypes.c_int]
    library.ZSTD_decompressDCtx.restype = size
    library.ZSTD_decompressDCtx.argtypes = [pointer, pointer, size, pointer, size]
    library.ZSTD_isError.argtypes = [size]
    library.ZSTD_freeCCtx.argtypes = [pointer]
    library.ZSTD_freeDCtx.argtypes = [pointer]
    return library


_ZSTD = _load_zstd()


def _zstd() -> Any:
    if _ZSTD is None:
        raise ProtocolError("zstd is wanted, and there is no libzstd here")
    return _ZSTD


def available() -> List[str]:
    return ["none", "zlib"] + (["zstd"] if _ZSTD else [])


class Buffer:
    """FRAME_BYTES of memory with its address; page-aligned, so good for O_DIRECT."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, FRAME_BYTES)
        self.view = memoryview(self._map)
        self.address = ctypes.addressof((ctypes.c_char * FRAME_BYTES).from_buffer(self._map))


class Compressor:
    """One thread's compressor. Its output stands in `out` until the next call."""

    def __init__(self) -> None:
        self.out = Buffer()
        self._context = ctypes.c_void_p(_ZSTD.ZSTD_createCCtx()) if _ZSTD else None
        self._misses = 0

    def compress(self, codec: int, address: int, length: int) -> int:
        """The compressed length, or 0 where it would not save a sixteenth and the payload had better go as it
        is.

        After some misses only a sample from the middle is tried, since most of what does not compress comes
        in runs.
        """
        if codec == CODEC_NONE:
            return 0
        if self._misses >= _MISSES_BEFORE_PROBING and length > 4 * _PROBE_BYTES:
            middle = address + (length >> 1)
            if not self._into_out(codec, middle, _PROBE_BYTES, _PROBE_BYTES - (_PROBE_BYTES >> 4)):
                return 0
        done = self._into_out(codec, address, length, length - (length >> 4))
        self._misses = 0 if done else self._misses + 1
        return done

    def _into_out(self, codec: int, address: int, length: int, limit: int) -> int:
        if codec == CODEC_ZSTD:
            zstd = _zstd()
            done = int(
                zstd.ZSTD_compressCCtx(self._context, self.out.address, limit, address, length, _LEVEL)
            )
            return 0 if zstd.ZSTD_isError(done) else done
        packed = zlib.compress((ctypes.c_char * length).from_address(address).raw, _LEVEL)
        if len(packed) > limit:
            return 0
        self.out.view[: len(packed)] = packed
        return len(packed)


class Decompressor:
    """One thread's decompressor; the result stands in `out` until the next call and never exceeds it."""

    def __init__(self) -> None:
        self.out = Buffer()
        self._context = ctypes.c_void_p(_ZSTD.ZSTD_createDCtx()) if _ZSTD else None

    def decompress(self, codec: int, source: Buffer, length: int, raw: int) -> memoryview:
        """`raw` bytes out of the first `length` of `source`. Raises ProtocolError if it is not exactly that
        many.
        """
        if codec == CODEC_ZSTD:
            context, out = self._context, self.out
            done = int(_zstd().ZSTD_decompressDCtx(context, out.address, raw, source.address, length))
        else:
            done = self._inflate(bytes(source.view[:length]), raw)
        if done != raw:
            raise ProtocolError(f"payload does not decompress to {raw} bytes")
        return self.out.view[:raw]

    def _inflate(self, packed: bytes, raw: int) -> int:
        inflater = zlib.decompressobj()
        try:
            plain = inflater.decompress(packed, raw)
            rest = inflater.decompress(inflater.unconsumed_tail, 1)
        except zlib.error as error:
            raise ProtocolError(f"payload does not decompress: {error}") from error
        if rest or not inflater.eof:
            return -1
        self.out.view[: len(plain)] = plain
        return len(plain)


class Stopwatch:
    """How long a thread is held up by others, rather than busy or waiting for a processor; belongs to the thread that
    makes it.

    The wait for a processor is the second figure of schedstat (Linux, Documentation/scheduler/sched-stats). Where
    there is none it counts as being held up.
    """

    def __init__(self) -> None:
        self._statistics = -1
        with contextlib.suppress(OSError):
            self._statistics = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self.start()

    def start(self) -> None:
        self._wall, self._own = time.monotonic(), self._own_seconds()

    def held_up(self) -> float:
        """Seconds since the start."""
        return max(0.0, time.monotonic() - self._wall - (self._own_seconds() - self._own))

    def _own_seconds(self) -> float:
        waited = 0
        if self._statistics >= 0:
            waited = int(os.pread(self._statistics, 100, 0).split()[1])
        return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) + waited / 1e9

    def __del__(self) -> None:
        if self._statistics >= 0:
            os.close(self._statistics)


class Policy:
    """Which codec the next frame should try.

    `auto` begins raw and looks at windows of frames: where the senders are held up for more than 30 % of their time
    and the wire carries less than 2 Gbit/s, zstd is switched on; below 5 % processors are what is short, and it is
    switched off.
    """

    WINDOW_FRAMES = 64
    WINDOW_SECONDS = 5.0
    FEWEST_FRAMES = 8  # that say something, however long they took
    ON_SHARE = 0.30
    OFF_SHARE = 0.05
    FAST = 250e6  # bytes a second

    def __init__(
        self,
        compression: str,
        codecs: List[str],
        threads: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`codecs` are the names both ends know."""
        self._automatic = compression == "auto" and "zstd" in codecs
        wanted = compression if compression in codecs and compression != "auto" else "none"
        self.codec = CODEC_NAMES[wanted]
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()
        self._restart(clock())

    def _restart(self, now: float) -> None:
        self._began = now
        self._held_up, self._frames, self._wire = 0.0, 0, 0

    def sent(self, held_up: float, wire: int) -> None:
        """A frame of `wire` bytes on the wire, whose sender was held up for that many seconds."""
        if not self._automatic:
            return
        with self._lock:
            self._held_up += held_up
            self._wire += wire
            self._frames += 1
            seconds = max(self._clock() - self._began, 1e-6)
            late = seconds >= self.WINDOW_SECONDS and self._frames >= self.FEWEST_FRAMES
            if late or self._frames >= self.WINDOW_FRAMES:
                self._decide(seconds)
                self._restart(self._clock())

    def _decide(self, seconds: float) -> None:
        share = self._held_up / (seconds * self._threads)
        if share < self.OFF_SHARE or self._wire / seconds >= self.FAST:
            self.codec = CODEC_NONE
        elif share > self.ON_SHARE:
            self.codec = CODEC_ZSTD
