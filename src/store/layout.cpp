#include "mpira/store/layout.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/store/job.hpp"

namespace mpira::store {

std::uint64_t size_of(Type type) {
    switch (type) {
        case Type::boolean:
        case Type::u8:
            return 1;
        case Type::f16:
        case Type::bf16:
            return 2;
        case Type::i32:
        case Type::f32:
            return 4;
        case Type::i64:
        case Type::f64:
            return 8;
    }
    return 0;
}

bool is_float(Type type) {
    return type == Type::f16 || type == Type::bf16 || type == Type::f32 || type == Type::f64;
}

std::uint64_t RowArray::bytes_per_row() const {
    return std::accumulate(row_shape.begin(), row_shape.end(), size_of(type), std::multiplies<>());
}

std::vector<std::uint64_t> RowArray::shape(std::uint64_t rows) const {
    if (flat) return {rows * bytes_per_row() / size_of(type)};
    std::vector<std::uint64_t> all{rows};
    all.insert(all.end(), row_shape.begin(), row_shape.end());
    return all;
}

void add_sparse(ResultLayout& layout, std::string const& path, Type type, std::uint64_t entries,
                std::uint64_t columns) {
    ensure(layout.rows > 0 && entries > 0 && entries <= columns,
           path + ": a sparse matrix with more entries a row than columns, or without any");
    layout.sparse.push_back({path, columns});
    layout.row_arrays.push_back({path + "/data", type, {entries}, true});
    layout.row_arrays.push_back({path + "/indices", Type::i32, {entries}, true});
    std::vector<std::int64_t> indptr(layout.rows + 1);
    for (std::uint64_t row = 0; row <= layout.rows; ++row)
        indptr[row] = static_cast<std::int64_t>(row * entries);
    auto const bytes = std::as_bytes(std::span(indptr));
    layout.fixed_arrays.push_back(
        {path + "/indptr", Type::i64, {indptr.size()}, {bytes.begin(), bytes.end()}});
}

std::uint64_t ResultLayout::row_count(std::uint64_t unit) const {
    return std::min(rows - first_row(unit), rows_per_unit);
}

UnitRows::UnitRows(ResultLayout const& layout, std::uint64_t unit)
    : layout_(&layout), unit_(unit), first_row_(layout.first_row(unit)), row_count_(layout.row_count(unit)) {
    buffers_.reserve(layout.row_arrays.size());
    for (auto const& array : layout.row_arrays) buffers_.emplace_back(row_count_ * array.bytes_per_row());
}

std::uint64_t UnitRows::byte_count() const {
    std::uint64_t sum = 0;
    for (auto const& buffer : buffers_) sum += buffer.size();
    return sum;
}

std::span<std::byte> UnitRows::raw(std::string_view path, std::size_t element_size) {
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        auto const& array = layout_->row_arrays[i];
        if (array.path != path) continue;
        ensure(size_of(array.type) == element_size, fmt::format("array {} has another element size", path));
        return buffers_[i];
    }
    throw Error(Origin::internal, fmt::format("the layout has no row array {}", path));
}

}  // namespace mpira::store
