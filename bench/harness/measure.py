# SPDX-License-Identifier: Apache-2.0
"""One measurement: a fresh proxy process, one scenario, one round."""

import contextlib
import http.client
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import machine
from . import scenarios as sc
from .machine import LOAD_CORE, LOCALHOST, PROXY_CORE
from .peers import BUILD, Direct, Floor

START_TIMEOUT = 90
VERIFY_REQUESTS = 300
WARMUP_MS = 500
SLICE_MS = 200
CALM = 0.1  # share of the proxy's core that others may take before a measurement is repeated
ATTEMPTS = 2


class Failed(Exception):
    """The proxy did not start, or did not answer correctly."""


class Origin:
    def __enter__(self):
        self.process = machine.start(
            [BUILD / "origin", "--h1", sc.H1_PORT, "--h1-ports", sc.H1_PORTS, "--h2c", sc.H2C_PORT, "--grpc", sc.GRPC_PORT,
             "--echo", sc.ECHO_PORT, "--stream", sc.STREAM_PORT], {LOAD_CORE}, stdout=subprocess.PIPE)
        if self.process.stdout.readline().strip() != b"ready":
            raise SystemExit("the origin did not start")
        return self

    def __exit__(self, *_):
        machine.stop(self.process)

    def cpu_us(self):
        return machine.tree_cpu_us([self.process.pid])

    @staticmethod
    def stats():
        connection = http.client.HTTPConnection(LOCALHOST, sc.H1_PORT, timeout=5)
        connection.request("GET", "/stats")
        result = json.loads(connection.getresponse().read())
        connection.close()
        return result


