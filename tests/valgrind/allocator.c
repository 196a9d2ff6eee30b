/* Hands DuckDB's allocations to malloc, which Valgrind watches.
 *
 * DuckDB brings its own jemalloc for vectors and buffers; to Valgrind its arenas are one block, in which no read is out of
 * bounds and nothing leaks. Valgrind takes a function named `_vgr00000ZU_Za_F` in place of `F` of any library
 * (valgrind/pub_tool_redir.h); these are duckdb::Allocator's three. */
#include <stddef.h>
#include <stdlib.h>

#define IN_PLACE_OF(function) _vgr00000ZU_Za__ZN6duckdb9Allocator##function

void *IN_PLACE_OF(15DefaultAllocateEPNS_20PrivateAllocatorDataEm)(void *allocator, size_t size) {
    (void)allocator;
    return malloc(size);
}

void *IN_PLACE_OF(17DefaultReallocateEPNS_20PrivateAllocatorDataEPhmm)(
    void *allocator, void *block, size_t old_size, size_t size) {
    (void)allocator;
    (void)old_size;
    return realloc(block, size);
}

void IN_PLACE_OF(11DefaultFreeEPNS_20PrivateAllocatorDataEPhm)(void *allocator, void *block, size_t size) {
    (void)allocator;
    (void)size;
    free(block);
}
