/*
 * lwipopts.h - how lwIP is built into Tain.
 *
 * Invariants
 *   - One CPU owns lwIP: the boot CPU, in its run loop, never in an interrupt handler. So there are
 *     no locks and no threads (NO_SYS).
 *   - All memory of lwIP comes from net_mem_alloc(), which has a bound: a flood can make lwIP refuse
 *     work, never take the machine's memory.
 *   - Each list that grows by what strangers send has a bound of its own here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_LWIPOPTS_H
#define TAIN_LWIPOPTS_H

#include "drivers/net/net_mem.h"

#define NO_SYS                     1
#define SYS_LIGHTWEIGHT_PROT       0
#define LWIP_NETCONN               0
#define LWIP_SOCKET                0
#define LWIP_NETIF_API             0
#define LWIP_ALTCP                 0

/* Memory: ours, bounded; no pools of lwIP's own. */
#define MEM_LIBC_MALLOC            1
#define MEMP_MEM_MALLOC            1
#define mem_clib_malloc            net_mem_alloc
#define mem_clib_calloc            net_mem_calloc
#define mem_clib_free              net_mem_free
#define MEM_ALIGNMENT              8
#define MEM_SIZE                   (1u << 20) /* the type of sizes follows from it */
#define PBUF_POOL_BUFSIZE          1536
#define LWIP_SUPPORT_CUSTOM_PBUF   1

#define LWIP_ARP                   1
#define ARP_TABLE_SIZE             32
#define ARP_QUEUEING               1
#define ARP_QUEUE_LEN              3
#define ETHARP_TRUST_IP_MAC        0
#define ETHARP_SUPPORT_STATIC_ENTRIES 1

#define LWIP_IPV4                  1
#define IP_FORWARD                 0
#define IP_REASSEMBLY              1
#define IP_REASS_MAX_PBUFS         32
#define IP_FRAG                    1
#define LWIP_ICMP                  1
#define LWIP_BROADCAST_PING        0
#define LWIP_MULTICAST_PING        0
#define LWIP_IGMP                  0
#define LWIP_RAW                   1
#define LWIP_DHCP                  1
#define LWIP_DHCP_BOOTP_FILE       0
#define DHCP_DOES_ARP_CHECK        1
#define LWIP_AUTOIP                0

#define LWIP_IPV6                  1
#define LWIP_IPV6_AUTOCONFIG       1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 1
#define LWIP_IPV6_MLD              1
#define LWIP_IPV6_REASS            1
#define IPV6_FRAG_COPYHEADER       1 /* its helper, with pointers of 64 bits, is longer than the header */
#define LWIP_ND6_QUEUEING          1
#define MEMP_NUM_ND6_QUEUE         16
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 1
#define LWIP_IPV6_NUM_ADDRESSES    4 /* link-local, a fixed one, two that routers announce */
#define LWIP_HOOK_FILENAME         "drivers/net/lwip_port/hooks.h"

#define LWIP_DNS                   1
#define DNS_TABLE_SIZE             4
#define DNS_MAX_SERVERS            4
#define DNS_MAX_NAME_LENGTH        128

#define LWIP_UDP                   1
#define LWIP_TCP                   1
#define TCP_MSS                    1460
#define TCP_WND                    (32 * TCP_MSS)
#define TCP_SND_BUF                (16 * TCP_MSS)
#define TCP_SND_QUEUELEN           (4 * TCP_SND_BUF / TCP_MSS)
#define TCP_QUEUE_OOSEQ            1
#define TCP_OOSEQ_MAX_BYTES        TCP_WND
#define TCP_OOSEQ_MAX_PBUFS        48
#define TCP_LISTEN_BACKLOG         1
#define LWIP_TCP_KEEPALIVE         1
#define LWIP_TCP_SACK_OUT          1

#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK   1
#define LWIP_NETIF_HOSTNAME        1
#define LWIP_NETIF_TX_SINGLE_PBUF  0
#define LWIP_CHECKSUM_ON_COPY      0
#define LWIP_CHKSUM                net_checksum
#define MEMCPY(to, from, bytes)    net_copy(to, from, bytes) /* by -Os it would be byte by byte */

#define LWIP_STATS                 1
#define LWIP_STATS_LARGE           1
#define LWIP_STATS_DISPLAY         0
#define MEM_STATS                  0
#define MEMP_STATS                 0
#define SYS_STATS                  0

#define LWIP_RAND()                net_random()
/* A timer a list entry each: DHCP, DNS, TCP, ARP, ND and what our services want. */
#define MEMP_NUM_SYS_TIMEOUT       32

#endif
