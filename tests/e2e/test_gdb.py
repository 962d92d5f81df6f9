#!/usr/bin/python3
"""GDB over the second serial port: the real gdb on a plain guest and on a debug TD, and the bare protocol for
what gdb does not show. A TD that is no debug TD is refused with the reason; one that dies is held first."""
import os
import re
import socket
import subprocess
import time

import e2e
from e2e import Live, check, theme

GUESTS = os.path.join(e2e.ROOT, "build", "guests")
FILES = [(os.path.join(GUESTS, name), rf"\tain\{name}")
         for name in ("stepped.elf", "stepped.fd", "bad_triple.fd")]
CONFIG = r"""[tain]
start = plain, open, closed

[vm plain]
image = \tain\stepped.elf
memory = 16M

[td open]
firmware = \tain\stepped.fd
memory = 32M
vcpus = 2
attributes = debug

[td closed]
firmware = \tain\stepped.fd
memory = 32M

[td early]
firmware = \tain\bad_triple.fd
memory = 32M
attributes = debug
"""
PRELUDE = ["set pagination off", "set confirm off", "set remotetimeout 60", "set width 0"]


def gdb(symbols, line, commands, seconds=240):
    """What the real gdb says to @commands."""
    words = ["gdb", "-nx", "-batch", symbols]
    for command in PRELUDE + [f"target remote {line}"] + commands:
        words += ["-ex", command]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, check=False)
        return done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode("utf-8", "replace") + "\ngdb: TIME-OUT"


