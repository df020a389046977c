#pragma once

/// Which of LibTorch's matrix libraries multiplies on a CPU. No Torch in this header.
namespace mpira::model {

/// A GPU has cuBLAS only.
enum class Products {
    onednn,  ///< the faster one on every CPU that was measured
    blas     ///< what LibTorch itself calls: MKL, OpenBLAS
};

/// Whether this LibTorch can do Products::onednn.
[[nodiscard]] bool has_onednn();

/// Refuses (Origin::usage) what has_onednn() lacks.
void require_available(Products products);

}  // namespace mpira::model
