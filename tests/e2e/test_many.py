#!/usr/bin/python3
"""Several at once, and one again and again: four TDs and two VMs on two CPUs each get on and leave nothing
behind, and those that never rest share the CPUs evenly; a Linux TD with two vCPUs is started and stopped
five times (STARTS=50 for a soak), and no page is lost; the last time it comes to its shell and reboots."""
import os
import re

import e2e
from e2e import boot, check, theme

GUESTS = os.path.join(e2e.ROOT, "build", "guests")
TDS = {"spin": ("bad_loop", 1), "irq": ("irq", 3), "smp": ("smp", 2), "hello": ("hello", 1)}
VMS = {"plain": "plain", "vmspin": "bad_loop"}
SAYS = {"irq": "irq: all well", "smp": "smp: 2 of 2 vCPUs", "hello": "goodbye", "plain": "good-bye"}
STARTS = int(os.environ.get("STARTS", "5"))
LINUX = [(os.path.join(GUESTS, "debian13-vmlinuz"), r"\tain\vmlinuz"),
         (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd.gz")]


def counts(text, command="memory"):
    """{owner: pages} of each `memory` that was typed."""
    return [{m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", part, re.M)}
            for part in re.findall(rf"tain> {command}\n(.*?)\ntain> ", text, re.S)]


def shares(text):
    """{cpu: {vCPU: ticks}} between the first and the last `stats` of each guest that spins."""
    seen, result = {}, {}
    for name, part in re.findall(r"tain> stats (\w+)\n(.*?)(?=\ntain> )", text, re.S):
        rows = {(int(n), what): int(value) for n, what, value in
                re.findall(r"^vcpu(\d+) (cpu|ticks) +(\d+)$", part, re.M)}
        for n, what in rows:
            if what == "ticks":
                seen.setdefault((name, n), []).append((rows[n, "cpu"], rows[n, "ticks"]))
    for vcpu, values in seen.items():
        result.setdefault(values[-1][0], {})[vcpu] = values[-1][1] - values[0][1]
    return result


def many():
    config = "[tain]\n[td busy]\nfirmware = \\tain\\bad_loop.fd\nmemory = 32M\nvcpus = 4\n"
    files = []
    for name, (image, vcpus) in TDS.items():
        config += f"[td {name}]\nfirmware = \\tain\\{image}.fd\nmemory = 32M\nvcpus = {vcpus}\n"
        files.append((os.path.join(GUESTS, f"{image}.fd"), rf"\tain\{image}.fd"))
    for name, image in VMS.items():
        config += f"[vm {name}]\nimage = \\tain\\{image}.elf\nmemory = 16M\n"
        files.append((os.path.join(GUESTS, f"{image}.elf"), rf"\tain\{image}.elf"))
    ending = [g for g in (*TDS, *VMS) if "spin" not in g]
    commands = ["start spin", "start vmspin"] + [f"start {g}" for g in ending]
    commands += [f"wait {g} 120" for g in ending] + ["guests", "start busy", "expect busy ever 30"]
    spinning = [f"stats {g}" for g in ("busy", "spin", "vmspin")]
    commands += spinning + ["sleep 1"] + spinning + ["stop busy", "stop spin", "stop vmspin", "check"]
    b = boot(cpus=2, config=config, files=files, commands=commands, timeout=400)

    check("six at once: the run ends with 0", b.status == 0, b)
    for name, text in SAYS.items():
        check(f"six at once: {name} got through", b.has(rf"^{name}\| .*{re.escape(text)}"), b)
    for name in ("spin", "vmspin"):
        slices = re.search(r"^vcpu0 slices +(\d+)$", b.output_of(f"stats {name}"), re.M)
        check(f"six at once: {name} had its turns", slices and int(slices[1]) > 10,
              b.output_of(f"stats {name}"))
        check(f"six at once: {name} ran to its stop", b.has(rf"^tain: {name}: stopped: by command$"), b)
    by_cpu = shares(b.text)
    check("six vCPUs that never rest: three on each of two CPUs",
          sorted(len(v) for v in by_cpu.values()) == [3, 3], by_cpu)
    for cpu, ticks in by_cpu.items():
        check(f"six vCPUs that never rest: even shares on CPU {cpu}",
              min(ticks.values()) > 0 and max(ticks.values()) < 1.4 * min(ticks.values()), by_cpu)
    check("six at once: no page is lost", b.has(r"^no page is lost +yes") and
          b.has(r"^pages of ended guests are back +yes"), b.output_of("check"))


def again():
    config = ("[tain]\n[td linux]\nkernel = \\tain\\vmlinuz\ninitrd = \\tain\\initrd.gz\n"
              "cmdline = console=ttyS0 earlyprintk=ttyS0 nokaslr\nmemory = 192M\nvcpus = 2\n"
              "attributes = sept-ve-disable\n")
    once = ["start linux", 'expect linux "Linux version" 120', "stop linux", "memory"]
    last = ["start linux", 'expect linux "Linux version" 120', 'expect linux "/ # " 200',
            'type linux "echo cpus-$(nproc)"', "expect linux cpus-2 60", 'type linux "reboot -f"',
            "wait linux 60", "memory", "check"]
    b = boot(cpus=2, memory=1024, config=config, files=LINUX, commands=once * (STARTS - 1) + last,
             timeout=1200 + 120 * STARTS)
    seen = counts(b.text)

    check("again: the run ends with 0", b.status == 0, b)
    check(f"again: the kernel speaks, {STARTS} times",
          len(re.findall(r"^linux\| .*Linux version 6\.", b.text, re.M)) == STARTS, b)
    check("again: both vCPUs run, the last time", b.has(r"^linux\| cpus-2$"), b)
    check("again: reboot -f is a reset", b.has(r"^tain: linux: stopped: reset$"), b)
    check("again: the MRTD is the same each time",
          len(set(re.findall(r"^tain: td linux: MRTD (\w+)", b.text, re.M))) == 1, b)
    check("again: every page is back, each time",
          len(seen) == STARTS and all(s == seen[0] for s in seen), f"{seen}")
    check("again: none is lost", b.has(r"^no page is lost +yes"), b.output_of("check"))


with theme("six at once"):
    many()
with theme("again and again"):
    again()
e2e.finish()
