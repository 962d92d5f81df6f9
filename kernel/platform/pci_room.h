/*
 * pci_room.h - what pci.c and pci_function.c tell each other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PCI_ROOM_H
#define TAIN_PLATFORM_PCI_ROOM_H

#include "kernel/platform/pci.h"

/* pci_function.c: the guest wrote to the configuration space of @fn. */
void pci_config_changed(struct pci_function *fn);

/*
 * pci_function.c: the guest reads, or has just written, @bytes at @at of the configuration space of @fn:
 * if that is the data of its window into the BARs, the access is made there.
 */
void pci_bar_access(struct pci_function *fn, unsigned at, unsigned bytes, bool write);

#endif
