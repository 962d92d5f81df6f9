"""esp.py - disk images with one FAT32 ESP, made without root.

GPT by sgdisk, the file system by mtools on a part of the image. Used by tools/run (a temporary image
for each run) and tools/mkimage (what is written to a stick).
"""
import os
import subprocess

MIB = 1 << 20
START = MIB                 # the ESP's offset in the image
FAT32_MIN = 34 * MIB        # FAT32 needs 65525 clusters; one sector each is enough for a small disk
TOOL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class ImageError(Exception):
    """One line for the user."""


def tool(*words):
    """Run one tool quietly; its message is the error."""
    done = subprocess.run(words, env={"PATH": TOOL_PATH, "MTOOLS_SKIP_CHECK": "1"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode:
        text = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise ImageError(f"{words[0]} failed: {text[-1] if text else done.returncode}")


def parse_pair(word):
    """HOSTFILE=ESPPATH -> (host, esp with forward slashes)."""
    host, sign, esp = word.rpartition("=")
    if not sign or not host or not esp:
        raise ImageError(f"{word}: expected HOSTFILE=ESPPATH")
    return host, esp.replace("\\", "/").strip("/")


def folders_of(paths):
    """All folders above the paths, outermost first, each once (FAT ignores case)."""
    seen = {}
    for path in paths:
        parts = path.split("/")[:-1]
        for i in range(len(parts)):
            folder = "/".join(parts[:i + 1])
            seen.setdefault(folder.lower(), folder)
    return sorted(seen.values(), key=lambda f: f.count("/"))


def make(image, files, spare=4 * MIB):
    """Write @image with @files, a list of (host path, path on the ESP)."""
    total = spare
    for host, esp in files:
        if not os.path.isfile(host):
            raise ImageError(f"{host}: no such file (wanted as {esp})")
        total += os.path.getsize(host) + 4096
    # Whole MiB; clusters grow with the size so that the tables stay small.
    size = max(FAT32_MIN, -(-(total + total // 64) // MIB) * MIB)
    cluster = 1
    while size // (512 * cluster) > 4 * 65525:
        cluster *= 2
    with open(image, "wb") as out:
        out.truncate(START + size + MIB)
    first, last = START // 512, (START + size) // 512 - 1
    tool("sgdisk", "-a", "1", "-n", f"1:{first}:{last}", "-t", "1:ef00", "-c", "1:TAIN", image)
    part = f"{image}@@{START}"
    tool("mformat", "-i", part, "-F", "-c", str(cluster), "-T", str(size // 512), "-h", "64",
         "-s", "32", "-H", str(first), "-v", "TAIN", "::")
    folders = folders_of([esp for _, esp in files])
    if folders:
        tool("mmd", "-i", part, *["::/" + f for f in folders])
    for host, esp in files:
        tool("mcopy", "-o", "-i", part, host, "::/" + esp)
