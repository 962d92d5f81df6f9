#!/usr/bin/python3
"""mmu_fuzz: random operations against the reference map (tests/unit/mmu_random.c), with counts and the
branches of mmu/ that they took, file by file.

usage: mmu_fuzz.py [SEEDS]     12 seeds of 1,500 operations unless told otherwise

A branch is one way out of a condition, as gcov counts them in unoptimised code; those of an assertion
that holds can be taken one way only, and are left out. Ends with 'N passed, M failed': all operations
agree with the map, and at least LEAST percent of the branches were taken.
"""
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LEAST = 60
CC = ["gcc", "-std=gnu11", "-O0", "-w", "-pthread", "-DTAIN_NATIVE=1", "-I", "."]


def run(words, cwd, **more):
    return subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=subprocess.DEVNULL, text=True, errors="replace", **more)


def must(words, cwd):
    done = run(words, cwd)
    if done.returncode:
        sys.exit(f"mmu_fuzz: {' '.join(words)}:\n{done.stdout}")
    return done.stdout


def branches(tree):
    """{file: {(line, way): taken}} of mmu/."""
    found = collections.defaultdict(dict)
    for unit in sorted(glob.glob(f"{tree}/*.gcda")):
        for line in must(["gcov", "--json-format", "--stdout", "-b", unit], tree).splitlines():
            for file in json.loads(line)["files"] if line.startswith("{") else []:
                if not re.match(r"(\./)?mmu/", file["file"]):
                    continue
                path = file["file"].removeprefix("./")
                with open(f"{tree}/{path}", encoding="utf-8") as source:
                    text = source.read().splitlines()
                for here in file["lines"]:
                    if "assert(" in text[here["line_number"] - 1]:
                        continue
                    for way, branch in enumerate(here["branches"]):
                        key = here["line_number"], way
                        found[path][key] = found[path].get(key, 0) + branch["count"]
    return found


def main():
    seeds = sys.argv[1] if len(sys.argv) > 1 else "12"
    with tempfile.TemporaryDirectory() as tree:
        for room in ("mmu", "tests/unit", "tests/fake", "tests/host", "kernel/base", "kernel/machine"):
            shutil.copytree(os.path.join(ROOT, room), f"{tree}/{room}")
        plain = ["tests/unit/mmu_random.c", "tests/fake/sept.c", "tests/host/machine.c"]
        for source in sorted(glob.glob("mmu/*.c", root_dir=tree)):
            must(CC + ["--coverage", "-c", source], tree)
        must(CC + ["--coverage", *plain, *sorted(glob.glob("*.o", root_dir=tree)), "-o", "random",
                   "-lcmocka"], tree)
        done = run(["./random"], tree, env={**os.environ, "MMU_RANDOM_SEEDS": seeds})
        agree = done.returncode == 0
        print(re.search(r"\d+ steps, each compared:.*", done.stdout)[0] if agree else done.stdout[-3000:])
        total = taken = 0
        for path, ways in sorted(branches(tree).items()):
            some = sum(1 for count in ways.values() if count)
            total, taken = total + len(ways), taken + some
            print(f"  {path:16} {some:4} of {len(ways):4} branches taken ({100 * some / len(ways):.0f} %)")
    covered = total > 0 and 100 * taken >= LEAST * total
    print(f"{taken} of {total} branches of mmu/ taken ({100 * taken / max(total, 1):.1f} %), {seeds} seeds")
    print(f"{agree + covered} passed, {2 - agree - covered} failed")
    return 0 if agree and covered else 1


if __name__ == "__main__":
    sys.exit(main())
