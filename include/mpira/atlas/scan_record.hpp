#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "mpira/genome/scan_model.hpp"

namespace mpira::atlas {

/// A scan model as uns/scan of an atlas or a model file holds it: names, numbers and flat lists.
///
///     motif_ids, motif_names, widths, thresholds, features   one entry a motif
///     matrices     sum of widths x 4, row-major: thousandths of a bit
///     background   A, C, G, T;  p_value;  scan_length_bp;  hash;  source, "scan"
/// Feature names are the file's var index.
nlohmann::json scan_record(genome::ScanModel const& model);

/// The same of features that were not scanned by us: where they came from ("hits", "gcell"), and a hash that
/// tells whether two atlases have theirs from the same place.
nlohmann::json import_record(std::string const& source, std::string const& hash);

}  // namespace mpira::atlas
