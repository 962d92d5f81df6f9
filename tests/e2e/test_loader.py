#!/usr/bin/python3
"""The loader and hostile sticks: whatever lies there, the console comes up and one line says why."""
import random
import sys

import e2e
from e2e import boot, check, theme


def config_on_stick(content, files=()):
    return boot(machine="qemu", config="none", timeout=100, commands=["memory"],
                files=[(e2e.write("given.cfg", content), "tain/tain.cfg"), *files])


def garbage():
    b = config_on_stick(random.Random(7).randbytes(65536))
    check("64 KiB of random bytes as tain.cfg: the console comes up", b.has(r"^tain: ready$"), b)
    check("and says that it is no configuration", b.has(r"tain\.cfg:\d+:"), b)


def empty():
    b = config_on_stick("")
    check("an empty tain.cfg is a configuration without guests",
          b.status == 0 and b.has(r"^tain: ready$") and not b.has(r"error: tain\.cfg"), b)


def oversized():
    b = config_on_stick("# filler\n" * 150000)
    check("a tain.cfg larger than 1 MiB is refused in one line, and the console comes up",
          b.has(r"larger than 1 MiB") and b.has(r"^tain: ready$"), b)


def odd_files():
    config = "\n".join([
        "[vm folder]", "image = \\tain", "memory = 16M",
        "[vm empty]", "image = \\tain\\empty.bin", "memory = 16M",
        "[vm missing]", "image = /tain/nothing.bin", "memory = 16M",
        "[vm long]", "image = \\" + "x" * 300, "memory = 16M",
        "[vm foreign]", "image = \\tain\\\u00fcml\u00e4ut.bin", "memory = 16M", ""])
    b = config_on_stick(config, [(e2e.write("empty", b""), "tain/empty.bin")])
    check("files that are folders, empty, missing, too long or foreign do not stop the boot",
          b.has(r"^tain: ready$"), b)
    for line, name in ((2, "folder"), (5, "empty"), (8, "missing"), (11, "long"), (14, "foreign")):
        check(f"[vm {name}] is refused with its line", b.has(rf"tain\.cfg:{line}: .*{name}"), b)


def many_files():
    names = [f"f{i}.bin" for i in range(60)]
    config = "".join(f"[vm g{i}]\nimage = \\tain\\{n}\nmemory = 16M\n" for i, n in enumerate(names))
    files = [(e2e.write(n, bytes([i]) * (1000 * i + 1)), f"tain/{n}") for i, n in enumerate(names)]
    b = config_on_stick(config, files)
    check("60 files of odd sizes are read", b.has(r"^tain: ready$") and
          not b.has(r"no such file|cannot be read"), b)


def main():
    for test in (garbage, empty, oversized, odd_files, many_files):
        with theme(test.__name__):
            test()
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
