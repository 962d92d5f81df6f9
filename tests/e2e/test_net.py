#!/usr/bin/python3
"""The machine on the network: each kind of interface, DHCP, ping, a cable pulled, a flood of nonsense."""
import json
import os
import re
import socket
import sys
import threading
import time

import e2e
from e2e import Live, boot, check, theme
from wire import Wire

DHCP = "[tain]\nnet = dhcp\n"
FIXED = "nic = virtio-net\nnet6 = fec0::77/64 fec0::2\ndns = 10.0.2.3, 192.0.2.53\n"
MODELS = (("net0", "virtio-net", "MSI-X"), ("net1", "82540EM", "polled"), ("net2", "82574L", "MSI"))
ANSWER = r"(?m)^received: 2$"


class Monitor:
    """QEMU's control socket: a cable pulled and put back."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.command("qmp_capabilities")

    def command(self, execute, **arguments):
        self.socket.sendall(json.dumps({"execute": execute, "arguments": arguments}).encode())
        while not {"return", "error"} & set(answer := json.loads(self.lines.readline())):
            pass
        return answer


def record(boot_or_text, command):
    """The last JSON record of a command."""
    found = re.findall(r"^(\{.*\})$", boot_or_text.output_of(command), re.M)
    return json.loads(found[-1]) if found else {}


def section(text, name):
    """What was said while interface @name was in use."""
    _, _, rest = text.partition(f"net use {name}\n")
    return rest.partition("net use ")[0]


def interfaces():
    """Three kinds of interface in one machine, each with a network and a DHCP server of its own."""
    path = e2e.scratch("qmp")
    live = Live(machine="qemu", memory=512, config=DHCP + FIXED, timeout=300, extra=["--qmp", path, "--net", "restrict=on"] +
                [word for model in ("virtio-net", "e1000", "e1000e") for word in ("--nic", model)])
    live.wait(r"^tain: ready$", 120)
    live.wait(r"^tain> \Z", 20)
    # The first is in use from the start; a name is said so that the text can be cut.
    for name, _, _ in MODELS:
        live.command(f"net use {name}")
        live.wait(rf"{name}: IPv4 10\.0\.2\.15,", 30) if name != "net0" else None
        live.command("dhcp")
        live.command("ping 10.0.2.2 2")
        live.command("net --json")
    seen = live.text
    for name, model, irq in MODELS:
        said = section(seen, name)
        check(f"{model}: found, and how it interrupts",
              re.search(rf"{name}: {model} at 00:[0-9a-f]+\.0, 52:54:00:12:34:5\d, {irq}", seen), seen[-3000:])
        check(f"{model}: an address by DHCP", re.search(r"^ipv4: 10\.0\.2\.15$", said, re.M), said)
        check(f"{model}: answers to ping", re.search(ANSWER, said), said)
        rows = re.findall(r"^(\{.*\})$", said, re.M)
        row = json.loads(rows[-1]) if rows else {}
        check(f"{model}: counters that make sense", row.get("model") == model and row["rx frames"] >= 4 and
              row["bad"] == 0 and row["rx errors"] == 0 and (irq == "polled") == (row["interrupts"] == 0) and
              row["memory"] < 100000, said)
        check(f"{model}: what tain.cfg fixes of IPv6 and of names, though DHCP has an answer",
              "fec0::77" in (row.get("ipv6 second"), row.get("ipv6 third")) and row["ipv6 gateway"] == "fec0::2" and
              row["dns"] == "10.0.2.3" and row["dns second"] == "192.0.2.53", said)
    with theme("cable"):
        cable(live, path)
    live.command("ping fec0::2 1")
    live.command("ping nobody.invalid")
    live.command("ping 10.0.2.2 x")
    b = live.leave()
    check("a name that nobody knows, a count that is none: one line each",
          b.has(r"^error: no address of 'nobody\.invalid' is known$") and b.has(r"^error: expected: ping HOST"), b)
    check("a host is reached by IPv6", "received: 1" in b.output_of("ping fec0::2 1"), b)
    check("a failed ping counts in the exit status", b.status == 1, b)


def cable(live, path):
    monitor = Monitor(path)
    monitor.command("set_link", name="nic2", up=False)
    down = live.wait(r"net2: link down", 30)
    live.command("ping 10.0.2.2 1")
    refused = re.search(r"^error: (the link is down|no )", live.text, re.M)
    monitor.command("set_link", name="nic2", up=True)
    up = live.wait(r"net2: link up", 30)
    time.sleep(1)
    live.command("dhcp")
    live.command("ping 10.0.2.2 2")
    check("a cable is pulled and put back: it is seen, and the network goes on",
          down and up and refused and re.search(ANSWER, live.text.rpartition("link up")[2]), live.text[-3000:])


def late_and_flooded():
    """A cable at whose other end we are: no DHCP at first, then late; then nonsense without end."""
    wire = Wire(os.path.dirname(e2e.scratch("x")))
    live = Live(machine="qemu", memory=512, config=DHCP, timeout=300, extra=wire.words("e1000e"))
    ready = live.wait(r"^tain: ready$", 120)
    live.wait(r"^tain> \Z", 20)
    said = live.wait(r"no answer from a DHCP server in 10 s: still asking", 60)
    check("without a DHCP server the console is ready, and a warning comes later", ready and said and wire.asked, live.text)
    live.type("dhcp\r")
    live.wait(r"\bdhcp\b", 60)
    time.sleep(2)
    live.type("\x03")
    check("dhcp at the console can be given up", live.wait(r"^error: interrupted", 30), live.text)
    wire.dhcp = True
    check("a late answer is taken, though each comes twice", live.wait(r"IPv4 192\.0\.2\.77,", 90), live.text[-2000:])
    check("it answers to ping", wire.ping(1) or wire.ping(2), live.text[-2000:])
    sent = []
    flood = threading.Thread(target=lambda: sent.append(wire.flood(6)))
    flood.start()
    usable = live.command("version", 60)
    flood.join()
    check("the console works during a flood", usable and sent[0] > 1000, f"{sent} {live.text[-2000:]}")
    check("it answers to ping after a flood", any(wire.ping(n) for n in range(3, 8)), live.text[-2000:])
    live.command("net --json")
    b = live.leave()
    wire.close()
    row = record(b, "net --json")
    check("after the flood: memory is bounded, the device was believed, the counters tell",
          row.get("memory", 1 << 30) < 4 << 20 and row["bad"] == 0 and row["rx frames"] > 1000 and row["ip dropped"] > 0, b)
    check("after the flood: the run ends as it should, but for the command that failed", b.status == 1, b)


def in_bochs():
    """Bochs's 82540EM; a guest runs meanwhile; and a machine without `net =` touches nothing."""
    b = boot(config=DHCP, timeout=300, commands=["dhcp", "ping 10.0.2.2 2", "net --json", "memory"], extra=["--nic", "e1000"])
    row = record(b, "net --json")
    check("bochs: an address by DHCP, answers to ping", row.get("ipv4") == "10.0.2.15" and
          re.search(ANSWER, b.output_of("ping 10.0.2.2 2")), b)
    check("bochs: the pages of the network are told", re.search(r"^network +[1-9]", b.output_of("memory"), re.M), b)


def main():
    for test in (interfaces, late_and_flooded, in_bochs):
        if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]:
            with theme(test.__name__):
                test()
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
