/*
 * cpu_insn.h - CPU instructions that C has no word for, one function each.
 *
 * Invariants
 *   - The only inline assembly of the tree. A function here is one instruction (or the pair that
 *     makes no sense apart, as STI;HLT), has no policy and no state.
 *   - Whatever orders memory for the compiler says so by a "memory" clobber.
 *
 * Instructions: SDM volume 2, by name. Where gas may not know a mnemonic, its bytes stand here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_CPU_INSN_H
#define TAIN_MACHINE_CPU_INSN_H

#include "kernel/base/types.h"

/* --- identification, time, random ------------------------------------------------------------ */

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return ((uint64_t)hi << 32) | lo;
}

/* False: no random number was ready (or none will be). */
static inline bool rdrand64(uint64_t *out)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok));
	return ok;
}

static inline bool rdseed64(uint64_t *out)
{
	bool ok;

	__asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(ok));
	return ok;
}

/* --- MSRs: a missing one is #GP; use msr_read_safe() of trap.h when unsure -------------------- */

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return ((uint64_t)hi << 32) | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint64_t xgetbv(uint32_t index)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
	return ((uint64_t)hi << 32) | lo;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
	__asm__ volatile("xsetbv" ::"c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* --- I/O ports ------------------------------------------------------------------------------- */

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

/* --- interrupt flag and waiting -------------------------------------------------------------- */

#define RFLAGS_IF BIT64(9)

static inline void irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }

static inline uint64_t rflags_read(void)
{
	uint64_t f;

	__asm__ volatile("pushfq; popq %0" : "=r"(f)::"memory");
	return f;
}

/* Interrupts off; the old RFLAGS for irq_restore(). */
static inline uint64_t irq_save(void)
{
	uint64_t f = rflags_read();

	irq_disable();
	return f;
}

static inline void irq_restore(uint64_t rflags)
{
	if (rflags & RFLAGS_IF)
		irq_enable();
}

static inline void cpu_pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void hlt(void) { __asm__ volatile("hlt" ::: "memory"); }

/* Wait for an interrupt: none can slip in between, STI holds them back for one instruction. */
static inline void sti_hlt(void) { __asm__ volatile("sti; hlt" ::: "memory"); }

/* --- control registers and tables ------------------------------------------------------------ */

#define CR0_PE BIT64(0)
#define CR0_MP BIT64(1)
#define CR0_EM BIT64(2)
#define CR0_TS BIT64(3)
#define CR0_NE BIT64(5)
#define CR0_WP BIT64(16)
#define CR0_AM BIT64(18)
#define CR0_NW BIT64(29)
#define CR0_CD BIT64(30)
#define CR0_PG BIT64(31)

#define CR4_DE         BIT64(3)
#define CR4_PAE        BIT64(5)
#define CR4_MCE        BIT64(6)
#define CR4_PGE        BIT64(7)
#define CR4_OSFXSR     BIT64(9)
#define CR4_OSXMMEXCPT BIT64(10)
#define CR4_UMIP       BIT64(11)
#define CR4_LA57       BIT64(12)
#define CR4_VMXE       BIT64(13)
#define CR4_SMXE       BIT64(14)
#define CR4_FSGSBASE   BIT64(16)
#define CR4_PCIDE      BIT64(17)
#define CR4_OSXSAVE    BIT64(18)
#define CR4_SMEP       BIT64(20)
#define CR4_SMAP       BIT64(21)

