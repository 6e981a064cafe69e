"""The C library's allocator, set for arrays of many MB that come and go with every step."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def keep_memory() -> None:
    """Have the allocator keep large blocks that are freed: the next ones fit there.

    By default each goes back to the kernel, which then has to clear the pages of the next one. That
    was a quarter of an exchange of 24 MB each way, and as much or more of a training step.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # not glibc
        return
    # Older ones take no more than 32 MB; and the second without the first would fix the default.
    if any(libc.mallopt(_M_MMAP_THRESHOLD, size) for size in (2**30, 2**25)):
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
