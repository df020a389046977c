#pragma once

#include <cstddef>

namespace mpira::model {

/// Lets LibTorch keep the memory of freed tensors on the host, sorted by size, for the next ones: passes of
/// the same shapes then allocate nothing. For the whole process and all threads, once, before the first
/// tensor: LibTorch frees packed weights by whatever allocator is the present one, and this one must not get
/// another's. Beside keep_freed_memory(), which is for everybody's memory. What is kept stays below 512 MiB:
/// before it would pass, all of it is given back.
void keep_freed_tensors();

/// What is kept now.
[[nodiscard]] std::size_t kept_tensor_bytes();

}  // namespace mpira::model
