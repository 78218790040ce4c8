#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where a proxy's CPU time goes in a scenario: system calls per request, and the share of each symbol.

Uses perf with the software clock, so it needs no hardware counters, and the kernel's system call tracepoints."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import machine, measure, peers, scenarios

SYSCALLS = """read write readv writev recvfrom recvmsg sendto sendmsg sendfile64 splice pread64 epoll_wait epoll_pwait epoll_ctl
accept accept4 close socket connect bind listen setsockopt getsockopt getsockname getpeername shutdown fcntl ioctl futex
io_uring_enter timerfd_settime gettimeofday clock_gettime mmap munmap brk madvise getpid gettid openat newfstatat""".split()


def available(names):
    listed = subprocess.run(["perf", "list", "tracepoint"], capture_output=True, text=True).stdout
    known = set(re.findall(r"syscalls:sys_enter_(\w+)", listed))
    return [n for n in names if n in known]


def syscalls_per_request(running, timing):
    events = ["raw_syscalls:sys_enter"] + [f"syscalls:sys_enter_{n}" for n in available(SYSCALLS)]
    with tempfile.NamedTemporaryFile() as counts:
        report = under(["perf", "stat", "-x", ",", "-o", counts.name, "-e", ",".join(events)], running, timing)
        done = report["completed_all"] if not running.scenario.bulk else report["bytes_in"] / (1 << 20)
        found = {}
        for line in Path(counts.name).read_text().splitlines():
            fields = line.split(",")
            if len(fields) > 2 and fields[0].isdigit():
                found[fields[2].split(":")[1].replace("sys_enter_", "")] = int(fields[0]) / done
    total = found.pop("sys_enter", 0)
    return total, {k: v for k, v in sorted(found.items(), key=lambda item: -item[1]) if v >= 0.005}


def under(tool, running, timing):
    """Runs the load generator under a perf command that watches the proxy."""
    argv = tool + ["-p", ",".join(map(str, running.pids())), "--"] + running.load_argv(*timing)
    process = machine.start(argv, {machine.LOAD_CORE}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    lines = [line for line in out.decode().splitlines() if line.startswith("{")]
    if not lines:
        sys.exit(f"perf or the load generator failed: {err.decode()[-500:]}")
    return json.loads(lines[-1])


def symbols(running, timing, count):
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "perf.data"
        under(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-g", "-o", data], running, timing)
        flat = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--sort", "dso,symbol",
                               "--percent-limit", "0.4"], capture_output=True, text=True).stdout
        by_dso = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--sort", "dso"],
                                capture_output=True, text=True).stdout
        nested = subprocess.run(["perf", "report", "-i", data, "--stdio", "--children", "-g", "none", "--sort", "symbol",
                                 "--percent-limit", "1"], capture_output=True, text=True).stdout

    def rows(text):
        return [re.sub(r"[\s-]+$", "", line).strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]

    calls = [line for line in rows(nested) if re.search(r"__x64_sys_|net_rx_action|__schedule$|do_idle|\bschedule$", line)]
    return rows(by_dso)[:8], calls[:14], rows(flat)[:count]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--proxy", required=True)
    p.add_argument("--scenario", required=True)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--symbols", type=int, default=25)
    p.add_argument("--lock", default=os.environ.get("BENCH_LOCK"))
    args = p.parse_args()
    subprocess.run(["make", "-s", "-C", Path(__file__).resolve().parent], check=True)
    tls_files = machine.make_certificate(peers.BUILD)
    timing = ["--warmup", 300, "--duration", int(args.seconds * 1000)]
    machine.take_priority()
    with measure.Origin():
        os.sched_setaffinity(0, {machine.LOAD_CORE})
        for name in args.scenario.split(","):
            for spec in args.proxy.split(","):
                peer, why = peers.resolve(spec)
                if not peer:
                    print(f"{spec}: skipped, {why}")
                    continue
                with machine.locked(args.lock):
                    try:
                        profile(peer, scenarios.BY_NAME[name], tls_files, timing, args.symbols)
                    except (peers.Unsupported, measure.Failed) as e:
                        print(f"{peer.label}, {name}: skipped, {e}")


def profile(peer, scenario, tls_files, timing, count):
    with measure.Running(peer, scenario, *tls_files) as running:
        running.wait_listening()
        running.verify()
        total, calls = syscalls_per_request(running, timing)
        print(f"== {peer.label}, {scenario.name}: {total:.2f} system calls per {scenario.unit}: " +
              ", ".join(f"{k} {v:.2f}" for k, v in calls.items()))
        for title, rows in zip(("objects", "system calls and softirq, with what they call", "symbols"),
                               symbols(running, timing, count)):
            print(f"-- {title}")
            print("\n".join("   " + row for row in rows))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
