#!/usr/bin/python3
"""A stick made by `make image KEY= CERT=` starts under Secure Boot; an unsigned one does not."""
import os
import shutil
import subprocess
import sys

import e2e
from e2e import boot, check, theme

# The package ovmf brings a key that its "snakeoil" variable store trusts, for tests like this one.
SNAKEOIL = "/usr/share/ovmf/PkKek-1-snakeoil"


def main():
    key, signed = e2e.scratch("key.pem"), e2e.scratch("signed.efi")
    plain = os.path.join(e2e.ROOT, "build", "tain.efi")
    with theme("secure boot"):
        subprocess.run(["openssl", "rsa", "-in", SNAKEOIL + ".key", "-passin", "pass:snakeoil",
                        "-out", key], check=True, stderr=subprocess.DEVNULL)
        made = subprocess.run(["sbsign", "--key", key, "--cert", SNAKEOIL + ".pem", "--output",
                               signed, plain], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        check("tain.efi can be signed without a complaint",
              made.returncode == 0 and b"warning" not in made.stdout.lower(),
              made.stdout.decode())
        b = boot(machine="qemu", commands=["version"], timeout=150,
                 extra=["--secure-boot", "--efi", signed])
        check("the signed image boots under Secure Boot", b.status == 0, b)
        check("and knows that Secure Boot is on", b.has(r"secure boot: (yes|on)"), b)
        b = boot(machine="qemu", timeout=30, extra=["--secure-boot", "--efi", plain])
        check("the unsigned image is refused by the firmware",
              b.status == 124 and not b.has(r"^tain: ready"), b)
    with theme("make image"):
        folder = e2e.scratch("image")
        os.mkdir(folder)
        image = os.path.join(folder, "tain.img")
        shutil.copy(signed, os.path.join(folder, "BOOTX64.EFI"))
        done = subprocess.run([os.path.join(e2e.ROOT, "tools", "mkimage"), image,
                               os.path.join(folder, "BOOTX64.EFI") + "=EFI/BOOT/BOOTX64.EFI"],
                              check=False)
        table = subprocess.run(["/usr/sbin/sgdisk", "-p", "-v", image], check=False,
                               stdout=subprocess.PIPE).stdout.decode()
        check("the stick is a sound GPT disk with one EFI system partition",
              done.returncode == 0 and "No problems found" in table and table.count("EF00") == 1,
              table)
        b = boot(machine="qemu", timeout=60, extra=["--image", image])
        check("and boots as it is", b.status == 0, b)
    e2e.finish()


if __name__ == "__main__":
    sys.exit(main())
