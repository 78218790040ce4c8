# SPDX-License-Identifier: Apache-2.0
"""/stats/prometheus as Prometheus itself reads it: `promtool check metrics`."""
import os
import shutil
import subprocess

import pytest

from lib import config as c
from lib import wire


@pytest.mark.real
@pytest.mark.parametrize("query", ["", "?usedonly", "?histogram_buckets=summary", "?text_readouts"])
def test_promtool_accepts_the_metrics(proxy, upstream, client, query):
    promtool = shutil.which("promtool", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if promtool is None:
        pytest.skip("promtool is not installed: tools/setup real")
    up, tcp_up = upstream(name="a"), upstream(name="b")
    names = ['quo"te', "back\\slash", "ünï", "dots.and-dashes", "c{o}m,ma=", "new\nline"]
    clusters = [c.cluster("up", up.port), c.cluster("tcp", tcp_up.port), c.cluster("gone", wire.free_port()),
                *(c.cluster(name, up.port) for name in names)]
    p = proxy(c.bootstrap([c.listener(c.hcm(c.route("gone", prefix="/gone"), c.route("up"))),
                           c.listener(c.tcp_proxy("tcp"), name="tcp")], clusters))
    for path in ("/", "/x", "/gone"):
        p.get(path)
    p.get(listener="tcp")
    text = p.admin("/stats/prometheus" + query).body
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode()
    # 3 is for advice about names ("no help text", "should have _total"), which are Envoy's; 1 is for what cannot be parsed.
    assert done.returncode in (0, 3) and "error while linting" not in said, said[-3000:]
    assert b"envoy_cluster_upstream_rq_total" in text and b"envoy_tcp_downstream_cx_total" in text
