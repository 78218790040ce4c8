# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests are written with: the proxy as a process, raw-socket peers, configuration builders.

Everything waits on conditions and gives up after PATIENCE seconds; nothing sleeps and hopes."""
import os
import time

# Long, as sanitizer builds on a busy machine are slow; a passing test never waits for it.
PATIENCE = float(os.environ.get("TEST_PATIENCE", "20"))


def wait_until(condition, what="the condition", seconds=None):
    """Polls until `condition()` is true and returns its value; fails with `what` after PATIENCE."""
    end = time.monotonic() + (PATIENCE if seconds is None else seconds)
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting for {what}; last value {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
