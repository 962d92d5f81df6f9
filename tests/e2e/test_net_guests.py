#!/usr/bin/python3
"""Guests on a switch: who hears whom, who hears nothing, what a forger and a flood get, and how soon a frame
is there. Small guests with a driver of their own, two of them trust domains: `ann` and `ben` (TDs) and
`cid` on one network, `dan` on another. With TAIN_LONG Debian's kernels, too.
"""
import os
import re

import e2e
import net_guests
from e2e import boot, check, theme

GUESTS = {"ann": "td", "ben": "td", "cid": "vm", "dan": "vm"}
NETWORK = {"dan": "other"}
SLICE = 1_000_000  # ticks: 5 ms of the emulator's clock
ECHOES, FLOOD, QUEUE = 100, 2000, 64
NOTHING = "broadcasts 0 words 0 echoes 0 answers 0 wrong 0"


def section(name, kind):
    image = r"firmware = \tain\net_td.fd" if kind == "td" else r"image = \tain\net_vm.elf"
    image += "\nattributes = debug" if kind == "td" else ""  # one is held
    return f"[{kind} {name}]\n{image}\nmemory = 32M\nnetwork = {NETWORK.get(name, 'lan')}\n"


def order(name, keys, answer, seconds=100):
    """Commands: @keys typed to @name, until it says @answer."""
    return [f"type {name} {keys}", f'expect {name} "net: {answer}" {seconds}']


def start(*names):
    return [f"start {name}" for name in names] + [f'expect {name} "net: ready" 100' for name in names]


def commands():
    todo = start("ann", "ben")
    todo += order("ann", "b", "sent") + order("ben", "r", "broadcasts 1 ")
    todo += order("ben", "e", f"answers {ECHOES} ", 300) + ["stats ann"]
    todo += start("cid", "dan")
    todo += order("ann", "b", "sent") + order("cid", "r", "broadcasts 1 words 0 ")
    todo += order("cid", "u", "sent") + order("ann", "r", "broadcasts 0 words 1 ")
    todo += order("ben", "u", "sent") + order("ann", "r", "broadcasts 0 words 2 ")
    # Nobody's, a forged one, one too short and one too long: what ann says next is heard after them.
    for key in "xfsb":
        todo += order("ann", key, "sent")
    todo += order("ben", "r", f"broadcasts 3 words 0 echoes 0 answers {ECHOES} wrong 0")
    todo += order("cid", "r", "broadcasts 2 words 0 echoes 0 answers 0 wrong 0")
    todo += order("dan", "b", "sent")
    todo += ["hold ben"] + order("ann", "F", "flooded", 400) + ["version", "stats ben", "continue ben"]
    todo += order("ben", "r", f"broadcasts {3 + QUEUE} words 0 ") + order("dan", "n", NOTHING)
    todo += ["stats ann", "stats dan"] + order("cid", "F", "flooded", 400)
    for name in GUESTS:
        todo += [f"type {name} q", f"wait {name} 60"]
    return todo + ["memory"]


def count(said, name):
    """Of the last such line."""
    found = re.findall(rf"^frames {name} +(\d+)$", said, re.M)
    return int(found[-1]) if found else None


def outputs(text, command):
    """What each typing of @command said."""
    return re.findall(rf"^tain> {command}\n(.*?)^tain> ", text, re.M | re.S)


def main():
    guests = os.path.join(e2e.ROOT, "build", "guests")
    files = [(os.path.join(guests, name), rf"\tain\{name}") for name in ("net_td.fd", "net_vm.elf")]
    files.append((e2e.write("talk.txt", "\n".join(commands()) + "\n"), r"\tain\talk.txt"))
    config = "[tain]\nscript = \\tain\\talk.txt\n" + "".join(section(*each) for each in GUESTS.items())
    b = boot(cpus=2, config=config, files=files)
    check("all that was expected is said", b.status == 0, b)
    echoes = re.search(rf"^ben\| net: answers {ECHOES} ticks each (\d+)$", b.text, re.M)
    check("no echo between two TDs is lost", echoes, b)
    check("a guest that runs has a frame long before its slice ends", echoes and int(echoes[1]) < SLICE / 10,
          echoes and echoes[1])
    for name in GUESTS:
        check(f"{name} left", b.has(rf"^{name}\| net: left$"), b)
    ann, dan = (outputs(b.text, f"stats {name}") or [""] for name in ("ann", "dan"))
    check("a frame under another's address is dropped and counted", count(ann[-1], "forged") == 1, ann[-1][-600:])
    check("so are one too short and one too long", count(ann[-1], "bad") == 2, ann[-1][-600:])
    check("a kick for a frame is counted", (count(ann[0], "wakes") or 0) > 0, ann[0][-600:])
    check("another network hears nothing", count(dan[-1], "received") == 0 and count(dan[-1], "sent") == 1,
          dan[-1][-600:])
    ben = b.output_of("stats ben")
    check("who does not listen has a full queue, and what came beyond is counted",
          count(ben, "dropped") == FLOOD - QUEUE, ben[-600:])
    check("the switch gives its memory back", re.search(r"^network +0 ", b.output_of("memory"), re.M),
          b.output_of("memory"))


if __name__ == "__main__":
    with theme("small guests"):
        main()
    if os.environ.get("TAIN_LONG"):
        with theme("Linux guests on a switch"):
            net_guests.run()
    e2e.finish()
