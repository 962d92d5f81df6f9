#!/usr/bin/python3
"""frozen: the protocol of FROZEN and the hook in spin, and the real code's steps against it.

1. The model (tests/spin/frozen.pml) is searched whole: no state breaks its invariants.
2. Each mistake planted in the model is found.
3. tests/unit/mmu_interleave.c logs what two faults and a removal do in drawn orders; the model can
   follow every log to its end.
4. Mistakes are planted in the code: among its logs are some that the model cannot follow.
Ends with 'N passed, M failed'.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODEL = os.path.join(ROOT, "tests/spin/frozen.pml")
REPLAY = os.path.join(ROOT, "tests/spin/replay.c")
MODEL_BUGS = ["NO_FREEZE", "NO_TRACK", "NO_WAIT", "NO_GRACE", "PUBLISHED_ALTHOUGH_BUSY", "PARENT_FIRST"]
# (what, file, text, replacement)
CODE_BUGS = [
    ("a table is published before the hook", "mmu/change.c",
     "\tif (!exchange_if(w, SPTE_FROZEN))", "\tif (!exchange_if(w, new))"),
    ("a page is published before the hook", "mmu/change.h",
     "&entry->raw, &was, SPTE_FROZEN_RAW, false,", "&entry->raw, &was, leaf.raw, false,"),
    ("what the hook refused is published", "mmu/change.h",
     "\t\t\tunfreeze(entry, old);", "\t\t\tunfreeze(entry, new);"),
    ("no flush between block and remove", "mmu/mirror.c",
     "err = owed_flush(r->mmu, MMU_MIRROR, (gfn_t){ r->start }, (gfn_t){ r->limit });", "err = 0;"),
    ("a writer does not wait for readers", "mmu/lock.c",
     "\t__atomic_store_n(&l->writing, 1, __ATOMIC_SEQ_CST);\n\twait_all_outside(l);",
     "\t__atomic_store_n(&l->writing, 1, __ATOMIC_SEQ_CST);"),
]
CC = ["gcc", "-std=gnu11", "-O1", "-w", "-pthread", "-DTAIN_NATIVE=1", "-I", "."]
results = []


def check(promise, kept, detail=""):
    results.append(bool(kept))
    print(f"  {'ok' if kept else 'FAIL':7} {promise}{'' if kept and not detail else ': ' + detail}", flush=True)


def run(words, cwd, **more):
    return subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=subprocess.DEVNULL, timeout=250, text=True, errors="replace", **more)


def must(words, cwd):
    done = run(words, cwd)
    if done.returncode:
        sys.exit(f"frozen: {' '.join(words)}:\n{done.stdout}")


def searcher(folder, name, define, *extra):
    """A program that searches the model with @define."""
    os.mkdir(f"{folder}/{name}")
    must(["spin", "-a"] + define + [MODEL], f"{folder}/{name}")
    must(["gcc", "-O2", "-w", "-DSAFETY", "-o", "pan", "pan.c", *extra], f"{folder}/{name}")
    return f"{folder}/{name}"


def search(folder):
    """(errors, states) of a whole search."""
    done = run(["./pan", "-m200000", "-w20"], folder)
    errors = re.search(r"errors: (\d+)", done.stdout)
    states = re.search(r"(\d+) states, stored", done.stdout)
    if not errors or not states or "max search depth too small" in done.stdout:
        sys.exit(f"frozen: the search did not end:\n{done.stdout}")
    return int(errors[1]), int(states[1])


def write_logs(tree, out):
    """The logs of the code in @tree. False: it died over them."""
    with open(f"{tree}/tests/unit/mmu_interleave.c", encoding="utf-8") as file:
        test = file.read()
    inside = re.findall(r'#include "(mmu/\w+\.c)"', test)
    linked = [f"mmu/{n}" for n in sorted(os.listdir(f"{tree}/mmu"))
              if n.endswith(".c") and f"mmu/{n}" not in inside]
    must(CC + ["tests/unit/mmu_interleave.c", "tests/fake/interleave.c", "tests/fake/sept.c",
               "tests/host/machine.c", *linked, "-o", "interleave", "-lcmocka"], tree)
    return run(["./interleave"], tree, env={**os.environ, "MMU_INTERLEAVE_LOG": out}).returncode == 0


def replay(folder, logs):
    """(accepted, all) of the logs in a file."""
    done = run(["./pan", "-E", "-m200000", "-w20"], folder, env={**os.environ, "FROZEN_LOG": logs})
    said = re.search(r"accepted: (\d+) of (\d+)", done.stdout)
    if not said:
        sys.exit(f"frozen: the replay did not end:\n{done.stdout}")
    return int(said[1]), int(said[2]), len(re.findall(r"assertion violated", done.stdout))


def main():
    with tempfile.TemporaryDirectory() as folder:
        errors, states = search(searcher(folder, "model", []))
        check("the model keeps its invariants in every state", errors == 0, f"{states} states")
        for bug in MODEL_BUGS:
            errors, states = search(searcher(folder, bug, [f"-DBUG_{bug}"]))
            check(f"the search finds {bug}", errors > 0)

        follower = searcher(folder, "replay", ["-DREPLAY"], REPLAY)
        tree = f"{folder}/tree"
        for room in ("mmu", "tests/unit", "tests/fake", "tests/host", "kernel/base", "kernel/machine"):
            shutil.copytree(os.path.join(ROOT, room), f"{tree}/{room}")
        logs = f"{folder}/logs"
        lived = write_logs(tree, logs)
        accepted, count, broken = replay(follower, logs)
        check("the model follows every log of the code", lived and not broken and count >= 200
              and accepted == count, f"{accepted} of {count}")
        for what, path, text, replacement in CODE_BUGS:
            with open(f"{tree}/{path}", encoding="utf-8") as file:
                source = file.read()
            if source.count(text) != 1:
                check(f"the model rejects: {what}", False, f"its place in {path} is gone or not unique")
                continue
            with open(f"{tree}/{path}", "w", encoding="utf-8") as file:
                file.write(source.replace(text, replacement))
            lived = write_logs(tree, logs)
            accepted, count, broken = replay(follower, logs)
            check(f"the model rejects: {what}", count > 0 and accepted < count,
                  f"{count - accepted} of {count} logs" + ("" if lived else ", and it died"))
            with open(f"{tree}/{path}", "w", encoding="utf-8") as file:
                file.write(source)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
