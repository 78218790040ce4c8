#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures proxies side by side. See README.md."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from harness import machine, measure, peers, report, scenarios

HERE = Path(__file__).resolve().parent
DEFAULT_PROXIES = "envoy,nginx,haproxy,nghttpx,h2o,nuncio,floor-epoll,floor-uring,floor-tls,direct"


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--proxy", default=DEFAULT_PROXIES, help="comma-separated: NAME, or NAME@PATH for another build of it")
    p.add_argument("--scenario", default="all", help="comma-separated names, all, or clear (all without TLS and HTTP/2)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=3, help="length of each measured window")
    p.add_argument("--json", type=Path, help="write all figures of all rounds here, after every round")
    p.add_argument("--markdown", type=Path, help="write the tables here")
    p.add_argument("--record", type=Path, metavar="PAGE",
                   help="replace the tables of a page (docs/performance.md), between its <!-- bench --> marks")
    p.add_argument("--from-json", type=Path, nargs="+", help="print the tables of earlier runs, measure nothing")
    p.add_argument("--lock", default=os.environ.get("BENCH_LOCK"), help="hold this lock file during each round of a scenario")
    p.add_argument("--show-config", action="store_true", help="print the configuration of each proxy, measure nothing")
    p.add_argument("--list", action="store_true", help="list the scenarios")
    return p.parse_args()


def chosen_scenarios(text):
    found = []
    for name in text.split(","):
        if name not in scenarios.GROUPS and name not in scenarios.BY_NAME:
            sys.exit(f"no such scenario: {name}; --list shows them")
        found += scenarios.GROUPS.get(name) or [scenarios.BY_NAME[name]]
    return found


def chosen_proxies(text):
    found = []
    for spec in text.split(","):
        peer, why = peers.resolve(spec)
        if peer:
            print(f"{peer.label}: {peer.version}, {peer.binary}", file=sys.stderr)
            found.append(peer)
        else:
            print(f"{spec}: skipped, {why}", file=sys.stderr)
    return found


def one_round(origin, scenario, proxies, number, args, tls_files, results):
    shift = number % len(proxies)
    for peer in proxies[shift:] + proxies[:shift]:
        at = time.monotonic()
        try:
            figures = measure.undisturbed(origin, peer, scenario, args.seconds, *tls_files)
        except peers.Unsupported as e:
            if number == 0:
                print(f"  {peer.label}: skipped, {e}", file=sys.stderr)
            continue
        except measure.Failed as e:
            figures = {"failed": str(e)}
        results.setdefault(scenario.name, {}).setdefault(peer.label, []).append(figures)
        key = next((k for k in ("failed", "cpu_us", "startup_ms", "per_connection_bytes", "per_second") if k in figures))
        value = figures[key] if key == "failed" else report.number(report.mid([figures], key))
        bad = f", errors {figures['errors']}" if figures.get("errors") else ""
        print(f"  {peer.label}: {key} {value}{bad} ({time.monotonic() - at:.1f} s)", file=sys.stderr, flush=True)


def show_configs(chosen, proxies, tls_files):
    for scenario in chosen:
        for peer in proxies:
            folder = peers.BUILD / "configs" / scenario.name / peer.label
            folder.mkdir(parents=True, exist_ok=True)
            try:
                argv = peer.command(scenario, 10000, folder, *tls_files)
                print(f"# {scenario.name}, {peer.label}: {' '.join(map(str, argv))}")
            except peers.Unsupported as e:
                print(f"# {scenario.name}, {peer.label}: {e}")
            for file in sorted(folder.iterdir()):
                if file.suffix != ".pem":
                    print(f"# {file.name}\n{file.read_text()}")


def merged(files):
    """The results of several runs as one: proxies side by side, rounds one after the other."""
    data = {"results": {}}
    for file in files:
        run = json.loads(file.read_text())
        data = {**run, "versions": {**data.get("versions", {}), **run.get("versions", {})}, "results": data["results"]}
        for scenario, proxies in run["results"].items():
            for label, rounds in proxies.items():
                data["results"].setdefault(scenario, {}).setdefault(label, []).extend(rounds)
    return data


def print_tables(data, markdown_path=None, page=None):
    parts = []
    for scenario in scenarios.ALL:
        if scenario.name not in data["results"]:
            continue
        header, rows = report.scenario_table(scenario, data["results"][scenario.name])
        print(f"\n{scenario.name}: {scenario.title}\n{report.text(header, rows)}")
        parts.append(f"### {scenario.name}: {scenario.title}\n\n{report.markdown(header, rows)}\n")
    if markdown_path:
        markdown_path.write_text("\n".join(parts))
    if page:
        record(page, data, "\n".join(parts))


def record(page, data, tables):
    """Puts a run's tables, and what they were measured on, between the page's marks."""
    before, mark, rest = page.read_text().partition("<!-- bench -->\n")
    _, end, after = rest.partition("<!-- /bench -->")
    if not mark or not end:
        sys.exit(f"{page}: no <!-- bench --> ... <!-- /bench -->")
    where = "; ".join(f"{k} {v}" for k, v in data.get("machine", {}).items())
    versions = ", ".join(f"{k} {v}" for k, v in data.get("versions", {}).items() if v and v != "-")
    page.write_text(f"{before}{mark}\nMeasured {time.strftime('%Y-%m-%d', time.gmtime())}: "
                    f"{data.get('rounds', '?')} rounds of {data.get('seconds', '?')} s windows.\n"
                    f"Machine: {where}.\nVersions: {versions}.\n\n{tables}\n{end}{after}")


def main():
    args = arguments()
    if args.list:
        for s in scenarios.ALL:
            print(f"{s.name:16} {s.title}")
        return
    if args.from_json:
        print_tables(merged(args.from_json), args.markdown, args.record)
        return
    if (os.cpu_count() or 1) < 2:
        sys.exit("two cores are needed: one for the proxy, one for the load and the origin")
    subprocess.run(["make", "-s", "-C", HERE], check=True)
    chosen, proxies = chosen_scenarios(args.scenario), chosen_proxies(args.proxy)
    if not proxies:
        sys.exit("no proxy to measure")
    tls_files = machine.make_certificate(peers.BUILD)
    if args.show_config:
        show_configs(chosen, proxies, tls_files)
        return
    data = {"machine": machine.describe(), "rounds": args.rounds, "seconds": args.seconds,
            "versions": {p.label: p.version for p in proxies}, "results": {}}
    machine.take_priority()
    with measure.Origin() as origin:
        os.sched_setaffinity(0, {machine.LOAD_CORE})
        for number in range(args.rounds):
            for scenario in chosen:
                print(f"round {number + 1}/{args.rounds}: {scenario.name}", file=sys.stderr)
                with machine.locked(args.lock):
                    one_round(origin, scenario, proxies, number, args, tls_files, data["results"])
                if args.json:
                    args.json.write_text(json.dumps(data, indent=1) + "\n")
    print_tables(data, args.markdown, args.record)


if __name__ == "__main__":
    main()