class Wire:
    """The bare protocol, without acknowledgements."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(60)
        self.said = ""
        self.ask("qSupported:multiprocess+;swbreak+")
        self.ask("QStartNoAckMode")

    def send(self, text):
        self.socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 255))

    def receive(self):
        """The next packet that is no text for the screen; that is added to .said."""
        data = b""
        while True:
            while not (found := re.search(rb"\$([^#]*)#..", data)):
                piece = self.socket.recv(4096)
                if not piece:
                    return ""
                data += piece
            text, data = found[1].decode("latin-1"), data[found.end():]
            if text[:1] != "O" or text == "OK":
                return text
            self.said += bytes.fromhex(text[1:]).decode("latin-1")

    def ask(self, text):
        self.send(text)
        return self.receive()

    def close(self):
        self.socket.close()


def plain(line):
    out = gdb(os.path.join(GUESTS, "stepped.elf"), line, [
        "info registers eip", "break square", "continue", "print x", "backtrace", "stepi", "finish",
        "delete", "watch squared", "continue", "delete", "hbreak note", "continue", "delete",
        "rwatch leave", "continue", "delete", "info registers dr7 ds_base gdtr_limit", "print *(char*)0xfffffff0",
        "print rounds > 0", "monitor guests", "set var leave = 1", "detach"])
    check("plain guest: registers", re.search(r"^eip +0x10", out, re.M), out)
    check("a breakpoint, with its line and argument",
          re.search(r"Breakpoint 1, square \(x=x@entry=(\d+)\).*?\$1 = \1\n", out, re.S), out)
    check("a backtrace with symbols",
          re.search(r"^#1 .* in one_round .*\n#2 .* in vm_main ", out, re.M), out)
    check("a step, then to the end of the function", "Value returned" in out or "one_round (n=" in out, out)
    watched = re.search(r"Old value = (\d+)\nNew value = (\d+)\n.*note \(value=\2\)", out)
    check("a watchpoint shows old and new", watched and watched[1] != watched[2], out)
    check("a hardware breakpoint", re.search(r"Breakpoint 3, note \(value=\d+\)", out), out)
    check("a read watchpoint, which gdb makes of an access one",
          re.search(r"Hardware read watchpoint 4: leave\n\nValue = 0\n", out), out)
    check("registers that are asked for one by one", re.search(r"^ds_base +0x0 +0$", out, re.M) and
          re.search(r"^gdtr_limit +0x\w+ +\d+$", out, re.M), out)
    check("memory that is not there is an error", "Cannot access memory at address 0xfffffff0" in out, out)
    check("a command of the console says that it is held", re.search(r"^plain +vm +held ", out, re.M), out)
    check("detach", "detached]" in out, out)


def debug_td(line):
    out = gdb(os.path.join(GUESTS, "td", "stepped.elf"), line, [
        "info threads", "info registers rip cr0 efer idtr_limit dr3", "break square", "continue", "backtrace 3", "stepi",
        "x/i $pc", "finish", "delete", "watch *(unsigned int*)&squared", "continue", "delete",
        "hbreak note", "continue", "delete", "print *(unsigned int*)&rounds > 0",
        "set var *(unsigned int*)&leave = 1", "break td_power_off", "continue", "detach"])
    check("debug TD: its vCPUs are threads", re.search(r"\(vCPU 0 of open\).*\n.*\(vCPU 1 of open\)", out), out)
    check("its registers", re.search(r"^rip +0xffff.*\ncr0 +0x8.*\nefer +0xd01 .*\nidtr_limit +0xfff .*\ndr3 +0x",
                                       out, re.M), out)
    check("a breakpoint in private memory", re.search(r"Breakpoint 1, 0x0*ffff\w+ in square", out), out)
    check("its stack", re.search(r"^#1 .* in one_round \(\)\n#2 .* in td_main", out, re.M), out)
    check("a step and the way out of the function", re.search(r"=> 0x\w+ <square\+\d+>.*\n.* in one_round", out),
          out)
    watched = re.search(r"Old value = (\d+)\nNew value = (\d+)\n.*in note", out)
    check("a watchpoint", watched and watched[1] != watched[2], out)
    check("a hardware breakpoint of the TD", re.search(r"Breakpoint 3, 0x\w+ in note", out), out)
    check("an INT3 of the guest's own does not stop it, the next breakpoint does",
          re.search(r"Breakpoint 4, 0x\w+ in td_power_off", out), out)
    check("detach from the TD", "detached]" in out, out)


def refused(live, line):
    out = gdb(os.path.join(GUESTS, "td", "stepped.elf"), line, [], 120)
    check("where there is nothing to debug gdb and the console say why",
          "target is not running" in out and "tain: there is nothing to debug: open does not run: stopped" in out
          and "nothing to debug: open does not run: stopped" in live.text, out)


def bare(path):
    wire = Wire(path)
    check("attach is refused with the reason",
          wire.ask("vAttach;3").startswith("E.closed is a trust domain without the debug attribute"))
    stop = wire.ask("vAttach;2")
    check("attach to one that runs", stop.startswith("T02") and "thread:p2." in stop, stop)
    wire.send("vCont;c")
    time.sleep(1)
    wire.socket.sendall(b"\x03")
    stop = wire.receive()
    check("^C holds it", stop.startswith("T02"), stop)
    address = re.search(r"10:(\w{16});", stop)
    check("the stop tells RIP", address and int.from_bytes(bytes.fromhex(address[1]), "little") >> 16 == 0xffff,
          stop)
    check("memory that is not mapped is E14", wire.ask("m700000000000,8") == "E14")
    check("leave it", wire.ask("D;2") == "OK")
    wire.close()


def packet(text):
    return "$%s#%02x" % (text, sum(text.encode()) & 255)


def shared(live):
    """One line for both: `gdb NAME here`, until gdb detaches."""
    live.type("gdb open here\r")
    live.wait(r"this line is gdb's", 30)
    live.type(packet("qSupported:multiprocess+"))
    check("the console's line speaks the protocol", live.wait(r"\+\$PacketSize=", 30), live.text[-500:])
    live.type("+" + packet("?"))
    check("and holds the guest", live.wait(r"\$T02.*thread:p2\.1;#", 30), live.text[-500:])
    live.type("+" + packet("D;2"))
    check("detaching gives the line back",
          live.wait(r"\$OK#9a\n*\[this line is the console's again\]", 30) and live.command("guests"),
          live.text[-500:])


def early(live, path):
    """A TD that dies early: held at its first instruction, and again before it is taken down."""
    check("a guest can be chosen before it runs", live.command("gdb early"), live.text[-500:])
    live.command("start early")
    wire = Wire(path)
    stop = wire.ask("?")
    check("it stands at its first instruction", stop.startswith("T02") and "10:f0ffffff00000000;" in stop, stop)
    wire.send("vCont;c")
    stop = wire.receive()
    check("its death is held back, with the reason",
          stop.startswith("T0b") and "held before it ends: triple fault" in wire.said, stop + wire.said)
    check("its registers can still be read", len(wire.ask("g")) > 800)
    wire.send("vCont;c")
    stop = wire.receive()
    check("then it is gone", stop == "W00;process:4", stop)
    wire.close()
    check("and the console says so", live.wait(r"^tain: early: dead: triple fault", 60), live.text[-1500:])


def all_of_it():
    path = e2e.scratch("gdb")
    live = Live(cpus=2, config=CONFIG, files=FILES, timeout=850, extra=["--gdb", path])
    if not check("the guests are at work", live.wait(r"^tain: ready", 400), live.text[-2000:]):
        live.leave()
        return
    live.command("gdb plain")
    plain(path)
    check("the plain guest goes on, and sees what was written to its memory",
          live.wait(r"^plain\| stepped: left\n(.*\n)*?tain: plain: stopped: halted", 60), live.text[-1500:])
    live.command("gdb open")
    bare(path)
    shared(live)
    debug_td(path)
    check("the TD goes on to its end, with the INT3 that is its own",
          live.wait(r"^open\| ok   and still is\n(.*\n)*?tain: open: stopped: powered off", 60),
          live.text[-1500:])
    refused(live, path)
    live.command("gdb closed", 20)
    check("gdb NAME says at once that a TD is closed", "error: closed is a trust domain without" in live.text,
          live.text[-500:])
    early(live, path)
    live.command("stop closed")
    b = live.leave()
    check("the run ends with 0", b.status == 0, b)


LINUX = r"""[tain]
start = linux

