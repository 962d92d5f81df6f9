/*
 * room.h - what the files of kernel/machine tell each other and nobody else.
 *
 * Start order (start.c): cpu_init_boot, console_init, page_init, direct_map_init, heap_init,
 * then acpi, time, apic, interrupts of the console.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef TAIN_MACHINE_ROOM_H
#define TAIN_MACHINE_ROOM_H

#include "drivers/acpi.h"
#include "kernel/base/boot_info.h"
#include "kernel/base/kept_log.h"
#include "kernel/machine/cpu.h"
#include "kernel/machine/page_core.h"
#include "kernel/machine/trap.h"

/* Linker's symbols (linker.ld) and those of the NASM files. */
extern char kernel_start[], kernel_text_start[], kernel_text_end[], kernel_rodata_start[],
	kernel_rodata_end[], kernel_data_start[], kernel_end[];
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];
extern char trap_common[], trap_common_end[], trap_stubs[], ap_blob[], ap_blob_end[], ap_enter[];
extern char cpu_sleep_window_start[], cpu_sleep_window_end[];
void gdt_activate(const struct table_register *gdt, uint16_t code, uint16_t data, uint16_t tss);
void cpu_sleep(volatile uint32_t *wake);

/* cpu.c */
#define CPU_STACK_BYTES 32768u
#define CPU_NMI_BYTES   4096u
#define CPU_DF_BYTES    8192u
#define CPU_MC_BYTES    8192u
void cpu_init_boot(void);
void cpu_activate(struct cpu *c);
int cpu_add(uint32_t apic_id);
void cpu_boot_id(uint32_t apic_id);
void cpu_set_area(unsigned index, struct cpu *c);
void trap_dispatch(struct trap_frame *f);

/* crash.c */
NORETURN void crash(const char *what, const struct trap_frame *f);
void crash_stop_here(void);
bool crash_under_way(void);

/* console.c, console_where.c, log.c */
struct uart;
void console_init(void);
void console_start_interrupts(const struct acpi_madt *madt);
void wire_init(const struct acpi_madt *madt); /* wire.c */
void console_choose(const struct acpi *acpi);
void console_last_words(const char *text);
void console_use(const struct uart *u, const char *name);
void console_start_screen(const struct boot_info *bi, bool i8042);
bool console_try_interrupt(const char *how);
void console_keyboard_interrupt(void);
bool console_has_keyboard(void);

struct kept_log;
void log_keep(struct kept_log *kept);
void log_hold(void);
void log_append(const char *text, size_t length);
void log_mark(enum kept_state state);
bool log_is_kept(void);
enum kept_state log_state(void);
int log_tail_to_variable(enum kept_state state) MUST_CHECK;

/* firmware.c: UEFI runtime services */
typedef uint16_t efi_char;
struct efi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};
enum efi_reset { EFI_RESET_COLD, EFI_RESET_WARM, EFI_RESET_SHUTDOWN };
void firmware_init(const struct boot_info *bi);
void firmware_reset(enum efi_reset type);
int firmware_get_variable(const efi_char *name, const struct efi_guid *guid, void *data,
			  uint64_t bytes);
int firmware_set_variable(const efi_char *name, const struct efi_guid *guid, const void *data,
			  uint64_t bytes) MUST_CHECK;

/* page.c, heap.c */
void page_init(const struct boot_info *bi);
hpa_t page_low_memory(void); /* four pages below 1 MiB for ap_entry.asm, or HPA_NONE */
void heap_init(void);
const struct page_core *page_core_global(void);

/* direct_map.c */
void direct_map_init(const struct boot_info *bi);
void direct_map_cpu(void); /* this CPU: PAT, EFER.NXE, CR0.WP and the like */
bool direct_map_fault(uint64_t error, uint64_t address);
bool direct_map_explain(uint64_t address, uint64_t error, char *text, size_t size);
int stack_map(unsigned number, hpa_t pages, uint64_t bytes, uint8_t **top) MUST_CHECK;
int kernel_map(uint64_t virt, uint64_t hpa, uint64_t bytes, uint64_t flags) MUST_CHECK;
int window_prepare(unsigned cpu) MUST_CHECK;
uint64_t efi_call_cr3(void);
hpa_t kernel_pml4(void);

/* time.c, apic.c, irq.c */
void time_init(const struct boot_info *bi);
void time_calibrate(const struct acpi_fadt *fadt);
void apic_init(const struct acpi_madt *madt);
bool apic_counter_calibrate_begin(void);
uint32_t apic_counter_now(void);
void apic_counter_hz(uint64_t hz);

/* power.c */
void power_init(const struct boot_info *bi, const struct acpi_fadt *fadt, bool has_fadt);

#endif
