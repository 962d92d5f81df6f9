#!/usr/bin/python3
"""Looking inside: registers, memory, walks, VMCS, metadata and Secure EPT of a trust domain and a plain
guest; breakpoints and steps; the trace, chosen and as JSON; a trust domain built by hand."""
import json
import os
import re

import e2e
from e2e import boot, check, theme

GUESTS = os.path.join(e2e.ROOT, "build", "guests")
FILES = [(os.path.join(GUESTS, name), rf"\tain\{name}") for name in ("bad_loop.fd", "bad_loop.elf", "hello.fd")]
CONFIG = r"""[tain]
[td looped]
firmware = \tain\bad_loop.fd
memory = 32M
attributes = debug
[td closed]
firmware = \tain\bad_loop.fd
memory = 32M
[td hello]
firmware = \tain\hello.fd
memory = 32M
[vm plain]
image = \tain\bad_loop.elf
memory = 32M
"""


def symbols(name):
    """{symbol: address} of a test guest, from its ELF file."""
    done = e2e.subprocess.run(["nm", os.path.join(GUESTS, name)], stdout=e2e.subprocess.PIPE, check=True)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    return {words[2]: int(words[0], 16) for words in lines if len(words) == 3}


def looking():
    commands = [
        # A TD of the debug kind: everything.
        "start looped", "expect looped \"for ever\" 60", "regs looped --json", "hold looped", "let rip = 0",
        "regs looped", "mem looped 0xfffffff0 16 --json", "walk looped 0xfffff000 gva", "sept looped 0xfffff000",
        "metadata looped ATTRIBUTES", "metadata looped HKID --json", "metadata looped CPUID_VALUES[7.0][1]",
        "vmcs looped GUEST_CR3", "apic looped",
        "step looped 3", "set looped r15 0xabcdef", "regs looped 0 --json", "continue looped",
        "hold looped", "setfield looped 0 VMCS.EXCEPTION_BITMAP 0x28 0x8", "metadata looped 0 VMCS.EXCEPTION_BITMAP",
        "setfield looped 0 VMCS.EXCEPTION_BITMAP 0 0x8", "setfield looped 0 VMCS.EXCEPTION_BITMAP 0x40000 0x40000",
        "setfield looped NOTIFY_ENABLES 1 1", "metadata looped NOTIFY_ENABLES", "setfield looped MRTD 1", "continue looped",
        "walk looped 0xffffffff80000000 gva", "exits looped", "stop looped",
        # A closed one: what the module lets the host see.
        "start closed", "expect closed \"for ever\" 60", "regs closed", "mem closed 0xfffff000", "metadata closed NUM_VCPUS",
        "metadata closed 0 VMCS.GUEST_RIP", "setfield closed 0 VMCS.EXCEPTION_BITMAP 8 8",
        "setfield closed NOTIFY_ENABLES 1 1", "metadata closed RTMR", "setfield closed HP_LOCK_TIMEOUT 2000000", "metadata closed HP_LOCK_TIMEOUT",
        "break closed 0xfffff000", "stop closed",
        # A plain guest.
        "start plain", "expect plain \"for ever\" 60", "regs plain --json", "vmcs plain GUEST_RIP", "ept plain 0x100000",
        "apic plain", "mem plain 0x100000 32", "walk plain 0x100000 gva",
        # The trace.
        "exits plain", "trace 20 plain --json", "stop plain", "start hello", "wait hello 60",
        "trace 150 --perfetto", "trace 5 sched --json", "trace 5 ipi --json",
        "trace 3 seamcall leaf=TDH.MEM.PAGE.ADD", "trace 9 status=error", "trace 5 colour=1", "bench trace",
        "msr 0x10", "msr 0x12345678", "acpi", "pci", "io 0x3fd 1"]
    b = boot(config=CONFIG, files=FILES, commands=commands, cpus=2, timeout=480)
    out = b.output_of

    check("the run ends with 0 or 1, for what was refused on purpose", b.status in (0, 1), b)
    if b.status not in (0, 1):
        return
    check("registers of a debug TD", b.has(r'^\{"vcpu": 0, "rax": "0x'), b)
    check("its memory, the jump at its reset vector", '"bytes": "e9' in out("mem looped 0xfffffff0 16 --json"), b)
    walked = out("walk looped 0xfffff000 gva")
    check("a walk: the guest's tables, the mirror, the frame",
          re.search(r"^guest +2M .* leaf", walked, re.M) and re.search(r"^mirror +4K .*leaf +leaf", walked, re.M)
          and re.search(r"GPA 0xfffff000 is HPA 0x", walked), walked)
    check("a walk to nowhere says so", "maps nothing there" in out("walk looped 0xffffffff80000000 gva"), b)
    check("mirror, Secure EPT and PAMT agree",
          re.search(r"^4K .* leaf +MAPPED .* REG 4K owner 0x", out("sept looped 0xfffff000"), re.M), b)
    check("metadata by name", "value: 0x1" in out("metadata looped ATTRIBUTES"), b)
    check("CPUID values by leaf, sub-leaf and half",
          re.search(r"^value: 0x", out("metadata looped CPUID_VALUES[7.0][1]"), re.M), b)
    check("a VMCS field of a TD", re.search(r"^value: 0xfff", out("vmcs looped GUEST_CR3"), re.M), b)
    check("three steps", "stopped at 0x" in out("step looped 3"), b)
    check("a register was written", '"r15": "0xabcdef"' in out("regs looped 0 --json"), b)

    now = re.search(r"^value: (0x[0-9a-f]+)", out("metadata looped 0 VMCS.EXCEPTION_BITMAP"), re.M)
    check("a field of a vCPU takes the bits under the mask, and no other", now and int(now[1], 16) & 0x28 == 8, b)
    check("and one of the TD", re.search(r"^value: 0x1$", out("metadata looped NOTIFY_ENABLES"), re.M), b)
    for what in ("MRTD 1", "0 VMCS.EXCEPTION_BITMAP 0x40000 0x40000"):
        check(f"also of a debug TD some stay as they are: {what}",
              "the module says TDX_METADATA_FIELD_NOT_WRITABLE" in out("setfield looped " + what), b)

    check("what only a debug TD shows is refused of another",
          "TDX_METADATA_FIELD_NOT_READABLE" in out("metadata closed 0 VMCS.GUEST_RIP"), b)
    for what in ("0 VMCS.EXCEPTION_BITMAP 8 8", "NOTIFY_ENABLES 1 1"):
        check(f"and what only a debug TD takes: {what}",
              "the module says TDX_METADATA_FIELD_NOT_WRITABLE" in out("setfield closed " + what), b)
    check("a closed TD keeps its registers", "without the debug attribute" in out("regs closed"), b)
    check("and its memory", "without the debug attribute" in out("mem closed 0xfffff000"), b)
    check("and takes no breakpoint", "without the debug attribute" in out("break closed 0xfffff000"), b)
    check("what the module shows of it is shown", "value: 0x1" in out("metadata closed NUM_VCPUS"), b)
    check("what it hides is refused by name", "TDX_METADATA_FIELD_NOT_READABLE" in out("metadata closed RTMR"), b)
    check("a field that the host may write", "value: 0x1e8480" in out("metadata closed HP_LOCK_TIMEOUT"), b)

    check("a VMCS field of a plain guest", re.search(r"^value: 0x1", out("vmcs plain GUEST_RIP"), re.M), b)
    check("its EPT", re.search(r" leaf +rwx ", out("ept plain 0x100000")), b)
    check("its local APIC", re.search(r"^mode: x", out("apic plain"), re.M), b)
    check("its memory", re.search(r"^0000000000100000  ", out("mem plain 0x100000 32"), re.M), b)

    # One line of 30 KB.
    line = re.search(r'^\[\{"name": "process_name".*\}\]$', b.text, re.M)
    events = json.loads(line[0]) if line else []
    well = [e for e in events if e["ph"] == "M" and e["name"] == "process_name" and e["args"]["name"]
            or e["ph"] == "X" and e["dur"] >= 0 or e["ph"] == "i" and e["s"] == "t"]
    check("the trace is in the Trace Event Format",
          len(events) > 100 and well == events
          and all(isinstance(e["pid"], int) and isinstance(e["tid"], int) and e["name"] for e in events)
          and all(e["ts"] >= 0 for e in events if e["ph"] != "M"), str(events)[:400])
    check("IPIs are in it", {r["kind"] for r in json.loads(out("trace 5 ipi --json") or "[]")} == {"ipi"}, b)
    check("only turns, when they are asked for",
          {r["kind"] for r in json.loads(out("trace 5 sched --json") or "[]")} == {"sched"}, b)
    check("only of a guest", {r["name"] for r in json.loads(out("trace 20 plain --json") or "[]")} == {"plain"}, b)
    check("by leaf", len(re.findall(r"TDH\.MEM\.PAGE\.ADD\(2\)",
                                    out("trace 3 seamcall leaf=TDH.MEM.PAGE.ADD"))) == 3, b)
    check("a filter that is none is refused", "expected: trace" in out("trace 5 colour=1"), b)
    cost = re.search(r"in place \(exits\) +\d+ +(\d+)$", out("bench trace"), re.M)
    check("a record of an exit costs less than 40 ticks", cost and int(cost[1]) < 40, out("bench trace"))
    check("exits of a plain guest, with ticks", re.search(r"^ +0 +exit +\S.* +\d+ +\d+ +\d+ +\d+ +\d+$",
                                                        out("exits plain"), re.M), b)
    check("TDVMCALLs of a trust domain, with ticks",
          re.search(r"^ +0 +tdvmcall +Instruction\.IO +\d+ +\d+ +\d+ +\d+ +\d+$", out("exits looped"), re.M), b)
    check("an MSR, and one that is not there",
          re.search(r"0x[0-9a-f]+", out("msr 0x10")) and b.has(r"^tain> msr 0x12345678$"), b)


