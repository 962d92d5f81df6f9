#!/usr/bin/python3
"""Stock software as plain VMX guests: Debian 12's kernel with two vCPUs and a virtio disk to its shell
and its power-off, OVMF to its shell, memtest86+ to its screen."""
import os
import re
import subprocess

import e2e
from e2e import boot, check, scratch, theme

GUESTS = os.path.join(e2e.ROOT, "build", "guests")
OVMF = "/usr/share/ovmf/OVMF.fd"


def make_disk():
    path = scratch("disk.img")
    with open(path, "wb") as out:
        out.truncate(4 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext2", "-F", path], check=True)
    return path


def linux():
    """The answers to what is typed are computed, so that its echo is not taken for one."""
    config = "\n".join([
        "[tain]", "[vm linux]", r"kernel = \tain\vmlinuz", r"initrd = \tain\initrd",
        r"disk = \tain\disk.img", "virtio = console, rng", "cmdline = console=ttyS0 panic=-1",
        "memory = 256M", "vcpus = 4", ""])
    files = [(os.path.join(GUESTS, "debian12-vmlinuz"), r"\tain\vmlinuz"),
             (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd"),
             (make_disk(), r"\tain\disk.img")]
    disk = ("mount /dev/vda /mnt && echo disk-$((6*7)) > /mnt/f && umount /mnt && "
            "mount /dev/vda /mnt && cat /mnt/f; umount /mnt")
    alarm = ("echo +2 > /sys/class/rtc/rtc0/wakealarm; sleep 4; "
             "echo alarms-$(awk '/rtc0/{n=$2+$3+$4+$5}END{print n}' /proc/interrupts)")
    b = boot(cpus=2, memory=768, config=config, files=files, timeout=600, commands=[
        "memory", "start linux", 'expect linux "/ #" 400',
        'type linux "echo cpus-$(nproc)"', "expect linux cpus-4 60",
        'type linux "sleep 1; echo slept-$((3*5))"', "expect linux slept-15 60",
        f'type linux "{disk}"', "expect linux disk-42 60",
        'type linux "echo rng-$(head -c 9 /dev/hwrng | wc -c)"', "expect linux rng-9 60",
        'type linux "echo hvc-$((7*7)) > /dev/hvc0; echo back"', "expect linux hvc-49 60",
        'type linux "virtio intx; virtio disk; echo pins-$((6*9))"', "expect linux pins-54 120",
        f'type linux "{alarm}"', "expect linux alarms-1 60",
        "stats linux", 'type linux "poweroff -f"', "wait linux 60", "memory"])

    check("linux: the run ends with 0", b.status == 0, b)
    check("linux: four vCPUs on two CPUs", b.has(r"^linux\| cpus-4$"), b)
    check("linux: sleep comes back", b.has(r"^linux\| slept-15$"), b)
    check("linux: a file on the disk is read back after remounting", b.has(r"^linux\| disk-42$"), b)
    check("linux: virtio-rng gives bytes", b.has(r"^linux\| rng-9$"), b)
    check("linux: virtio-console prints", b.has(r"hvc-49$"), b)
    check("linux: the same disk by a pin of the I/O APIC instead of messages",
          b.has(r"^linux\| virtio: rng at \S+ by 3 pins$") and
          b.has(r"^linux\| virtio: disk as written$") and "virtio: FAIL" not in b.text, b)
    check("linux: the RTC's alarm comes, as one interrupt", b.has(r"^linux\| alarms-1$"), b)
    check("linux: its TSC's rate is known", b.has(r"tsc: Detected 2\d\d\.\d+ MHz|tsc: Detected"), b)
    check("linux: no warning of the kernel's", not b.has(r"WARNING: CPU|BUG:|soft lockup"), b)
    check("linux: power-off is told as such", b.has(r"^tain: linux: stopped: powered off$"), b)
    tables = [{m[1]: m[2] for m in re.finditer(r"^([a-z-]+) +(\d+) +\d+$", part, re.M)}
              for part in re.findall(r"tain> memory\n(.*?)\ntain> ", b.text, re.S)]
    check("linux: every page is back where it was",
          len(tables) == 2 and tables[0] and tables[0]["guest"] == tables[1]["guest"] and
          tables[0]["mmu"] == tables[1]["mmu"] and tables[0]["vmx"] == tables[1]["vmx"], f"{tables}")


def firmware():
    """The shell with two vCPUs, memtest86+; with TAIN_LONG, a kernel through the same firmware, from fw_cfg."""
    config = "\n".join([
        "[tain]", "[vm ovmf]", r"firmware = \tain\OVMF.fd", "memory = 128M", "vcpus = 2",
        "[vm efi]", r"firmware = \tain\OVMF.fd", r"kernel = \tain\vmlinuz", r"initrd = \tain\initrd",
        "cmdline = console=ttyS0 earlyprintk=ttyS0", "memory = 192M", "vcpus = 2", "[vm memtest]",
        r"kernel = \tain\memtest.bin", "cmdline = console=ttyS0,115200", "memory = 32M", ""])
    files = [(OVMF, r"\tain\OVMF.fd"), (os.path.join(GUESTS, "memtest.bin"), r"\tain\memtest.bin"),
             (os.path.join(GUESTS, "debian12-vmlinuz"), r"\tain\vmlinuz"),
             (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd")]
    long = bool(os.environ.get("TAIN_LONG"))
    efi = ["start efi", 'expect efi "efi: EFI v2" 600', 'expect efi "/ # " 400',
           'type efi "echo cpus-$(nproc)"', "expect efi cpus-2 60", 'type efi "reboot -f"', "wait efi 60"]
    b = boot(cpus=2, memory=896, config=config, files=files, timeout=900, commands=[
        "start ovmf", "start memtest", "expect memtest Memtest86+ 200", "stop memtest",
        'expect ovmf "Shell>" 400', 'type ovmf "ver"', 'expect ovmf "UEFI v2.70" 60',
        'type ovmf "reset -s"', "wait ovmf 60"] + (efi if long else []))

    check("firmware: the run ends with 0", b.status == 0, b)
    check("memtest86+ shows its screen", b.has(r"^memtest\| .*Memtest86\+ v6"), b)
    check("ovmf: its shell", b.has(r"^ovmf\| .*Shell>"), b)
    check("ovmf: keys reach it, and `ver` answers once more",
          len(re.findall(r"UEFI Interactive Shell v2", b.text)) == 2, b)
    if long:
        check("a kernel through OVMF speaks, and knows whence it comes",
              b.has(r"^efi\| .*Linux version 6\.1") and b.has(r"^efi\| .*efi: EFI v2\.70 by EDK II"), b)
        check("and comes to its shell with both vCPUs", b.has(r"^efi\| cpus-2$"), b)
        check("and its reboot is a reset", b.has(r"^tain: efi: stopped: reset$"), b)
    check("ovmf: its shut-down is a power-off", b.has(r"^tain: ovmf: stopped: powered off$"), b)


with theme("linux"):
    linux()
with theme("firmware"):
    firmware()
e2e.finish()
