#!/usr/bin/python3
"""Faults on demand: what is injected happens as told, to whom it was told, and nothing else breaks."""
import os
import re

import e2e
from e2e import boot, check, theme

GUESTS = {"plain": "plain.elf", "loop": "bad_loop.elf", "hello": "hello.fd"}
CONFIG = r"""[tain]
watchdog = 1
[vm plain]
image  = \tain\plain.elf
memory = 16M
[vm loop]
image  = \tain\loop.elf
memory = 16M
[td hello]
firmware = \tain\hello.fd
memory = 32M
"""
FAILING = {"plain": (1, 5, 12), "hello": (3, 20, 60)}  # at which allocation a start fails


def commands():
    out = ["inject spurious nmi", "inject spurious 0xe0", "inject cpuid plain 0x40000000 ebx 0x41414141",
           "inject port plain 0x2e8 0x55 chance=1000 seed=7", "start plain", "wait plain 60", "inject list",
           "inject off"]
    for name, places in FAILING.items():
        for nth in places:
            out += [f"inject memory nth={nth}", f"-start {name}"]
    out += ["inject off", "inject tdh MNG.CREATE OPERAND_BUSY times=3", "start hello", "wait hello 100",
            "inject tdh", "inject tdh off", "start loop", "sleep 2"]
    for event in ("nmi loop", "mc loop"):
        out += [f"inject {event}", "wait loop 20", "start loop", "sleep 1"]
    return out + ["inject page loop 0x100000", "sleep 1", "inject mc hello", "guests", "stop loop", "wait loop 20",
                  "check"]


def all_kinds():
    files = [(os.path.join(e2e.ROOT, "build", "guests", image), rf"\tain\{name}{os.path.splitext(image)[1]}")
             for name, image in GUESTS.items()]
    b = boot(cpus=2, config=CONFIG, files=files, commands=commands(), timeout=700)
    check("interrupts and NMIs that nobody expects are survived", len(re.findall(r"^sent to 2 CPUs$", b.text, re.M)) == 2, b)
    check("CPUID answers as told, once", b.has(r"^plain\| hypervisor: AAAATainTain$"), b)
    check("so does a port", b.has(r"^plain\| port 2e8: 0+55$"), b)
    rules = b.output_of("inject list")
    check("the rules say what they did, and their seed",
          re.search(r"^plain: cpuid 0x40000000 ebx 0x41414141 nth=1 times=1 chance=1000 seed=0: \d+ calls, 1 hits$", rules, re.M)
          and "seed=7" in rules, rules)
    for name, places in FAILING.items():
        refused = re.findall(rf"tain> -start {name}\n(?:.*\n)*?error: .+\n", b.text)
        check(f"{name}: a start without memory is refused in one line", len(refused) == len(places), b)
    check("a busy answer of the module is retried", b.has(r"^TDH\.MNG\.CREATE .*: \d+ calls, 3 hits$|^MNG\.CREATE .*: \d+ calls, 3 hits$")
          and b.has(r"^hello\| goodbye"), b)
    check("a guest that makes no exit is told of, once each time, and runs on",
          b.has(r"watchdog: loop: vCPU 0 has run for \d+ s without an exit of its own"), b)
    check("an NMI and a machine check reach a guest that has no handlers",
          len(re.findall(r"^tain: loop: dead: triple fault", b.text, re.M)) == 2, b)
    check("a page that is gone comes back when it is touched",
          re.search(r"^loop +vm +running", b.output_of("guests"), re.M), b)
    check("what a TD cannot be given is refused with the reason", b.has(r"^error: (hello does not run|the TDX module lets)"), b)
    kept = re.findall(r"^.*?  (yes|no)  ", b.output_of("check"), re.M)
    check("and every invariant holds, all pages are back", kept and set(kept) == {"yes"}, b)


def main():
    with theme("all_kinds"):
        all_kinds()
    e2e.finish()


if __name__ == "__main__":
    main()
