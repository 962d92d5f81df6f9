#!/usr/bin/python3
"""Trust domains on the software module: the good one says all it should, a bad one ends alone with
its reason, stock OVMF runs as a TD with the measurement it must have, and every page comes back."""
import os
import re

import e2e
from e2e import boot, check, theme

GUESTS = ["hello", "bad_triple", "bad_pending", "bad_memory", "bad_vmcall", "bad_fatal", "bad_halt",
          "smp", "bad_loop", "bench", "irq", "abi", "operands", "msrs", "user", "convert", "mistakes"]
FILES = [(os.path.join(e2e.ROOT, "build", "guests", f"{g}.fd"), rf"\tain\{g}.fd") for g in GUESTS]
OVMF = "/usr/share/ovmf/OVMF.fd"
OVMF_MRTD = ("4c7206f0f483c524f12c366c711e9049030a8d47c471ee5aa9c4999a08de4057"
             "fb887fed0744d5631a212967fb231c47")  # 2022.11-6+deb12u2, pages extended as they are added
ENDS = {
    "hello": "stopped: powered off",
    "bad_triple": "dead: triple fault",
    "bad_pending": "dead: touched page 0x1000000 before accepting it",
    "bad_memory": "dead: touched private memory that it does not have, at 0x80000000",
    "bad_vmcall": "stopped: powered off",
    "bad_fatal": "dead: reported fatal error 0x2a: the register file says: no way to go on from here, "
                 "sorry.. [end]",
    "smp": "stopped: powered off",
    "bench": "stopped: powered off",
    "irq": "stopped: powered off",
    "abi": "stopped: powered off",
    "operands": "stopped: powered off",
    "msrs": "stopped: powered off",
    "user": "stopped: powered off",
    "convert": "stopped: powered off",
    "mistakes": "dead: triple fault at rip 0x",
    "bad_loop": "stopped: by command",
    "bad_halt": "stopped: halted with interrupts blocked",
}


MISTAKES = {
    "a page accepted twice": r"soft: .*vCPU 0: accepts page 0x1000000, which it has accepted",
    "shared access to a private page": r"mistakes: vCPU 0 uses page 0x1000000 as shared, which is private",
    "private access to a shared page": r"mistakes: vCPU 0 uses page 0x1200000 as private, which MapGPA",
    "the accept of a shared page": r"mistakes: vCPU 0 accepts page 0x\w+, which MapGPA made shared",
    "RBP exposed": r"soft: .*vCPU 0: TDVMCALL mask 0xffec names a register .*RBP",
    "a port without a device": r"mistakes: vCPU 0 reads port 0x5678, where no device is",
    "MMIO without a device": r"mistakes: vCPU 0 reads 0xfed00000, where no device is",
    "the registers of a debug TD": r"mistakes: cr0 0000000080000031 cr3 ",
}


def section(name, **keys):
    lines = [f"[td {name}]", rf"firmware = \tain\{name}.fd"]
    return "\n".join(lines + [f"{k} = {v}" for k, v in ({"memory": "32M"} | keys).items()]) + "\n"


