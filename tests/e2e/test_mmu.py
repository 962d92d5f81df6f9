#!/usr/bin/python3
"""The MMU under guests that run: a plain guest (logged by A/D, by PML, by write protection in turn)
and a trust domain (shared half logged) touch, convert and lose memory on two CPUs at the same time,
while the console changes their page tables at random. The guests find their memory right, the logs
name exactly the pages that were written, and nothing is left behind."""
import os
import re

import e2e
from e2e import boot, check, theme

FILES = [(os.path.join(e2e.ROOT, "build", "guests", f), rf"\tain\{f}")
         for f in ("churn.elf", "churn.fd")]
CONFIG = r"""[tain]
[vm plain]
image = \tain\churn.elf
memory = 24M
vcpus = 2
[td td]
firmware = \tain\churn.fd
memory = 96M
vcpus = 2
page = 2M
"""
WAYS = ("ad", "pml", "wp")
AREA, COMMON, LOSSY = "8M 8M", "64M 8M", "80M 4M"
WINDOW, ELSEWHERE, NOWHERE = "0x40000000", "0x50000000", "0x60000000"
PHASE = re.compile(r"^(\w+)\| churn: phase (\d+) written (\d+) digest (0x[0-9a-f]+) wrong (\d+)(.*)$", re.M)


def phase_commands(number, way):
    done = f'"phase {number} written"'
    return [f"dirty plain start {way} copy", "dirty td start wp copy", "type plain p", "type td p",
            f"churn td {done} 150 {LOSSY}", f"churn plain {done} 150",
            f"dirty plain report {AREA}", f"dirty td report {COMMON}",
            "dirty plain verify", "dirty td verify", "dirty plain stop", "dirty td stop", "check"]


def reports(text, command):
    """What `dirty ... report` said, each time: [(pages, digest)]."""
    found = re.findall(rf"tain> {command}\npages: (\d+)\ndigest: (0x[0-9a-f]+)\n", text)
    return [(int(pages), int(digest, 16)) for pages, digest in found]


def rows(text):
    """{owner: pages} of the console's `memory`."""
    return {m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", text, re.M)}


def done(text, operation):
    """How often `churn` carried out an operation, in all."""
    return sum(int(n) for n in re.findall(rf"^{operation} +\d+ +(\d+)$", text, re.M))


def churn():
    commands = ["memory", "start plain", "start td",
                'expect plain "churn: ready" 30', 'expect td "churn: ready" 30']
    for number, way in enumerate(WAYS, 1):
        commands += phase_commands(number, way)
    commands += ["type plain q", "type td q", "wait plain 30", "wait td 30", "check", "memory"]
    b = boot(cpus=2, config=CONFIG, files=FILES, commands=commands, timeout=1200)

    check("the run ends with 0", b.status == 0, b)
    said = {(m[1], int(m[2])): m for m in PHASE.finditer(b.text)}
    plain = reports(b.text, f"dirty plain report {AREA}")
    shared = reports(b.text, f"dirty td report {COMMON}")
    for number, way in enumerate(WAYS, 1):
        for name, log in (("plain", plain), ("td", shared)):
            m = said.get((name, number))
            what = f"phase {number}, {name} logged by {way if name == 'plain' else 'wp'}: "
            if not check(what + "the guest finishes", m is not None, b):
                continue
            check(what + "its memory is right", m[5] == "0", m[0])
            check(what + "it wrote, and not everything", 100 < int(m[3]) < 1500, m[0])
            check(what + "the log is exactly what it wrote", len(log) >= number and
                  log[number - 1] == (int(m[3]), int(m[4], 16)), f"{m[0]}; {log}")
    for name in ("plain", "td"):
        check(f"three times the copy agrees with the memory of {name}",
              b.text.count(f"the copy agrees with the memory of {name}") == len(WAYS), b)
    check("two vCPUs of the plain guest were at it", b.has(r"^plain\| churn: phase .* vcpus 2$"), b)
    last = said.get(("td", len(WAYS)))
    check("the trust domain converted pages and lost some",
          last and re.search(r"conversions [1-9]\d* lost [1-9]", last[6]), last and last[0])
    for operation in ("zap", "map ahead", "split", "write-protect", "age", "collect", "move slot",
                      "new root", "demote", "promote", "relocate", "remove", "check"):
        check(f"under load: {operation}", done(b.text, operation) > 0, b)
    check("`check` finds nothing, under load and afterwards",
          not b.has(r"^\S.*  no  ") and b.text.count("page tables say the truth       yes") == 4, b)
    tables = [rows(part) for part in re.findall(r"tain> memory\n(.*?)\ntain> ", b.text, re.S)]
    check("every page is back where it was",
          len(tables) == 2 and tables[0] and tables[0] == tables[1], f"{tables}")


def slots():
    ask = lambda key, text: [f"type plain {key}", f'expect plain "{text}" 20']
    commands = ["start plain", 'expect plain "churn: ready" 30', f"slot plain add {WINDOW} 2M"]
    commands += ask("A", "window filled") + ask("a", "window at 40000000 wrong 0")
    commands += [f"slot plain move {WINDOW} {ELSEWHERE}", "slot plain list"]
    commands += ask("b", "window at 50000000 wrong 0")
    commands += [f"slot plain readonly {ELSEWHERE}", "slot plain list"]
    commands += ["type plain b", "sleep 1", f"slot plain readonly {ELSEWHERE} off",
                 f"slot plain move {ELSEWHERE} {WINDOW}", "type plain a", "sleep 1",
                 f"-slot plain add {WINDOW} 4K", "-slot plain delete 0x10000",
                 "dirty plain start ad", f"-slot plain delete {WINDOW}", "dirty plain stop",
                 f"slot plain delete {WINDOW}", "slot plain list", "check"]
    # A device window's entries are void once a slot is there, and come back when it goes.
    commands += ask("n", "nowhere reads all ones") + [f"slot plain add {NOWHERE} 2M"]
    commands += ask("w", "nowhere keeps") + [f"slot plain delete {NOWHERE}"]
    commands += ask("w", "nowhere forgets") + ["check", "stats plain"]
    commands += ["type plain n", "sleep 1", "type plain q", "wait plain 20"]
    b = boot(cpus=2, config=CONFIG, files=FILES, commands=commands)
    check("slots: the run ends with 0", b.status == 0, b)
    at = [b.text.count(f"plain| churn: window at {gpa} wrong 0") for gpa in ("40000000", "50000000")]
    check("a slot keeps its contents where it goes, and read-only", at == [2, 2], b)
    lists = re.findall(r"tain> slot plain list\n(.*?)\ntain> ", b.text, re.S)
    check("it moves", len(lists) == 3 and "0x50000000" in lists[0] and
          "0x40000000" not in lists[0], f"{lists}")
    check("it becomes read-only", len(lists) == 3 and
          re.search(r"0x50000000 +2048 +no", lists[1]), f"{lists}")
    check("it goes", len(lists) == 3 and "0x40000000" not in lists[2], f"{lists}")
    check("nowhere reads all ones, before a slot was there and after",
          b.text.count("churn: nowhere reads all ones") == 2, b)
    exits = {m[1]: int(m[2]) for m in re.finditer(r"(EPT \w+) +(\d+)$", b.text, re.M)}
    check("device windows are EPT misconfigurations but for the first access",
          exits.get("EPT misconfiguration", 0) > 20, f"{exits}")
    for error in ("it does not fit there", "no slot begins there", "it is logged"):
        check(f"refused: {error}", b.has(rf"^error: {error}"), b)


with theme("churn"):
    churn()
with theme("slots"):
    slots()
e2e.finish()