#define DEFINE_REG(name)                                                                           \
	static inline uint64_t name##_read(void)                                                   \
	{                                                                                          \
		uint64_t v;                                                                        \
                                                                                                   \
		__asm__ volatile("movq %%" #name ", %0" : "=r"(v)::"memory");                      \
		return v;                                                                          \
	}                                                                                          \
	static inline void name##_write(uint64_t v)                                                \
	{                                                                                          \
		__asm__ volatile("movq %0, %%" #name ::"r"(v) : "memory");                         \
	}
DEFINE_REG(cr0)
DEFINE_REG(cr2)
DEFINE_REG(cr3)
DEFINE_REG(cr4)
DEFINE_REG(cr8)
DEFINE_REG(dr0)
DEFINE_REG(dr1)
DEFINE_REG(dr2)
DEFINE_REG(dr3)
DEFINE_REG(dr6)
DEFINE_REG(dr7)
#undef DEFINE_REG

struct PACKED table_register {
	uint16_t limit;
	uint64_t base;
};

static inline void lgdt(const struct table_register *t)
{
	__asm__ volatile("lgdt %0" ::"m"(*t) : "memory");
}
static inline void lidt(const struct table_register *t)
{
	__asm__ volatile("lidt %0" ::"m"(*t) : "memory");
}
static inline void sgdt(struct table_register *t) { __asm__ volatile("sgdt %0" : "=m"(*t)); }
static inline void sidt(struct table_register *t) { __asm__ volatile("sidt %0" : "=m"(*t)); }
static inline void ltr(uint16_t selector) { __asm__ volatile("ltr %0" ::"r"(selector) : "memory"); }
static inline void lldt(uint16_t selector) { __asm__ volatile("lldt %0" ::"r"(selector)); }

static inline uint64_t rbp_read(void)
{
	uint64_t v;

	__asm__ volatile("movq %%rbp, %0" : "=r"(v));
	return v;
}

static inline uint64_t rsp_read(void)
{
	uint64_t v;

	__asm__ volatile("movq %%rsp, %0" : "=r"(v));
	return v;
}

/* The quadword at GS:0, by which every CPU finds its struct cpu. */
static inline void *gs_self(void)
{
	void *p;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(p));
	return p;
}

/* --- caches and translations ----------------------------------------------------------------- */

static inline void invlpg(const void *addr)
{
	__asm__ volatile("invlpg (%0)" ::"r"(addr) : "memory");
}
static inline void wbinvd(void) { __asm__ volatile("wbinvd" ::: "memory"); }
static inline void clflush(const void *addr)
{
	__asm__ volatile("clflush (%0)" ::"r"(addr) : "memory");
}
static inline void clflushopt(const void *addr)
{
	__asm__ volatile(".byte 0x66; clflush (%0)" ::"r"(addr) : "memory");
}
static inline void mfence(void) { __asm__ volatile("mfence" ::: "memory"); }
static inline void sfence(void) { __asm__ volatile("sfence" ::: "memory"); }
static inline void lfence(void) { __asm__ volatile("lfence" ::: "memory"); }

/* 64 bytes from @src to @dst (64-byte aligned) as one direct store. CPUID.7.0:ECX[28]. */
static inline void movdir64b(void *dst, const void *src)
{
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" ::"a"(dst), "d"(src) : "memory");
}

/* --- block moves: the microcoded ones are the fast ones on all CPUs we run on ----------------- */

static inline void rep_stosq(void *dst, uint64_t value, uint64_t count)
{
	__asm__ volatile("rep stosq" : "+D"(dst), "+c"(count) : "a"(value) : "memory");
}

static inline void rep_movsq(void *dst, const void *src, uint64_t count)
{
	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(count)::"memory");
}

/* --- VMX: each returns what the flags said --------------------------------------------------- */

enum vmx_result { VMX_OK, VMX_FAIL_INVALID, VMX_FAIL_VALID };

#define VMX_RESULT(invalid, valid)                                                                 \
	((invalid) ? VMX_FAIL_INVALID : (valid) ? VMX_FAIL_VALID : VMX_OK)

static inline enum vmx_result vmxon(const uint64_t *region_hpa)
{
	bool cf, zf;

	__asm__ volatile("vmxon %2" : "=@ccc"(cf), "=@ccz"(zf) : "m"(*region_hpa) : "memory");
	return VMX_RESULT(cf, zf);
}

static inline enum vmx_result vmxoff(void)
{
	bool cf, zf;

	__asm__ volatile("vmxoff" : "=@ccc"(cf), "=@ccz"(zf)::"memory");
	return VMX_RESULT(cf, zf);
}

