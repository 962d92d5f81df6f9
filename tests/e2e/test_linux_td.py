#!/usr/bin/python3
"""A stock Linux kernel as a trust domain, started by the TD loader: it knows what it runs on, a second is
a second by its clock and by the machine's, its shell answers, its report agrees with the console and with
`tain mrtd`, its ends are told.

Two of them at once on two CPUs: `one` with one vCPU and virtio devices, whose disk holds what is written
also while a driver's rings change sides, and that powers off; `four` with four vCPUs, that panics.
(Two vCPUs and a reboot: test_many.)"""
import hashlib
import json
import os
import re
import subprocess

import e2e
from e2e import boot, check, scratch, theme

GUESTS = os.path.join(e2e.ROOT, "build", "guests")
TAIN = os.path.join(e2e.ROOT, "build", "host", "tain")
FILES = [(os.path.join(GUESTS, "debian13-vmlinuz"), r"\tain\vmlinuz"),
         (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd.gz")]
DISK = [(scratch("disk.img"), r"\tain\disk.img")]
DEVICES = {"one": "disk = \\tain\\disk.img\nvirtio = console, rng\n", "four": ""}
CMDLINE = {"one": "console=ttyS0", "four": "console=ttyS0 panic=-1"}
VCPUS = {"one": 1, "four": 4}
TICKS_PER_SECOND = 200_000_000  # the emulator's
MARK = "Memory Encryption Features active: Intel TDX"


def section(name):
    return (f"[td {name}]\nkernel = \\tain\\vmlinuz\ninitrd = \\tain\\initrd.gz\n"
            f"cmdline = {CMDLINE[name]}\nmemory = 256M\nvcpus = {VCPUS[name]}\n"
            "attributes = debug, sept-ve-disable\n" + DEVICES[name])


def make_disk():
    with open(DISK[0][0], "wb") as out:
        out.truncate(4 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext2", "-F", DISK[0][0]], check=True)


def predicted(config, name):
    """What the host program says the MRTD will be."""
    folder = e2e.scratch("esp")
    os.makedirs(os.path.join(folder, "tain"), exist_ok=True)
    for host, path in FILES + DISK:
        link = os.path.join(folder, *path.strip("\\").split("\\"))
        if not os.path.exists(link):
            os.symlink(host, link)
    path = os.path.join(folder, "tain", "tain.cfg")
    with open(path, "w", encoding="ascii") as out:
        out.write(config)
    done = subprocess.run([TAIN, "mrtd", "--config", path, name], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode().strip()


def lines_of(text, name):
    """What guest @name printed, a line each, without the shell's questions to the terminal."""
    return "\n".join(m[1].replace("\x1b[6n", "").replace("[6n", "")
                     for m in re.finditer(rf"^{name}\| ?(.*)$", text, re.M))


def pages(text):
    """{owner: pages} of each `memory` that was typed."""
    return [{m[1]: int(m[2]) for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", part, re.M)}
            for part in re.findall(r"tain> memory\n(.*?)\ntain> ", text, re.S)]


def running_us(text, name):
    """How long the machine says it runs, of each `info NAME --json`."""
    return [json.loads(line)["running_us"]
            for line in re.findall(rf"tain> info {name} --json\n(?:\w+\|.*\n)*(\{{.*)", text)]


def to_the_shells():
    """A script, so that nothing waits for a typist: both to their shells, then a second of each."""
    lines = [f"start {g}" for g in VCPUS]
    for g in VCPUS:
        lines += shell_commands(g, [])
    for g in VCPUS:
        now = "$(awk '{print $1 * 100}' /proc/uptime)"
        slept = (f"a={now}; sleep 1; b={now}; echo slept $((b-a))", "slept 1")
        lines += [f"info {g} --json", *shell_commands(g, [slept])[2:], f"info {g} --json"]
    return "\n".join(lines + [""])


def shell_commands(name, typed):
    """Wait for the shell; type each line and wait for what it must print."""
    commands = [f'expect {name} "init: up" 300', f'expect {name} "/ # " 60']
    for line, answer in typed:
        commands += [f'type {name} "{line}"', f'expect {name} "{answer}" 120']
    return commands


def checks(b, told_before, name):
    at = f"{name}, {VCPUS[name]} vCPU: "
    out = lines_of(b.text, name)
    info = b.output_of(f"info {name}")
    mrtd = re.search(rf"^tain: td {name}: MRTD ([0-9a-f]{{96}})$", b.text, re.M)
    told = re.search(r"^MRTD ([0-9a-f]{96})$", out, re.M)
    rtmr2 = re.search(r"^RTMR2 ([0-9a-f]{96})$", out, re.M)
    extended = hashlib.sha384(bytes(48) + hashlib.sha384(CMDLINE[name].encode()).digest()).hexdigest()

    check(at + "the kernel says what it runs on", MARK in out, b)
    check(at + "the kernel warns of nothing",
          not re.search(r"^\[[ .0-9]+\] (WARNING:|BUG:|------------\[ cut here)", out, re.M), out[-3000:])
    check(at + "all vCPUs run", re.search(rf"^{VCPUS[name]} CPUs$", out, re.M), out[-2000:])
    check(at + "the MRTD of console, report and prediction are one",
          mrtd and told and mrtd[1] == told[1] == told_before,
          f"{mrtd and mrtd[1]} {told and told[1]} {told_before}")
    check(at + "RTMR 2 holds the command line, in the report and in info",
          rtmr2 and rtmr2[1] == extended and extended in info, f"{rtmr2 and rtmr2[1]} {extended}")
    check(at + "sleep 1 takes a second by its clock", re.search(r"^slept 1[0-5]\d$", out, re.M), out[-2000:])
    us = running_us(b.text, name)
    check(at + "and by the machine's", len(us) == 2 and 1000000 <= us[1] - us[0] < 1600000, us)


def two():
    config = "[tain]\nscript = \\tain\\boot.txt\n" + section("one") + section("four")
    make_disk()
    # One MRTD is worked out by Tain; the other is named, and Tain need not hash it itself.
    told = {g: predicted(config, g) for g in VCPUS}
    config = config.replace("[td four]\n", f"[td four]\nmrtd = {told['four']}\n")
    script = e2e.write("boot.txt", to_the_shells())
    typed = [("echo typed $((40+2))", "typed 42"),
             ("echo $(nproc) CPUs; tdreport x", "REPORTDATA")]
    commands = []
    report = "/sys/kernel/config/tsm/report/a"
    quote = [(f"mount -t configfs c /sys/kernel/config; mkdir {report}; head -c 64 /dev/urandom > {report}/inblob",
              "/ #"), (f"cat {report}/outblob; echo asked $((3*3))", "asked 9")]
    logged = [("virtio disk", "virtio: disk as written"), ("virtio load", "under load")]
    virtio = [("virtio rest", "printed on 0hvc"), ("virtio intx", "by 3 pins"),
              ("virtio disk; echo pins $((6*9))", "pins 54")]
    # What the disk writes into the shared half is logged, and a copy follows it.
    commands += shell_commands("one", typed + quote)[2:] + ["dirty one start wp copy"]
    commands += shell_commands("one", logged)[2:]
    commands += ["hold one", "dirty one report", "dirty one verify", "dirty one stop", "continue one"]
    commands += shell_commands("one", virtio)[2:] + ["info one", "stats one"]
    commands += shell_commands("four", typed)[2:] + ["info four", "stats four", "stats"]
    commands += ["stats one", "-wait one 4", "stats one"]
    commands += ['type one "poweroff -f"', "wait one 60", 'type four "echo c > /proc/sysrq-trigger"',
                 "wait four 60", "check"]
    b = boot(cpus=2, memory=1024, config=config, files=FILES + DISK + [(script, r"\tain\boot.txt")],
             commands=commands, timeout=1500)

    check("the run ends with 0", b.status == 0, b)
    for name in VCPUS:
        checks(b, told[name], name)
        check(f"{name}: the shell answers", "typed 42" in lines_of(b.text, name), b)
    out = lines_of(b.text, "one")
    for what, pattern in {
            "a file on the disk is read back after remounting": r"^virtio: disk as written$",
            "so it is while a driver's rings are converted, again and again":
                r"^virtio: disk as written under load$",
            "virtio-rng gives bytes": r"virtio: 9 bytes of entropy",
            "virtio-console prints": r"virtio: printed on 0hvc",
            "all three devices by pins of the I/O APIC": r"^virtio: rng at \S+ by 3 pins$",
            "the disk's data is right by its pin too":
                r"by 3 pins$(.|\n)*^virtio: disk as written$(.|\n)*^pins 54$"}.items():
        check("one: " + what, re.search(pattern, out, re.M), out[-3000:])
    pages = re.search(r"^pages: (\d+)$", b.output_of("dirty one report"), re.M)
    check("one: the log has what its disk wrote", pages and int(pages[1]) > 20, b.output_of("dirty one report"))
    check("one: a copy that follows the log is what the memory is",
          b.has(r"^the copy agrees with the memory of one$"), b.output_of("dirty one verify"))
    check("one: nothing of it failed", "virtio: FAIL" not in out, out[-3000:])
    check("one: a quote is refused at once, as an error of the driver's, and the guest goes on",
          re.search(r"GetQuote hypercall failed, status:8000000000000003$", out, re.M) and
          re.search(r"^cat: .*Input/output error$(.|\n)*^asked 9$", out, re.M), out)
    maps = re.search(r"^vcpu 0: TDVMCALL MapGPA +(\d+)$", b.output_of("stats one"), re.M)
    check("one: the driver's rings did change sides", maps and int(maps[1]) > 30, f"{maps}")
    ran = [int(t) for t in re.findall(r"tain> stats one\n.*?^vcpu0 ticks +(\d+)$", b.text, re.M | re.S)]
    check("an idle guest costs next to nothing: 4 s of it, less than 3 % of a CPU",
          len(ran) >= 2 and ran[-1] - ran[-2] < 0.03 * 4 * TICKS_PER_SECOND, f"{ran}")
    check("poweroff -f is a power-off", b.has(r"^tain: one: stopped: powered off$"), b)
    check("a panic is the reset that panic=-1 makes", b.has(r"^tain: four: stopped: reset$"), b)
    check("no page is lost", b.has(r"^no page is lost +yes"), b)
    ticks = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+)_ticks +(\d+)$", b.output_of("stats"), re.M)}
    parts = sum(ticks.get(k, 0) for k in ("idle", "guest", "module", "tain"))
    check("whose the time was adds up", ticks.get("total") and
          abs(parts - ticks["total"]) < ticks["total"] / 100, f"{ticks}")


with theme("two Linux TDs"):
    two()
e2e.finish()