[td linux]
kernel = \tain\vmlinuz
initrd = \tain\initrd.gz
cmdline = console=ttyS0 nokaslr
memory = 256M
attributes = debug, sept-ve-disable
"""


def linux_td():
    """A stock kernel as a debug TD, with symbols from its own /proc/kallsyms."""
    path, log, symbols = (e2e.scratch(n) for n in ("gdb-linux", "kallsyms", "linux.elf"))
    live = Live(cpus=1, memory=640, config=LINUX, timeout=1500, extra=["--gdb", path],
                files=[(os.path.join(GUESTS, "debian13-vmlinuz"), r"\tain\vmlinuz"),
                       (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd.gz")])
    if not check("Linux comes to its shell", live.wait(r"^linux\| init: up", 1000), live.text[-2000:]):
        live.leave()
        return
    live.command('expect linux "/ # " 60')
    live.command("type linux \"grep -E ' (__x64_sys_newuname|do_syscall_64|jiffies_64)$' /proc/kallsyms\"")
    live.wait(r"^linux\| ?\w+ \w jiffies_64\s", 300)
    e2e.write("kallsyms", live.text)
    made = subprocess.run([os.path.join(e2e.ROOT, "tools", "guest-symbols"), log, symbols],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode()
    check("an ELF file with its symbols", made.endswith(": 3 symbols\n"), made)
    live.command('type linux "while :; do uname -s; sleep 1; done"')
    out = gdb(symbols, path, ["break __x64_sys_newuname", "continue", "backtrace 2", "stepi", "x/i $pc", "delete",
                              "watch *(long*)&jiffies_64", "continue", "delete", "detach"], 600)
    check("a breakpoint at a kernel's function",
          re.search(r"Breakpoint 1, 0xffffffff8\w+ in __x64_sys_newuname", out), out)
    check("who called it", re.search(r"^#1 .* in do_syscall_64", out, re.M), out)
    check("a step in the kernel", re.search(r"=> 0xffffffff8\w+ <__x64_sys_newuname\+\d+>", out), out)
    watched = re.search(r"Old value = (\d+)\nNew value = (\d+)", out)
    check("the clock ticks under a watchpoint", watched and int(watched[2]) > int(watched[1]), out)
    check("the kernel goes on", live.wait(r"^linux\| ?Linux\n(.*\n)*?linux\| ?Linux\n", 200), live.text[-1000:])
    b = live.leave(seconds=200)
    check("the run with Linux ends with 0", b.status == 0, b)


with theme("gdb"):
    all_of_it()
if os.environ.get("TAIN_LONG"):
    with theme("Linux under gdb"):
        linux_td()
e2e.finish()
