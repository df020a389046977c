#include "normalise.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ATen/Parallel.h>
#include <ATen/ops/add.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/var.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "mpira/base/error.hpp"

#include "gpu/row_kernels.hpp"
#include "narrow_rows.hpp"

namespace mpira::model {
namespace {

constexpr std::int64_t kRowsPerTask = 64;
constexpr std::size_t kTogether = 8;

// The pragmas (-fopenmp-simd, CMakeLists.txt) let the compiler add in any order; each row's is the same.
/// `rows` <= kTogether take each step together, so that none waits for sums of its own.
MPIRA_CLONES void normalise_together(float const* z, float const* shift, std::size_t rows, std::size_t dim,
                                     float eps, float* h, float* scale) {
    auto const count = static_cast<float>(dim);
    float means[kTogether];
    float by[kTogether];
    for (std::size_t r = 0; r < rows; ++r) {
        auto const* const from = z + r * dim;
        auto* const row = h + r * dim;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::size_t i = 0; i < dim; ++i) {
            row[i] = from[i] + shift[i];
            sum += row[i];
        }
        means[r] = sum / count;
    }
    for (std::size_t r = 0; r < rows; ++r) {
        auto* const row = h + r * dim;
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (std::size_t i = 0; i < dim; ++i) {
            row[i] -= means[r];
            squares += row[i] * row[i];
        }
        by[r] = squares;
    }
    for (std::size_t r = 0; r < rows; ++r) by[r] = 1 / std::sqrt(by[r] / count + eps);
    for (std::size_t r = 0; r < rows; ++r) {
        auto* const row = h + r * dim;
#pragma omp simd
        for (std::size_t i = 0; i < dim; ++i) row[i] *= by[r];
        if (scale != nullptr) scale[r] = by[r];
    }
}

MPIRA_CLONES void add_backward_of_row(float const* dh, float const* h, float scale, std::size_t dim,
                                      float* gradient) {
    auto const count = static_cast<float>(dim);
    float sum = 0;
    float along = 0;
#pragma omp simd reduction(+ : sum, along)
    for (std::size_t i = 0; i < dim; ++i) {
        sum += dh[i];
        along += dh[i] * h[i];
    }
    float const mean = sum / count;
    along /= count;
#pragma omp simd
    for (std::size_t i = 0; i < dim; ++i) gradient[i] += scale * (dh[i] - mean - h[i] * along);
}

/// on_rows(first row, how many, memory for three times as many rows of `dim`) for all rows, some at a time,
/// by the threads of this call.
template <typename OnRows>
void for_rows(std::int64_t rows, std::size_t dim, OnRows const& on_rows) {
    at::parallel_for(0, rows, kRowsPerTask, [&](std::int64_t first, std::int64_t end) {
        auto const memory = std::make_unique_for_overwrite<float[]>(3 * kTogether * dim);
        auto const last = static_cast<std::size_t>(end);
        for (auto row = static_cast<std::size_t>(first); row < last; row += kTogether)
            on_rows(row, std::min(kTogether, last - row), memory.get());
    });
}

/// Value: float, or std::uint16_t for bf16.
template <typename Value>
void normalise_rows(at::Tensor const& z, float const* shift, float eps, at::Tensor const& h, float* scales) {
    auto const dim = static_cast<std::size_t>(z.size(1));
    auto const* const from = static_cast<Value const*>(z.const_data_ptr());
    auto* const to = static_cast<Value*>(h.mutable_data_ptr());
    for_rows(z.size(0), dim, [&](std::size_t row, std::size_t rows, float* memory) {
        auto const values = rows * dim;
        auto* const wide = f32_of(to + row * dim, memory);
        normalise_together(as_f32(from + row * dim, values, memory + values), shift, rows, dim, eps, wide,
                           scales == nullptr ? nullptr : scales + row);
        finish_row(wide, values, to + row * dim);
    });
}

template <typename Value>
void add_backward_of_rows(at::Tensor const& dh, at::Tensor const& h, float const* scales,
                          at::Tensor const& gradient) {
    auto const dim = static_cast<std::size_t>(dh.size(1));
    auto const* const from = static_cast<Value const*>(dh.const_data_ptr());
    auto const* const normalised = static_cast<Value const*>(h.const_data_ptr());
    auto* const to = static_cast<Value*>(gradient.mutable_data_ptr());
    for_rows(dh.size(0), dim, [&](std::size_t row, std::size_t rows, float* memory) {
        auto const values = rows * dim;
        auto* const wide = f32_of(to + row * dim, memory);
        static_cast<void>(as_f32(to + row * dim, values, wide));
        auto const* const by_row = as_f32(from + row * dim, values, memory + values);
        auto const* const h_by_row = as_f32(normalised + row * dim, values, memory + 2 * values);
        for (std::size_t r = 0; r < rows; ++r)
            add_backward_of_row(by_row + r * dim, h_by_row + r * dim, scales[row + r], dim, wide + r * dim);
        finish_row(wide, values, to + row * dim);
    });
}

gpu::Element element_of(at::Tensor const& tensor) {
    return tensor.scalar_type() == at::kBFloat16 ? gpu::Element::bf16 : gpu::Element::f32;
}

bool is_for_kernel(at::Tensor const& tensor) {
    auto const type = tensor.scalar_type();
    return tensor.is_cuda() && (type == at::kFloat || type == at::kBFloat16) &&
           gpu::takes_rows_of(element_of(tensor), tensor.size(1));
}

void* stream_of(at::Tensor const& tensor) {
    return c10::impl::VirtualGuardImpl(at::kCUDA).getStream(tensor.device()).native_handle();
}

void require_success(char const* error) {
    if (error != nullptr) throw Error(Origin::cuda, std::string("a kernel was refused: ") + error);
}

bool is_host(at::Tensor const& tensor, at::ScalarType type) {
    return tensor.is_cpu() && tensor.scalar_type() == type;
}

}  // namespace

