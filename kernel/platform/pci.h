/*
 * pci.h - PCI bus 0: configuration by mechanism #1 (ports CF8h, CFCh) and by ECAM, the functions of
 * a i440FX PC (host bridge 0:0.0, ISA bridge 0:1.0, power management 0:1.3), and what a device
 * model needs of its function: memory BARs, capabilities, MSI-X, INTx.
 *
 * Invariants
 *   - A function's 256 bytes of configuration space have a mask of writable bits; a write outside
 *     it changes nothing.
 *   - A function that does not exist reads all ones.
 *   - A BAR answers only where the guest has put it, inside the PCI window, and while memory decoding
 *     is on; where two overlap the first function answers.
 *   - An MSI-X message that is masked stays pending until it is not.
 *
 * Values: 82441FX and 82371AB data sheets; PCI Local Bus 3.0; PCI Express ECAM.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_PLATFORM_PCI_H
#define TAIN_PLATFORM_PCI_H

#include "kernel/base/types.h"
#include "kernel/platform/intr.h"
#include "kernel/platform/memory.h"
#include "kernel/platform/mmio.h"

#define PCI_FUNCTIONS_MAX 10
#define PCI_SLOTS         8 /* devices that may be there */
#define PCI_MSIX_MAX      8
#define PCI_ECAM_GPA      UINT64_C(0xfd000000) /* bus 0 only */
#define PCI_ECAM_SIZE     UINT64_C(0x100000)
#define PCI_WINDOW_LAST   UINT64_C(0xfbffffff)

enum { PCI_CAP_VENDOR = 0x09, PCI_CAP_MSIX = 0x11 };

struct pci_bar {
	uint32_t size; /* a power of two, 16 at least; 0: none */
	mmio_read_fn read;
	mmio_write_fn write;
	void *device;
};

struct pci_msix_entry {
	uint64_t address;
	uint32_t data, control; /* bit 0: masked */
};

struct pci_function {
	struct pci *pci;
	uint8_t device, function;
	uint8_t config[256];
	uint8_t writable[256];
	struct pci_bar bar[6];
	uint8_t last_capability; /* 0: none yet */
	unsigned next_free;      /* where the next capability goes */
	uint8_t msix_at;         /* of its capability; 0: none */
	uint8_t access_at;       /* of virtio's window into the BARs; 0: none */
	unsigned msix_vectors;
	struct pci_msix_entry msix[PCI_MSIX_MAX];
	uint32_t msix_pending;
	bool intx;               /* it asserts its INTx pin */
};

struct pci {
	uint32_t address; /* CF8h */
	struct intr *intr;
	struct pci_function fn[PCI_FUNCTIONS_MAX];
	unsigned count;
	uint64_t window_base;
	uint64_t reads, writes, absent; /* absent: accesses to a function that is not there */
	void (*reset)(void *ctx);       /* port CF9h, which lies inside CF8h to CFBh */
	void *ctx;
};

/* The PCI window begins above low RAM, and not below 2 GiB: where stock firmware puts BARs. */
static inline uint64_t pci_window_base(uint64_t low_ram)
{
	uint64_t low = align_up(low_ram, SIZE_2M);

	return low < UINT64_C(0x80000000) ? UINT64_C(0x80000000) : low;
}

static inline unsigned pci_intx_gsi(unsigned device, unsigned pin)
{
	return GSI_PCI_FIRST + (device + pin) % GSI_PCI_COUNT;
}

/* The bus with its three functions, of a guest with @low_ram bytes below 4 GiB. */
void pci_init(struct pci *pci, struct intr *intr, uint64_t low_ram, void (*reset)(void *ctx),
	      void *ctx);

/* A new function with @vendor, @device_id and class; NULL: table full or taken. */
struct pci_function *pci_add(struct pci *pci, unsigned device, unsigned function,
			     uint32_t vendor_device, uint32_t class_revision) MUST_CHECK;

/* ---- for device models, before the guest runs ---- */

/* 32-bit memory BAR @index. */
void pci_add_bar(struct pci_function *fn, unsigned index, const struct pci_bar *bar);

/*
 * A capability: @body follows its two-byte header; bits of @writable (NULL: none) may be changed by
 * the guest. The offset of its header, or 0: no room.
 */
uint8_t pci_add_capability(struct pci_function *fn, uint8_t id, const void *body,
			   const void *writable, unsigned bytes) MUST_CHECK;

/* MSI-X with @vectors (PCI_MSIX_MAX at most), table and pending bits in BAR @bar. 0 or -ENOSPC. */
int pci_add_msix(struct pci_function *fn, unsigned vectors, unsigned bar, uint32_t table,
		 uint32_t pending) MUST_CHECK;

/*
 * virtio's capability through which a driver without a mapping reaches the BARs: it writes BAR, offset
 * and length, and then reads or writes four bytes of data. 0 or -ENOSPC.
 */
int pci_add_bar_access(struct pci_function *fn) MUST_CHECK;

/* ---- for device models, while it runs; under the platform's lock ---- */

bool pci_is_master(const struct pci_function *fn);
bool pci_msix_enabled(const struct pci_function *fn);
void pci_msix_fire(struct pci_function *fn, unsigned vector);
uint64_t pci_msix_read(struct pci_function *fn, uint64_t offset, unsigned bytes);
void pci_msix_write(struct pci_function *fn, uint64_t offset, unsigned bytes, uint64_t value);
uint64_t pci_msix_pending(const struct pci_function *fn);

/* Pin A of @fn, wired to its GSI together with others. */
void pci_intx(struct pci_function *fn, bool asserted);

/* ---- accesses ---- */

uint32_t pci_address_read(void *pci, unsigned offset, unsigned bytes);
void pci_address_write(void *pci, unsigned offset, unsigned bytes, uint32_t value);
uint32_t pci_data_read(void *pci, unsigned offset, unsigned bytes);
void pci_data_write(void *pci, unsigned offset, unsigned bytes, uint32_t value);
uint64_t pci_ecam_read(void *pci, uint64_t offset, unsigned bytes);
void pci_ecam_write(void *pci, uint64_t offset, unsigned bytes, uint64_t value);

/* In the PCI window, by offset from its base. */
bool pci_window_claims(void *pci, uint64_t offset, unsigned bytes);
uint64_t pci_window_read(void *pci, uint64_t offset, unsigned bytes);
void pci_window_write(void *pci, uint64_t offset, unsigned bytes, uint64_t value);

#endif
