#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mpira/model/model_card.hpp"

namespace mpira::jobs {

/// What a model, or a base of it, read of a locus in training or to choose its epoch. Ascending.
enum class Seen : std::uint8_t {
    nothing,
    inputs,       ///< motif features, or accessibility that it doesn't predict: in pretraining, say
    targets,      ///< what it predicts, in any cell type
    not_held_out  ///< some of the locus lies outside of the held-out intervals
};

/// The record in a model's card, asked about loci. Nothing was seen of a locus if all of it lies in held-out
/// intervals (which may adjoin) and no region that the card or its bases learned from comes nearer than
/// `reach_bp`, by how much the bases scanned for a region may reach beyond it: half the scan length of the
/// atlas, as regions may be short. What was seen on another assembly can't be compared, so it counts
/// everywhere. A card without a record (a converted checkpoint) is believed in what it holds out.
class SeenLoci {
public:
    /// Origin::usage naming `file` for a record that can't be read. `card` must stay.
    SeenLoci(model::ModelCard const& card, std::filesystem::path const& file, std::int64_t reach_bp);

    [[nodiscard]] Seen of(std::string_view chrom, std::int64_t start, std::int64_t end) const;

private:
    /// By chromosome, ascending and apart.
    using Intervals = std::map<std::string, std::vector<std::pair<std::int64_t, std::int64_t>>, std::less<>>;
    static void join(Intervals& intervals);
    [[nodiscard]] bool reaches(Intervals const& seen, std::string_view chrom, std::int64_t start,
                               std::int64_t end) const;

    model::ModelCard const& card_;
    std::int64_t reach_bp_;
    Intervals inputs_, targets_;
    Seen everywhere_ = Seen::nothing;
};

}  // namespace mpira::jobs
