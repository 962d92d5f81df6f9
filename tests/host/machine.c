/*
 * machine.c - the machine under the host tests: port.h and log.h for a program on a desk.
 *
 * RAM is one reserved mapping; each page has one owner byte. Single pages come from a stack of
 * freed ones, then from the bottom; runs come from the top. cpu_call() runs the function on the
 * calling thread under the other CPU's number. Invariants: see machine.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/host/machine.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel/base/boot_info.h"
#include "kernel/base/log.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define LOG_LINES  256
#define RANGES_MAX 256
#define NO_CPU     (~0u)

static struct {
	pthread_mutex_t lock;
	uint8_t *ram;
	uint64_t pages, fresh; /* fresh: pages below were allocated once */
	uint8_t *owner;        /* enum page_owner of each page */
	uint8_t *used;         /* each page: was it ever handed out? If not, it is zero */
	uint32_t *freed;       /* stack of page numbers; may be stale: check the owner */
	uint64_t freed_count, freed_room;
	uint64_t count[PAGE_OWNER_COUNT];
	unsigned cpus, fail_in;
	bool restricted, threads;
	struct boot_mem tdx[RANGES_MAX]; /* what the TDX module takes */
	size_t tdx_count;
	uint64_t tdx_free; /* pages that it takes and nobody has */
	uint64_t cursor;   /* where the search for such a page goes on */
	unsigned offline;
} m = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local unsigned this_cpu;

enum log_level log_threshold = LOG_DEBUG;
static char log_ring[LOG_LINES][512];
static unsigned log_next;
static bool log_shown;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

_Thread_local jmp_buf machine_panic_jump;
_Thread_local bool machine_panic_expected;
static _Thread_local char panic_text[512];

/*
 * Memory
 */
static void *must(void *p)
{
	if (!p || p == MAP_FAILED) {
		fputs("tests/host/machine: out of memory\n", stderr);
		exit(2);
	}
	return p;
}

