/*
 * leaf.h - numbers and names of the SEAMCALL (TDH) and TDCALL (TDG) leaves.
 *
 * Invariants
 *   - Each leaf stands in its table once; enums, dispatch and explanations come out of it.
 *   - Numbers only: what a leaf does is written beside its wrapper (tdx/tdh.h).
 *
 * Facts: TDX module 1.5 ABI, "Interface Functions".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_TDX_ABI_LEAF_H
#define TAIN_TDX_ABI_LEAF_H

#include "kernel/base/types.h"

/* The instructions: 66 0F 01 followed by. */
#define TDX_OPCODE_TDCALL   0xCC
#define TDX_OPCODE_SEAMRET  0xCD
#define TDX_OPCODE_SEAMOPS  0xCE
#define TDX_OPCODE_SEAMCALL 0xCF

/* RAX going in: leaf, version; bit 63 names the P-SEAMLDR instead of the module. */
#define TDX_RAX_LEAF             BITS64(15, 0)
#define TDX_RAX_VERSION          BITS64(23, 16)
#define TDX_RAX_VERSION_1        (UINT64_C(1) << 16)
#define TDX_RAX_RESERVED         BITS64(62, 24)
#define TDX_RAX_SEAMLDR          BIT64(63)
#define TDX_RAX_V(leaf, version) ((uint64_t)(leaf) | (uint64_t)(version) << 16)

