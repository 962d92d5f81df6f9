#!/usr/bin/python3
"""tain.cfg as it should not be: each mistake is one line with its number, and costs one guest."""
import e2e
from e2e import boot, check, theme

# Every section but [vm good] has one mistake; the number is its line's, found by the marker.
MISTAKES = """\
[tain]
start = good, unknown, sizes, missing
colour = blue                  #! unknown key 'colour'
baud = fast                    #! baud: 'fast' is not a number
log = loud                     #! log: 'loud' is none of error, warn, info, debug, trace
module = maybe                 #! module: 'maybe' is none of
gdb = com9                     #! gdb: 'com9' is none of
this is no line                #! expected [section] or key = value
[vm good]
image = \\tain\\good.bin
load = 1M
memory = 4M
[vm unknown]
image = \\tain\\good.bin
memroy = 16M                   #! [vm unknown] unknown key 'memroy'
[td sizes]
firmware = \\tain\\good.bin
memory = 17179869184G          #! [td sizes] memory: 17179869184G does not fit in 64 bits
[td negative]
firmware = \\tain\\good.bin
memory = -1M                   #! [td negative] memory: '-1M' is not a size
[td odd]
firmware = \\tain\\good.bin
memory = 1000001               #! [td odd] memory: 1000001 is not a multiple of 4K
[td many]
firmware = \\tain\\good.bin
vcpus = 100000                 #! [td many] vcpus: 100000 is outside 1 to
[td missing]
firmware = \\tain\\nowhere.fd  #! [td missing] firmware: \\tain\\nowhere.fd: no such file
[td empty]
firmware = \\tain\\empty.fd    #! [td empty] firmware: \\tain\\empty.fd: the file is empty
[td attr]
firmware = \\tain\\good.bin
attributes = debug, shiny      #! [td attr] attributes: 'shiny' is none of debug, sept-ve-disable, no-rbp-mod
[td wrongkind]
firmware = \\tain\\good.bin
load = 1M                      #! [td wrongkind] load belongs in a [vm] section
[vm beyond]
image = \\tain\\good.bin
memory = 1M
load = 2M
[vm twice]
image = \\tain\\good.bin
memory = 1M
memory = 2M                    #! [vm twice] memory is given twice
[vm good]                      #! guest good is already defined in line 9
memory = nonsense
[vm no/slash]                  #! 'no/slash' is no name for a guest
[warp drive]                   #! [warp drive] is no section
[td noimage]                   #! [td noimage] needs firmware or kernel
[vm unclosed                   #! a section needs its closing ]
"""


def every_mistake():
    good = e2e.write("good.bin", b"\xf4" * 64)
    empty = e2e.write("empty.fd", b"")
    b = boot(machine="qemu", config=MISTAKES, commands=["guests --json", "start sizes", "doctor"],
             files=[(good, r"\tain\good.bin"), (empty, r"\tain\empty.fd")])
    for number, line in enumerate(MISTAKES.splitlines(), 1):
        _, mark, says = line.partition("#! ")
        if mark:
            check(f"line {number}: {says}", f"tain.cfg:{number}: {says}" in b.text, b)
    beyond = MISTAKES.splitlines().index("[vm beyond]") + 1
    check("what a section lacks or contradicts names the section's line",
          f"tain.cfg:{beyond}: [vm beyond] load lies beyond the guest's memory" in b.text, b)
    check("each mistake is told once", b.text.count("unknown key 'colour'") == 1, b)
    check("the boot goes on to the console", b.has(r"^tain: ready$") and b.status == 0, b)
    listed = b.output_of("guests --json")
    check("a spoilt guest is listed as refused", '"name": "sizes", "kind": "td", "state": "refused"'
          in listed, listed)
    check("the good guest is not refused by the configuration",
          '"name": "good", "kind": "vm", "state": "refused"' not in listed and '"good"' in listed, listed)
    check("starting a refused guest says why, with its line",
          "error: tain.cfg:" in b.output_of("start sizes") and
          "does not fit in 64 bits" in b.output_of("start sizes"), b)


def no_text_at_all():
    noise = bytes((i * 7919 + (i >> 3) * 31) & 0xff for i in range(40000))
    path = e2e.write("noise.cfg", noise)
    b = boot(machine="qemu", commands=["guests"], extra=["--config", path])
    check("a configuration of 40 000 random bytes is survived", b.status == 0 and
          b.has(r"^tain: ready$"), b)
    check("what is wrong in it is told, up to a limit", 1 <= b.text.count("tain.cfg:") <= 200, b)
    path = e2e.write("empty.cfg", b"")
    b = boot(machine="qemu", commands=["guests"], extra=["--config", path])
    check("an empty configuration is the defaults", b.status == 0 and "no guests" in b.text, b)


def many_guests():
    config = "[tain]\nstart = g0\n" + "".join(f"[vm g{i}]\nkernel = \\k\n" for i in range(80))
    b = boot(machine="qemu", config=config, commands=["guests"])
    check("more guests than there is room for: the rest is refused by name",
          b.has(r"more than \d+ guests: g79 is ignored") and b.status == 0, b)


def main():
    for test in (every_mistake, no_text_at_all, many_guests):
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    main()
