#pragma once

namespace mpira {

/// Lets the C library keep what is freed for the next allocation, instead of giving buffers of a tensor's
/// size back to the kernel and taking them, page by page and zeroed, anew for each operation. Once, at the
/// start of a program that computes. Only glibc is told; a limit that the user set in the environment
/// (MALLOC_*, GLIBC_TUNABLES) stays.
void keep_freed_memory();

}  // namespace mpira
