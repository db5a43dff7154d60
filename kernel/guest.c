/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/guest.c - walk a guest's page tables as its CPU does (SDM vol. 3, 4.3-4.7).
 */
#include "kernel/gmem.h"

#include "kernel/x86.h"

/* Bits of an entry (SDM vol. 3, tables 4-5 to 4-20); all modes agree where they have them. */
#define ENTRY_PRESENT BIT(0)
#define ENTRY_WRITE   BIT(1)
#define ENTRY_USER    BIT(2)
#define ENTRY_LARGE   BIT(7)
#define ENTRY_NX      BIT(63)
#define ENTRY_ADDRESS (BIT(52) - PAGE_SIZE)
/* Of a 4 MiB page in 32-bit paging: address bits 39:32 (PSE-36; table 4-4). */
#define PSE36_ADDRESS 0x1fe000ull
#define PSE36_SHIFT   19

#define ERROR_PRESENT 1u /* of a #PF's error code */

/* What the modes differ in. Level 0 is that of 4 KiB pages. */
struct mode {
	unsigned levels, index_bits, entry_size;
	unsigned large;        /* a bit for each level that may map a page */
	uint64_t root;         /* the table's address in CR3 */
	uint64_t reserved;     /* in all entries */
	unsigned top;          /* from this level on: */
	uint64_t top_reserved; /* in these too */
	uint64_t top_rights;   /* these do not limit */
};
static const struct mode modes[] = {
	{2, 10, 4, 1 << 1, 0xfffff000, 0, 2, 0, 0}, /* 32-bit */
	/* PAE. 0x1c6, not 0x1e6: QEMU sets the accessed bit in PDPTEs. */
	{3, 9, 8, 1 << 1, 0xffffffe0, 0x7ff0000000000000, 2, ENTRY_NX | 0x1c6,
		ENTRY_WRITE | ENTRY_USER},
	{4, 9, 8, 1 << 1 | 1 << 2, ENTRY_ADDRESS, 0, 3, ENTRY_LARGE, 0},
	{5, 9, 8, 1 << 1 | 1 << 2, ENTRY_ADDRESS, 0, 3, ENTRY_LARGE, 0},
};

/* The bits that a present entry must not have. */
static uint64_t reserved_of(
	const struct guest_paging *p, const struct mode *m, unsigned level, bool large)
{
	uint64_t beyond = ENTRY_ADDRESS & ~(BIT(p->address_bits != 0 ? p->address_bits : 52) - 1);
	if (m == &modes[0]) {
		return large ? BIT(21) | (beyond >> PSE36_SHIFT & PSE36_ADDRESS) : 0;
	}
	uint64_t reserved = beyond | m->reserved | (level >= m->top ? m->top_reserved : 0);
	reserved |= p->efer & EFER_NXE ? 0 : ENTRY_NX;
	return reserved | (large ? BIT(PAGE_SHIFT + 9 * level) - BIT(13) : 0); /* bit 12 is PAT */
}

/* SDM vol. 3, 4.6.1. `rights`: what all entries of the walk give; ENTRY_NX: may be executed. */
static bool is_allowed(const struct guest_paging *p, enum guest_access access, uint64_t rights)
{
	bool user = p->cpl == 3, user_page = rights & ENTRY_USER;
	if (user && !user_page) {
		return false;
	}
	if (access == GUEST_FETCH) {
		return (rights & ENTRY_NX) && (user || !user_page || !(p->cr4 & CR4_SMEP));
	}
	if (!user && user_page && (p->cr4 & CR4_SMAP) && !p->smap_override) {
		return false;
	}
	return access == GUEST_READ || (rights & ENTRY_WRITE) || (!user && !(p->cr0 & CR0_WP));
}

int guest_translate(struct vm *vm, const struct guest_paging *p, uint64_t gva,
	enum guest_access access, uint64_t *gpa, uint32_t *error)
{
	bool is_long = p->efer & EFER_LME; /* with CR0.PG that is LMA */
	const struct mode *m =
		&modes[2 * is_long + ((p->cr4 & (is_long ? CR4_LA57 : CR4_PAE)) != 0)];
	unsigned level = m->levels, shift = PAGE_SHIFT + m->index_bits * level;
	uint64_t entry, rights = ENTRY_WRITE | ENTRY_USER | ENTRY_NX, table = p->cr3 & m->root;
	bool has_nx = (p->cr4 & CR4_PAE) && (p->efer & EFER_NXE), large = false;

	/* Bits of a #PF's error code (4.7): write, user, fetch. */
	*error = (access == GUEST_WRITE ? 2 : 0) | (p->cpl == 3 ? 4 : 0) |
		(access == GUEST_FETCH && (has_nx || (p->cr4 & CR4_SMEP)) ? 16 : 0);
	if (!(p->cr0 & CR0_PG) || m->levels < 4) {
		gva = (uint32_t)gva;
	} else if ((uint64_t)((int64_t)(gva << (64 - shift)) >> (64 - shift)) != gva) {
		*error = UINT32_MAX;
		return -EFAULT;
	}
	*gpa = gva;
	if (!(p->cr0 & CR0_PG)) {
		return 0;
	}
	while (level-- != 0 && !large) {
		shift -= m->index_bits;
		uint64_t at = table + (gva >> shift) % BIT(m->index_bits) * m->entry_size;
		entry = 0;
		if (!gmem_copy(vm, at, &entry, m->entry_size, false)) {
			entry = UINT64_MAX >> (64 - 8 * m->entry_size);
		}
		large = (entry & ENTRY_LARGE) && (m->large >> level & 1) &&
			(m != &modes[0] || (p->cr4 & CR4_PSE));
		if (!(entry & ENTRY_PRESENT)) {
			return -EFAULT;
		}
		if (entry & reserved_of(p, m, level, large)) {
			*error |= ERROR_PRESENT | 8; /* reserved bits */
			return -EFAULT;
		}
		rights &= (entry | (level >= m->top ? m->top_rights : 0)) ^ ENTRY_NX;
		table = entry & ENTRY_ADDRESS;
	}
	if (!is_allowed(p, access, rights)) {
		*error |= ERROR_PRESENT;
		return -EFAULT;
	}
	if (large && m == &modes[0]) {
		table |= (table & PSE36_ADDRESS) << PSE36_SHIFT;
	}
	*gpa = (table & ~(BIT(shift) - 1)) | (gva & (BIT(shift) - 1));
	return 0;
}
