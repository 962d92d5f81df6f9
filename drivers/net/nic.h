/*
 * nic.h - a network interface as its users see it: frames out, frames in, link, counters.
 *
 * Four drivers stand behind it: e1000 (82540EM), e1000e (82574L), igb (I210, I350) and virtio-net.
 *
 *     nic_send(nic, frame, length)           -> one Ethernet frame without FCS, copied
 *     nic_poll(nic)                          -> calls nic->receive for each frame that came, up to a
 *                                               budget; notes changes of the link
 *
 * Invariants
 *   - What the device writes into memory (descriptors, used rings, lengths, indices) is untrusted
 *     input: each value is checked before it is used, a wrong one is counted in stats.bad, and a
 *     ring that makes no sense stops the interface, not the machine.
 *   - Frames are copied out of DMA memory before anybody looks into them.
 *   - Rings and buffers belong to PAGE_NET: never to a guest, never private.
 *   - A driver waits for its device only while it starts it, and only for a bounded time.
 *
 * Locking  the boot CPU's run loop only; an interrupt handler sets nic->pending and nothing else.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_NIC_H
#define TAIN_NET_NIC_H

#include "drivers/net/hostpci.h"
#include "kernel/base/types.h"

#define NIC_FRAME_MIN 14u   /* an Ethernet header */
#define NIC_FRAME_MAX 1518u /* with a VLAN tag, without FCS */
#define NIC_BUDGET    64u   /* frames taken in one poll: a flood leaves time to the others */
#define NIC_MAX       8u

enum { NIC_INTERRUPT = 1, NIC_AGAIN = 2 };

struct nic;

struct nic_ops {
	/* The buffer of the next free transmit slot, NIC_FRAME_MAX bytes, or NULL: all are busy. */
	void *(*send_buffer)(struct nic *nic);
	/* Send the first @length bytes of it. */
	void (*send)(struct nic *nic, size_t length);
	/* Hand up to @budget received frames to nic_deliver(); how many. */
	unsigned (*receive)(struct nic *nic, unsigned budget);
	/* Has a frame come? Looks at memory only: asked each round where nothing interrupts. */
	bool (*waiting)(const struct nic *nic);
	/* Read the link's state into nic->link_up and nic->mbps. */
	void (*link)(struct nic *nic);
	/* After an interrupt, before looking: what caused it is taken. Then, after looking: let it come. */
	void (*irq_ack)(struct nic *nic);
	void (*irq_arm)(struct nic *nic);
	/* Receive frames for every address, or only for ours. */
	void (*promiscuous)(struct nic *nic, bool on);
	/* Stop all DMA. */
	void (*stop)(struct nic *nic);
};

/* Counters of frames; bytes without FCS. */
struct nic_stats {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_errors;  /* the device said that the frame is damaged */
	uint64_t rx_dropped; /* too long, too short, or nobody had room */
	uint64_t rx_missed;  /* the device had no buffer, where it counts that */
	uint64_t tx_full;    /* refused: all slots busy */
	uint64_t bad;        /* what the device wrote made no sense */
	uint64_t interrupts, polls, link_changes;
};

struct nic {
	const struct nic_ops *ops;
	const char *model; /* "virtio-net", "82540EM", ... */
	char name[12];     /* "net0" */
	struct pci_at at;
	uint8_t mac[6];
	bool link_up;
	bool broken; /* stopped: stats.bad says how often it made no sense */
	unsigned mbps;
	const char *irq; /* "MSI-X", "MSI", "polled" */
	unsigned vector; /* 0: polled */
	uint32_t pending; /* atomic: NIC_INTERRUPT or NIC_AGAIN since the last poll */
	struct nic_stats stats;

	/* Each received frame, in memory that is valid during the call only. Set by the owner. */
	void (*receive)(void *ctx, const uint8_t *frame, size_t length);
	/* Where the next one, of @length bytes, shall lie then; NULL, or it says NULL: in the driver's. */
	void *(*room)(void *ctx, size_t length);
	void *receive_ctx;
	uint64_t link_look; /* TSC: the link is looked at again then */
	void *driver;       /* the driver's own state */
};

/*
 * Look for interfaces on the PCI buses and start each: up to NIC_MAX. Returns how many. One that
 * cannot be started is said in one line and left out.
 */
unsigned nic_find(void);
unsigned nic_count(void);
struct nic *nic_get(unsigned index); /* NULL: no such */
/* By its name (net1), its model (the first of it), its MAC or its PCI address; NULL: none is it. */
struct nic *nic_named(const char *word);

/* One frame. 0; -EMSGSIZE; -EAGAIN: no free slot; -EIO: the interface is stopped. */
int nic_send(struct nic *nic, const void *frame, size_t length) MUST_CHECK;

/* Take what has come, up to NIC_BUDGET frames, and look at the link. True: there may be more. */
bool nic_poll(struct nic *nic);

/* An interrupt came that nobody has looked at; where nothing interrupts: a frame has come. */
static inline bool nic_wants_poll(const struct nic *nic)
{
	return __atomic_load_n(&nic->pending, __ATOMIC_ACQUIRE) ||
	       (!nic->vector && !nic->broken && nic->ops->waiting(nic));
}

/* For drivers: a frame of @length bytes lies at @frame (DMA memory: it is copied first). */
void nic_deliver(struct nic *nic, const volatile void *frame, size_t length);
/* For drivers: the device wrote something that makes no sense; @what is said once. */
void nic_bad(struct nic *nic, const char *what);
/* Likewise, and nothing it writes can be trusted any more: it is stopped. */
void nic_break(struct nic *nic, const char *what);
/* For drivers: poll soon again, though no interrupt came. */
void nic_again(struct nic *nic);
/* After ops->send_buffer() gave a buffer and it was filled: send and count it. */
void nic_send_filled(struct nic *nic, size_t length);

#endif
