/*
 * types.h - the words every room uses: address types, bit masks, page sizes.
 *
 * Invariants
 *   - One number never stands in for another: guest and host addresses and frame numbers are
 *     distinct one-field structs; arithmetic on them lives here and nowhere else.
 *   - No state and no dependency but the C standard headers, so that host tools and tests use
 *     it unchanged.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_BASE_TYPES_H
#define TAIN_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIT64(n)       (UINT64_C(1) << (n))
#define BIT32(n)       (UINT32_C(1) << (n))
#define BITS64(hi, lo) ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MUST_CHECK       __attribute__((warn_unused_result))
#define NORETURN         __attribute__((noreturn))
#define PACKED           __attribute__((packed))
#define ALIGNED(n)       __attribute__((aligned(n)))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ALWAYS_INLINE    __attribute__((always_inline))
#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define PAGE_SHIFT 12
#define PAGE_SIZE  UINT64_C(4096)
#define SIZE_2M    (UINT64_C(1) << 21)
#define SIZE_1G    (UINT64_C(1) << 30)

/* clang-format off */
typedef struct { uint64_t v; } gpa_t;  /* guest-physical, bytes; SHARED bit already removed */
typedef struct { uint64_t v; } hpa_t;  /* host-physical, bytes; KeyID bits are zero         */
typedef struct { uint64_t v; } gfn_t;  /* guest frame number, 4 KiB units                   */
typedef struct { uint64_t v; } pfn_t;  /* host frame number, 4 KiB units                    */
/* clang-format on */

/* "No such frame", for functions that return one. */
#define HPA_NONE ((hpa_t){ ~UINT64_C(0) })
#define PFN_NONE ((pfn_t){ ~UINT64_C(0) >> PAGE_SHIFT })

static inline bool hpa_is_none(hpa_t a) { return a.v == ~UINT64_C(0); }
static inline bool pfn_is_none(pfn_t p) { return p.v == ~UINT64_C(0) >> PAGE_SHIFT; }

static inline gpa_t gfn_to_gpa(gfn_t g) { return (gpa_t){ g.v << PAGE_SHIFT }; }
static inline gfn_t gpa_to_gfn(gpa_t a) { return (gfn_t){ a.v >> PAGE_SHIFT }; }
static inline hpa_t pfn_to_hpa(pfn_t p) { return (hpa_t){ p.v << PAGE_SHIFT }; }
static inline pfn_t hpa_to_pfn(hpa_t a) { return (pfn_t){ a.v >> PAGE_SHIFT }; }
static inline gfn_t gfn_add(gfn_t g, uint64_t frames) { return (gfn_t){ g.v + frames }; }
static inline pfn_t pfn_add(pfn_t p, uint64_t frames) { return (pfn_t){ p.v + frames }; }
static inline hpa_t hpa_add(hpa_t a, uint64_t bytes) { return (hpa_t){ a.v + bytes }; }
static inline gpa_t gpa_add(gpa_t a, uint64_t bytes) { return (gpa_t){ a.v + bytes }; }

/* @align is a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t align) { return v & ~(align - 1); }
static inline uint64_t align_up(uint64_t v, uint64_t align) { return align_down(v + align - 1, align); }
static inline bool is_aligned(uint64_t v, uint64_t align) { return (v & (align - 1)) == 0; }

/*
 * EPT levels, counted as the SDM's page walk does from the bottom: a leaf maps 4K, 2M or 1G.
 * The TDX ABI counts from 0; tdx/abi converts, and nothing else does.
 */
enum { LEVEL_4K = 1, LEVEL_2M = 2, LEVEL_1G = 3, LEVEL_512G = 4, LEVEL_256T = 5 };

static inline uint64_t level_frames(int level) { return UINT64_C(1) << (9 * (level - 1)); }
static inline uint64_t level_size(int level) { return level_frames(level) << PAGE_SHIFT; }

#endif
