# SPDX-License-Identifier: Apache-2.0
"""What the harness needs of the machine: pinned child processes, memory and CPU figures, the lock."""

import contextlib
import fcntl
import os
import platform
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

PROXY_CORE = 0
LOAD_CORE = 1
LOCALHOST = "127.0.0.1"


def take_priority():
    """Puts this process and its children into a scheduling group of their own with the highest share, so that
    other work on the machine disturbs less. Without the rights for it, everything still works."""
    with contextlib.suppress(OSError):
        os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20")
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)


def start(argv, cores, **popen):
    """Starts a child pinned to `cores`."""

    def before_exec():
        os.sched_setaffinity(0, cores)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    return subprocess.Popen([str(a) for a in argv], preexec_fn=before_exec, **popen)


def process_tree(root):
    """The pids of `root` and everything under it."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree, queue = [], [root]
    while queue:
        pid = queue.pop()
        tree.append(pid)
        queue += children.get(pid, [])
    return tree


def stop(process):
    """Ends a child that this harness started, and what it started."""
    if process.poll() is not None:
        return
    tree = process_tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(5)


def memory_kib(pids):
    """Resident and proportional memory of the processes, in KiB."""
    total = {"rss": 0, "pss": 0}
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                key, _, value = line.partition(":")
                if key in ("Rss", "Pss"):
                    total[key.lower()] += int(value.split()[0])
    return total


def tree_cpu_us(pids):
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0]) / 1000
    return total


def core_times(core):
    """Busy and stolen time of one core so far, in seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, line.split()[1:9])
            tick = os.sysconf("SC_CLK_TCK")
            return (user + nice + system + irq + softirq) / tick, steal / tick
    raise RuntimeError(f"no core {core}")


_next_port = 20000


def fresh_port():
    """A port nothing listens on, never handed out before in this run (below the ephemeral range)."""
    global _next_port
    while True:
        _next_port += 1
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                s.bind((LOCALHOST, _next_port))
                return _next_port


def can_connect(port):
    with contextlib.suppress(OSError), socket.create_connection((LOCALHOST, port), 0.5):
        return True
    return False


def make_certificate(folder):
    """A self-signed ECDSA P-256 certificate, made once."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
             "-subj", "/CN=bench.example", "-addext", "subjectAltName=DNS:bench.example", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
    return cert, key


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock on `path`, so that two timed runs never overlap. No path: no lock."""
    if not path:
        yield
        return
    with open(path, "a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def describe():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return {"date": time.strftime("%Y-%m-%d"), "kernel": platform.release(), "cpu": model, "cores": os.cpu_count(),
            "memory_mib": memory}
