#!/usr/bin/python3
"""The console as a person meets it: a pseudo-terminal, the screen and keyboard, other serial lines."""
import os
import pty
import re
import struct
import subprocess
import threading
import time

import e2e
from e2e import check, theme
from screen import Qmp

SLOT = 0x10  # of the PCI serial controller; tools/run puts it there


def spcr():
    """An ACPI SPCR without its header that names a PCI UART by its function alone."""
    gas = struct.pack("<BBBBQ", 1, 8, 0, 1, 0)
    return (struct.pack("<B3x", 0) + gas + struct.pack("<BBI", 0, 0, 0) +
            struct.pack("<6B", 7, 0, 1, 0, 0, 0) + struct.pack("<HHBBBIBI", 2, 0x1b36, 0, SLOT, 0, 0, 0, 0))


def spcr_port(port):
    """One that names a 16550 at an I/O port."""
    gas = struct.pack("<BBBBQ", 1, 8, 0, 1, port)
    return (struct.pack("<B3x", 0) + gas + struct.pack("<BBI", 0, 0, 0) + struct.pack("<6B", 7, 0, 1, 0, 0, 0) +
            struct.pack("<HHBBBIBI", 0xffff, 0xffff, 0, 0, 0, 0, 0, 0))


def dbg2(*ports):
    """An ACPI DBG2 without its header: a PL011, which is not for us, then 16550s at these I/O ports."""
    devices = b""
    for subtype, space, address in [(3, 0, 0xfe000000)] + [(0, 1, port) for port in ports]:
        devices += struct.pack("<BHBHHHHHHHHH", 0, 40, 1, 2, 38, 0, 0, 0x8000, subtype, 0, 22, 34)
        devices += struct.pack("<BBBBQ", space, 8, 0, 1, address) + struct.pack("<I", 8) + b".\0"
    return struct.pack("<II", 44, 1 + len(ports)) + devices


class Terminal:
    """tools/run on a pseudo-terminal: keys go in one by one, as from fingers."""

    def __init__(self, **how):
        self.master, slave = pty.openpty()
        self.raw, self.seen, self.last = b"", 0, ""  # seen counts characters without \r
        self.wanted = ""
        words = e2e.run_words(extra=["--interactive"] + how.pop("extra", []), **how)
        self.run = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL,
                                    start_new_session=True)
        os.close(slave)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        e2e.under_way(self)

    @property
    def text(self):
        """All that came so far."""
        return self.raw.decode("utf-8", "replace").replace("\r", "")

    def waits_for(self):
        """What the test wants to see."""
        return f"{self.wanted!r} in what follows"

    def _read(self):
        try:
            while data := os.read(self.master, 65536):
                self.raw += data
        except OSError:
            pass

    def wait(self, pattern, seconds=120):
        """Whether @pattern comes, after what earlier waits have seen."""
        until = time.monotonic() + seconds
        self.wanted = pattern
        while time.monotonic() < until:
            text = self.text
            if found := re.compile(pattern, re.M).search(text, self.seen):
                self.last = text[self.seen:found.end()]
                self.seen = found.end()
                return True
            if self.run.poll() is not None:
                return False
            time.sleep(0.1)
        return False

    def keys(self, *keys, pause=0.06):
        """Press keys, each a string of one key's bytes, and each once the one before has shown: a busy
        emulator would take two at once, which no person types."""
        for key in keys:
            before, until = len(self.raw), time.monotonic() + 5
            os.write(self.master, key.encode())
            while len(self.raw) == before and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(pause)

    def end(self, seconds=60):
        try:
            return self.run.wait(seconds)
        except subprocess.TimeoutExpired:
            self.run.terminate()
            return self.run.wait()


