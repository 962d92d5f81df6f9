/*
 * vmx_flush.c - CPUs forget what they remember of a VM's page tables: before a vCPU enters (mmu rule
 * E5), and when the MMU asks (E6). The file under test, the MMU and threads for CPUs; what a CPU
 * does, INVEPT, NMI, VMCS, is noted here.
 *
 * links: kernel/vmx/flush.c mmu/[a-z]*.c
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/machine/cpu.h"
#include "kernel/vmx/vm_room.h"
#include "tests/fake/test.h"
#include "tests/host/machine.h"

#define CPUS  2u
#define VCPUS 2u
#define BASE  ((gfn_t){ 0x400 })

/* ---- the CPUs ---- */

static struct cpu cpus[CPUS];
static unsigned flushes[CPUS], vpid_flushes[CPUS], kicks[CPUS];
static uint64_t last_flushed[CPUS], eptp_in_vmcs;
static struct vmcs *current[CPUS];

/* This thread is CPU @index: GS:0 leads to it, as in root mode. */
static void be_cpu(unsigned index)
{
	cpus[index].self = &cpus[index];
	cpus[index].index = index;
	CHECK_INT(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[index]), 0);
	machine_cpu(index);
}

void vmx_flush_ept(uint64_t eptp)
{
	flushes[this_cpu()->index]++;
	last_flushed[this_cpu()->index] = eptp;
}

void vmx_flush_vpid(uint16_t vpid)
{
	(void)vpid;
	vpid_flushes[this_cpu()->index]++;
}

bool vmcs_load(struct vmcs *v)
{
	bool fresh = v->cpu == VMCS_NOWHERE;

	CHECK(fresh || v->cpu == this_cpu()->index);
	current[this_cpu()->index] = v;
	__atomic_store_n(&v->cpu, this_cpu()->index, __ATOMIC_SEQ_CST);
	return fresh;
}

void vmcs_set_root(const struct vm_vcpu *v)
{
	CHECK(current[this_cpu()->index] == &v->vmcs);
	eptp_in_vmcs = mmu_root_eptp(&v->vm->mmu, v->root);
}

void cpu_kick(unsigned index)
{
	cpus[index].wake = 1;
	__atomic_add_fetch(&kicks[index], 1, __ATOMIC_SEQ_CST);
}

/* ---- a VM of two vCPUs ---- */

static struct vm *vm;
static struct memslot slot;

static int resolve(struct memslot *s, enum mmu_root root, gfn_t gfn, pfn_t *pfn, int *level)
{
	(void)s, (void)root;
	*pfn = (pfn_t){ gfn.v + 0x100000 };
	*level = LEVEL_4K;
	return 0;
}

static void no_external_spt(struct mmu *mmu, struct mmu_page *sp) { (void)mmu, (void)sp; }

static const struct mmu_ops ops = { .free_external_spt = no_external_spt, .flush = vm_flush };
static const struct memslot_ops slot_ops = { .resolve = resolve };

static int start(void **state)
{
	const struct mmu_config config = { .ops = &ops,
					   .name = "vm",
					   .levels = 4,
					   .max_level = LEVEL_4K,
					   .memtype = SPTE_MEMTYPE_WB,
					   .ad = MMU_AD_HARDWARE };

	(void)state;
	machine_start(MACHINE_DEFAULT_SIZE, CPUS);
	memset(cpus, 0, sizeof(cpus));
	memset(flushes, 0, sizeof(flushes));
	memset(vpid_flushes, 0, sizeof(vpid_flushes));
	memset(kicks, 0, sizeof(kicks));
	be_cpu(0);
	vm = calloc(1, sizeof(*vm) + VCPUS * sizeof(vm->vcpu[0]));
	vm->flush_gen = 1;
	vm->vcpu_count = VCPUS;
	CHECK_INT(mmu_init(&vm->mmu, &config), 0);
	slot = (struct memslot){ .base = BASE, .frames = 512, .ops = &slot_ops };
	CHECK_INT(mmu_slot_add(&vm->mmu, &slot), 0);
	for (unsigned i = 0; i < VCPUS; i++) {
		vm->vcpu[i].vm = vm;
		vm->vcpu[i].vmcs.cpu = VMCS_NOWHERE;
		vm->vcpu[i].root = mmu_root_get(&vm->mmu, MMU_DIRECT);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++)
		mmu_root_put(&vm->mmu, vm->vcpu[i].root);
	CHECK_INT(mmu_fini(&vm->mmu), 0);
	free(vm);
	return 0;
}

static int touch(uint64_t offset)
{
	struct mmu_fault f = { .gfn = gfn_add(BASE, offset), .root = MMU_DIRECT, .access = MMU_WRITE };

	return mmu_handle_fault(&vm->mmu, &f);
}

/* As a stay begins. */
static void begin_stay(struct vm_vcpu *v)
{
	vm_arrive(v);
	vm_flush_if_asked(v);
}

static void clear_vmcs(struct vm_vcpu *v) { v->vmcs.cpu = VMCS_NOWHERE; }

TEST(E5_a_vcpu_that_comes_to_a_cpu_flushes_there)
{
	struct vm_vcpu *v = &vm->vcpu[0];

	begin_stay(v);
	CHECK_INT(flushes[0], 1);
	CHECK_INT(vpid_flushes[0], 1);
	CHECK(last_flushed[0] == mmu_root_eptp(&vm->mmu, v->root));
	begin_stay(v); /* it was here, and nobody asked */
	CHECK_INT(flushes[0], 1);
	/* To the other CPU and back: each time, though nobody asked. */
	for (unsigned round = 1; round <= 3; round++)
		for (unsigned cpu = CPUS; cpu-- > 0;) {
			clear_vmcs(v);
			be_cpu(cpu);
			v->regs.host_rsp = 0x1234;
			begin_stay(v);
			CHECK_INT(flushes[cpu], round + (cpu == 0));
			CHECK_INT(vpid_flushes[cpu], round + (cpu == 0));
			CHECK(v->regs.kick == &cpus[cpu].wake);
			CHECK_INT(v->regs.host_rsp, 0);
		}
	CHECK_INT(vm->flush_gen, 1);
}

