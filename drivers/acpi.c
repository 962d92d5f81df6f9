/*
 * acpi.c - ACPI tables as untrusted bytes: find, check, decode.
 *
 * Keeps the invariants of acpi.h. All fields are read by offset through rd16/rd32/rd64, so nothing
 * depends on alignment or struct layout; every offset is compared with the table's length first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "drivers/acpi.h"

#include <errno.h>
#include <string.h>

#define SDT_HEADER    36
#define SDT_MAX_BYTES (16u << 20)
#define RSDP_V1_BYTES 20
#define RSDP_V2_BYTES 36
#define GAS_BYTES     12

static uint16_t rd16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t rd32(const uint8_t *p) { return rd16(p) | (uint32_t)rd16(p + 2) << 16; }
static uint64_t rd64(const uint8_t *p) { return rd32(p) | (uint64_t)rd32(p + 4) << 32; }

static bool sums_to_zero(const uint8_t *p, uint32_t bytes)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

static void reject(struct acpi *a, const char *signature, const char *why)
{
	char name[5] = { 0 };

	a->rejected++;
	for (unsigned i = 0; i < 4 && signature; i++)
		name[i] = signature[i] >= ' ' && signature[i] < 0x7f ? signature[i] : '?';
	strncpy(a->note, name, sizeof(a->note) - 1);
	strncat(a->note, ": ", sizeof(a->note) - strlen(a->note) - 1);
	strncat(a->note, why, sizeof(a->note) - strlen(a->note) - 1);
}

/* --- finding ------------------------------------------------------------------------------- */

/* The table at @hpa, whole and with a right checksum; NULL: rejected, the reason noted. */
static const uint8_t *checked_table(struct acpi *a, uint64_t hpa, uint32_t *length)
{
	const uint8_t *t = hpa ? a->map(hpa, SDT_HEADER) : NULL;

	if (!t) {
		reject(a, NULL, "a table lies outside memory");
		return NULL;
	}
	uint32_t bytes = rd32(t + 4);

	bool fits = bytes >= SDT_HEADER && bytes <= SDT_MAX_BYTES && hpa + bytes >= hpa;
	const uint8_t *whole = fits ? a->map(hpa, bytes) : NULL;

	if (!whole) {
		reject(a, (const char *)t, "bad length");
		return NULL;
	}
	if (!sums_to_zero(whole, bytes)) {
		reject(a, (const char *)whole, "bad checksum");
		return NULL;
	}
	*length = bytes;
	return whole;
}

static void add_table(struct acpi *a, uint64_t hpa)
{
	uint32_t length;
	const uint8_t *t;

	if (a->count == ACPI_MAX_TABLES) {
		reject(a, NULL, "more tables than we keep");
		return;
	}
	t = checked_table(a, hpa, &length);
	if (!t)
		return;
	struct acpi_table *out = &a->table[a->count++];

	memcpy(out->signature, t, 4);
	out->signature[4] = 0;
	out->hpa = hpa;
	out->length = length;
}

/* XSDT (entries of 8 bytes) or RSDT (4). */
static bool walk_sdt(struct acpi *a, uint64_t hpa, const char *signature, uint32_t entry)
{
	uint32_t length;
	const uint8_t *t = checked_table(a, hpa, &length);

	if (!t || memcmp(t, signature, 4) != 0)
		return false;
	for (uint32_t at = SDT_HEADER; at + entry <= length; at += entry)
		add_table(a, entry == 8 ? rd64(t + at) : rd32(t + at));
	return true;
}

int acpi_init(struct acpi *a, uint64_t rsdp, acpi_map_fn map)
{
	memset(a, 0, sizeof(*a));
	a->map = map;
	const uint8_t *r = rsdp ? map(rsdp, RSDP_V1_BYTES) : NULL;

	if (!r || memcmp(r, "RSD PTR ", 8) != 0 || !sums_to_zero(r, RSDP_V1_BYTES))
		return -ENOENT;
	uint32_t rsdt = rd32(r + 16);

	uint8_t revision = r[15];

	if (revision >= 2) {
		r = map(rsdp, RSDP_V2_BYTES);
		if (r && sums_to_zero(r, RSDP_V2_BYTES) && walk_sdt(a, rd64(r + 24), "XSDT", 8))
			return 0;
	}
	return walk_sdt(a, rsdt, "RSDT", 4) ? 0 : -ENOENT;
}

const uint8_t *acpi_find(const struct acpi *a, const char *signature, unsigned nth,
			 uint32_t *length)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (memcmp(a->table[i].signature, signature, 4) != 0 || nth-- != 0)
			continue;
		*length = a->table[i].length;
		return a->map(a->table[i].hpa, a->table[i].length);
	}
	return NULL;
}