def pages(text):
    """{owner: pages} of each `memory` that was typed."""
    return [{m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", part, re.M)}
            for part in re.findall(r"tain> memory\n(.*?)\ntain> ", text, re.S)]


def all_kinds(cpus):
    config = "[tain]\n" + section("hello", attributes="debug")
    config += section("bad_pending", attributes="sept-ve-disable") + section("smp", vcpus=2)
    config += section("bad_halt", vcpus=2)
    config += section("irq", vcpus=3) + section("convert", vcpus=3, memory="48M")
    config += section("mistakes", attributes="debug, no-rbp-mod")
    config += "".join(section(g) for g in GUESTS
                      if g not in ("hello", "bad_pending", "bad_halt", "smp", "irq", "convert", "mistakes"))
    # The first start brings the module up, whose memory stays.
    commands = ["start hello", "wait hello 30", "memory", "start bad_loop"]
    for g in GUESTS[1:]:
        commands += [f"start {g}", f"wait {g} 30"] if g != "bad_loop" else []
    commands += ["guests", "start hello", "wait hello 30", "stop bad_loop", "wait bad_loop 10",
                 "memory", "version"]
    b = boot(cpus=cpus, config=config, files=FILES, commands=commands, timeout=400)
    at = f"{cpus} CPU: "

    check(at + "the run ends with 0", b.status == 0, b)
    check(at + "the software module says what it is not", b.has("NO CONFIDENTIALITY"), b)
    for name, end in ENDS.items():
        check(at + f"{name}: {end}", b.has(rf"^tain: {name}: {re.escape(end)}"), b)
    check(at + "hello says hello and goodbye, twice",
          len(re.findall(r"^hello\| (?:hello from a trust domain|goodbye)$", b.text, re.M)) == 4, b)
    check(at + "no guest saw anything fail", not b.has(r"^\w+\| FAIL"), b)
    check(at + "hello made its 29 checks, twice",
          len(re.findall(r"^hello\| ok ", b.text, re.M)) == 2 * 29, b)
    check(at + "bad_vmcall was refused everything", b.has(r"^bad_vmcall\| bad_vmcall: all refused$"), b)
    added = "".join(re.findall(r"tdx: bad_fatal: vCPU 0 adds: (.*)$", b.text, re.M))
    check(at + "a guest's last words in its shared page are shown, all of them",
          len(added) == 300 and added.startswith("the page says: ") and added[20] == ".", added)
    check(at + "two vCPUs lost nothing", b.has(r"^smp\| smp: 2 of 2 vCPUs, counter 2000"), b)
    check(at + "interrupts, timers and HLT did what they should", b.has(r"^irq\| irq: all well$"), b)
    check(at + "each TDCALL and each #VE is as the ABI says", b.has(r"^abi\| abi: all well$"), b)
    check(at + "TDCALL operands in each kind of memory, metadata, traps within traps",
          b.has(r"^operands\| operands: all well$"), b)
    check(at + "each MSR is done, refused or handed over as the ABI says",
          b.has(r"^msrs\| msrs: all well$"), b)
    check(at + "user mode has no TDCALL, and the #VEs that it must have",
          b.has(r"^user\| user: all well$"), b)
    check(at + "memory changes sides under load", b.has(r"^convert\| convert: all well$"), b)
    for what, pattern in MISTAKES.items():
        check(at + "told on the console: " + what, b.has(pattern), b)
    check(at + "a TD that never stops runs on beside the others",
          re.search(r"^bad_loop +td +running", b.output_of("guests"), re.M), b)
    mrtd = re.findall(r"^tain: td hello: MRTD ([0-9a-f]{96})$", b.text, re.M)
    told = re.findall(r"^hello\| +MRTD +([0-9a-f]{96})$", b.text, re.M)
    check(at + "the MRTD is the same twice, and the one in hello's reports",
          len(mrtd) == 2 and mrtd == told and mrtd[0] == mrtd[1], f"{mrtd} {told}")
    counts = pages(b.text)
    check(at + "every page is back where it was",
          len(counts) == 2 and counts[0] and counts[0] == counts[1], f"{counts}")


def ovmf():
    config = f"[tain]\n[td ovmf]\nfirmware = \\tain\\OVMF.fd\nmemory = 64M\n"
    config += "attributes = debug, sept-ve-disable\n"
    b = boot(config=config, files=[(OVMF, r"\tain\OVMF.fd")], timeout=400, commands=[
        "memory", "trace off mirror seamcall tdexit", "start ovmf", "expect-trace ovmf TDG.VP.INFO 120",
        "expect-trace ovmf PAGE.ACCEPT 120", 'expect-trace ovmf "IO out cf8" 120',
        'expect-trace ovmf "IO out 510" 120', "info ovmf", "stop ovmf", "wait ovmf 10",
        "memory", "version"])

    check("ovmf: the run ends with 0", b.status == 0, b)
    check("ovmf: its MRTD is the one that it must have", b.has(f"^tain: td ovmf: MRTD {OVMF_MRTD}$"), b)
    for what, pattern in {
            "TDG.VP.INFO": r"^ovmf: TDG\.VP\.INFO",
            "page accepts": r"^ovmf: TDG\.MEM\.PAGE\.ACCEPT.*TDX_SUCCESS",
            "PCI configuration": r"^ovmf: IO out cf8",
            "fw_cfg": r"^ovmf: IO out 510"}.items():
        check(f"ovmf: the trace shows {what}", b.has(pattern), b)
    check("ovmf: stopped by command", b.has(r"^tain: ovmf: stopped: by command$"), b)
    counts = pages(b.text)
    check("ovmf: every page is back where it was",
          len(counts) == 2 and all(counts[0][k] == counts[1][k] for k in
                                   ("mmu", "guest", "tdx-control", "tdx-sept", "tdx-private")),
          f"{counts}")


for cpu_count in (1, 2):
    with theme(f"trust domains on {cpu_count} CPU"):
        all_kinds(cpu_count)
with theme("ovmf"):
    ovmf()
e2e.finish()
