#include "atlas/scan_record.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::atlas {
namespace {

constexpr char const* kScanned = "scan";

std::vector<std::int32_t> narrow(store::AnnDataReader const& reader, std::string const& path) {
    std::vector<std::int32_t> values;
    for (std::int64_t const value : reader.integers(path)) {
        if (value < std::numeric_limits<std::int32_t>::min() ||
            value > std::numeric_limits<std::int32_t>::max()) {
            fail_usage(fmt::format("{}: {}: {} is out of range; the file is damaged", reader.file().string(),
                                   path, value));
        }
        values.push_back(static_cast<std::int32_t>(value));
    }
    return values;
}

genome::ScanModel read_scan_record(store::AnnDataReader const& reader,
                                   std::vector<std::string> feature_names) {
    genome::ScanModel model;
    model.motif_ids = reader.strings("uns/scan/motif_ids");
    model.motif_names = reader.strings("uns/scan/motif_names");
    model.widths = narrow(reader, "uns/scan/widths");
    model.matrices = narrow(reader, "uns/scan/matrices");
    model.thresholds = narrow(reader, "uns/scan/thresholds");
    model.features = narrow(reader, "uns/scan/features");
    model.feature_names = std::move(feature_names);
    auto const background = reader.numbers("uns/scan/background");
    auto const where = fmt::format("{}: uns/scan", reader.file().string());
    require(background.size() == 4,
            fmt::format("{}/background: four numbers are needed (A, C, G, T)", where));
    std::ranges::copy(background, model.background.begin());
    model.p_value = reader.number("uns/scan/p_value");
    double const length = reader.number("uns/scan/scan_length_bp");
    require(length >= 0 && length < 1e9 && length == static_cast<double>(static_cast<std::int64_t>(length)),
            fmt::format("{}/scan_length_bp: {} is no length", where, length));
    model.scan_length = static_cast<std::int64_t>(length);
    model.check(where);
    require(model.hash() == reader.text("uns/scan/hash"),
            fmt::format(
                "{}: the hash of the scan model isn't the one stored; motifs, thresholds or feature names "
                "were changed after `mpira features` wrote them",
                where));
    return model;
}

}  // namespace

nlohmann::json scan_record(genome::ScanModel const& model) {
    return {{"motif_ids", model.motif_ids},
            {"motif_names", model.motif_names},
            {"widths", model.widths},
            {"matrices", model.matrices},
            {"thresholds", model.thresholds},
            {"features", model.features},
            {"background", model.background},
            {"p_value", model.p_value},
            {"scan_length_bp", model.scan_length},
            {"source", kScanned},
            {"hash", model.hash()}};
}

nlohmann::json import_record(std::string const& source, std::string const& hash) {
    ensure(source != kScanned, "a source of its own");
    return {{"source", source}, {"hash", hash}};
}

FeatureOrigin read_feature_origin(store::AnnDataReader const& reader,
                                  std::vector<std::string> feature_names) {
    FeatureOrigin origin;
    // Older atlases have no source: all were scanned.
    if (reader.contains("uns/scan/source")) origin.source = reader.text("uns/scan/source");
    if (origin.source == kScanned) origin.scan = read_scan_record(reader, std::move(feature_names));
    origin.hash = reader.text("uns/scan/hash");
    return origin;
}

}  // namespace mpira::atlas