static void start_locked(uint64_t bytes, unsigned cpus)
{
	if (m.ram) {
		ASAN_UNPOISON_MEMORY_REGION(m.ram, m.pages * PAGE_SIZE);
		munmap(m.ram, m.pages * PAGE_SIZE);
		free(m.owner);
		free(m.used);
		free(m.freed);
	}
	/* Aligned to 1 GiB, so that alignment of HPAs is alignment of pointers. */
	uint8_t *raw = must(mmap(NULL, bytes + SIZE_1G, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	uint8_t *ram = (uint8_t *)align_up((uintptr_t)raw, SIZE_1G);

	if (ram != raw)
		munmap(raw, (size_t)(ram - raw));
	munmap(ram + bytes, SIZE_1G - (size_t)(ram - raw));
	m.ram = ram;
	m.pages = bytes / PAGE_SIZE;
	m.fresh = 0;
	m.owner = must(calloc(m.pages, 1));
	m.used = must(calloc(m.pages, 1));
	m.freed = NULL;
	m.freed_count = m.freed_room = 0;
	memset(m.count, 0, sizeof(m.count));
	m.count[PAGE_FREE] = m.pages;
	m.cpus = cpus;
	m.fail_in = 0;
	m.restricted = m.threads = false;
	m.tdx_count = 0;
	m.cursor = 0;
	m.offline = NO_CPU;
}

static void lock_machine(void)
{
	pthread_mutex_lock(&m.lock);
	if (!m.ram)
		start_locked(MACHINE_DEFAULT_SIZE, 4);
}

static void unlock_machine(void) { pthread_mutex_unlock(&m.lock); }

void machine_start(uint64_t bytes, unsigned cpus)
{
	pthread_mutex_lock(&m.lock);
	start_locked(align_up(bytes, PAGE_SIZE), cpus);
	pthread_mutex_unlock(&m.lock);
}

void machine_fail_alloc(unsigned n) { m.fail_in = n; }

/* A panic that a test expects must not leave the machine locked. */
#define panic_unlocked(...) (unlock_machine(), panic(__VA_ARGS__))

static uint64_t page_number(hpa_t page)
{
	uint64_t n = (page.v - MACHINE_BASE) / PAGE_SIZE;

	if (page.v < MACHINE_BASE || n >= m.pages || !is_aligned(page.v, PAGE_SIZE))
		panic_unlocked("no page of RAM at %#llx", (unsigned long long)page.v);
	return n;
}

static bool tdx_takes(uint64_t n, uint64_t frames)
{
	uint64_t base = MACHINE_BASE + n * PAGE_SIZE, end = base + frames * PAGE_SIZE;

	for (size_t i = 0; i < m.tdx_count; i++)
		if (m.tdx[i].base <= base && end <= m.tdx[i].base + m.tdx[i].size)
			return true;
	return false;
}

static void set_owner(uint64_t n, enum page_owner from, enum page_owner to)
{
	if (m.owner[n] != from)
		panic_unlocked("page %#llx belongs to owner %u, not to %u",
			       (unsigned long long)(MACHINE_BASE + n * PAGE_SIZE), m.owner[n],
			       from);
	m.owner[n] = (uint8_t)to;
	m.count[from]--;
	m.count[to]++;
	if (m.restricted && (from == PAGE_FREE || to == PAGE_FREE) && tdx_takes(n, 1))
		m.tdx_free += to == PAGE_FREE ? 1 : UINT64_MAX;
}

static void push_freed(uint64_t n)
{
	if (m.freed_count == m.freed_room) {
		m.freed_room = m.freed_room ? 2 * m.freed_room : 1024;
		m.freed = must(realloc(m.freed, m.freed_room * sizeof(*m.freed)));
	}
	m.freed[m.freed_count++] = (uint32_t)n;
}

static bool find_page(uint64_t *n)
{
	while (m.freed_count > 0) {
		*n = m.freed[--m.freed_count];
		if (m.owner[*n] == PAGE_FREE)
			return true;
	}
	while (m.fresh < m.pages) {
		*n = m.fresh++;
		if (m.owner[*n] == PAGE_FREE)
			return true;
	}
	return false;
}

static bool find_run(uint64_t frames, uint64_t *first)
{
	for (uint64_t at = align_down(m.pages, frames); at >= frames;) {
		uint64_t i = 0;

		at -= frames;
		while (i < frames && m.owner[at + i] == PAGE_FREE)
			i++;
		if (i == frames) {
			*first = at;
			return true;
		}
	}
	return false;
}

/* As page_restrict_tdx() said; from where the last one was found, round once. */
static bool find_for_tdx(uint64_t frames, uint64_t *first)
{
	uint64_t blocks = m.pages / frames;

	for (uint64_t n = 0; n < blocks; n++) {
		uint64_t at = (m.cursor / frames + n) % blocks * frames, i = 0;

		while (i < frames && m.owner[at + i] == PAGE_FREE)
			i++;
		if (i < frames || !tdx_takes(at, frames))
			continue;
		*first = at;
		m.cursor = at;
		return true;
	}
	return false;
}

static bool find_pages(enum page_owner owner, unsigned order, uint64_t *first)
{
	if (m.restricted &&
	    (owner == PAGE_TDX_CONTROL || owner == PAGE_TDX_SEPT || owner == PAGE_TDX_PRIVATE))
		return find_for_tdx(UINT64_C(1) << order, first);
	return order == 0 ? find_page(first) : find_run(UINT64_C(1) << order, first);
}

static hpa_t take(enum page_owner owner, unsigned order, bool zeroed)
{
	uint64_t first = 0, frames = UINT64_C(1) << order;
	hpa_t page = HPA_NONE;

	lock_machine();
	if (m.fail_in > 0 && --m.fail_in == 0)
		goto out;
	if (!find_pages(owner, order, &first))
		goto out;
	for (uint64_t i = first; i < first + frames; i++) {
		void *p = m.ram + i * PAGE_SIZE;

		set_owner(i, PAGE_FREE, owner);
		ASAN_UNPOISON_MEMORY_REGION(p, PAGE_SIZE);
		if (zeroed && m.used[i])
			memset(p, 0, PAGE_SIZE);
		m.used[i] = 1;
	}
	page = (hpa_t){ MACHINE_BASE + first * PAGE_SIZE };
out:
	unlock_machine();
	return page;
}

hpa_t page_alloc(enum page_owner owner) { return take(owner, 0, true); }
hpa_t pages_alloc(enum page_owner owner, unsigned order) { return take(owner, order, true); }
hpa_t pages_alloc_raw(enum page_owner owner, unsigned order) { return take(owner, order, false); }

void pages_free(hpa_t base, enum page_owner owner, unsigned order)
{
	lock_machine();
	uint64_t first = page_number(base);

	for (uint64_t i = first; i < first + (UINT64_C(1) << order); i++) {
		set_owner(i, owner, PAGE_FREE);
		push_freed(i);
		ASAN_POISON_MEMORY_REGION(m.ram + i * PAGE_SIZE, PAGE_SIZE);
	}
	unlock_machine();
}

void page_free(hpa_t page, enum page_owner owner) { pages_free(page, owner, 0); }

void pages_reown(hpa_t base, unsigned order, enum page_owner from, enum page_owner to)
{
	lock_machine();
	uint64_t first = page_number(base);

	for (uint64_t i = first; i < first + (UINT64_C(1) << order); i++)
		set_owner(i, from, to);
	unlock_machine();
}

uint64_t page_count(enum page_owner owner)
{
	lock_machine();
	uint64_t count = m.count[owner];

	unlock_machine();
	return count;
}

int page_restrict_tdx(const struct boot_mem *ranges, size_t count)
{
	if (count > RANGES_MAX)
		return -ENOMEM;
	lock_machine();
	if (m.fail_in > 0 && --m.fail_in == 0) {
		unlock_machine();
		return -ENOMEM;
	}
	memcpy(m.tdx, ranges, count * sizeof(*ranges));
	m.tdx_count = count;
	m.restricted = true;
	m.tdx_free = 0;
	for (uint64_t n = 0; n < m.pages; n++)
		m.tdx_free += m.owner[n] == PAGE_FREE && tdx_takes(n, 1);
	unlock_machine();
	return 0;
}

uint64_t page_count_for_tdx(void)
{
	lock_machine();
	uint64_t count = m.restricted ? m.tdx_free : m.count[PAGE_FREE];

	unlock_machine();
	return count;
}

enum page_owner machine_owner(hpa_t page)
{
	lock_machine();
	enum page_owner owner = (enum page_owner)m.owner[page_number(page)];

	unlock_machine();
	return owner;
}

enum page_owner page_owner_of(hpa_t page)
{
	uint64_t at = page.v - MACHINE_BASE;

	return page.v < MACHINE_BASE || at >= m.pages * PAGE_SIZE ? PAGE_OWNER_COUNT
								   : machine_owner(page);
}

void *hpa_to_ptr(hpa_t page)
{
	uint64_t at = page.v - MACHINE_BASE;

	if (page.v < MACHINE_BASE || at >= m.pages * PAGE_SIZE)
		panic("no RAM at %#llx", (unsigned long long)page.v);
	return m.ram + at;
}

hpa_t ptr_to_hpa(const void *ptr)
{
	uint64_t at = (uint64_t)((const uint8_t *)ptr - m.ram);

	if (at >= m.pages * PAGE_SIZE)
		panic("%p is not in the direct map", ptr);
	return (hpa_t){ MACHINE_BASE + at };
}

/* Aligned as strictly as any type asks. */
void *heap_alloc(size_t bytes)
{
	size_t room = align_up(bytes ? bytes : 1, 64);
	void *p = aligned_alloc(64, room);

	return p ? memset(p, 0, room) : NULL;
}

void heap_free(void *p) { free(p); }

/*
 * CPUs and time
 */
void machine_cpu(unsigned index) { this_cpu = index; }
unsigned cpu_index(void) { return this_cpu; }

unsigned cpu_count(void)
{
	lock_machine();
	unsigned cpus = m.cpus;

	unlock_machine();
	return cpus;
}

void machine_cpu_offline(unsigned index) { m.offline = index; }
bool cpu_is_online(unsigned index) { return index != m.offline; }
void machine_threads(bool on) { m.threads = on; }

uint64_t tsc_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t tsc_hz(void) { return UINT64_C(1000000000); }

void cpu_call(unsigned cpu, void (*fn)(void *arg), void *arg)
{
	unsigned caller = this_cpu;

	this_cpu = cpu;
	fn(arg);
	this_cpu = caller;
}

struct remote {
	pthread_t thread;
	unsigned cpu;
	void (*fn)(void *arg);
	void *arg;
};

static void *run_remote(void *p)
{
	struct remote *r = p;

	this_cpu = r->cpu;
	r->fn(r->arg);
	return NULL;
}

/* One CPU after the other, or a thread for each. */
void cpu_call_all(void (*fn)(void *arg), void *arg)
{
	unsigned cpus = cpu_count(), n = 0;
	struct remote *others = must(calloc(cpus, sizeof(*others)));

	for (unsigned i = 0; i < cpus; i++) {
		if (!cpu_is_online(i))
			continue;
		if (!m.threads)
			cpu_call(i, fn, arg);
		if (!m.threads || i == this_cpu)
			continue;
		others[n] = (struct remote){ .cpu = i, .fn = fn, .arg = arg };
		if (pthread_create(&others[n].thread, NULL, run_remote, &others[n]))
			must(NULL);
		n++;
	}
	if (m.threads)
		fn(arg);
	while (n > 0)
		pthread_join(others[--n].thread, NULL);
	free(others);
}

/*
 * Log and panic
 */
void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	pthread_mutex_lock(&log_lock);
	char *line = log_ring[log_next++ % LOG_LINES];

	va_start(args, fmt);
	vsnprintf(line, sizeof(log_ring[0]), fmt, args);
	va_end(args);
	if (log_shown || getenv("TAIN_LOG"))
		fprintf(stderr, "%s\n", line);
	pthread_mutex_unlock(&log_lock);
}

bool machine_logged(const char *text)
{
	bool found = false;

	pthread_mutex_lock(&log_lock);
	for (unsigned i = 0; i < LOG_LINES && !found; i++)
		found = strstr(log_ring[i], text) != NULL;
	pthread_mutex_unlock(&log_lock);
	return found;
}

void machine_log_clear(void)
{
	pthread_mutex_lock(&log_lock);
	memset(log_ring, 0, sizeof(log_ring));
	pthread_mutex_unlock(&log_lock);
}

void machine_log_show(bool show) { log_shown = show; }

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(panic_text, sizeof(panic_text), fmt, args);
	va_end(args);
	if (machine_panic_expected) {
		machine_panic_expected = false;
		longjmp(machine_panic_jump, 1);
	}
	fprintf(stderr, "panic: %s\n", panic_text);
	abort();
}

void machine_no_panic(void)
{
	machine_panic_expected = false;
	panic_text[0] = '\0';
}

const char *machine_panicked(void) { return panic_text[0] ? panic_text : NULL; }
