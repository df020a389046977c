#include "atlas/anndata_matrix.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::atlas {
namespace {

constexpr std::uint64_t kValuesAtOnce = 1 << 20;

[[noreturn]] void refuse(store::AnnDataReader const& reader, std::string const& matrix,
                         std::string_view what) {
    fail_usage(fmt::format("{}: {}: {}", reader.file().string(), matrix, what));
}

void visit_dense(store::AnnDataReader const& reader, std::string const& matrix, std::uint64_t rows,
                 std::uint64_t columns, EachValue const& each) {
    auto const info = reader.info(matrix);
    if (info.shape.size() != 2 || info.shape[0] != rows || info.shape[1] != columns)
        refuse(reader, matrix, fmt::format("is not {} x {}, as obs and var are", rows, columns));
    auto const at_once = std::max<std::uint64_t>(1, kValuesAtOnce / std::max<std::uint64_t>(1, columns));
    for (std::uint64_t first = 0; first < rows && columns > 0; first += at_once) {
        auto const block = reader.numbers(matrix, first, std::min(at_once, rows - first));
        for (std::size_t i = 0; i < block.size(); ++i) each(first + i / columns, i % columns, block[i]);
    }
}

}  // namespace

void visit_compressed(store::AnnDataReader const& reader, std::string const& group, std::uint64_t majors,
                      std::uint64_t minors, EachValue const& each) {
    auto const ends = reader.integers(group + "/indptr");
    bool const fits = ends.size() == majors + 1 && ends.front() == 0 && std::ranges::is_sorted(ends) &&
                      reader.info(group + "/data").size() == static_cast<std::uint64_t>(ends.back()) &&
                      reader.info(group + "/indices").size() == static_cast<std::uint64_t>(ends.back());
    if (!fits)
        refuse(reader, group,
               fmt::format("indptr, indices and data don't fit together for {} x {}", majors, minors));
    auto const all = static_cast<std::uint64_t>(ends.back());
    std::size_t major = 0;
    for (std::uint64_t first = 0; first < all; first += kValuesAtOnce) {
        auto const count = std::min(kValuesAtOnce, all - first);
        auto const indices = reader.integers(group + "/indices", first, count);
        auto const values = reader.numbers(group + "/data", first, count);
        for (std::uint64_t i = 0; i < count; ++i) {
            while (static_cast<std::uint64_t>(ends[major + 1]) <= first + i) ++major;
            if (indices[i] < 0 || static_cast<std::uint64_t>(indices[i]) >= minors)
                refuse(reader, group, fmt::format("an index of {}, there are {}", indices[i], minors));
            each(major, static_cast<std::size_t>(indices[i]), values[i]);
        }
    }
}

void visit_matrix(store::AnnDataReader const& reader, std::string const& matrix, std::uint64_t rows,
                  std::uint64_t columns, EachValue const& each) {
    auto const kind = reader.encoding(matrix);
    if (kind == "csr_matrix") {
        visit_compressed(reader, matrix, rows, columns, each);
    } else if (kind == "csc_matrix") {
        visit_compressed(
            reader, matrix, columns, rows,
            [&](std::size_t column, std::size_t row, double value) { each(row, column, value); });
    } else {
        visit_dense(reader, matrix, rows, columns, each);
    }
}

}  // namespace mpira::atlas
