#!/usr/bin/python3
"""Guests on a switch: who hears whom, who hears nothing, what a forger and a flood get, and how soon a frame
is there. Small guests with a driver of their own, two of them trust domains: `ann` and `ben` (TDs) and
`cid` on one network, `dan` on another. With TAIN_LONG Debian's kernels, too.
"""
import json
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
    todo = start("ann", "ben", "cid")  # a CPU each
    todo += order("ann", "b", "sent") + order("ben", "r", "broadcasts 1 ") + order("cid", "r", "broadcasts 1 words 0 ")
    for name in ("ben", "cid"):
        todo += order(name, "e", f"answers {ECHOES} ", 300)
    todo += ["stats ann"] + start("dan")
    todo += order("cid", "u", "sent") + order("ann", "r", "broadcasts 0 words 1 ")
    todo += order("ben", "u", "sent") + order("ann", "r", "broadcasts 0 words 2 ")
    # Nobody's, a forged one, one too short and one too long: what ann says next is heard after them.
    for key in "xfsb":
        todo += order("ann", key, "sent")
    for name in ("ben", "cid"):
        todo += order(name, "r", f"broadcasts 2 words 0 echoes 0 answers {ECHOES} wrong 0")
    # A cable pulled and put back: of two broadcasts one is heard.
    todo += ["link cid down"] + order("ann", "b", "sent") + ["networks --json", "link cid up", "-link cid sideways"]
    todo += order("ann", "b", "sent") + order("cid", "r", f"broadcasts 3 words 0 echoes 0 answers {ECHOES} wrong 0")
    todo += order("dan", "b", "sent")
    todo += ["hold ben"] + order("ann", "F", "flooded", 400) + ["version", "stats ben", "continue ben"]
    todo += order("ben", "r", f"broadcasts {4 + QUEUE} words 0 ") + order("dan", "n", NOTHING)
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
    b = boot(cpus=3, config=config, files=files)
    check("all that was expected is said", b.status == 0, b)
    for name in ("ben", "cid"):
        ticks = re.search(rf"^{name}\| net: answers {ECHOES} ticks each (\d+)$", b.text, re.M)
        check(f"no echo between a TD and {name} is lost", ticks, b)
        check(f"ann and {name} have frames long before their slices end", ticks and int(ticks[1]) < SLICE / 10,
              ticks and ticks[1])
    for name in GUESTS:
        check(f"{name} left", b.has(rf"^{name}\| net: left$"), b)
    ann, dan = (outputs(b.text, f"stats {name}") or [""] for name in ("ann", "dan"))
    check("a frame under another's address is dropped and counted", count(ann[-1], "forged") == 1, ann[-1][-600:])
    check("so are one too short and one too long", count(ann[-1], "bad") == 2, ann[-1][-600:])
    check("a kick for a frame is counted", (count(ann[0], "wakes") or 0) > 0, ann[0][-600:])
    check("another network hears nothing", count(dan[-1], "received") == 0 and count(dan[-1], "sent") == 1,
          dan[-1][-600:])
    rows = re.findall(r"^(\[\{.*\}\])$", b.output_of("networks --json"), re.M)
    rows = {row["guest"]: row for row in json.loads(rows[-1])} if rows else {}
    check("networks tells who is where, and whose cable is pulled",
          {name: (row["network"], row["link"]) for name, row in rows.items()} ==
          {name: (NETWORK.get(name, "lan"), "down" if name == "cid" else "up") for name in GUESTS}, rows)
    check("each has an address of its own", len({row["mac"] for row in rows.values()}) == len(GUESTS), rows)
    check("what a pulled cable loses is counted", rows.get("cid", {}).get("dropped") == 1, rows)
    check("a cable is in or pulled", b.has(r"^error: expected: link NAME up\|down$"), b)
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