static struct acpi_gas read_gas(const uint8_t *p)
{
	return (struct acpi_gas){
		.space = p[0], .width = p[1], .access = p[3], .address = rd64(p + 4)
	};
}

/* --- MADT ---------------------------------------------------------------------------------- */

/* clang-format off */
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDRESS = 5, MADT_X2APIC = 9 };
/* clang-format on */

struct madt_walk {
	struct acpi_madt *out;
	void (*cpu)(void *ctx, const struct acpi_cpu *c);
	void *ctx;
};

static void report_cpu(const struct madt_walk *w, uint32_t id, uint32_t flags)
{
	struct acpi_cpu c = { id, (flags & 1) != 0, (flags & 2) != 0 };

	if (w->cpu && (c.enabled || c.online_capable))
		w->cpu(w->ctx, &c);
}

static void madt_lapic(const struct madt_walk *w, const uint8_t *e)
{
	if (e[3] != 0xff)
		report_cpu(w, e[3], rd32(e + 4));
}

static void madt_x2apic(const struct madt_walk *w, const uint8_t *e)
{
	if (rd32(e + 4) != UINT32_MAX)
		report_cpu(w, rd32(e + 4), rd32(e + 8));
}

static void madt_ioapic(const struct madt_walk *w, const uint8_t *e)
{
	if (w->out->ioapic_count < ACPI_MAX_IOAPICS)
		w->out->ioapic[w->out->ioapic_count++] =
			(struct acpi_ioapic){ rd32(e + 4), rd32(e + 8) };
}

static void madt_override(const struct madt_walk *w, const uint8_t *e)
{
	if (e[2] != 0 || e[3] >= 16)
		return;
	w->out->isa_gsi[e[3]] = rd32(e + 4);
	w->out->isa_flags[e[3]] = e[8];
}

static void madt_address(const struct madt_walk *w, const uint8_t *e)
{
	w->out->lapic_hpa = rd64(e + 4);
}

/* One row per entry type that we read; shorter entries than the specification's are skipped. */
static const struct {
	uint8_t type, bytes;
	void (*read)(const struct madt_walk *w, const uint8_t *e);
} madt_entry[] = {
	{ MADT_LAPIC, 8, madt_lapic },        { MADT_IOAPIC, 12, madt_ioapic },
	{ MADT_OVERRIDE, 10, madt_override }, { MADT_LAPIC_ADDRESS, 12, madt_address },
	{ MADT_X2APIC, 16, madt_x2apic },
};

int acpi_read_madt(const struct acpi *a, struct acpi_madt *out,
		   void (*cpu)(void *ctx, const struct acpi_cpu *c), void *ctx)
{
	uint32_t length;
	const uint8_t *t = acpi_find(a, "APIC", 0, &length);
	struct madt_walk w = { out, cpu, ctx };

	if (!t || length < 44)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	out->lapic_hpa = rd32(t + 36);
	out->has_pic = (rd32(t + 40) & 1) != 0;
	for (unsigned i = 0; i < 16; i++)
		out->isa_gsi[i] = i;
	for (uint32_t at = 44; at + 2 <= length;) {
		const uint8_t *e = t + at;

		if (e[1] < 2 || e[1] > length - at)
			break;
		for (size_t i = 0; i < sizeof(madt_entry) / sizeof(madt_entry[0]); i++)
			if (e[0] == madt_entry[i].type && e[1] >= madt_entry[i].bytes)
				madt_entry[i].read(&w, e);
		at += e[1];
	}
	return 0;
}

/* --- SRAT ---------------------------------------------------------------------------------- */

/* clang-format off */
enum { SRAT_FIRST = 48, SRAT_MEMORY = 1, SRAT_MEMORY_BYTES = 40 };
/* clang-format on */

int acpi_read_srat(const struct acpi *a, void (*range)(void *ctx, const struct acpi_node *n), void *ctx)
{
	uint32_t length;
	const uint8_t *t = acpi_find(a, "SRAT", 0, &length);

	if (!t || length < SRAT_FIRST)
		return -ENOENT;
	for (uint32_t at = SRAT_FIRST; at + 2 <= length;) {
		const uint8_t *e = t + at;

		if (e[1] < 2 || e[1] > length - at)
			break;
		if (e[0] == SRAT_MEMORY && e[1] >= SRAT_MEMORY_BYTES && (rd32(e + 28) & 1))
			range(ctx, &(struct acpi_node){ rd32(e + 2), rd64(e + 8), rd64(e + 16) });
		at += e[1];
	}
	return 0;
}

/* --- DMAR ---------------------------------------------------------------------------------- */

