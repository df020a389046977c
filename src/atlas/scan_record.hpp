#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mpira/atlas/scan_record.hpp"
#include "mpira/store/anndata_reader.hpp"

namespace mpira::atlas {

/// How the features of an atlas came about.
struct FeatureOrigin {
    std::string source = "scan";            ///< or what import_record() was told
    std::optional<genome::ScanModel> scan;  ///< of source "scan"
    std::string hash;
};

/// Reads what scan_record() or import_record() wrote, from uns/scan of an open file; checked. Throws
/// Origin::usage naming file and key.
FeatureOrigin read_feature_origin(store::AnnDataReader const& reader, std::vector<std::string> feature_names);

}  // namespace mpira::atlas
