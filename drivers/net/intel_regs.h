/*
 * intel_regs.h - registers and descriptors of Intel's gigabit controllers, as far as they are used.
 *
 * Public data sheets: PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual
 * (8254x), 82574L, I210 and I350 data sheets; chapters "Register Descriptions" and "Legacy ... Descriptor".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_NET_INTEL_REGS_H
#define TAIN_NET_INTEL_REGS_H

#include "kernel/base/types.h"

enum {
	REG_CTRL = 0x0000,
	REG_STATUS = 0x0008,
	REG_EERD = 0x0014,
	REG_ITR = 0x00c4, /* 8254x, 82574; igb: EITR */
	REG_RCTL = 0x0100,
	REG_TCTL = 0x0400,
	REG_TIPG = 0x0410,
	REG_MPC = 0x4010, /* missed packets, cleared by reading */
	REG_MTA = 0x5200, /* multicast table, 128 words */
	REG_RAL0 = 0x5400,
	REG_RAH0 = 0x5404,

	/* Interrupts: of 8254x and 82574, and of igb */
	REG_ICR_OLD = 0x00c0,
	REG_ICR_IGB = 0x1500,
	/* from ICR: cause, cause set, mask set, mask clear */
	ICR_OLD_IMS = 0x10,
	ICR_OLD_IMC = 0x18,
	ICR_IGB_IMS = 0x08,
	ICR_IGB_IMC = 0x0c,
	REG_EITR0 = 0x1680, /* igb */

	/* Queue 0: of 8254x and 82574, and of igb; the registers of a queue from there on */
	REG_RX_OLD = 0x2800,
	REG_RX_IGB = 0xc000,
	REG_TX_OLD = 0x3800,
	REG_TX_IGB = 0xe000,
	RING_BASE_LOW = 0x00,
	RING_BASE_HIGH = 0x04,
	RING_BYTES = 0x08,
	RING_SRRCTL = 0x0c, /* igb, receive */
	RING_HEAD = 0x10,
	RING_TAIL = 0x18,
	RING_CONTROL = 0x28, /* RXDCTL, TXDCTL */
};

#define CTRL_SLU        BIT32(6)  /* set link up */
#define CTRL_ASDE       BIT32(5)  /* speed as the PHY found it */
#define CTRL_RST        BIT32(26)
#define CTRL_UNUSED     (BIT32(3) | BIT32(7) | BIT32(31)) /* LRST, ILOS, PHY_RST */

#define STATUS_LU       BIT32(1)
#define STATUS_SPEED    6 /* 2 bits: 10, 100, 1000, 1000 */

#define INT_LSC         BIT32(2)
#define INT_RXSEQ       BIT32(3)
#define INT_RXDMT       BIT32(4)
#define INT_RXO         BIT32(6)
#define INT_RXT         BIT32(7)
#define INT_WANTED      (INT_LSC | INT_RXDMT | INT_RXO | INT_RXT)

#define RCTL_EN         BIT32(1)
#define RCTL_UPE        BIT32(3)  /* every unicast address */
#define RCTL_MPE        BIT32(4)  /* every multicast address */
#define RCTL_BAM        BIT32(15) /* broadcasts */
#define RCTL_SECRC      BIT32(26) /* without the FCS; buffers of 2 KiB are 0 in BSIZE */

#define TCTL_EN         BIT32(1)
#define TCTL_PSP        BIT32(3)
#define TCTL_CT         (UINT32_C(15) << 4)
#define TCTL_COLD       (UINT32_C(64) << 12)

#define RAH_VALID       BIT32(31)
#define QUEUE_ENABLE    BIT32(25)
#define SRRCTL_2K       UINT32_C(2) /* buffers in KiB; descriptor type 0: legacy */

#define EERD_START      BIT32(0)

/* Legacy receive descriptor. */
struct intel_rx {
	uint64_t address;
	uint16_t length, checksum;
	uint8_t status, errors;
	uint16_t special;
};
#define RX_DD     0x01u
#define RX_EOP    0x02u
#define RX_DAMAGE 0x97u /* CRC, symbol, sequence, carrier extension, receive data error */

/* Legacy transmit descriptor. */
struct intel_tx {
	uint64_t address;
	uint16_t length;
	uint8_t cso, command, status, css;
	uint16_t special;
};
#define TX_EOP  0x01u
#define TX_IFCS 0x02u
#define TX_RS   0x08u
#define TX_DD   0x01u

_Static_assert(sizeof(struct intel_rx) == 16 && sizeof(struct intel_tx) == 16, "the device steps by 16");

#endif
