# SPDX-License-Identifier: Apache-2.0
"""The statistics of the scenarios are those that the real Envoy recorded: every name, and every count that the traffic
determines; the same for the metrics and tags of /stats/prometheus.

The records are test/data/stats/*.json, made by `pytest test/e2e/stats --only-oracle --record` (five runs each: a value that
differs between them is not determined by the traffic and is kept as null). What nuncio does not have yet is listed in
test/data/stats/missing.txt, one pattern a line with the reason; a pattern that matches nothing any more fails the test."""
import fnmatch
import json
import re
from pathlib import Path

import pytest

from e2e.stats.scenario import SCENARIOS

DATA = Path(__file__).resolve().parent.parent.parent / "data/stats"


def observed(p):
    """(counts by name, histogram names, prometheus series without values) of a proxy."""
    text = p.admin("/stats").text
    counts, histograms = {}, []
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        if re.fullmatch(r"\d+", value):
            counts[name] = int(value)
        elif not value.startswith('"'):
            histograms.append(name)
    series = sorted({re.sub(r'(_bucket\{.*)le="[^"]*"', r"\1", line.rsplit(" ", 1)[0])
                     for line in p.admin("/stats/prometheus").text.splitlines() if line and not line.startswith("# HELP")})
    return {"counts": counts, "histograms": sorted(histograms), "prometheus": series}


def run(name, start, upstream, client, tmp_path):
    config, answer, traffic = SCENARIOS[name]
    servers = [upstream(answer, http=True) for _ in range(2)]
    p = start(config([s.port for s in servers], tmp_path / "log"))
    traffic(p, client)
    return observed(p), p


def patterns():
    return [line.split("#")[0].strip() for line in (DATA / "missing.txt").read_text().splitlines()
            if line.split("#")[0].strip()]


def is_missing(name):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns())


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_is_counted_as_envoy_counts_it(name, proxy, upstream, client, tmp_path, kind, request):
    seen, p = run(name, proxy, upstream, client, tmp_path)
    if request.config.getoption("--record"):
        again = [run(name, proxy, upstream, client, tmp_path)[0]["counts"] for _ in range(4)]
        counts = {k: v if all(a.get(k) == v for a in again) and "expiration" not in k else None
                  for k, v in sorted(seen["counts"].items())}
        (DATA / f"{name}.json").write_text(json.dumps({**seen, "counts": counts}, indent=0) + "\n")
        return
    wanted = json.loads((DATA / f"{name}.json").read_text())
    varying = re.compile(r"^(server\.|main_thread|filesystem|.*_bytes_(total|buffered)$|workers\.|.*_ms$|(listener|http)\.admin)")

    def differences():
        now = observed(p)["counts"]
        return {k: f"wanted {v}, is {now.get(k)}" for k, v in wanted["counts"].items()
                if not is_missing(k) and (k not in now or v is not None and v != now[k] and not varying.match(k))}
    from lib import wait_until
    try:
        wait_until(lambda: not differences(), seconds=3)
    except AssertionError:
        assert differences() == {}
    assert [h for h in wanted["histograms"] if h not in seen["histograms"] and not is_missing(h)] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_prometheus_has_the_same_metrics_and_tags(name, proxy, upstream, client, tmp_path):
    seen, _ = run(name, proxy, upstream, client, tmp_path)
    wanted = json.loads((DATA / f"{name}.json").read_text())["prometheus"]
    missing = [s for s in wanted if s not in seen["prometheus"] and not is_missing("prometheus:" + s)]
    assert missing == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_made_up(name, proxy, upstream, client, tmp_path):
    """Every statistic that nuncio shows in these scenarios is one that Envoy shows, too."""
    seen, _ = run(name, proxy, upstream, client, tmp_path)
    wanted = json.loads((DATA / f"{name}.json").read_text())
    assert sorted(k for k in seen["counts"] if k not in wanted["counts"] and not is_missing("extra:" + k)) == []


@pytest.mark.own
def test_the_list_of_missing_ones_is_true(proxy):
    names = set()
    for name in SCENARIOS:
        record = json.loads((DATA / f"{name}.json").read_text())
        names |= set(record["counts"]) | set(record["histograms"]) | {"prometheus:" + s for s in record["prometheus"]}
    stale = [p for p in patterns() if not p.startswith("extra:") and not fnmatch.filter(names, p)]
    assert stale == []
