# SPDX-License-Identifier: Apache-2.0
"""--user: the rights of root end when the sockets are bound."""
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib import PATIENCE, wait_until, wire
from lib import config as c
from lib.proxy import Failed, Proxy, nuncio_path, run

pytestmark = pytest.mark.own
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
# A leak check looks into the process as a debugger does, which is forbidden after the change.
NO_LEAK_CHECK = {"ASAN_OPTIONS": "detect_leaks=0"}


def ids(pid):
    """(uids, gids, groups) of all threads."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)
        found.add(tuple(tuple(map(int, lines[key].split())) for key in ("Uid", "Gid", "Groups")))
    return found


@pytest.fixture
def readable_folder():
    """Where another user may read the configuration again; pytest's folders are its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@root_only
@pytest.mark.parametrize("by_number", [False, True])
def test_all_threads_are_the_users_and_the_port_is_low(tmp_path, by_number):
    nobody = pwd.getpwnam("nobody")
    config = c.bootstrap([c.listener(c.hcm(c.direct(body="x")), ip="127.0.0.77", port=80)])
    p = Proxy(tmp_path, config, args=["--user", str(nobody.pw_uid) if by_number else "nobody"], env=NO_LEAK_CHECK, concurrency=2)
    try:
        p.spawn()
        wait_until(p.is_live, "LIVE")
        assert wire.get(("127.0.0.77", 80), "/").text == "x"
        (uids, gids, groups), = ids(p.process.pid)
        assert uids == (nobody.pw_uid,) * 4 and gids == (nobody.pw_gid,) * 4 and set(groups) <= {nobody.pw_gid}
        assert "runs as user" in p.log()
        assert p.stop() == 0
    finally:
        p.kill()


@root_only
def test_a_reload_that_wants_a_low_port_changes_nothing(readable_folder):
    config = c.bootstrap([c.listener(c.hcm(c.direct(body="x")))])
    p = Proxy(readable_folder, config, args=["--user", "nobody"], env=NO_LEAK_CHECK).start()
    try:
        p.write_config(c.bootstrap([*config["static_resources"]["listeners"],
                                    c.listener(c.hcm(c.direct()), name="low", ip="127.0.0.77", port=81)]))
        p.signal(signal.SIGHUP)
        p.wait_stat("config_reload.rejected", 1)
        assert "127.0.0.77:81" in p.log() and p.get().text == "x"
        assert p.stop() == 0
    finally:
        p.kill()


@root_only
def test_core_files_stay_allowed_when_asked_for(tmp_path):
    p = Proxy(tmp_path, c.http(c.direct()), args=["--user", "nobody", "--enable-core-dump"], env=NO_LEAK_CHECK).start()
    try:
        assert Path(f"/proc/{p.process.pid}/environ").stat().st_uid == pwd.getpwnam("nobody").pw_uid  # root's when not dumpable
        p.stop()
    finally:
        p.kill()


def refused(folder, command, wanted, **options):
    """What is said to who asks for a user that it may not become; nothing may run on."""
    (folder / "c.json").write_text(json.dumps(c.http(c.direct())))
    done = subprocess.run([*map(str, command), "-c", folder / "c.json", "--user", wanted], capture_output=True, text=True,
                          timeout=PATIENCE, cwd=folder, env={**os.environ, **NO_LEAK_CHECK}, **options)
    assert done.returncode == 1, done
    return done.stderr


def test_only_root_becomes_another(readable_folder):
    if os.geteuid() != 0:
        assert "root: only root can become another user" in refused(readable_folder, [nuncio_path()], "root")
        return
    nobody = pwd.getpwnam("nobody")
    program = shutil.copy(nuncio_path(), readable_folder)
    who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    assert "root: only root can become another user" in refused(readable_folder, [program], "root", **who)


@root_only
def test_a_root_that_may_not_change_users(tmp_path):
    """As in a container without CAP_SETUID."""
    none = "-setuid,-setgid"
    command = ["setpriv", "--bounding-set", none, "--inh-caps", none, nuncio_path()]
    assert "nobody: Operation not permitted" in refused(tmp_path, command, "nobody")


def test_nobody_of_that_name(tmp_path):
    with pytest.raises(Failed) as failed:
        Proxy(tmp_path, c.http(c.direct()), args=["--user", "no-such-user"]).start()
    assert failed.value.code == 1 and "no-such-user: there is no such user" in failed.value.log
    (tmp_path / "c.yaml").write_text("{}")
    code, _, err = run("--mode", "validate", "-c", tmp_path / "c.yaml", "--user", "no-such-user")
    assert code == 1 and "there is no such user" in err


def test_who_one_is_already(tmp_path):
    me = pwd.getpwuid(os.geteuid()).pw_name
    p = Proxy(tmp_path, c.http(c.direct(body="x")), args=["--user", me]).start()
    try:
        assert p.get().text == "x" and p.stop() == 0
    finally:
        p.kill()
