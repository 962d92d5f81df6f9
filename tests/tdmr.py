#!/usr/bin/python3
# tdmr.py - memory plans for the maps in tests/maps, judged by arithmetic that shares nothing with the
# planner, and compared with the sums in tests/maps/expected.txt. `tests/tdmr.py --expect` prints that
# file anew.
#
# SPDX-License-Identifier: BSD-2-Clause
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TAIN = os.path.join(TOP, "build/host/tain-asan")
MAPS = os.path.join(TOP, "tests/maps")
PAGE, GIB, MIB = 4096, 1 << 30, 1 << 20

passed = failed = 0


def check(name, good, why=""):
    global passed, failed
    if good:
        passed += 1
        print("ok", name)
    else:
        failed += 1
        print("FAIL %s: %s" % (name, why))


def number(word):
    unit = {"K": 10, "M": 20, "G": 30, "T": 40}.get(word[-1].upper() if "0x" not in word else "")
    return int(word[:-1], 0) << unit if unit else int(word, 0)


def read_map(path):
    """(ram, cmr, limits): lists of (base, end), joined where they touch."""
    ram, cmr, limits = [], [], {"tdmrs": 64, "reserved": 16, "bitmap": 0, "want": 0}
    for line in open(path):
        line = line.split("#")[0]
        e820 = re.search(r"\[mem (\w+)-(\w+)\] (\w+)", line)
        log = re.search(r"CMR: \[(\w+), (\w+)\)", line)
        words = line.split()
        if e820:
            if e820[3] == "usable":
                ram.append((int(e820[1], 16), int(e820[2], 16) + 1))
        elif log:
            cmr.append((int(log[1], 16), int(log[2], 16)))
        elif words and words[0] in ("ram", "cmr"):
            base = number(words[1])
            (ram if words[0] == "ram" else cmr).append((base, base + number(words[2])))
        elif words and words[0] == "limit":
            limits[words[1]] = int(words[2])
        elif words:
            limits["want"] = number(words[1])
    return join(ram), join(cmr or ram), limits


def join(ranges):
    out = []
    for base, end in sorted(ranges):
        if out and base <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((base, end))
    return out


def common(a, b):
    return join([(max(x, u), min(y, v)) for x, y in a for u, v in b if max(x, u) < min(y, v)])


def size(ranges):
    return sum(end - base for base, end in ranges)


def holes(ranges, base, end):
    """What of [base, end) is in none of the sorted ranges."""
    out = []
    for u, v in ranges:
        if u > base:
            out.append((base, min(u, end)))
        base = max(base, v)
    return [(x, y) for x, y in out + [(base, end)] if x < y]


def within_one(ranges, base, end):
    return any(u <= base and end <= v for u, v in ranges)


def parse(text):
    """[(base, end, pamt, [reserved])], and the sums of the last lines."""
    tdmrs = []
    for line in text.splitlines():
        t = re.match(r"TDMR \d+: (\w+) - (\w+), \d+ GiB; PAMT (\w+) - (\w+),", line)
        r = re.match(r" +reserved +\d+: (\w+) - (\w+),", line)
        if t:
            v = [int(x, 16) for x in t.groups()]
            tdmrs.append((v[0], v[1], (v[2], v[3]), []))
        elif r:
            tdmrs[-1][3].append((int(r[1], 16), int(r[2], 16)))
    sums = re.search(r"^(\d+) TDMRs; convertible RAM (\d+) MiB, for TDs (\d+) MiB, PAMT (\d+) KiB, "
                     r"given up (\d+) KiB$", text, re.M)
    return tdmrs, [int(x) for x in sums.groups()] if sums else None


