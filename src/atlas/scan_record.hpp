#pragma once

#include "mpira/atlas/scan_record.hpp"
#include "mpira/store/anndata_reader.hpp"

namespace mpira::atlas {

/// Reads what scan_record() wrote, from uns/scan of an open file; checked. Throws Origin::usage naming file
/// and key.
genome::ScanModel read_scan_record(store::AnnDataReader const& reader,
                                   std::vector<std::string> feature_names);

}  // namespace mpira::atlas
