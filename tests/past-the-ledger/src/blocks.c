/* Blocks of C's malloc, kept for good and written throughout. */
#include <stdlib.h>
#include <string.h>

/* A chain through the first word of each block, so that nothing but the blocks is allocated. */
static void *kept;

int keep_blocks(size_t count, size_t bytes) {
    for (size_t made = 0; made < count; made++) {
        void **block = malloc(bytes);
        if (!block) {
            return 1;
        }
        memset(block, 1, bytes);
        *block = kept;
        kept = block;
    }
    return 0;
}
