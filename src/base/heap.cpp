#include "mpira/base/heap.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace mpira {

void keep_freed_memory() {
#ifdef __GLIBC__
    constexpr std::array kOfTheUser{"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"};
    if (std::ranges::any_of(kOfTheUser, [](char const* name) { return std::getenv(name) != nullptr; }))
        return;
    constexpr int kLargestOfTheHeap = 32 << 20;  // glibc takes no larger one
    constexpr int kKept = 1 << 30;
    mallopt(M_MMAP_THRESHOLD, kLargestOfTheHeap);
    mallopt(M_TRIM_THRESHOLD, kKept);
    mallopt(M_MXFAST, 0);  // else each buffer of a tensor's size sweeps the bins of small freed ones first
#endif
}

}  // namespace mpira
