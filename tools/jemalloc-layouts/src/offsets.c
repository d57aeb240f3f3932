/* Prints what a build of jemalloc with these headers keeps where: one "name value" a line, in bytes or bits. */
#define JEMALLOC_NO_PRIVATE_NAMESPACE
#include "jemalloc/internal/jemalloc_preamble.h"
#include "jemalloc/internal/jemalloc_internal_includes.h"

#include <stddef.h>
#include <stdio.h>

#define SAY(name, value) printf("%s %llu\n", name, (unsigned long long)(value))

int main(void) {
	SAY("lg_vaddr", LG_VADDR);
	SAY("debug", config_debug);
	SAY("page_shift", LG_PAGE);
	SAY("root_offset", offsetof(emap_t, rtree) + offsetof(rtree_t, root));
	SAY("height", RTREE_HEIGHT);
	for (int level = 0; level < 3; level++) {
		SAY("level_bits", level < RTREE_HEIGHT ? rtree_levels[level].bits : 0);
	}
	SAY("node_bytes", sizeof(rtree_node_elm_t));
	SAY("leaf_bytes", sizeof(rtree_leaf_elm_t));
#ifdef RTREE_LEAF_COMPACT
	SAY("compact", 1);
	SAY("leaf_edata_offset", offsetof(rtree_leaf_elm_t, le_bits));
	SAY("leaf_metadata_offset", offsetof(rtree_leaf_elm_t, le_bits));
#else
	SAY("compact", 0);
	SAY("leaf_edata_offset", offsetof(rtree_leaf_elm_t, le_edata));
	SAY("leaf_metadata_offset", offsetof(rtree_leaf_elm_t, le_metadata));
#endif
	SAY("leaf_state_shift", RTREE_LEAF_STATE_SHIFT);
	SAY("leaf_state_bits", RTREE_LEAF_STATE_WIDTH);
	SAY("edata_align", EDATA_ALIGNMENT);
	SAY("edata_bytes", sizeof(edata_t));
	SAY("edata_bits_offset", offsetof(edata_t, e_bits));
	SAY("edata_addr_offset", offsetof(edata_t, e_addr));
	SAY("edata_size_offset", offsetof(edata_t, e_size_esn));
	SAY("edata_slab_offset", offsetof(edata_t, e_slab_data));
	SAY("arena_bits", EDATA_BITS_ARENA_WIDTH);
	SAY("pai_shift", EDATA_BITS_PAI_SHIFT);
	SAY("guarded_shift", EDATA_BITS_GUARDED_SHIFT);
	SAY("szind_shift", EDATA_BITS_SZIND_SHIFT);
	SAY("szind_bits", EDATA_BITS_SZIND_WIDTH);
	SAY("nfree_shift", EDATA_BITS_NFREE_SHIFT);
	SAY("nfree_bits", EDATA_BITS_NFREE_WIDTH);
	SAY("bitmap_words", BITMAP_GROUPS_MAX);
	SAY("block_size_offset", offsetof(base_block_t, size));
	SAY("block_addr_offset", offsetof(base_block_t, edata) + offsetof(edata_t, e_addr));
	SAY("block_rest_offset", offsetof(base_block_t, edata) + offsetof(edata_t, e_bsize));
	return 0;
}
