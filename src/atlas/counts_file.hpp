#pragma once

#include <span>
#include <string_view>

#include "mpira/genome/regions.hpp"
#include "mpira/store/anndata_reader.hpp"

namespace mpira::atlas {

/// That a file is one of `mpira counts`, done, of these regions, and (five_prime_ends) of CAGE or not. Throws
/// Origin::usage naming file and key.
void require_counts(store::AnnDataReader const& reader, genome::ChromSizes const& chroms,
                    std::span<genome::Region const> regions, bool five_prime_ends);

}  // namespace mpira::atlas