/* clang-format off */
enum { DMAR_FIRST = 48, DMAR_DRHD = 0, DMAR_DRHD_BYTES = 16 };
/* clang-format on */

int acpi_read_dmar(const struct acpi *a, void (*unit)(void *ctx, const struct acpi_remapper *r), void *ctx)
{
	uint32_t length;
	const uint8_t *t = acpi_find(a, "DMAR", 0, &length);

	if (!t || length < DMAR_FIRST)
		return -ENOENT;
	for (uint32_t at = DMAR_FIRST; at + 4 <= length;) {
		const uint8_t *e = t + at;
		uint16_t bytes = rd16(e + 2);

		if (bytes < 4 || bytes > length - at)
			break;
		if (rd16(e) == DMAR_DRHD && bytes >= DMAR_DRHD_BYTES)
			unit(ctx, &(struct acpi_remapper){ rd64(e + 8), rd16(e + 6) });
		at += bytes;
	}
	return 0;
}

/* --- FADT ---------------------------------------------------------------------------------- */

/* clang-format off */
enum { FADT_DSDT = 40, FADT_SCI = 46, FADT_PM1A_CNT = 64, FADT_PM1B_CNT = 68, FADT_PM_TMR = 76,
       FADT_PM_TMR_LEN = 91, FADT_IAPC = 109, FADT_FLAGS = 112, FADT_RESET_REG = 116,
       FADT_RESET_VALUE = 128, FADT_X_DSDT = 140, FADT_X_PM1A_CNT = 172, FADT_X_PM1B_CNT = 184,
       FADT_X_PM_TMR = 208, FADT_V1_BYTES = 116 };
/* clang-format on */

#define FADT_TMR_32BIT  BIT32(8)
#define FADT_RESET_SUP  BIT32(10)
#define FADT_HW_REDUCED BIT32(20)

/* The 64-bit field where it exists and is filled, else the old 32-bit port. */
static struct acpi_gas fadt_gas(const uint8_t *t, uint32_t length, uint32_t x, uint32_t old)
{
	if (x + GAS_BYTES <= length && rd64(t + x + 4))
		return read_gas(t + x);
	return (struct acpi_gas){ .space = ACPI_SPACE_IO, .width = 16, .address = rd32(t + old) };
}

/* AML: a small integer: ZeroOp, OneOp or BytePrefix. Moves *@at; false: something else. */
static bool aml_byte(const uint8_t *t, uint32_t length, uint32_t *at, uint8_t *value)
{
	if (*at >= length)
		return false;
	uint8_t op = t[(*at)++];

	if (op <= 1) {
		*value = op;
		return true;
	}
	if (op != 0x0a || *at >= length)
		return false;
	*value = t[(*at)++];
	return true;
}

/* Name(\_S5, Package(){a, b, ...}): AML 08 [5c] "_S5_" 12 PkgLength NumElements a b. */
static bool find_s5(const uint8_t *t, uint32_t length, uint8_t *a, uint8_t *b)
{
	for (uint32_t at = SDT_HEADER + 1; at + 8 < length; at++) {
		if (memcmp(t + at, "_S5_", 4) != 0 || t[at + 4] != 0x12)
			continue;
		if (t[at - 1] != 0x08 && !(t[at - 1] == 0x5c && t[at - 2] == 0x08))
			continue;
		uint32_t p = at + 5 + 1u + (t[at + 5] >> 6) + 1; /* PkgLength, NumElements */

		if (aml_byte(t, length, &p, a) && aml_byte(t, length, &p, b))
			return *a < 8 && *b < 8;
	}
	return false;
}

static void read_s5(const struct acpi *a, uint64_t dsdt, struct acpi_fadt *out)
{
	struct acpi scratch = { .map = a->map };
	uint32_t length;
	const uint8_t *t = checked_table(&scratch, dsdt, &length);

	out->has_s5 = t && memcmp(t, "DSDT", 4) == 0 && find_s5(t, length, &out->s5_a, &out->s5_b);
}