/* X(number, identifier, "name") */
/* clang-format off */
#define TDH_LEAF_TABLE(X) \
	X( 0, TDH_VP_ENTER,            "TDH.VP.ENTER") \
	X( 1, TDH_MNG_ADDCX,           "TDH.MNG.ADDCX") \
	X( 2, TDH_MEM_PAGE_ADD,        "TDH.MEM.PAGE.ADD") \
	X( 3, TDH_MEM_SEPT_ADD,        "TDH.MEM.SEPT.ADD") \
	X( 4, TDH_VP_ADDCX,            "TDH.VP.ADDCX") \
	X( 5, TDH_MEM_PAGE_RELOCATE,   "TDH.MEM.PAGE.RELOCATE") \
	X( 6, TDH_MEM_PAGE_AUG,        "TDH.MEM.PAGE.AUG") \
	X( 7, TDH_MEM_RANGE_BLOCK,     "TDH.MEM.RANGE.BLOCK") \
	X( 8, TDH_MNG_KEY_CONFIG,      "TDH.MNG.KEY.CONFIG") \
	X( 9, TDH_MNG_CREATE,          "TDH.MNG.CREATE") \
	X(10, TDH_VP_CREATE,           "TDH.VP.CREATE") \
	X(11, TDH_MNG_RD,              "TDH.MNG.RD") \
	X(12, TDH_MEM_RD,              "TDH.MEM.RD") \
	X(13, TDH_MNG_WR,              "TDH.MNG.WR") \
	X(14, TDH_MEM_WR,              "TDH.MEM.WR") \
	X(15, TDH_MEM_PAGE_DEMOTE,     "TDH.MEM.PAGE.DEMOTE") \
	X(16, TDH_MR_EXTEND,           "TDH.MR.EXTEND") \
	X(17, TDH_MR_FINALIZE,         "TDH.MR.FINALIZE") \
	X(18, TDH_VP_FLUSH,            "TDH.VP.FLUSH") \
	X(19, TDH_MNG_VPFLUSHDONE,     "TDH.MNG.VPFLUSHDONE") \
	X(20, TDH_MNG_KEY_FREEID,      "TDH.MNG.KEY.FREEID") \
	X(21, TDH_MNG_INIT,            "TDH.MNG.INIT") \
	X(22, TDH_VP_INIT,             "TDH.VP.INIT") \
	X(23, TDH_MEM_PAGE_PROMOTE,    "TDH.MEM.PAGE.PROMOTE") \
	X(24, TDH_PHYMEM_PAGE_RDMD,    "TDH.PHYMEM.PAGE.RDMD") \
	X(25, TDH_MEM_SEPT_RD,         "TDH.MEM.SEPT.RD") \
	X(26, TDH_VP_RD,               "TDH.VP.RD") \
	X(27, TDH_MNG_KEY_RECLAIMID,   "TDH.MNG.KEY.RECLAIMID") \
	X(28, TDH_PHYMEM_PAGE_RECLAIM, "TDH.PHYMEM.PAGE.RECLAIM") \
	X(29, TDH_MEM_PAGE_REMOVE,     "TDH.MEM.PAGE.REMOVE") \
	X(30, TDH_MEM_SEPT_REMOVE,     "TDH.MEM.SEPT.REMOVE") \
	X(31, TDH_SYS_KEY_CONFIG,      "TDH.SYS.KEY.CONFIG") \
	X(32, TDH_SYS_INFO,            "TDH.SYS.INFO") \
	X(33, TDH_SYS_INIT,            "TDH.SYS.INIT") \
	X(34, TDH_SYS_RD,              "TDH.SYS.RD") \
	X(35, TDH_SYS_LP_INIT,         "TDH.SYS.LP.INIT") \
	X(36, TDH_SYS_TDMR_INIT,       "TDH.SYS.TDMR.INIT") \
	X(37, TDH_SYS_RDALL,           "TDH.SYS.RDALL") \
	X(38, TDH_MEM_TRACK,           "TDH.MEM.TRACK") \
	X(39, TDH_MEM_RANGE_UNBLOCK,   "TDH.MEM.RANGE.UNBLOCK") \
	X(40, TDH_PHYMEM_CACHE_WB,     "TDH.PHYMEM.CACHE.WB") \
	X(41, TDH_PHYMEM_PAGE_WBINVD,  "TDH.PHYMEM.PAGE.WBINVD") \
	X(42, TDH_MEM_SEPT_WR,         "TDH.MEM.SEPT.WR") \
	X(43, TDH_VP_WR,               "TDH.VP.WR") \
	X(44, TDH_SYS_LP_SHUTDOWN,     "TDH.SYS.LP.SHUTDOWN") \
	X(45, TDH_SYS_CONFIG,          "TDH.SYS.CONFIG") \
	X(48, TDH_SERVTD_BIND,         "TDH.SERVTD.BIND") \
	X(49, TDH_SERVTD_PREBIND,      "TDH.SERVTD.PREBIND") \
	X(52, TDH_SYS_SHUTDOWN,        "TDH.SYS.SHUTDOWN") \
	X(53, TDH_SYS_UPDATE,          "TDH.SYS.UPDATE") \
	X(58, TDH_PHYMEM_PAMT_ADD,     "TDH.PHYMEM.PAMT.ADD") \
	X(59, TDH_PHYMEM_PAMT_REMOVE,  "TDH.PHYMEM.PAMT.REMOVE") \
	X(64, TDH_EXPORT_ABORT,        "TDH.EXPORT.ABORT") \
	X(65, TDH_EXPORT_BLOCKW,       "TDH.EXPORT.BLOCKW") \
	X(66, TDH_EXPORT_RESTORE,      "TDH.EXPORT.RESTORE") \
	X(68, TDH_EXPORT_MEM,          "TDH.EXPORT.MEM") \
	X(69, TDH_SYS_DISABLE,         "TDH.SYS.DISABLE") \
	X(70, TDH_EXPORT_PAUSE,        "TDH.EXPORT.PAUSE") \
	X(71, TDH_EXPORT_TRACK,        "TDH.EXPORT.TRACK") \
	X(72, TDH_EXPORT_STATE_IMMUTABLE, "TDH.EXPORT.STATE.IMMUTABLE") \
	X(73, TDH_EXPORT_STATE_TD,     "TDH.EXPORT.STATE.TD") \
	X(74, TDH_EXPORT_STATE_VP,     "TDH.EXPORT.STATE.VP") \
	X(75, TDH_EXPORT_UNBLOCKW,     "TDH.EXPORT.UNBLOCKW") \
	X(80, TDH_IMPORT_ABORT,        "TDH.IMPORT.ABORT") \
	X(81, TDH_IMPORT_END,          "TDH.IMPORT.END") \
	X(82, TDH_IMPORT_COMMIT,       "TDH.IMPORT.COMMIT") \
	X(83, TDH_IMPORT_MEM,          "TDH.IMPORT.MEM") \
	X(84, TDH_IMPORT_TRACK,        "TDH.IMPORT.TRACK") \
	X(85, TDH_IMPORT_STATE_IMMUTABLE, "TDH.IMPORT.STATE.IMMUTABLE") \
	X(86, TDH_IMPORT_STATE_TD,     "TDH.IMPORT.STATE.TD") \
	X(87, TDH_IMPORT_STATE_VP,     "TDH.IMPORT.STATE.VP") \
	X(96, TDH_MIG_STREAM_CREATE,   "TDH.MIG.STREAM.CREATE")

