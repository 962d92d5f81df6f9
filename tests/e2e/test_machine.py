#!/usr/bin/python3
"""The machine's own room: its promises on real boots, and what a crash looks like."""
import re
import sys

import e2e
from e2e import boot, check, theme

CRASHES = (
    # kind, what the report must say
    ("panic", r"^\*\*\* crash: injected by the console$"),
    ("overflow", r"^\*\*\* crash: stack overflow at 0x"),
    ("private", r"^\*\*\* crash: #PF: host write of 0x[0-9a-f]+, page is private to a TD$"),
    ("remote", r"^cpu 1 \(apic id 1\), running: "),
)


def promises(machine, cpus):
    b = boot(machine=machine, cpus=cpus, commands=["selftest"], timeout=120)
    rows = re.findall(r"^(\w.*?)  +(yes|no)( +.*)?$", b.output_of("selftest"), re.M)
    where = f"{machine}, {cpus} CPUs"
    check(f"{where}: selftest ran and the machine went on", b.status == 0 and len(rows) > 8, b)
    for promise, kept, finding in rows:
        check(f"{where}: {promise}", kept == "yes", finding)


def crash(kind, says):
    b = boot(machine="qemu", cpus=2, commands=[f"inject {kind}"], timeout=60)
    check(f"crash by {kind}: exit status 126", b.status == 126, b)
    check(f"crash by {kind}: the report says what it was", b.has(says), b)
    check(f"crash by {kind}: a backtrace, the last log lines, then the mark",
          b.has(r"^  at ffffffff8[0-9a-f]{7}  [a-z]\w+\+0x[0-9a-f]+$") and b.has(r"^last log lines:$") and
          b.text.rstrip().endswith("tain: crash"), b)


def main():
    for machine, cpus in (("bochs", 2), ("qemu", 3)):
        with theme(f"promises {machine}"):
            promises(machine, cpus)
    for kind, says in CRASHES:
        with theme(f"crash {kind}"):
            crash(kind, says)
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
