#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/store/anndata_reader.hpp"

namespace mpira::jobs {

/// Which rows of a result of `jacobian` or `perturb` read this output: 1 a row of obs. "own": that of the
/// gene's strand (obs/own_output), a row a gene, region and cell type; where rows are regions there must be
/// one output. Otherwise the output of this name. A file without obs/output has one: all its rows.
///
/// Throws Origin::usage naming the file: several outputs that nothing tells apart (then also `remedy`), no
/// row of that name.
std::vector<std::uint8_t> rows_of_output(store::AnnDataReader const& reader, std::string const& output,
                                         std::string_view remedy);

}  // namespace mpira::jobs
