#!/usr/bin/python3
"""The machine's own room: its promises on real boots, and what a crash looks like."""
import os
import re
import shutil
import sys

import e2e
from e2e import boot, check, theme

CRASHES = (
    # kind, what the report must say
    ("panic", r"^\*\*\* crash: injected by the console$"),
    ("overflow", r"^\*\*\* crash: stack overflow at 0x"),
    ("private", r"^\*\*\* crash: #PF: host write of 0x[0-9a-f]+, page is private to a TD$"),
    ("remote", r"^cpu 1 \(apic id 1\), running: "),
    ("trace", r"^\*\*\* crash: injected by the console, inside trace record \d+$"),
    ("report", r"(?s)this step of the report breaks.*^\*\*\* crash inside this report: .*^tain: crash$"),
    ("locked", r"^\*\*\* crash: .* the console's and the log's locks held$"),
)
FLASH_CODE, FLASH_VARS = (f"/usr/share/OVMF/OVMF_{part}_4M.fd" for part in ("CODE", "VARS"))
FRAME = r"^  at ffffffff8[0-9a-f]{7}  [a-z]\w+\+0x[0-9a-f]+$"
LOOP = e2e.ROOT + "/build/guests/bad_loop.elf"
HELLO = e2e.ROOT + "/build/guests/hello.fd"
LOOP_CONFIG = """[tain]
start = loop
[vm loop]
image  = \\tain\\loop.elf
memory = 16M
[td hello]
firmware = \\tain\\hello.fd
memory = 32M
"""


def rows_hold(where, b):
    rows = re.findall(r"^(\w.*?)  +(yes|no)( +.*)?$", b.output_of("selftest"), re.M)
    check(f"{where}: selftest ran", len(rows) > 8, b)
    for promise, kept, finding in rows:
        check(f"{where}: {promise}", kept == "yes", finding)


def promises_in_qemu():
    b = boot(machine="qemu", cpus=3, config="[tain]\nwatchdog = 1\n", timeout=240,
             commands=["selftest", "inject stuck 1 4", "sleep 8"])
    rows_hold("qemu, 3 CPUs", b)
    check("a CPU that is stuck is named, and named again when it goes on",
          b.has(r"watchdog: CPU 1 has made no progress for \d+ s, running: ") and
          b.has(r"watchdog: CPU 1 goes on after \d+ s"), b)
    check("qemu, 3 CPUs: and the machine went on", b.status == 0, b)


def promises_in_bochs():
    """This one ends when the software module breaks, while a guest does not leave CPU 1."""
    b = boot(cpus=2, config=LOOP_CONFIG, files=[(LOOP, r"\tain\loop.elf"), (HELLO, r"\tain\hello.fd")], timeout=240,
             commands=["selftest", "console loop\r\x1d", "inject tdh MNG.CREATE crash", "start hello"])
    rows_hold("bochs, 2 CPUs", b)
    check("a guest's console is entered and left, the prompt comes back",
          b.has(r"^\[console of loop: Ctrl-\] leaves\]\s+\[console of loop: left\]\s+tain> "), b)
    check("crash in the software module: exit status 126", b.status == 126, b)
    check("crash in the software module: the report says so", b.has(r"^\*\*\* crash: software TDX module: "), b)
    check("crash in the software module: names in the backtrace, from the module to the console",
          b.has(r"  inject_before\+") and b.has(r"  seamcall_raw\+") and b.has(r"  monitor_poll\+"), b)
    check("crash in the software module: the CPU in the guest stopped, too",
          b.has(r"^cpu 1: stopped, running: ") and b.has(r"^other cpus: 1 stopped, 0 of them"), b)
    check("crash in the software module: its last calls are shown",
          b.has(r"^last trace records of cpu 0:$") and b.has(r"^  \[ *seamcall \d+ us before\] TDH\."), b)


def crashes():
    """One machine that resets itself after each crash, and brings its last words to the stick."""
    image = e2e.scratch("disk.img")
    b = boot(machine="qemu", cpus=2, config="[tain]\ncrash = reboot\n", timeout=400,
             commands=[f"inject {kind}" for kind, _ in CRASHES],
             extra=["--allow-reboot", "--keep-image", image])
    parts = b.text.split("tain: ready")[1:]
    check("after each crash the machine started again", b.status == 0 and len(parts) == len(CRASHES) + 1, b)
    for (kind, says), part in zip(CRASHES, parts):
        one = e2e.Boot(0, part, "")
        check(f"crash by {kind}: the report says what it was", one.has(says), one)
        check(f"crash by {kind}: a backtrace with names, all stopped, the last log lines, the mark",
              one.has(FRAME) and one.has(r"^other cpus: 1 stopped, \d of them were idle; 0 did not stop$") and
              one.has(r"^last log lines:$") and one.has(r"^tain: crash$"), one)
        check(f"crash by {kind}: the next boot wrote the log", one.has(r"log of the boot before is in "), one)
    log = e2e.file_of(image, "tain/log.txt")
    check("the log on the stick is the last crash's, from its first line to the end of the report",
          "ended in a crash" in log and "machine: 2 CPUs listed" in log and
          "locks held" in log and "other cpus: 1 stopped" in log, log)


def variable():
    """Firmware that keeps its variables in flash, memory that brought nothing along."""
    image, store = e2e.scratch("disk2.img"), e2e.scratch("vars.fd")
    shutil.copyfile(FLASH_VARS, store)
    words = []
    for unit, options in enumerate((f"readonly=on,file={FLASH_CODE}", f"file={store}")):
        words += ["--qemu=-drive", f"--qemu=if=pflash,unit={unit},format=raw,{options}"]
    b = boot(machine="qemu", cpus=2, timeout=200, commands=["log save variable", "reboot"],
             extra=["--allow-reboot", "--keep-image", image] + words)
    log = e2e.file_of(image, "tain/log.txt")
    check("a log that only a UEFI variable kept is written as well",
          b.has(r"log of the boot before is in ") and "kept by `log save`" in log and
          "Only the end of it survived" in log and "Tain 0." in log, log)


def kept_in_bochs():
    """The other emulator, another reset: the keyboard controller's. Memory survives it."""
    image = e2e.scratch("disk3.img")
    b = boot(cpus=2, config="[tain]\ncrash = reboot\n", timeout=480, commands=["inject panic", "echo again"],
             extra=["--allow-reboot", "--keep-image", image])
    log = e2e.file_of(image, "tain/log.txt")
    check("bochs: after a crash the machine started again, and the next boot wrote the log",
          b.status == 0 and b.has(r"^again$") and b.has(r"log of the boot before is in ") and
          "ended in a crash" in log and "*** crash: injected by the console" in log, b)


def main():
    long = [kept_in_bochs] if os.environ.get("TAIN_LONG") else []
    for test in [promises_in_qemu, promises_in_bochs, crashes, variable] + long:
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