def pages(ranges):
    return [(-(-b // PAGE) * PAGE, e // PAGE * PAGE) for b, e in ranges
            if -(-b // PAGE) * PAGE < e // PAGE * PAGE]


def first_mistake(ram, cmr, limits, tdmrs, sums):
    """None, or what a module, or the owner of the memory, would complain of."""
    last = 0
    pamts = [t[2] for t in tdmrs]
    usable = []
    if not sums or not 1 <= len(tdmrs) <= limits["tdmrs"] or sums[0] != len(tdmrs):
        return "number of TDMRs"
    if sum(e - b for b, e in pamts) != size(join(pamts)):
        return "PAMTs overlap"
    for base, end, pamt, reserved in tdmrs:
        gib = (end - base) // GIB
        small = gib * 512 * 512 * (limits["bitmap"] or 16 * 8) // 8
        need = -(-small // PAGE) * PAGE + gib * 512 * 16 + -(-gib * 16 // PAGE) * PAGE
        if base % GIB or end % GIB or base >= end or base < last:
            return "TDMR %#x is not aligned, or not in order" % base
        last = end
        if pamt[1] - pamt[0] != need or pamt[0] % PAGE:
            return "PAMT of %#x: %#x bytes, not %#x" % (base, pamt[1] - pamt[0], need)
        if not within_one(cmr, *pamt) or not within_one(ram, *pamt):
            return "PAMT of %#x lies outside of memory" % base
        if len(reserved) > limits["reserved"]:
            return "TDMR %#x has %d reserved areas" % (base, len(reserved))
        at = base
        for u, v in reserved:
            if u < at or v > end or u % PAGE or v % PAGE or u >= v:
                return "reserved area %#x of TDMR %#x" % (u, base)
            at = v
        for u, v in holes(reserved, base, end):
            if not within_one(cmr, u, v):
                return "%#x to %#x is not convertible and not reserved" % (u, v)
            if common([(u, v)], join(pamts)):
                return "a PAMT lies in %#x to %#x, which is not reserved" % (u, v)
            usable.append((u, v))
    have = pages(common(ram, cmr))
    have = common(have, [(MIB, 1 << 52)])
    if limits["want"]:
        low = min(t[0] for t in tdmrs)
        have = common(have, [(low, 1 << 52)])
        if size(have) < limits["want"] or size(common(have, [(low + GIB, 1 << 52)])) >= limits["want"]:
            return "not as much as was wanted"
    good = size(common(have, join(usable)))
    if sums[1] != size(have) // MIB or sums[2] != good // MIB:
        return "sums: %s, but %d and %d MiB" % (sums, size(have) // MIB, good // MIB)
    lost = size(have) - good - size(common(have, join(pamts)))
    if sums[4] != lost // 1024:
        return "given up are %d KiB, not %d" % (lost // 1024, sums[4])
    return None


def main():
    expected = {}
    with open(os.path.join(MAPS, "expected.txt")) as f:
        for line in f:
            words = line.split()
            if words and words[0] != "#":
                expected[words[0]] = words[1:]
    maps = sorted(glob.glob(os.path.join(MAPS, "*.map")))
    for path in maps:
        name = os.path.basename(path)[:-4]
        run = subprocess.run([TAIN, "tdmr", path], capture_output=True, text=True, timeout=300)
        tdmrs, sums = parse(run.stdout)
        if "--expect" in sys.argv:
            print(name, sums[0], sums[3], sums[4])
            continue
        wrong = first_mistake(*read_map(path), tdmrs, sums) if run.returncode == 0 else run.stderr
        check("%s: the plan is sound" % name, wrong is None, wrong)
        check("%s: the module's own rules take it" % name,
              "check: TDH.SYS.CONFIG takes it" in run.stdout, run.stdout[-200:])
        got = [str(sums[i]) for i in (0, 3, 4)] if sums else None
        check("%s: TDMRs, PAMT and what is given up" % name, expected.get(name) == got,
              "%s, expected %s" % (got, expected.get(name)))
    if "--expect" in sys.argv:
        return 0
    check("there are at least twelve maps", len(maps) >= 12)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
