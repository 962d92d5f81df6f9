/*
 * drivers_uart.c - what the 16550 driver promises, against a model of the chip.
 *
 * links: drivers/uart.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/io.h"
#include "drivers/uart.h"

/* The chip. @there false: an empty bus, which reads all ones. */
static struct {
	bool there, fifo;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm, lsr;
	uint8_t sent[64], rx[8];
	unsigned sent_count, rx_count, rx_next;
} chip;

static uint8_t chip_read(unsigned reg)
{
	if (!chip.there)
		return 0xff;
	if ((chip.lcr & 0x80) && reg < 2)
		return reg ? chip.dlm : chip.dll;
	switch (reg) {
	case 0:
		return chip.rx_next < chip.rx_count ? chip.rx[chip.rx_next++] : 0;
	case 1:
		return chip.ier;
	case 2:
		return chip.fifo && (chip.fcr & 1) ? 0xc1 : 0x01;
	case 3:
		return chip.lcr;
	case 4:
		return chip.mcr;
	case 5:
		return (uint8_t)(chip.lsr | (chip.rx_next < chip.rx_count));
	case 7:
		return chip.scr;
	default:
		return 0;
	}
}

static void chip_write(unsigned reg, uint8_t v)
{
	uint8_t *const file[] = { NULL,      &chip.ier, &chip.fcr, &chip.lcr,
				  &chip.mcr, NULL,      NULL,      &chip.scr };

	if (!chip.there)
		return;
	if ((chip.lcr & 0x80) && reg < 2)
		*(reg ? &chip.dlm : &chip.dll) = v;
	else if (reg == 0)
		chip.sent[chip.sent_count++ % 64] = v;
	else if (file[reg])
		*file[reg] = v;
}

uint8_t io_in8(uint16_t port) { return chip_read(port - 0x3f8u); }
void io_out8(uint16_t port, uint8_t v) { chip_write(port - 0x3f8u, v); }

static uint8_t bar[32];
static unsigned bar_reg(const volatile void *p)
{
	return (unsigned)((const volatile uint8_t *)p - bar) / 4;
}
uint8_t mmio_read8(const volatile void *r) { return (void)r, 0xff; }
void mmio_write8(volatile void *r, uint8_t v) { (void)r, (void)v; }
uint32_t mmio_read32(const volatile void *r) { return chip_read(bar_reg(r)); }
void mmio_write32(volatile void *r, uint32_t v) { chip_write(bar_reg(r), (uint8_t)v); }

static struct uart fresh(bool there, bool fifo)
{
	memset(&chip, 0, sizeof(chip));
	chip.there = there, chip.fifo = fifo, chip.lsr = 0x60, chip.ier = 0xf;
	return (struct uart){ .port = 0x3f8 };
}

static void an_empty_bus_is_enodev(void **state)
{
	struct uart u = fresh(false, false);

	(void)state;
	assert_int_equal(uart_init(&u, 115200), -ENODEV);
	assert_false(u.present);
}

static void start_is_8n1_fifo_on_interrupts_off(void **state)
{
	struct uart u = fresh(true, true);

	(void)state;
	assert_int_equal(uart_init(&u, 9600), 0);
	assert_int_equal(chip.ier, 0);
	assert_int_equal(chip.lcr, 3);
	assert_int_equal(chip.dll | chip.dlm << 8, 12);
	assert_int_equal(chip.fcr & 1, 1);
	assert_int_equal(chip.fcr & 4, 0); /* text on its way out is not thrown away */
	assert_int_equal(u.fifo_bytes, 16);
}

static void no_fifo_means_one_byte_at_a_time(void **state)
{
	struct uart u = fresh(true, false);

	(void)state;
	assert_int_equal(uart_init(&u, 115200), 0);
	assert_int_equal(u.fifo_bytes, 1);
}

static void baud_zero_keeps_the_firmwares_divisor(void **state)
{
	struct uart u = fresh(true, true);

	(void)state;
	chip.dll = 3, chip.dlm = 1;
	assert_int_equal(uart_init(&u, 0), 0);
	assert_int_equal(chip.dll | chip.dlm << 8, 0x103);
}

static void bytes_go_out_and_come_in(void **state)
{
	struct uart u = fresh(true, true);

	(void)state;
	assert_int_equal(uart_init(&u, 115200), 0);
	assert_int_equal(uart_get(&u), -1);
	uart_put(&u, 'x');
	assert_int_equal(chip.sent[0], 'x');
	chip.rx[0] = 0xff, chip.rx[1] = 0, chip.rx_count = 2;
	assert_int_equal(uart_get(&u), 0xff);
	assert_int_equal(uart_get(&u), 0);
	assert_int_equal(uart_get(&u), -1);
	chip.lsr = 0;
	assert_false(uart_tx_empty(&u));
	assert_false(uart_tx_idle(&u));
	chip.lsr = 0x20;
	assert_true(uart_tx_empty(&u));
	assert_false(uart_tx_idle(&u));
}

static void a_device_that_goes_away_gives_no_input(void **state)
{
	struct uart u = fresh(true, true);

	(void)state;
	assert_int_equal(uart_init(&u, 115200), 0);
	chip.there = false;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(uart_get(&u), -1);
}

static void memory_mapped_words_work_the_same(void **state)
{
	struct uart u = fresh(true, true);

	(void)state;
	u.mmio = bar, u.shift = 2, u.wide = 1;
	assert_int_equal(uart_init(&u, 115200), 0);
	uart_put(&u, 'y');
	assert_int_equal(chip.sent[0], 'y');
	uart_irq_enable(&u, true);
	assert_int_equal(chip.ier, 3);
	uart_irq_disable(&u);
	assert_int_equal(chip.ier, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_bus_is_enodev),
		cmocka_unit_test(start_is_8n1_fifo_on_interrupts_off),
		cmocka_unit_test(no_fifo_means_one_byte_at_a_time),
		cmocka_unit_test(baud_zero_keeps_the_firmwares_divisor),
		cmocka_unit_test(bytes_go_out_and_come_in),
		cmocka_unit_test(a_device_that_goes_away_gives_no_input),
		cmocka_unit_test(memory_mapped_words_work_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