void normalise(at::Tensor const& z, at::Tensor const& shift, double eps, at::Tensor const& h,
               at::Tensor const* scale) {
    ensure(z.dim() == 2 && z.is_contiguous() && h.is_contiguous() && z.sizes() == h.sizes() &&
               z.scalar_type() == h.scalar_type() && shift.numel() == z.size(1),
           "normalise: the tensors do not fit together");
    auto const rows = z.size(0);
    auto const dim = z.size(1);
    auto* const scales = scale == nullptr ? nullptr : scale->mutable_data_ptr<float>();
    if (is_for_kernel(z)) {
        c10::DeviceGuard const current(z.device());
        require_success(gpu::normalise(element_of(z), z.const_data_ptr(), shift.const_data_ptr<float>(), rows,
                                       dim, eps, h.mutable_data_ptr(), scales, stream_of(z)));
    } else if (is_host(z, at::kFloat)) {
        normalise_rows<float>(z, shift.const_data_ptr<float>(), static_cast<float>(eps), h, scales);
    } else if (is_host(z, at::kBFloat16)) {
        normalise_rows<std::uint16_t>(z, shift.const_data_ptr<float>(), static_cast<float>(eps), h, scales);
    } else {
        auto const x = z.to(at::promoteTypes(z.scalar_type(), at::kFloat)).add(shift);
        auto const by = at::rsqrt(at::var(x, at::IntArrayRef{1}, 0, true).add(eps));
        h.copy_(x.sub(x.mean(1, true)).mul(by));
        if (scale != nullptr) scale->view({-1, 1}).copy_(by);
    }
}

void add_normalise_backward(at::Tensor const& dh, at::Tensor const& h, at::Tensor const& scale,
                            at::Tensor const& gradient) {
    ensure(dh.dim() == 2 && dh.is_contiguous() && h.is_contiguous() && gradient.is_contiguous() &&
               dh.sizes() == h.sizes() && dh.sizes() == gradient.sizes() && scale.numel() == dh.size(0) &&
               dh.scalar_type() == h.scalar_type() && dh.scalar_type() == gradient.scalar_type(),
           "add_normalise_backward: the tensors do not fit together");
    auto const rows = dh.size(0);
    auto const dim = dh.size(1);
    if (is_for_kernel(dh)) {
        c10::DeviceGuard const current(dh.device());
        require_success(gpu::add_normalise_backward(element_of(dh), dh.const_data_ptr(), h.const_data_ptr(),
                                                    scale.const_data_ptr<float>(), rows, dim,
                                                    gradient.mutable_data_ptr(), stream_of(dh)));
    } else if (is_host(dh, at::kFloat)) {
        add_backward_of_rows<float>(dh, h, scale.const_data_ptr<float>(), gradient);
    } else if (is_host(dh, at::kBFloat16)) {
        add_backward_of_rows<std::uint16_t>(dh, h, scale.const_data_ptr<float>(), gradient);
    } else {
        auto const wide = at::promoteTypes(dh.scalar_type(), at::kFloat);
        auto const d = dh.to(wide);
        auto const x = h.to(wide);
        auto const along = d.mul(x).mean(1, true);
        gradient.add_(d.sub(d.mean(1, true)).sub(x.mul(along)).mul(scale.view({-1, 1})).to(dh.scalar_type()));
    }
}

}  // namespace mpira::model
