#!/usr/bin/python3
"""Stock firmware as a trust domain: Debian's OVMF to its UEFI shell on the serial console, keys typed
reach it, and what it is asked to do it does."""
import os

import e2e
from e2e import Live, check, theme

OVMF = "/usr/share/ovmf/OVMF.fd"
# With TAIN_LONG also: more vCPUs than CPUs, an odd size, and most of what the emulator can have (2 GiB).
SIZES = [("256M", 1)] + ([("300M", 2), ("301M", 1), ("1536M", 1)] if os.environ.get("TAIN_LONG") else [])


def shell(memory, vcpus):
    name = f"OVMF, {memory}, {vcpus} vCPU: "
    config = (f"[tain]\n[td ovmf]\nfirmware = \\tain\\OVMF.fd\nmemory = {memory}\nvcpus = {vcpus}\n"
              "attributes = debug, sept-ve-disable\n")
    host = 2048 if len(memory) > 4 else 512
    run = Live(config=config, files=[(OVMF, r"\tain\OVMF.fd")], memory=host, timeout=1500)

    check(name + "the machine is ready", run.wait(r"^tain: ready", 400), run.text[-3000:])
    run.type("start ovmf\r")
    check(name + "runs", run.wait(r"^tain: ovmf: running", 300), run.text[-3000:])
    run.type("console ovmf\r")
    check(name + "comes to its shell", run.wait(r"Shell> ", 1000), run.text[-3000:])
    run.type("ver\r")
    check(name + "hears what is typed", run.wait(r"UEFI v2[.]\d+ \(EDK II", 200), run.text[-3000:])
    run.wait(r"Shell> ", 100)
    run.type("memmap\r")
    check(name + "shows its memory map", run.wait(r"Total Memory:", 300), run.text[-3000:])
    run.wait(r"Shell> ", 100)
    run.type("reset -s\r")
    check(name + "powers off when told", run.wait(r"^tain: ovmf: stopped: powered off", 200),
          run.text[-3000:])
    end = run.leave()
    check(name + "the run ends with 0", end.status == 0, end)


for size, count in SIZES:
    with theme(f"OVMF with {size}"):
        shell(size, count)
e2e.finish()
