# SPDX-License-Identifier: Apache-2.0
"""Tables from the results.

The machine's cores share their caches with strangers, which can only make work dearer, for seconds at a time.
So a cost is the lower quartile of all slices of all rounds, a rate the upper quartile, and a latency the lower
quartile of the rounds; `±%` says how far the rounds' own quartiles lie apart."""

from statistics import median, quantiles

from .peers import FLOORS, NOT_PEERS

RATES = ("per_second",)


def calm(found, key):
    """The quartile on the undisturbed side."""
    if len(found) < 2:
        return found[0] if found else None
    return quantiles(found, n=4, method="inclusive")[2 if key in RATES else 0]


def pool(rounds, key):
    """All slices of all rounds, or one figure a round where there are no slices."""
    found = []
    for r in rounds:
        value = r.get(key)
        if value is not None:
            found += value if isinstance(value, list) else [value]
    return found


def mid(rounds, key):
    if key in ("busy", "user_share"):
        found = pool(rounds, key)
        return median(found) if found else None
    return calm(pool(rounds, key), key)


def spread(rounds, key):
    """Half of the range of the rounds' own figures, relative to the pooled one, in per cent."""
    each = [calm(pool([r], key), key) for r in rounds if r.get(key) is not None]
    return (max(each) - min(each)) / 2 / mid(rounds, key) * 100 if len(each) > 1 and mid(rounds, key) else None


def number(x, digits=3):
    if x is None:
        return "-"
    if abs(x) >= 1000:
        return f"{x:,.0f}"
    return f"{x:.{max(0, digits - len(str(int(abs(x)))))}f}"


def ratio(mine, other, key):
    a, b = mid(mine, key), mid(other, key)
    return a / b if a and b else None


def valid(rounds):
    good = [r for r in rounds if r and not r.get("errors") and not r.get("failed")]
    return good if len(good) == len(rounds) else []


def best_peer(proxies, key):
    peers = {label: rounds for label, rounds in proxies.items() if kind_of(label) not in NOT_PEERS and valid(rounds) and
             mid(rounds, key) is not None}
    return min(peers, key=lambda label: mid(peers[label], key)) if peers else None


def kind_of(label):
    return label if label in NOT_PEERS else label.split("-")[0]


def best_floor(proxies, key):
    floors = {f: proxies[f] for f in FLOORS if f in proxies and valid(proxies[f]) and mid(proxies[f], key) is not None}
    return min(floors, key=lambda label: mid(floors[label], key)) if floors else None


def scenario_table(scenario, proxies):
    """Header and rows for one scenario; the first figure is the one ratios are taken of."""
    if scenario.kind == "startup":
        key = "startup_ms"
        columns = [("start ms", "startup_ms"), ("RSS MiB", "rss_mib"), ("PSS MiB", "pss_mib")]
        if scenario.routes == "one":
            columns += [("program KiB", "program_kib"), ("libraries KiB", "libraries_kib")]
    elif scenario.kind == "idle":
        key = "per_connection_bytes"
        columns = [("bytes/connection", key), ("RSS MiB", "rss_mib"), ("PSS MiB", "pss_mib"), ("idle CPU ‰", "idle_cpu_permille")]
    else:
        key = "cpu_us"
        columns = [(f"CPU µs/{scenario.unit}", key), (f"{scenario.unit}s/s", "per_second"), ("busy", "busy"), ("user", "user_share")]
        if scenario.rate:
            columns += [(f"CPU µs @{scenario.rate}/s", "fixed_cpu_us"), ("p50 µs", "fixed_p50_us"), ("p99 µs", "fixed_p99_us")]
        columns += [("RSS MiB", "rss_mib"), ("PSS MiB", "pss_mib")]
    reference, floor = best_peer(proxies, key), best_floor(proxies, key)
    header = ["proxy"] + [columns[0][0], "±%", "× best peer", "× floor"] + [c[0] for c in columns[1:]] + ["note"]
    rows = []
    for label, rounds in sorted(proxies.items(), key=lambda item: mid(item[1], key) if mid(item[1], key) is not None else 1e18):
        for r in rounds:
            if "rss_kib" in r:
                r["rss_mib"], r["pss_mib"] = r["rss_kib"] / 1024, r["pss_kib"] / 1024
        over_best = ratio(rounds, proxies[reference], key) if reference else None
        over_floor = ratio(rounds, proxies[floor], key) if floor else None
        rows.append([label, number(mid(rounds, key)), number(spread(rounds, key), 2), number(over_best), number(over_floor)] +
                    [number(mid(rounds, c[1])) for c in columns[1:]] + [note(scenario, rounds)])
    return header, rows


def note(scenario, rounds):
    failed = [r["failed"] for r in rounds if r.get("failed")]
    if failed:
        return "INVALID: " + failed[0].replace("\n", " ")[:120]
    errors = [r["errors"] for r in rounds if r.get("errors")]
    if errors:
        return f"INVALID: errors {errors[0]}"
    notes = []
    busy = mid(rounds, "busy")
    if busy is not None and busy < 0.93 * scenario.workers and scenario.kind == "load":
        notes.append("load-limited")
    return ", ".join(notes)


def text(header, rows):
    widths = [max(len(str(row[i])) for row in [header] + rows) for i in range(len(header))]
    return "\n".join("  ".join(str(cell).ljust(w) if i in (0, len(header) - 1) else str(cell).rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in [header] + rows)


def markdown(header, rows):
    line = "| " + " | ".join(header) + " |"
    rule = "|" + "|".join("---" if i in (0, len(header) - 1) else "---:" for i in range(len(header))) + "|"
    return "\n".join([line, rule] + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