def by_hand():
    script = os.path.join(e2e.ROOT, "docs", "td-by-hand.script")
    rest = e2e.write("rest.txt", """
page mine
-tdh mng.create tdr=0x200000 hkid=33 is SUCCESS
memory
let x = (1 << 4) | 3
print $x
for i in 0..3 do echo round $i
for i in 0..2 do
  for j in 0..2 do
    echo cell $i $j
  done
done
keyid key
tdh mng.create tdr=$mine hkid=$key is SUCCESS
tdh mng.key.config tdr=$mine is OPERAND_BUSY
""")
    with open(script, encoding="utf-8") as text, open(rest, encoding="utf-8") as more:
        both = e2e.write("both.txt", text.read() + more.read())
    b = boot(config="[tain]\n", commands=["status SUCCESS", "cleanup", "memory"], timeout=300,
             extra=["--script", both])
    check("the script ends at the line that fails on purpose", b.has(r"the status is TDX_SUCCESS, not OPERAND_BUSY"), b)
    check("the TD built by hand spoke", [int(n) for n in re.findall(r"^decimal: (\d+)$", b.text, re.M)[:4]]
          == list(b"Tain"), b)
    check("it came back whole", b.has(r"^freed: 31$") and b.has(r"^leaked: 0$"), b)
    check("a page of Tain's is not handed over", b.has(r"^error: tdr 0x200000 is no page of yours"), b)
    check("arithmetic", b.has(r"^decimal: 19$"), b)
    check("loops in loops", len(re.findall(r"^cell 0x\d 0x\d$", b.text, re.M)) == 4
          and len(re.findall(r"^round 0x\d$", b.text, re.M)) == 3, b)


with theme("looking inside"):
    looking()
with theme("a trust domain by hand"):
    by_hand()
e2e.finish()
