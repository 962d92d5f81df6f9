#!/usr/bin/python3
"""Plain VMX guests: the good one speaks and halts, a bad one ends alone with its reason, a bad image
is refused in one line, and every page comes back."""
import os
import re

import e2e
from e2e import boot, check, theme, write

GUESTS = ["plain", "bench", "bad_triple", "bad_memory", "bad_loop", "modes", "faults"]
FILES = [(os.path.join(e2e.ROOT, "build", "guests", f"{g}.elf"), rf"\tain\{g}.elf") for g in GUESTS]
RAW = [(os.path.join(e2e.ROOT, "build", "guests", f"{g}.bin"), rf"\tain\{g}.bin") for g in ("flat", "real")]
CPUID_TICKS_MAX = 120  # measured 116; the aim


def section(name, image, **keys):
    lines = [f"[vm {name}]", rf"image = \tain\{image}"]
    return "\n".join(lines + [f"{k} = {v}" for k, v in ({"memory": "8M"} | keys).items()]) + "\n"


def rows(text):
    """{owner: pages} of the console's `memory`."""
    return {m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", text, re.M)}


def all_kinds(cpus):
    config = "[tain]\n" + "".join(section(g, f"{g}.elf") for g in GUESTS)
    config += section("flat", "flat.bin", load="3M", cmdline="one two=3")
    config += "[vm real]\nfirmware = \\tain\\real.bin\nmemory = 2M\n"
    commands = ["memory"] + [f"start {g}" for g in GUESTS + ["flat", "real"]]
    commands += [f"wait {g} 20" for g in GUESTS + ["flat", "real"] if g != "bad_loop"]
    commands += ["guests", "stop bad_loop", "wait bad_loop 20", "start plain", "wait plain 20",
                 "memory", "version"]
    b = boot(cpus=cpus, config=config, files=FILES + RAW, commands=commands)
    at = f"{cpus} CPU: "

    check(at + "the run ends with 0", b.status == 0, b)
    for line in ["hello from a plain VMX guest", "hypervisor: TainTainTain",
                 "memory: 8 MiB, every one written and read back", "PCI 0:0.0: 12378086",
                 "fw_cfg: QEMU", "port 2e8: 000000ff", "good-bye"]:
        check(at + f"plain prints '{line}'", b.has(rf"^plain\| {re.escape(line)}$"), b)
    check(at + "plain halts, also the second time",
          len(re.findall(r"^tain: plain: stopped: halted$", b.text, re.M)) == 2, b)
    check(at + "a triple fault ends its guest",
          b.has(r"^tain: bad_triple: dead: triple fault at RIP 0x"), b)
    check(at + "and its registers are shown", b.has(r"bad_triple: vcpu0 RIP [0-9a-f]+ RSP"), b)
    check(at + "a read where nothing is reads all ones, and is told once",
          b.has(r"^bad_memory\| nobody answered$") and
          len(re.findall(r"bad_memory: .* at 0xd0000000: no device there", b.text)) == 1, b)
    check(at + "a jump there ends its guest",
          b.has(r"^tain: bad_memory: dead: fetch at 0xd0000000, where it has no memory"), b)
    check(at + "a guest that never stops runs on beside the others",
          b.output_of("guests") and re.search(r"^bad_loop +vm +running", b.output_of("guests"), re.M), b)
    check(at + "and is stopped by command", b.has(r"^tain: bad_loop: stopped: by command$"), b)
    check(at + "long mode, XCR0 and MSRs survive exits",
          b.has(r"^modes\| registers, MSRs and XCR0 kept$"), b)
    check(at + "power-off by ACPI is told as such", b.has(r"^tain: modes: stopped: powered off$"), b)
    for line in ["flat image at 00300000", "command line: one two=3", "memory at 00000000 bytes 000a0000",
                 "memory at 00100000 bytes 00700000"]:
        check(at + f"a flat image says '{line}'", b.has(rf"^flat\| {line}$"), b)
    check(at + "and ends with the 42 that it wrote to port F4h", b.has(r"^tain: flat: stopped: exit 42$"), b)
    check(at + "string I/O into memory that is not mapped is the CPU's page fault",
          b.has(r"^faults\| ok, page faults as they should be$") and
          b.has(r"^tain: faults: stopped: exit 0$"), b)
    for line in ["real mode, from the reset vector", "its own interrupt table",
                 "three ticks of the 8254 by the 8259"]:
        check(at + f"firmware in real mode: '{line}'", b.has(rf"^real\| {line}$"), b)
    check(at + "and it ends with its 7", b.has(r"^tain: real: stopped: exit 7$"), b)
    ticks = re.search(r"^bench\| CPUID exit: (\d+) ticks", b.text, re.M)
    check(at + f"a CPUID exit costs at most {CPUID_TICKS_MAX} ticks",
          ticks and int(ticks[1]) <= CPUID_TICKS_MAX, ticks[0] if ticks else b)
    tables = [rows(part) for part in re.findall(r"tain> memory\n(.*?)\ntain> ", b.text, re.S)]
    check(at + "every page is back where it was",
          len(tables) == 2 and tables[0] and tables[0] == tables[1], f"{tables}")


def bad_images():
    plain = open(FILES[0][0], "rb").read()
    header = plain.index((0x1badb002).to_bytes(4, "little"))
    wild = bytearray(plain)
    wild[44:46] = b"\xff\xff"  # e_phnum
    asks = bytearray(plain)
    asks[header + 4:header + 12] = (4).to_bytes(4, "little") + ((-0x1badb002 - 4) % 2**32).to_bytes(4, "little")
    bad = {
        "cut": (plain[:header], "an ELF file without a multiboot header"),
        "short": (plain[:header + 16], "reaches beyond the end of the file"),
        "wild": (bytes(wild), "program headers"),
        "asks": (bytes(asks), "asks for what is not offered"),
        "large": (bytes(2 << 20), r"does not fit its memory"),
    }
    config = "[tain]\nstart = " + ", ".join(bad) + ", good\n"
    config += "".join(section(name, f"{name}.bin", memory="1M") for name in bad)
    config += section("good", "plain.elf")
    files = [(write(f"{n}.bin", content), rf"\tain\{n}.bin") for n, (content, _) in bad.items()]
    b = boot(config=config, files=files + FILES[:1], commands=["wait good 20", "guests"])
    for name, (_, reason) in bad.items():
        check(f"image '{name}' is refused: {reason}", b.has(rf"^tain: {name}: refused: .*{reason}"), b)
    check("the good guest runs all the same", b.has(r"^tain: good: stopped: halted$"), b)
    check("and the run ends in order", b.has(r"^tain: exit \d+$"), b)


def flood():
    config = "[tain]\nstart = flood\n" + section("flood", "bad_flood.elf") + section("plain", "plain.elf")
    image = os.path.join(e2e.ROOT, "build", "guests", "bad_flood.elf")
    b = boot(config=config, files=FILES[:1] + [(image, r"\tain\bad_flood.elf")],
             commands=["stop flood", "wait flood 20", "start plain", "wait plain 20"])
    check("a guest that prints without end is cut, and the loss is told",
          b.has(r"^flood\| \[\d+ lines lost\]$"), b)
    check("the console lives on: `stop` ends it", b.has(r"^tain: flood: stopped: by command$"), b)
    check("and the next guest is heard", b.status == 0 and b.has(r"^plain\| good-bye$"), b)


for cpu_count in (1, 2):
    with theme(f"plain guests on {cpu_count} CPU"):
        all_kinds(cpu_count)
with theme("a flood of output"):
    flood()
with theme("bad images"):
    bad_images()
e2e.finish()