static inline enum vmx_result vmclear(const uint64_t *vmcs_hpa)
{
	bool cf, zf;

	__asm__ volatile("vmclear %2" : "=@ccc"(cf), "=@ccz"(zf) : "m"(*vmcs_hpa) : "memory");
	return VMX_RESULT(cf, zf);
}

static inline enum vmx_result vmptrld(const uint64_t *vmcs_hpa)
{
	bool cf, zf;

	__asm__ volatile("vmptrld %2" : "=@ccc"(cf), "=@ccz"(zf) : "m"(*vmcs_hpa) : "memory");
	return VMX_RESULT(cf, zf);
}

/* The current VMCS's address, all ones if there is none. */
static inline uint64_t vmptrst(void)
{
	uint64_t hpa;

	__asm__ volatile("vmptrst %0" : "=m"(hpa)::"memory");
	return hpa;
}

static inline enum vmx_result vmread(uint64_t field, uint64_t *value)
{
	bool cf, zf;

	__asm__ volatile("vmread %3, %2"
			 : "=@ccc"(cf), "=@ccz"(zf), "=rm"(*value)
			 : "r"(field)
			 : "memory");
	return VMX_RESULT(cf, zf);
}

static inline enum vmx_result vmwrite(uint64_t field, uint64_t value)
{
	bool cf, zf;

	__asm__ volatile("vmwrite %3, %2"
			 : "=@ccc"(cf), "=@ccz"(zf)
			 : "r"(field), "rm"(value)
			 : "memory");
	return VMX_RESULT(cf, zf);
}

/* The same for the hot path: one flag test says whether it failed. */
static inline bool vmread_fails(uint64_t field, uint64_t *value)
{
	bool failed;

	__asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(*value) : "r"(field) : "memory");
	return failed;
}

static inline bool vmwrite_fails(uint64_t field, uint64_t value)
{
	bool failed;

	__asm__ volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"(field), "r"(value) : "memory");
	return failed;
}

struct inv_descriptor {
	uint64_t context; /* INVEPT: EPTP. INVVPID: VPID */
	uint64_t address; /* INVEPT: 0. INVVPID type 0: linear address */
};

static inline enum vmx_result invept(uint64_t type, const struct inv_descriptor *d)
{
	bool cf, zf;

	__asm__ volatile("invept %3, %2"
			 : "=@ccc"(cf), "=@ccz"(zf)
			 : "r"(type), "m"(*d)
			 : "memory");
	return VMX_RESULT(cf, zf);
}

static inline enum vmx_result invvpid(uint64_t type, const struct inv_descriptor *d)
{
	bool cf, zf;

	__asm__ volatile("invvpid %3, %2"
			 : "=@ccc"(cf), "=@ccz"(zf)
			 : "r"(type), "m"(*d)
			 : "memory");
	return VMX_RESULT(cf, zf);
}

/* --- extended state; @area is 64-byte aligned and large enough for @mask ---------------------- */

/* INT 18: the handler of machine checks, by software. */
static inline void raise_machine_check(void) { __asm__ volatile("int $18" ::: "memory"); }

static inline void fxsave64(void *area) { __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory"); }
static inline void fxrstor64(const void *area)
{
	__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

static inline void xsave64(void *area, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline void xrstor64(const void *area, uint64_t mask)
{
	__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)mask),
			 "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline void xsaves64(void *area, uint64_t mask)
{
	__asm__ volatile("xsaves64 (%0)" ::"r"(area), "a"((uint32_t)mask),
			 "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline void xrstors64(const void *area, uint64_t mask)
{
	__asm__ volatile("xrstors64 (%0)" ::"r"(area), "a"((uint32_t)mask),
			 "d"((uint32_t)(mask >> 32))
			 : "memory");
}

static inline void fninit(void) { __asm__ volatile("fninit"); }
static inline void clts(void) { __asm__ volatile("clts"); }

#endif
