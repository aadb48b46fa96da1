"""Detect in a camera's pictures, always in the newest: as fast as the server takes them, and never behind.

python examples/webcam.py 0 [http://localhost:8000]             # the first camera
python examples/webcam.py street.mp4 [http://localhost:8000]    # a video instead, at its own rate
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import cv2

try:
    from singleshot import BusyError, Client, DeadlineError
except ModuleNotFoundError as error:
    sys.exit(str(error))

Frame = Any  # uint8 [H, W, 3] BGR


class Camera:
    """A thread takes every frame from the camera, and keeps only the newest."""

    def __init__(self, source: str) -> None:
        self._capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
        if not self._capture.isOpened():
            sys.exit(f"{source} cannot be opened: give the number of a camera or a video file")
        # a camera waits for its next frame by itself
        self._seconds = 0.0 if source.isdecimal() else 1 / (self._capture.get(cv2.CAP_PROP_FPS) or 25)
        self._changed = threading.Condition()
        self._newest: Frame = None
        self._has_ended = False
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            is_read, frame = self._capture.read()
            with self._changed:
                self._newest, self._has_ended = frame if is_read else self._newest, not is_read
                self._changed.notify()
            if not is_read:
                return
            time.sleep(self._seconds)

    def frames(self) -> Iterator[Frame]:
        """The newest frame each time, without those that came while the last one was in use."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._has_ended)
                frame, self._newest = self._newest, None
            if frame is None:
                return
            yield frame


def main(source: str, url: str) -> None:
    """Print what is in each frame that the server has time for."""
    start, num_frames = time.monotonic(), 0
    with Client(url, timeout=2) as client:  # a later answer is of no use
        for frame in Camera(source).frames():
            try:
                found = client.detect(cv2.imencode(".jpg", frame)[1].tobytes())
            except (BusyError, DeadlineError) as error:
                print(f"a frame is left out: {error}", file=sys.stderr)
                continue
            num_frames += 1
            print(dict(Counter(found.labels)), flush=True)
    print(f"{num_frames / (time.monotonic() - start):.1f} frames a second", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8000")
