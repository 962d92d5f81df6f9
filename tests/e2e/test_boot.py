#!/usr/bin/python3
"""From power-on to the console: the machines that Tain must come up on, with and without VMX."""
import os
import re
import sys

import e2e
from e2e import boot, check, theme


def seconds_at(text, marker):
    """The kernel's time stamp of the line that holds @marker."""
    match = re.search(r"^\[ *(\d+\.\d+)\].*" + marker, text, re.M)
    return float(match[1]) if match else None


def bochs(cpus):
    b = boot(cpus=cpus, commands=["version", "cpus", "memory"], timeout=150)
    check(f"bochs with {cpus} CPU boots to the console and exits 0",
          b.status == 0 and b.has(r"^tain: ready$"), b)
    check(f"bochs with {cpus} CPU brings all of them up", b.has(rf"cpus: {cpus} of {cpus} online"), b)
    check(f"bochs with {cpus} CPU takes VMX on each", b.has(rf"vmx: on, on {cpus} CPU"), b)
    check("the missing configuration is told in one line", b.has(r"tain\.cfg.*no such file"), b)
    check("`tain: exit 0` is the last line", b.text.rstrip().endswith("tain: exit 0"), b)


def qemu_usb():
    b = boot(machine="qemu", cpus=4, commands=["version", "guests", "no-such-command", "memory"])
    check("qemu boots from a USB stick to the console", b.status == 0 and b.has(r"^tain: ready$"), b)
    check("qemu: 4 of 4 CPUs are up", b.has(r"cpus: 4 of 4 online"), b)
    check("qemu: the absence of VMX is one clear line", len(re.findall(
        r"^\[.*no VMX", b.text, re.M)) == 1, b)
    check("an unknown command is one error line, and the console lives",
          b.has(r"^error: .*") and "free" in b.output_of("memory"), b)


def qemu_exit_status():
    b = boot(machine="qemu", commands=["exit 7"], timeout=100)
    check("the N of `exit N` becomes the exit status of tools/run", b.status == 7, b)


def qemu_many_cpus():
    b = boot(machine="qemu", cpus=64, commands=["cpus"], timeout=200)
    check("qemu: 64 of 64 CPUs are up", b.status == 0 and b.has(r"cpus: 64 of 64 online"), b)


def qemu_much_memory():
    small = boot(machine="qemu", memory=1024, timeout=100)
    large = boot(machine="qemu", memory=131072, commands=["memory"], timeout=100)
    check("qemu with 128 GiB boots", large.status == 0, large)
    check("all of the 128 GiB are there", large.has(r"13[01]\d{3} MiB in all"), large)
    marker = r"cpus: 1 of 1 online"
    one, many = seconds_at(small.text, marker), seconds_at(large.text, marker)
    check("128 GiB boot as fast as 1 GiB (within half a second)",
          one is not None and many is not None and many - one < 0.5, f"{one} s and {many} s")


def five_levels():
    image = os.path.join(e2e.ROOT, "build", "test", "la57.efi")
    b = boot(machine="qemu", cpus=2, config="# empty\n", extra=["--efi", image], timeout=100)
    check("firmware with 5-level paging is left behind", b.status == 0 and
          b.has(r"5-level paging: left") and b.has(r"cpus: 2 of 2 online"), b)


def main():
    for cpus in (1, 2):
        with theme(f"bochs {cpus}"):
            bochs(cpus)
    for test in (qemu_usb, qemu_exit_status, qemu_many_cpus, qemu_much_memory, five_levels):
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
