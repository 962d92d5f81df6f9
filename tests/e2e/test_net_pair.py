#!/usr/bin/python3
"""test_net_pair: two Tains on one cable (QEMU, a socket pair), nobody else on it: fixed addresses, pings both ways, IPv6 by
link-local addresses, the one's metrics fetched by the other, one that goes away.
"""
import re

import e2e
from e2e import Live, check, theme

CONFIG = """[tain]
net = 192.0.2.{number}/24
http = 80 from 192.0.2.0/24
"""


class Machine(Live):
    """One of the two: its number is its address, its end of the cable a socket file."""

    def __init__(self, number, other, model):
        ends = f"{e2e.scratch(f'end{number}')},{e2e.scratch(f'end{other}')}"
        super().__init__(machine="qemu", memory=512, config=CONFIG.format(number=number), timeout=400,
                         extra=["--nic", f"{model}@{ends}"])
        self.other = other

    def said(self, command):
        """What the last @command printed."""
        self.command(command, 120)
        return self.text.rpartition(f"tain> {command}\n")[2]


def main():
    one, two = Machine(1, 2, "virtio-net"), Machine(2, 1, "e1000e")
    for each in (one, two):
        check(f"machine {3 - each.other}: a console, and its address", each.wait(r"^tain: ready$", 240) and
              each.wait(r"^tain> \Z", 60) and f"IPv4 192.0.2.{3 - each.other}," in each.text, each.text[-2000:])
    for each in (one, two):
        said = each.said(f"ping 192.0.2.{each.other} 3")
        check(f"machine {each.other} answers to machine {3 - each.other}", re.search(r"^received: 3$", said, re.M), said)
    link = re.search(r"fe80:[0-9a-f:]+", two.said("net"), re.I)
    said = one.said(f"ping {link[0]} 2") if link else ""
    check("and by IPv6, of which nobody configured anything", re.search(r"^received: 2$", said, re.M),
          f"{said} {two.text[-1500:]}")
    said = one.said("fetch http://192.0.2.2/metrics")
    length = re.search(r"^bytes: (\d+)$", said, re.M)
    check("one fetches the metrics of two", length and int(length[1]) > 2000 and "sha256: " in said, said)
    check("two counts the request", re.search(r"^http answered +1\b", two.said("uses"), re.M), two.text[-1500:])
    said = two.said("fetch http://192.0.2.1/none")
    check("a page that is none is said to be none", re.search(r"^error: 404: ", said, re.M), said)
    said = two.said("fetch http://192.0.2.1:81/metrics")
    check("a port where nobody listens", re.search(r"^error: no connection", said, re.M), said)
    end = two.leave()
    check("two ends with the commands that failed", end.status == 1, end)
    said = one.said("ping 192.0.2.2 1")
    check("one notices that two is gone, and goes on", re.search(r"^received: 0$|^error: ", said, re.M) and one.command("version"),
          said)
    end = one.leave()
    check("one ends with the ping that failed", end.status == 1, end)


if __name__ == "__main__":
    with theme("pair"):
        main()
    e2e.finish()
