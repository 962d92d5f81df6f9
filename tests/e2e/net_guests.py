"""net_guests: Debian's stock kernels on one switch hear each other. One boot in Bochs of some minutes: part of
test_net_uses with TAIN_LONG=1.
"""
import os
import re

from e2e import ROOT, boot, check

GUESTS = os.path.join(ROOT, "build", "guests")


def guest(name, network):
    """Its section."""
    return "\n".join([f"[vm {name}]", r"kernel = \tain\vmlinuz", r"initrd = \tain\initrd",
                      "cmdline = console=ttyS0 panic=-1 quiet", "memory = 192M", "vcpus = 1",
                      f"network = {network}", ""])


def address(name, number):
    """Commands: bring the card of guest @name up as 10.9.0.@number."""
    return [f'type {name} "ip addr add 10.9.0.{number}/24 dev eth0 && ip link set eth0 up && echo here=$((6 * 7))"',
            f"expect {name} here=42 60"]


def run():
    """Boot, bring the cards up, ping."""
    files = [(os.path.join(GUESTS, "debian12-vmlinuz"), r"\tain\vmlinuz"),
             (os.path.join(GUESTS, "linux-initrd.gz"), r"\tain\initrd")]
    config = guest("one", "lan") + guest("two", "lan")
    names = ["one", "two"]
    commands = [f"start {name}" for name in names] + [f'expect {name} "/ #" 400' for name in names]
    for number, name in enumerate(names, 1):
        commands += address(name, number)
    commands += ['type one "ping -c 5 -s 1000 10.9.0.2"', 'expect one "packet loss" 60']
    commands += ["stats one", "stats two"] + [f'type {name} "poweroff -f"' for name in names]
    commands += [f"wait {name} 60" for name in names]
    b = boot(cpus=2, memory=768, config=config, files=files, timeout=600,
             commands=commands)
    check("all of it came", b.status == 0, b)
    check("no echo is lost", b.has(r"^one\| 5 packets transmitted, 5 packets received, 0% packet loss"), b)
    for name in ("one", "two"):
        check(f"{name} sent under its own address only", re.search(r"^frames forged +0$", b.output_of(f"stats {name}"),
                                                                  re.M), b.output_of(f"stats {name}")[-800:])
