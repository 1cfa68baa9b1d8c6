"""A file for libraries that crash when a write fails: it fails only when it is closed."""

import io
import os
from pathlib import Path


class UnfailingFile(io.RawIOBase):
    """A new file, to be written and read at any place; leaving its `with` block raises the first error of a write.

    HDF5 keeps chunks that it could not write, and ends the process by a segmentation fault when it closes the file
    (versions 1.14 and 2.0, chunked data on a full disk). So from the first error on, what is written is kept in memory,
    where reading finds it: the library comes to its end in peace.
    """

    def __init__(self, path: str | Path):
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        self.error: OSError | None = None
        self._place = self._end = 0
        self._unwritten: list[tuple[int, bytes]] = []

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        first, length = self._place, max(0, min(len(view), self._end - self._place))
        found = os.preadv(self.descriptor, [view[:length]], first)
        view[found:length] = bytes(length - found)
        for start, data in self._unwritten:  # later ones lie over earlier ones
            low, high = max(start, first), min(start + len(data), first + length)
            if low < high:
                view[low - first : high - first] = data[low - start : high - start]
        self._place += length
        return length

    def write(self, buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                done += os.pwrite(self.descriptor, view[done:], self._place + done)
        except OSError as error:
            self.error = error
        if done < len(view):
            self._unwritten.append((self._place + done, bytes(view[done:])))
        self._place += len(view)
        self._end = max(self._end, self._place)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        self._end = self._place if size is None else size
        try:
            if self.error is None:
                os.ftruncate(self.descriptor, self._end)
        except OSError as error:
            self.error = error
        return self._end

    def require_written(self) -> None:
        """Raise the first error that a write met, before the file is closed."""
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Close the file; raises the first error that a write met."""
        if self.closed:
            return
        super().close()
        os.close(self.descriptor)
        self._unwritten.clear()
        self.require_written()