int acpi_read_fadt(const struct acpi *a, struct acpi_fadt *out)
{
	uint32_t length;
	const uint8_t *t = acpi_find(a, "FACP", 0, &length);

	if (!t || length < FADT_V1_BYTES)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	uint32_t flags = rd32(t + FADT_FLAGS);
	uint16_t iapc = rd16(t + FADT_IAPC);
	struct acpi_gas timer = fadt_gas(t, length, FADT_X_PM_TMR, FADT_PM_TMR);

	out->sci = rd16(t + FADT_SCI);
	out->hw_reduced = (flags & FADT_HW_REDUCED) != 0;
	out->pm_timer_32bit = (flags & FADT_TMR_32BIT) != 0;
	if (t[FADT_PM_TMR_LEN] == 4 && timer.space == ACPI_SPACE_IO && timer.address <= 0xfffc)
		out->pm_timer_port = (uint16_t)timer.address;
	out->has_8042 = (iapc & 2) != 0;
	out->has_vga = (iapc & 4) == 0;
	out->has_rtc = (iapc & 32) == 0;
	out->pm1a_control = fadt_gas(t, length, FADT_X_PM1A_CNT, FADT_PM1A_CNT);
	out->pm1b_control = fadt_gas(t, length, FADT_X_PM1B_CNT, FADT_PM1B_CNT);
	if (length > FADT_RESET_VALUE && (flags & FADT_RESET_SUP)) {
		out->reset = read_gas(t + FADT_RESET_REG);
		out->reset_value = t[FADT_RESET_VALUE];
		out->reset_supported = true;
	}
	uint64_t dsdt = length >= FADT_X_DSDT + 8 ? rd64(t + FADT_X_DSDT) : 0;

	read_s5(a, dsdt ? dsdt : rd32(t + FADT_DSDT), out);
	return 0;
}

/* --- serial console ------------------------------------------------------------------------ */

/* clang-format off */
enum { SPCR_TYPE = 36, SPCR_GAS = 40, SPCR_GSI = 54, SPCR_BAUD = 58, SPCR_PCI_VENDOR = 66,
       SPCR_PCI = 68, SPCR_PCI_SEGMENT = 75, SPCR_CLOCK = 76, SPCR_BYTES = 80 };
/* clang-format on */

/* Interface types that are 16550s: 0 full, 1 subset; 12h is a 16550 described by its GAS. */
static bool is_16550(uint32_t type) { return type <= 1 || type == 0x12; }

static bool usable(const struct acpi_serial *s)
{
	if (!s->base.address)
		return s->is_pci;
	return s->base.space <= ACPI_SPACE_IO && (s->base.space == ACPI_SPACE_MEMORY ||
				   (s->base.space == ACPI_SPACE_IO && s->base.address <= 0xfff8));
}

static bool read_spcr(const struct acpi *a, struct acpi_serial *out)
{
	static const uint32_t rates[] = { [3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200 };
	uint32_t length;
	const uint8_t *t = acpi_find(a, "SPCR", 0, &length);

	if (!t || length < SPCR_BYTES || !is_16550(t[SPCR_TYPE]))
		return false;
	uint8_t baud = t[SPCR_BAUD];

	*out = (struct acpi_serial){
		.base = read_gas(t + SPCR_GAS),
		.gsi = rd32(t + SPCR_GSI),
		.baud = baud < sizeof(rates) / sizeof(rates[0]) ? rates[baud] : 0,
		.source = "SPCR",
	};
	/* Vendor FFFFh: no PCI device. The clock is there from revision 3 on. */
	out->is_pci = rd16(t + SPCR_PCI_VENDOR) != 0xffff && rd16(t + SPCR_PCI_VENDOR) &&
		      !t[SPCR_PCI_SEGMENT];
	out->pci = (struct acpi_pci){ t[SPCR_PCI], t[SPCR_PCI + 1] & 31, t[SPCR_PCI + 2] & 7 };
	if (t[8] >= 3)
		out->clock_hz = rd32(t + SPCR_CLOCK);
	return usable(out);
}

/* DBG2: the @nth port of type 8000h (serial) that is a 16550. */
static bool read_dbg2(const struct acpi *a, unsigned nth, struct acpi_serial *out)
{
	uint32_t length;
	const uint8_t *t = acpi_find(a, "DBG2", 0, &length);

	if (!t || length < 44)
		return false;
	uint32_t at = rd32(t + 36), count = rd32(t + 40);

	while (count-- && at <= length && length - at >= 22) {
		const uint8_t *d = t + at;
		uint32_t bytes = rd16(d + 1), gas = rd16(d + 18);

		if (bytes < 22 || bytes > length - at)
			return false;
		if (rd16(d + 12) == 0x8000 && is_16550(rd16(d + 14)) && d[3] &&
		    gas + GAS_BYTES <= bytes) {
			*out = (struct acpi_serial){ .base = read_gas(d + gas), .source = "DBG2" };
			if (usable(out) && nth-- == 0)
				return true;
		}
		at += bytes;
	}
	return false;
}

int acpi_read_serial(const struct acpi *a, unsigned nth, struct acpi_serial *out)
{
	if (read_spcr(a, out) && nth-- == 0)
		return 0;
	return read_dbg2(a, nth, out) ? 0 : -ENOENT;
}
