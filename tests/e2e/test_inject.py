#!/usr/bin/python3
"""Faults on demand: what is injected happens as told, to whom it was told, and nothing else breaks."""
import json
import os
import re

import e2e
from e2e import boot, check, theme

GUESTS = {"plain": "plain.elf", "loop": "bad_loop.elf", "hello": "hello.fd", "told": "injected.elf",
          "closed": "injected.fd"}
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
[vm told]
image  = \tain\told.elf
memory = 16M
[td closed]
firmware = \tain\closed.fd
memory = 32M
"""
ASKED = {"msr": "0x1a0 0x1234", "cpuid": "0x40000000 ebx 0x1234", "port": "0x2e8 0x12", "mmio": "0xfed40000 0x1234"}
FAILING = {"plain": (1, 5, 12), "hello": (3, 20, 60)}  # at which allocation a start fails


def asked(name, events):
    """Start @name, which tells what it sees: as it is, after wrong answers and @events, and as it is again."""
    out = [f"start {name}", f'expect {name} "injected: ready" 60', f"type {name} l", f'expect {name} "mc 0" 60']
    out += [f"inject {kind} {name} {what} times=0" for kind, what in ASKED.items()]
    out += [f"inject {event}" for event in events] + ["sleep 1"]
    return out + [f"type {name} l", f'expect {name} " irq 1 " 60', "inject list", f"inject off {name}",
                  f"type {name} ll", f'expect {name} " irq 1 " 60', f"type {name} q", f"wait {name} 60"]


def commands():
    out = ["inject spurious nmi", "inject spurious 0xe0", "inject cpuid plain 0x40000000 ebx 0x41414141",
           "inject port plain 0x2e8 0x55 chance=1000 seed=7", "start plain", "wait plain 60", "inject list --json", "inject msr plain 0xc0000100 1",
           "inject off"]
    for name, places in FAILING.items():
        for nth in places:
            out += [f"inject memory nth={nth}", f"-start {name}"]
    out += ["inject off", "inject tdh MNG.CREATE OPERAND_BUSY times=3", "start hello", "wait hello 100",
            "inject list", "inject off", "start loop", "sleep 2"]
    for event in ("nmi loop", "mc loop"):
        out += [f"inject {event}", "wait loop 20", "start loop", "sleep 1"]
    out += asked("told", ("irq told 0x51", "nmi told", "mc told"))
    out += asked("closed", ("irq closed 0x51", "nmi closed 0"))
    out += ["inject mc closed", "inject irq told 0x51"]
    return out + ["inject page loop 0x100000", "sleep 1", "inject mc hello", "guests", "stop loop", "wait loop 20",
                  "check"]


def told_of(b, name, seen, machine_checks):
    """What the guest @name said, before, with and after the rules."""
    check(f"{name}: tells four times what it sees", len(seen) == 4, b)
    if len(seen) != 4:
        return
    before, with_rules, *after = (dict(zip(line.split()[::2], line.split()[1::2])) for line in seen)
    check(f"{name}: wrong answers to RDMSR, CPUID, IN and a read of device memory",
          [with_rules[kind] for kind in ASKED] == ["1234", "1234", "12", "1234"], seen)
    check(f"{name}: right ones before and after", all(now[kind] == before[kind] and now[kind] != with_rules[kind]
                                                      for now in after for kind in ASKED), seen)
    check(f"{name}: an interrupt, an NMI{' and a machine check' if machine_checks else ''}, once each, and it goes on",
          [after[-1][kind] for kind in ("irq", "nmi", "mc")] == ["1", "1", str(machine_checks)], seen)
    check(f"{name}: the rules were counted",
          len(re.findall(rf"^{name} +(?:msr|cpuid|port|mmio) .* 1$", b.text, re.M)) == 4, b)


def all_kinds():
    files = [(os.path.join(e2e.ROOT, "build", "guests", image), rf"\tain\{name}{os.path.splitext(image)[1]}")
             for name, image in GUESTS.items()]
    b = boot(cpus=2, config=CONFIG, files=files, commands=commands(), timeout=700)
    check("interrupts and NMIs that nobody expects are survived", len(re.findall(r"^sent to 2 CPUs$", b.text, re.M)) == 2, b)
    check("CPUID answers as told, once", b.has(r"^plain\| hypervisor: AAAATainTain$"), b)
    check("so does a port", b.has(r"^plain\| port 2e8: 0+55$"), b)
    rules = json.loads(b.output_of("inject list --json") or "[]")
    check("the rules say what they did, and their seed",
          [(r["target"], r["rule"], r["times"], r["seed"], r["hits"]) for r in rules] ==
          [("plain", "cpuid 0x40000000 ebx 0x41414141", 1, 0, 1), ("plain", "port 0x2e8 0x55", 1, 7, 1)], b)
    check("an MSR that the CPU answers itself is refused", b.has(r"^error: RDMSR of 0xc0000100 is answered by the CPU"), b)
    for name, places in FAILING.items():
        refused = re.findall(rf"tain> -start {name}\n(?:.*\n)*?error: .+\n", b.text)
        check(f"{name}: a start without memory is refused in one line", len(refused) == len(places), b)
    check("a busy answer of the module is retried", b.has(r"^TDH\.MNG\.CREATE +\S*OPERAND_BUSY.* 3$")
          and b.has(r"^hello\| goodbye"), b)
    check("a guest that makes no exit is told of, once each time, and runs on",
          b.has(r"watchdog: loop: vCPU 0 has run for \d+ s without an exit of its own"), b)
    check("an NMI and a machine check reach a guest that has no handlers",
          len(re.findall(r"^tain: loop: dead: triple fault", b.text, re.M)) == 2, b)
    check("a page that is gone comes back when it is touched",
          re.search(r"^loop +vm +running", b.output_of("guests"), re.M), b)
    check("what a TD cannot be given is refused with the reason", b.has(r"^error: (hello does not run|the TDX module lets)"), b)
    for name, machine_checks in (("told", 1), ("closed", 0)):
        seen = re.findall(rf"^{name}\| injected: (msr .*)$", b.text, re.M)
        told_of(b, name, seen, machine_checks)
    kept = re.findall(r"^.*?  (yes|no)  ", b.output_of("check"), re.M)
    check("and every invariant holds, all pages are back", kept and set(kept) == {"yes"}, b)


def main():
    with theme("all_kinds"):
        all_kinds()
    e2e.finish()


if __name__ == "__main__":
    main()