class Running:
    """A started proxy; a context manager."""

    def __init__(self, peer, scenario, cert, key):
        self.peer, self.scenario = peer, scenario
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.port = machine.fresh_port()
        self.process = None
        try:
            self.targets = sc.write_targets(scenario, self.folder / "targets")
            argv = peer.command(scenario, self.port, self.folder, cert, key)
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        if isinstance(peer, Direct):
            self.port = sc.ORIGIN_PORT[scenario.back]
            return
        cores = {PROXY_CORE} if scenario.workers == 1 else {PROXY_CORE, LOAD_CORE}
        self.log = open(self.folder / "log", "w+b")
        self.started_at = time.monotonic()
        self.process = machine.start(argv, cores, stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            machine.stop(self.process)
            self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self):
        return machine.process_tree(self.process.pid) if self.process else []

    def fail(self, why):
        said = ""
        if self.process:
            self.log.seek(0)
            said = self.log.read()[-600:].decode(errors="replace").strip()
        raise Failed(f"{why}{': ' + said if said else ''}")

    def wait_listening(self):
        while not machine.can_connect(self.port):
            if self.process and self.process.poll() is not None:
                self.fail("it ended at once")
            if time.monotonic() - self.started_at > START_TIMEOUT:
                self.fail("it does not listen")
            time.sleep(0.02)

    def wait_first_response(self):
        """Seconds from the start of the process to the first complete 200."""
        headers = {"Host": sc.HOST}
        path = "/b/1024"
        if self.scenario.routes == "clusters":
            headers["x-cluster"] = f"c{sc.CLUSTERS - 1}"
            path = f"/c{sc.CLUSTERS - 1}/b/1024"
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(LOCALHOST, self.port, timeout=30)
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                body = response.read()
                connection.close()
                if response.status == 200 and len(body) == 1024:
                    return time.monotonic() - self.started_at
            if self.process.poll() is not None:
                self.fail("it ended at once")
            if time.monotonic() - self.started_at > START_TIMEOUT:
                self.fail("it does not serve")
            time.sleep(0.0005)

    def load_argv(self, *extra):
        return [BUILD / "load", "--to", f"{LOCALHOST}:{self.port}", *self.scenario.load, *self.targets, *extra]

    def load(self, *extra, timeout=60):
        """Runs the load generator to its end and returns its report."""
        process = machine.start(self.load_argv(*extra), {LOAD_CORE}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            machine.stop(process)
            self.fail("the load generator did not end")
        if not out:
            self.fail(f"the load generator failed ({err.decode().strip()})")
        return json.loads(out)

    def verify(self):
        """A few hundred requests whose bodies (and answering ports) are checked byte by byte."""
        extra = ["--duration", 20000, "--verify", VERIFY_REQUESTS]
        if self.scenario.bulk:
            extra = ["--duration", 20000, "--verify", 2, "--body", 40_000_000]
        result = self.load(*extra)
        if result["errors"]:
            self.fail(f"wrong answers {result['errors']}")


def undisturbed(origin, peer, scenario, seconds, cert, key):
    """Measures, and measures again if other work took the proxy's core meanwhile; keeps the calmest attempt.
    The choice looks at the disturbance only, never at the proxy's figures."""
    attempts = []
    for _ in range(ATTEMPTS):
        attempts.append(measure(origin, peer, scenario, seconds, cert, key))
        if attempts[-1].get("disturbance", 0) <= CALM or attempts[-1]["errors"]:
            break
    return min(attempts, key=lambda a: a.get("disturbance", 0)) | {"attempts": len(attempts)}


def measure(origin, peer, scenario, seconds, cert, key):
    """Returns a dictionary of figures; raises Unsupported or Failed."""
    if scenario.kind != "load" and isinstance(peer, Floor):
        peer.command(scenario, 0, None, cert, key)  # raises Unsupported
    with Running(peer, scenario, cert, key) as running:
        if scenario.kind == "startup":
            return measure_startup(running)
        if running.process:
            running.wait_listening()
        running.verify()
        if scenario.kind == "idle":
            return measure_idle(running)
        return measure_load(origin, running, seconds)


class Window:
    """What happened on the machine, and at the origin, around one run of the load generator."""

    def __init__(self, origin, pids):
        self.origin, self.pids = origin, pids
        self.start = self.sample()

    def sample(self):
        return {"at": time.monotonic(), "stats": self.origin.stats(), "origin_us": self.origin.cpu_us(),
                "proxy_us": machine.tree_cpu_us(self.pids), "cores": [machine.core_times(c) for c in (PROXY_CORE, LOAD_CORE)]}

    def close(self, load_us, workers):
        """The shares of the cores that went to others, and what the origin saw."""
        a, b = self.start, self.sample()
        elapsed = b["at"] - a["at"]
        busy = [(y[0] - x[0]) / elapsed for x, y in zip(a["cores"], b["cores"])]
        steal = max((y[1] - x[1]) / elapsed for x, y in zip(a["cores"], b["cores"]))
        proxy = (b["proxy_us"] - a["proxy_us"]) / 1e6 / elapsed
        load = (b["origin_us"] - a["origin_us"] + load_us) / 1e6 / elapsed
        other = max(busy[0] - proxy, 0) if workers == 1 else max((busy[0] + busy[1] - proxy - load) / 2, 0)
        return {"disturbance": other + steal if self.pids else steal, "load_core_busy": busy[1],
                "origin_cpu_us": b["origin_us"] - a["origin_us"], "load_cpu_us": load_us,
                "upstream_requests": b["stats"]["requests"] - a["stats"]["requests"],
                "upstream_connections": b["stats"]["accepted"] - a["stats"]["accepted"] - 1}


def units(scenario, counted):
    return counted["bytes_in"] / (1 << 20) if scenario.bulk else counted["completed"]


def cpu_per_unit(scenario, ran):
    """The proxy's CPU time per request (or MiB), in each slice of the window."""
    return [s["sched_us"] / units(scenario, s) for s in ran["slices"] if units(scenario, s)]


def measure_load(origin, running, seconds):
    scenario, pids = running.scenario, running.pids()
    watch = ["--watch", ",".join(map(str, pids))] if pids else []
    timing = ["--warmup", WARMUP_MS, "--duration", int(seconds * 1000), "--slice", SLICE_MS]
    window = Window(origin, pids)
    full = running.load(*watch, *timing)
    seen = window.close(full["self_cpu_us"], scenario.workers)
    done = units(scenario, full)
    if not done:
        running.fail("nothing was served")
    if set(running.pids()) != set(pids):
        running.fail("its processes changed while it was measured")
    errors = dict(full["errors"])
    forwarded = seen.pop("upstream_requests") / max(1, full["completed_all"])
    if scenario.front != "tcp" and not 0.95 < forwarded < 1.05:
        errors["not_forwarded"] = 1
    result = {"per_second": [units(scenario, s) / s["seconds"] for s in full["slices"]], "saturated_p50_us": full["latency_us"]["p50"],
              "saturated_p99_us": full["latency_us"]["p99"], "reconnects": full["reconnects"], **seen}
    if pids:
        result |= {"cpu_us": cpu_per_unit(scenario, full), "cpu_us_by_stat": full["cpu"]["stat_us"] / done,
                   "user_share": full["cpu"]["user_us"] / max(1, full["cpu"]["stat_us"]),
                   "busy": full["cpu"]["sched_us"] / 1e6 / full["seconds"]}
    if scenario.rate:
        fixed = running.load(*watch, *timing, "--rate", scenario.rate)
        for kind, n in fixed["errors"].items():
            errors[kind] = errors.get(kind, 0) + n
        result |= {f"fixed_{q}_us": fixed["latency_us"][q] for q in ("p50", "p99", "p999")}
        result["fixed_per_second"] = fixed["completed"] / fixed["seconds"]
        if pids:
            result["fixed_cpu_us"] = cpu_per_unit(scenario, fixed)
    if pids:
        memory = machine.memory_kib(running.pids())
        result |= {"rss_kib": memory["rss"], "pss_kib": memory["pss"]}
    return result | {"errors": errors}


def measure_startup(running):
    first = running.wait_first_response()
    running.verify()
    time.sleep(0.5)
    pids = running.pids()
    memory = machine.memory_kib(pids)
    result = {"startup_ms": first * 1000, "rss_kib": memory["rss"], "pss_kib": memory["pss"], "errors": {}}
    return result | disk_size(running.peer)


def measure_idle(running):
    pids = running.pids()
    before = machine.memory_kib(pids)
    holder = machine.start(running.load_argv("--idle", "--conns", sc.IDLE_CONNECTIONS), {LOAD_CORE}, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
    try:
        held = int(holder.stdout.readline().split()[1])
        time.sleep(1)
        cpu_before = machine.tree_cpu_us(running.pids())
        time.sleep(2)
        cpu = machine.tree_cpu_us(running.pids()) - cpu_before
        after = machine.memory_kib(running.pids())
        result = json.loads(holder.communicate(timeout=20)[0])
    finally:
        machine.stop(holder)
    errors = result["errors"]
    if held != sc.IDLE_CONNECTIONS or result["reconnects"]:
        errors["not_held"] = sc.IDLE_CONNECTIONS - held + result["reconnects"]
    return {"held": held, "rss_kib": after["rss"], "pss_kib": after["pss"], "rss_before_kib": before["rss"],
            "per_connection_bytes": (after["pss"] - before["pss"]) * 1024 / max(1, held),
            "idle_cpu_permille": cpu / 2e6 * 1000, "errors": errors}


def disk_size(peer):
    """Size of the stripped program (and modules), and of the shared libraries it loads."""
    stripped = 0
    libraries = set()
    with tempfile.TemporaryDirectory() as folder:
        for file in peer.files():
            copy = Path(folder) / "stripped"
            done = subprocess.run(["strip", "-s", "-o", copy, file], capture_output=True)
            stripped += (copy if done.returncode == 0 else Path(file)).stat().st_size
            out = subprocess.run(["ldd", file], capture_output=True, text=True).stdout
            libraries |= {Path(p).resolve() for p in re.findall(r"(/\S+) \(0x", out)}
    return {"program_kib": stripped >> 10, "libraries_kib": sum(p.stat().st_size for p in libraries) >> 10}
