#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "mpira/store/anndata_reader.hpp"

namespace mpira::atlas {

/// each(row, column, value); of sparse matrices, what is stored.
using EachValue = std::function<void(std::size_t, std::size_t, double)>;

/// Gives all values of a matrix of an AnnData file, dense, CSR or CSC, a piece at a time. Throws
/// Origin::usage, naming file and matrix, when it has another shape or is damaged.
void visit_matrix(store::AnnDataReader const& reader, std::string const& matrix, std::uint64_t rows,
                  std::uint64_t columns, EachValue const& each);

/// The same of a group with indptr, indices and data: each(major, minor, value), where the entries of major i
/// are [indptr[i], indptr[i + 1]).
void visit_compressed(store::AnnDataReader const& reader, std::string const& group, std::uint64_t majors,
                      std::uint64_t minors, EachValue const& each);

}  // namespace mpira::atlas
