#pragma once

#include <cstddef>

namespace mpira::model {

/// Lets LibTorch keep the memory of freed tensors on the host, sorted by size, for the next ones: passes of
/// the same shapes then allocate nothing. For the whole process and all threads, once, at the start of a
/// program that computes; beside keep_freed_memory(), which is for everybody's memory. What is kept stays
/// below 1 GiB: before it would pass, all of it is given back.
void keep_freed_tensors();

/// What is kept now.
[[nodiscard]] std::size_t kept_tensor_bytes();

}  // namespace mpira::model
