#pragma once

#include <string>
#include <string_view>

/// Which of LibTorch's matrix libraries multiplies on a CPU. No Torch in this header.
namespace mpira::model {

enum class Precision {
    f32,
    bf16  ///< weights and activations in bfloat16, LayerNorm statistics and softmax in f32; for GPUs, and
          ///< CPUs with such products
};

/// A GPU has cuBLAS only.
enum class Products {
    onednn,  ///< the faster one on the CPUs that were measured (src/model/README.md)
    blas     ///< what LibTorch itself calls: MKL, OpenBLAS
};

/// "onednn" or "blas", as settings have it.
[[nodiscard]] Products products_of(std::string_view name);

/// Whether this LibTorch, on this CPU, can do Products::onednn in `precision`.
[[nodiscard]] bool has_onednn(Precision precision = Precision::f32);

/// Why a CPU can't multiply so, and what to do: a sentence; empty where it can.
[[nodiscard]] std::string lack_of(Products products, Precision precision);

}  // namespace mpira::model