TEST(E5_a_root_that_is_new_is_loaded_and_flushed_before_the_entry)
{
	struct vm_vcpu *v = &vm->vcpu[0];
	struct mmu_page *old = v->root;

	CHECK_INT(touch(3), 0);
	begin_stay(v);
	CHECK_INT(flushes[0], 1);
	CHECK_INT(mmu_invalidate(&vm->mmu, MMU_DIRECT), 0);
	CHECK(v->root == old); /* until it looks */
	CHECK_INT(cpus[0].wake, 1);
	vm_flush_if_asked(v);
	CHECK(v->root != old && v->root == vm->mmu.root[MMU_DIRECT]);
	CHECK(eptp_in_vmcs == mmu_root_eptp(&vm->mmu, v->root));
	CHECK_INT(flushes[0], 2);
	CHECK(last_flushed[0] == eptp_in_vmcs);
	/* The other vCPU, which comes later, finds its root out of use by itself. */
	CHECK(vm->vcpu[1].root == old && vm->mmu.retired == old);
	begin_stay(&vm->vcpu[1]);
	CHECK(vm->vcpu[1].root == v->root && vm->mmu.retired == NULL);
	CHECK_INT(flushes[0], 3);
}

/* ---- E6: vCPU 1 is in the guest on CPU 1 ---- */

static uint32_t inside, zapped;
static uint32_t early, looked; /* what CPU 1 saw of `zapped` before it left, and with the lock */
static int fault_error;

static uint32_t get(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static void set(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }

/* In the guest, and out of it some time after it was kicked, until when the removal waits. */
static struct vm_vcpu *enter_until_kicked(void)
{
	struct vm_vcpu *v = &vm->vcpu[1];

	be_cpu(1);
	begin_stay(v);
	set(&v->in_guest, 1);
	set(&inside, 1);
	while (!get(&kicks[1]))
		sched_yield();
	usleep(50000);
	early = get(&zapped);
	return v;
}

static void *leave_and_spin(void *arg)
{
	struct vm_vcpu *v = enter_until_kicked();

	/* Out, and nothing else: no handler, no flush, only a fault that wants the lock. */
	set(&v->in_guest, 0);
	fault_error = touch(9);
	looked = get(&zapped);
	vm_flush_if_asked(v);
	return arg;
}

static void *leave_and_enter_again(void *arg)
{
	struct vm_vcpu *v = enter_until_kicked();

	set(&v->in_guest, 0);
	vm_flush_if_asked(v);
	set(&v->in_guest, 1);
	while (!get(&zapped))
		sched_yield();
	set(&v->in_guest, 0);
	return arg;
}

/* A removal by CPU 0, while CPU 1 does @guest. */
static void zap_beside(void *(*guest)(void *))
{
	pthread_t thread;
	uint64_t seen;

	inside = zapped = early = looked = 0;
	fault_error = 0;
	CHECK_INT(touch(3), 0);
	CHECK_INT(pthread_create(&thread, NULL, guest, NULL), 0);
	while (!get(&inside))
		sched_yield();
	mmu_write_lock(&vm->mmu.lock);
	CHECK_INT(vm_flush(&vm->mmu, MMU_DIRECT, BASE, 1), 0);
	seen = __atomic_load_n(&vm->vcpu[1].flush_seen, __ATOMIC_SEQ_CST);
	set(&zapped, 1);
	mmu_write_unlock(&vm->mmu.lock);
	pthread_join(thread, NULL);
	CHECK(!early);
	CHECK_INT(fault_error, 0);
	CHECK_INT(kicks[1], 1);
	CHECK_INT(kicks[0], 0);
	CHECK_INT(vm->vcpu[1].flush_seen, 2); /* in the end */
	CHECK_INT(flushes[1], 2);
	if (guest == leave_and_spin)
		CHECK_INT(seen, 1); /* nobody waited for it */
}

TEST(E6_a_kick_waits_until_the_vcpu_is_out_and_for_no_handler)
{
	zap_beside(leave_and_spin);
	CHECK(looked); /* it was kept waiting by the lock that the flush held */
}

TEST(E6_who_enters_again_after_its_flush_is_not_waited_for)
{
	zap_beside(leave_and_enter_again);
}

TEST(E6_nobody_is_kicked_who_is_not_there_and_our_own_entry_is_turned_back)
{
	begin_stay(&vm->vcpu[0]);
	CHECK_INT(vm_flush(&vm->mmu, MMU_DIRECT, BASE, 1), 0);
	CHECK_INT(kicks[0] + kicks[1], 0); /* vCPU 1 is nowhere */
	CHECK_INT(cpus[0].wake, 1);
	vm_flush_if_asked(&vm->vcpu[0]);
	CHECK_INT(flushes[0], 2);
	vm_flush_if_asked(&vm->vcpu[0]);
	CHECK_INT(flushes[0], 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		T(E5_a_vcpu_that_comes_to_a_cpu_flushes_there),
		T(E5_a_root_that_is_new_is_loaded_and_flushed_before_the_entry),
		T(E6_a_kick_waits_until_the_vcpu_is_out_and_for_no_handler),
		T(E6_who_enters_again_after_its_flush_is_not_waited_for),
		T(E6_nobody_is_kicked_who_is_not_there_and_our_own_entry_is_turned_back),
	};

	alarm(60); /* who waits for a handler waits for ever */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