def fingers():
    """Editing, completion, history, paging and ^C on the UART that SPCR puts on the PCI bus."""
    table = e2e.write("spcr", spcr())
    t = Terminal(machine="qemu", cpus=2, timeout=300,
                 extra=["--serial", "pci", "--qemu=-acpitable", f"--qemu=sig=SPCR,rev=2,data={table}"])
    check("SPCR leads to a PCI UART by its BAR", t.wait(r"console SPCR 16550A"), t.raw[-2000:])
    check("and the console is there", t.wait(r"^tain: ready$\s+^tain> "), t.raw[-2000:])
    t.keys(*"ehco 1", "\x1b[D", "\x1b[D", "\x1b[D", "\x1b[D", "\x1b[D", "\x1b[3~", "\x1b[C", "h", "\r")
    check("arrows and Delete mend a line", t.wait(r"^1$"), t.raw[-500:])
    t.keys(*"sym", "\t", *"kernel_mai", "\t", "\r")
    check("Tab completes a command, then a symbol", t.wait(r"^ffffffff8[0-9a-f]+ kernel_main\+0x0$"), t.raw[-500:])
    t.keys("\x1b[A", "\x1b[A", "\r")
    check("arrow up brings older lines back", t.wait(r"^1$"), t.raw[-500:])
    t.keys(*"help", "\r")
    check("what is typed by hand comes a page at a time", t.wait(r"^--more-- "), t.raw[-500:])
    first = t.last.count("\n")
    check("a page is what fits on 24 rows", 22 <= first <= 26, str(first))
    t.keys("\r")
    check("Enter shows one line more", t.wait(r"\n--more-- ") and t.last.count("\n") <= 2, t.last)
    t.keys("q")
    check("q ends it", t.wait(r"tain> \Z"), t.raw[-500:])
    check("and the rest does not come", "says more" not in t.last, t.last)
    os.write(t.master, b"help\r")
    check("what a program types is not paged", t.wait(r"`help COMMAND` says more"), t.raw[-500:])
    t.keys(*"sleep 300", "\r", "\x03")
    check("^C ends a command that waits", t.wait(r"^error: interrupted$", 20), t.raw[-500:])
    t.keys(*"help", "\r")
    check("^C ends a page", t.wait(r"^--more-- ") and (t.keys("\x03") or t.wait(r"error: interrupted$")), t.raw[-500:])
    t.keys(*"garbage", "\x03")
    check("^C drops a line", t.wait(r"\^C\n"), t.raw[-500:])
    os.write(t.master, b"exit\r")
    check("exit status 0", t.end() == 0, t.raw[-500:])


def screen_and_keyboard():
    """No serial line at all: the screen is the console, the keyboard types."""
    path = e2e.scratch("qmp")
    t = Terminal(machine="qemu", cpus=2, timeout=300, extra=["--serial", "none", "--qmp", path])
    q = Qmp(path)
    ready = q.wait_text(r"^tain: ready$")
    shown = "\n".join(q.lines())
    check("without a UART the boot ends on the screen", ready, shown)
    check("which says that there is none", "no serial port found" in shown, shown)
    q.press("echo Hello.\n")
    check("the keyboard types, Shift as well", q.wait_text(r"^tain> echo Hello\.\nHello\.$"), "\n".join(q.lines()))
    q.press("help\n")
    check("long output scrolls to its end or stops for a key",
          q.wait_text(r"(--more--|^`help COMMAND` says more)"), "\n".join(q.lines()))
    q.press("q")
    q.press("inject panic\n")
    check("a crash is shown on it, to its last line",
          q.wait_text(r"(?s)^\*\*\* crash: injected by the console$.*^  at ffffffff8\w+  inject_panic\+.*^tain: crash$"),
          "\n".join(q.lines()))
    t.run.terminate()
    t.end()


def named_port():
    """The configuration names the second port."""
    b = e2e.boot(machine="qemu", config="[tain]\nconsole = com2\nbaud = 57600\ngdb = off\n",
                 extra=["--serial", "com2"], commands=["echo over there"], timeout=120)
    check("console = com2 moves it there", b.status == 0 and b.has(r"^over there$"), b)


def debug_port():
    """SPCR and the first of DBG2 name ports where nothing is; the second of DBG2 is the one."""
    tables = [f"--qemu=-acpitable\0--qemu=sig={sig},rev=2,data={e2e.write(sig, data)}"
              for sig, data in (("SPCR", spcr_port(0x3e8)), ("DBG2", dbg2(0x2e8, 0x2f8)))]
    b = e2e.boot(machine="qemu", config="[tain]\ngdb = off\n", timeout=120, commands=["log"],
                 extra=["--serial", "com2"] + "\0".join(tables).split("\0"))
    log = b.output_of("log")
    check("a UART that SPCR or DBG2 name and that does not answer is told of, and the next one tried",
          [found[1] for found in re.finditer(r"no UART answers where (\w+ puts one \(0x\w+\))", log)] ==
          ["SPCR puts one (0x3e8)", "DBG2 puts one (0x2e8)"], b)
    check("DBG2 leads to a port", re.search(r"console DBG2 16550A", log) and b.status == 0, b)


def main():
    for test in (fingers, screen_and_keyboard, named_port, debug_port):
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    main()