#define TDG_LEAF_TABLE(X) \
	X( 0, TDG_VP_VMCALL,         "TDG.VP.VMCALL") \
	X( 1, TDG_VP_INFO,           "TDG.VP.INFO") \
	X( 2, TDG_MR_RTMR_EXTEND,    "TDG.MR.RTMR.EXTEND") \
	X( 3, TDG_VP_VEINFO_GET,     "TDG.VP.VEINFO.GET") \
	X( 4, TDG_MR_REPORT,         "TDG.MR.REPORT") \
	X( 5, TDG_VP_CPUIDVE_SET,    "TDG.VP.CPUIDVE.SET") \
	X( 6, TDG_MEM_PAGE_ACCEPT,   "TDG.MEM.PAGE.ACCEPT") \
	X( 7, TDG_VM_RD,             "TDG.VM.RD") \
	X( 8, TDG_VM_WR,             "TDG.VM.WR") \
	X( 9, TDG_VP_RD,             "TDG.VP.RD") \
	X(10, TDG_VP_WR,             "TDG.VP.WR") \
	X(11, TDG_SYS_RD,            "TDG.SYS.RD") \
	X(12, TDG_SYS_RDALL,         "TDG.SYS.RDALL") \
	X(18, TDG_SERVTD_RD,         "TDG.SERVTD.RD") \
	X(20, TDG_SERVTD_WR,         "TDG.SERVTD.WR") \
	X(22, TDG_MR_VERIFYREPORT,   "TDG.MR.VERIFYREPORT") \
	X(23, TDG_MEM_PAGE_ATTR_RD,  "TDG.MEM.PAGE.ATTR.RD") \
	X(24, TDG_MEM_PAGE_ATTR_WR,  "TDG.MEM.PAGE.ATTR.WR") \
	X(25, TDG_VP_ENTER,          "TDG.VP.ENTER") \
	X(26, TDG_VP_INVEPT,         "TDG.VP.INVEPT") \
	X(27, TDG_VP_INVGLA,         "TDG.VP.INVGLA")

/* P-SEAMLDR: RAX bit 63 set; these are the low bits. */
#define SEAMLDR_LEAF_TABLE(X) \
	X(0, SEAMLDR_INFO,     "SEAMLDR.INFO") \
	X(1, SEAMLDR_INSTALL,  "SEAMLDR.INSTALL") \
	X(2, SEAMLDR_SHUTDOWN, "SEAMLDR.SHUTDOWN") \
	X(3, SEAMLDR_SEAMINFO, "SEAMLDR.SEAMINFO")
/* clang-format on */

#define X(number, id, text) id = number,
enum tdh_leaf { TDH_LEAF_TABLE(X) };
enum tdg_leaf { TDG_LEAF_TABLE(X) };
enum seamldr_leaf { SEAMLDR_LEAF_TABLE(X) };
#undef X

#define TDH_LEAF_LIMIT 97 /* one more than the largest number above */
#define TDG_LEAF_LIMIT 28

/* "TDH.MEM.PAGE.AUG", or NULL for a number that is not in the table. */
const char *tdh_leaf_name(uint64_t leaf);
const char *tdg_leaf_name(uint64_t leaf);

#endif
