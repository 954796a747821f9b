#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_trace.py FILE: a trace keeps the rules of Chrome's trace-event format that Perfetto relies on. Prints what it has;
exit code 1 with a line for each rule that is broken."""

import collections
import decimal
import json
import sys

PHASES = {"M", "X", "i", "b", "e", "s", "t", "f"}


def check_event(event, problems):
    phase = event.get("ph")
    if phase not in PHASES:
        problems.append(f"phase {phase!r}: {event}")
        return
    for key in ("pid", "tid"):
        if not isinstance(event.get(key), int):
            problems.append(f"no {key}: {event}")
    if not event.get("name"):
        problems.append(f"no name: {event}")
    if phase == "M":
        return
    if not isinstance(event.get("ts"), decimal.Decimal) or event["ts"] < 0:
        problems.append(f"time: {event}")
    if phase == "X" and not (isinstance(event.get("dur"), decimal.Decimal) and event["dur"] >= 0):
        problems.append(f"duration: {event}")
    if phase in "best" and phase != "i" and "id" not in event:
        problems.append(f"no id: {event}")
    if phase == "i" and event.get("s") not in ("t", "p", "g"):
        problems.append(f"scope: {event}")


def by_track(events):
    tracks = collections.defaultdict(list)
    for event in events:
        tracks[(event["pid"], event["tid"])].append(event)
    return tracks


def check_nesting(slices, problems):
    """Slices of a track lie in each other or beside each other."""
    for track, events in by_track(slices).items():
        open_ends = []
        for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
            end = event["ts"] + event["dur"]
            while open_ends and open_ends[-1] <= event["ts"]:
                open_ends.pop()
            if open_ends and end > open_ends[-1]:
                problems.append(f"track {track}: a slice reaches out of another: {event}")
            open_ends.append(end)


def check_flows(events, slices, problems):
    """Each flow begins and ends once, in this order, and each of its points lies in a slice."""
    flows = collections.defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            flows[event["id"]].append(event)
    tracks = by_track(slices)
    for flow, points in flows.items():
        phases = "".join(point["ph"] for point in sorted(points, key=lambda p: (p["ts"], "stf".index(p["ph"]))))
        if phases not in ("sf", "stf"):
            problems.append(f"flow {flow} goes {phases!r}")
        for point in points:
            around = tracks[(point["pid"], point["tid"])]
            if not any(s["ts"] <= point["ts"] <= s["ts"] + s["dur"] for s in around):
                problems.append(f"flow {flow}: no slice around {point}")
    return len(flows)


def check_pairs(events, problems):
    """Asynchronous slices begin and end once."""
    pairs = collections.defaultdict(list)
    for event in events:
        if event["ph"] in "be":
            pairs[(event["pid"], event["id"])].append(event)
    for key, both in pairs.items():
        phases = "".join(event["ph"] for event in sorted(both, key=lambda e: (e["ts"], e["ph"])))
        if phases != "be" or both[0]["name"] != both[1]["name"]:
            problems.append(f"request {key} goes {phases!r}")
    return len(pairs)


def check_names(events, problems):
    processes = {e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    threads = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    for event in events:
        if event["pid"] not in processes or (event["pid"], event["tid"]) not in threads:
            problems.append(f"a track without a name: {event}")
            return


def main(path):
    with open(path, encoding="utf-8") as file:
        # Times are decimal fractions of a microsecond; as floating point, ends would not meet begins.
        trace = json.load(file, parse_float=decimal.Decimal)
    events = trace["traceEvents"]
    problems = []
    for event in events:
        check_event(event, problems)
    if not problems:
        slices = [event for event in events if event["ph"] == "X"]
        check_names(events, problems)
        check_nesting(slices, problems)
        flows = check_flows(events, slices, problems)
        requests = check_pairs(events, problems)
        kinds = sorted({event["name"] for event in events if event["ph"] == "i"})
        print(f"{len(slices)} slices, {requests} requests, {flows} flows, moments: {', '.join(kinds)}")
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
