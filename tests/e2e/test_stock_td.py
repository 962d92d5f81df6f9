#!/usr/bin/python3
"""Stock firmware as a trust domain: Debian's OVMF to its UEFI shell on the serial console, keys typed
reach it, and what it is asked to do it does. Through the same firmware, beside it, Debian 13's kernel
from fw_cfg, with more memory than the machine has: what lies above 4 GiB is its to accept. A third one
takes all memory that is left, and ends with a line; the shell answers as before."""
import os
import re

import e2e
from e2e import Live, check, theme

OVMF = "/usr/share/ovmf/OVMF.fd"
GUESTS = os.path.join(e2e.ROOT, "build", "guests")
LONG = bool(os.environ.get("TAIN_LONG"))
LINUX = [(os.path.join(GUESTS, "debian13-vmlinuz"), r"\tain\vmlinuz"),
         (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd.gz")]
# With TAIN_LONG, on one CPU: more vCPUs, odd sizes, up to all that fits below the hole for devices.
SIZES = [("256M", 1), ("256M", 2), ("300M", 4), ("301M", 1), ("1025M", 2), ("1536M", 1), ("3G", 1)]


def td(name, memory, vcpus=1, **keys):
    rows = {"firmware": r"\tain\OVMF.fd", "memory": memory, "vcpus": vcpus,
            "attributes": "debug, sept-ve-disable"} | keys
    return f"[td {name}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items())


def live(config, memory, files=()):
    return Live(config="[tain]\n" + config, files=[(OVMF, r"\tain\OVMF.fd"), *files], memory=memory,
                timeout=1800)


def shell_answers(run, name):
    run.type("console ovmf\r")
    check(name + "comes to its shell", run.wait(r"Shell> ", 1000), run.text[-3000:])
    run.type("ver\r")
    check(name + "hears what is typed", run.wait(r"UEFI v2[.]\d+ \(EDK II", 200), run.text[-3000:])
    run.wait(r"Shell> ", 100)
    run.type("memmap\r")
    check(name + "shows its memory map", run.wait(r"Total Memory:", 300), run.text[-3000:])
    run.wait(r"Shell> ", 100)


def powers_off(run, name):
    run.type("reset -s\r")
    check(name + "powers off when told", run.wait(r"^tain: ovmf: stopped: powered off", 200),
          run.text[-3000:])


def machine_memory(memory):
    """MiB: the firmware's guest accepts all that it has, and a GiB of the machine's is behind the hole."""
    return 4864 if memory == "3G" else 2048 if len(memory) > 4 else 512


def shell(memory, vcpus):
    name = f"OVMF, {memory}, {vcpus} vCPU: "
    run = live(td("ovmf", memory, vcpus), machine_memory(memory))

    check(name + "the machine is ready", run.wait(r"^tain: ready", 400), run.text[-3000:])
    run.type("start ovmf\r")
    check(name + "runs", run.wait(r"^tain: ovmf: running", 300), run.text[-3000:])
    shell_answers(run, name)
    powers_off(run, name)
    end = run.leave()
    check(name + "the run ends with 0", end.status == 0, end)


def idle_entries(run, seconds):
    """Entries of the shell's vCPU in so many seconds of the machine's clock, and some more, at its prompt."""
    for _ in range(2):
        run.command("stats ovmf")
        run.command(f"sleep {seconds}", 200)
    counts = [int(n) for n in re.findall(r"^vcpu 0: entries +(\d+)$", run.text, re.M)]
    return counts[-1] - counts[0]


def three():
    """The shell with 300M, a kernel with 4608M, and one that wants 3G, of 1100 MiB. One vCPU each: the
    firmware's others never rest, which costs the emulator as much as the work that is tested."""
    kernel = {"kernel": r"\tain\vmlinuz", "initrd": r"\tain\initrd.gz", "memory_low": "384M",
              "cmdline": "console=ttyS0 earlyprintk=ttyS0"}
    config = td("ovmf", "300M") + td("linux", "4608M", **kernel) + td("greedy", "3G")
    run = live(config, 1100 if not LONG else 2000, LINUX)

    check("the machine is ready", run.wait(r"^tain: ready", 400), run.text[-3000:])
    run.command("start ovmf", 200)
    run.command("start linux", 200)
    run.type('expect linux "Unaccepted=" 600\r')
    check("a kernel through OVMF with 4608M on a smaller machine speaks",
          run.wait(r"^linux\| .*Linux version 6[.]", 1000), run.text[-3000:])
    check("its firmware leaves memory for it to accept",
          run.wait(r"^linux\| .*efi: .*Unaccepted=0x", 300), run.text[-3000:])
    run.wait(r"^tain> \Z", 60)
    if LONG:
        to_the_end(run)
    else:
        run.command("stop linux", 100)
    run.type("console ovmf\r")
    run.type("\r")
    shell_answers(run, "OVMF, 300M, 1 vCPU: ")
    run.type("\x1d")
    run.wait(r"^tain> \Z", 60)
    entries = idle_entries(run, 4)
    check("at its prompt OVMF costs less than 100 entries a second", 0 <= entries < 400, entries)
    run.command("start greedy", 200)
    check("a TD that wants more than there is ends with a line that says so",
          run.wait(r"^tain: greedy: dead: the machine has no memory left for its page 0x", 300),
          run.text[-3000:])
    run.command("check", 100)
    check("nobody else is harmed by that", re.search(r"^no page is lost +yes", run.text, re.M) and
          re.search(r"^page tables say the truth +yes", run.text, re.M), run.text[-3000:])
    run.type("console ovmf\r\r")
    run.type("ver\r")
    check("the shell beside it answers as before", run.wait(r"UEFI v2[.]\d+ \(EDK II", 200),
          run.text[-3000:])
    run.wait(r"Shell> ", 100)
    powers_off(run, "")
    end = run.leave()
    check("the run ends with 0", end.status == 0, end)


def to_the_end(run):
    """The kernel's shell; it accepts memory when it needs it; it is on TDX; it powers off."""
    run.command('expect linux "/ # " 300', 1000)
    run.command('type linux "grep -i Unaccepted /proc/meminfo; echo got-$((6*7))"')
    run.command("expect linux got-42 60", 200)
    left = re.findall(r"^linux\| Unaccepted: +(\d+) kB", run.text, re.M)
    check("the kernel has not accepted what it does not need", left and int(left[-1]) > 1 << 20, left)
    run.command('type linux "dd if=/dev/zero of=/big bs=1M count=700; echo wrote-$((7*7))"')
    run.command("expect linux wrote-49 200", 600)
    run.command('type linux "grep -i Unaccepted /proc/meminfo; echo got-$((6*8))"')
    run.command("expect linux got-48 60", 200)
    after = re.findall(r"^linux\| Unaccepted: +(\d+) kB", run.text, re.M)
    check("it accepts more when it needs it", after and int(after[-1]) < int(left[-1]), f"{left} {after}")
    check("the kernel says what it runs on", "Memory Encryption Features active: Intel TDX" in run.text,
          run.text[-3000:])
    run.command('type linux "poweroff -f"')
    run.command("wait linux 60", 200)
    check("poweroff -f is a power-off", re.search(r"^tain: linux: stopped: powered off$", run.text, re.M),
          run.text[-3000:])


def kernel(vcpus):
    """A kernel through the firmware with several vCPUs, to its shell."""
    name = f"kernel through OVMF, {vcpus} vCPU: "
    keys = {"kernel": r"\tain\vmlinuz", "initrd": r"\tain\initrd.gz",
            "cmdline": "console=ttyS0 earlyprintk=ttyS0"}
    run = live(td("linux", "512M", vcpus, **keys), 1024, LINUX)

    run.wait(r"^tain: ready", 400)
    run.command("start linux", 200)
    run.command('expect linux "/ # " 900', 1500)
    run.command('type linux "echo cpus-$(nproc)"')
    run.command(f"expect linux cpus-{vcpus} 60", 200)
    check(name + "all of them run", re.search(rf"^linux\| .*cpus-{vcpus}$", run.text, re.M), run.text[-3000:])
    run.command('type linux "poweroff -f"')
    run.command("wait linux 60", 200)
    check(name + "it powers off", re.search(r"^tain: linux: stopped: powered off$", run.text, re.M), run.text[-3000:])
    check(name + "the run ends with 0", run.leave().status == 0, run.text[-3000:])


with theme("a shell, a kernel, a greedy one"):
    three()
for count in [2, 4] if LONG else []:
    with theme(f"a kernel with {count} vCPUs"):
        kernel(count)
for size, count in SIZES if LONG else []:
    with theme(f"OVMF with {size}"):
        shell(size, count)
e2e.finish()
