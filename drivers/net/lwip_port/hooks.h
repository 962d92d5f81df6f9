/*
 * hooks.h - where lwIP asks us on its way.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_LWIP_HOOKS_H
#define TAIN_LWIP_HOOKS_H

#include "drivers/net/net_extra.h"

#define LWIP_HOOK_ND6_GET_GW(netif, to) net_extra_gateway6(netif, to)

#endif
