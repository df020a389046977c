#include "jobs/enhancer_table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

#include "jobs/attribution_summary.hpp"
#include "jobs/output_rows.hpp"

namespace mpira::jobs {

EnhancerTable::EnhancerTable(std::filesystem::path const& file) {
    store::AnnDataReader const reader(file);
    for (auto const* const part : {"obsm/knock_out/data", "uns/region_start", "obs/predicted"})
        require(reader.contains(part),
                fmt::format("{}: {} is missing: is it a result of mpira perturb?", file.string(), part));
    bool const ours = reader.contains("uns/mpira/identity");
    require(!ours || reader.number("uns/mpira/finished") != 0,
            fmt::format("{}: its campaign is not finished; run it to its end first", file.string()));
    require(reader.contains("obs/gene_id"),
            fmt::format("{}: its rows are regions; measured pairs need genes (genes.file of perturb)",
                        file.string()));
    // The identity of a finished campaign of ours names its bytes.
    content_hash_ = ours ? reader.text("uns/mpira/identity") : hash_file(file);

    chrom_names_ = reader.strings("uns/chrom_names");
    region_chrom_ = reader.array<std::int32_t>("uns/region_chrom");
    region_start_ = reader.array<std::int64_t>("uns/region_start");
    region_end_ = reader.array<std::int64_t>("uns/region_end");
    auto const regions = region_start_.values().size();
    bool fits = region_chrom_.values().size() == regions && region_end_.values().size() == regions;
    for (std::size_t r = 0; fits && r < regions; ++r)
        longest_bp_ = std::max(longest_bp_, region_end_.values()[r] - region_start_.values()[r]);

    cell_types_ = reader.strings("uns/cell_types");
    auto const types = reader.strings("obs/cell_type");
    auto const ids = reader.strings("obs/gene_id"), names = reader.strings("obs/gene_name"),
               chroms = reader.strings("obs/chrom");
    auto const positions = reader.integers("obs/position"), own = reader.integers("obs/atlas_row");
    auto const predicted = reader.array<float>("obs/predicted");
    // A gene may have been read on both strands: the pairs are about its own.
    auto const is_own = rows_of_output(reader, "own", "run perturb again, or with outputs.strands = \"own\"");
    auto const count = types.size();
    fits = fits && count > 0 && ids.size() == count && names.size() == count && chroms.size() == count &&
           positions.size() == count && own.size() == count && predicted.values().size() == count &&
           is_own.size() == count;
    for (std::uint32_t row = 0; fits && row < count; ++row) {
        auto const chromosome = chrom(chroms[row]);
        auto const type = std::ranges::find(cell_types_, types[row]);
        fits = type != cell_types_.end() && chromosome >= 0;
        rows_.push_back({static_cast<std::uint32_t>(type - cell_types_.begin()), chromosome, positions[row],
                         own[row], predicted.values()[row]});
        if (is_own[row] == 0) continue;
        genes_[ids[row]].push_back(row);
        if (names[row] != ids[row]) genes_[names[row]].push_back(row);
    }
    columns_ = reader.array<std::int32_t>("obsm/knock_out/indices");
    distance_bp_ = reader.array<std::int32_t>("obsm/distance_bp/data");
    knock_out_.data = reader.array<float>("obsm/knock_out/data");
    gradient_.data = reader.array<float>("obsm/gradient_x_input/data");
    powerlaw_.data = reader.array<float>("obsm/powerlaw/data");
    product_.data = reader.array<float>("obsm/gradient_x_input_powerlaw/data");
    auto const values = columns_.values().size();
    fits = fits && values % count == 0 && distance_bp_.values().size() == values &&
           std::ranges::all_of(columns_.values(), [&](auto column) {
               return column >= 0 && static_cast<std::size_t>(column) < regions;
           });
    for (auto const* const one : {&knock_out_, &gradient_, &powerlaw_, &product_})
        fits = fits && one->data.values().size() == values;
    require(fits, fmt::format("{}: its obs, obsm and uns/region_... do not fit together", file.string()));
    slot_ = values / count;
}

std::span<std::uint32_t const> EnhancerTable::rows_of(std::string const& gene) const {
    auto const found = genes_.find(gene);
    return found == genes_.end() ? std::span<std::uint32_t const>() : found->second;
}

std::int32_t EnhancerTable::chrom(std::string_view name) const {
    auto const found = std::ranges::find(chrom_names_, name);
    return found == chrom_names_.end() ? -1 : static_cast<std::int32_t>(found - chrom_names_.begin());
}

std::vector<std::int32_t> EnhancerTable::overlapping(std::int32_t chrom, std::int64_t start,
                                                     std::int64_t end) const {
    auto const [first, last] = std::ranges::equal_range(region_chrom_.values(), chrom);
    auto const begin = static_cast<std::size_t>(first - region_chrom_.values().begin());
    auto const starts = region_start_.values().subspan(begin, static_cast<std::size_t>(last - first));
    std::vector<std::int32_t> found;
    auto at = std::ranges::lower_bound(starts, start - longest_bp_);
    for (; at != starts.end() && *at < end; ++at) {
        auto const region = begin + static_cast<std::size_t>(at - starts.begin());
        if (region_end_.values()[region] > start) found.push_back(static_cast<std::int32_t>(region));
    }
    return found;
}

EnhancerTable::Scored EnhancerTable::scores(std::uint32_t row, std::uint64_t nearest) const {
    Scored scored;
    std::vector<std::int64_t> centres;
    std::vector<double> knock_out, gradient, powerlaw, product, distance_bp;
    auto const first = row * slot_;
    for (std::uint64_t i = 0; i < slot_; ++i) {
        if (!(powerlaw_.row(row, slot_)[i] > 0)) continue;  // fills the row up
        auto const region = columns_.values()[first + i];
        auto const place = static_cast<std::size_t>(region);
        scored.regions.push_back(region);
        centres.push_back((region_start_.values()[place] + region_end_.values()[place]) / 2);
        knock_out.push_back(static_cast<double>(knock_out_.row(row, slot_)[i]));
        gradient.push_back(static_cast<double>(gradient_.row(row, slot_)[i]));
        powerlaw.push_back(static_cast<double>(powerlaw_.row(row, slot_)[i]));
        product.push_back(static_cast<double>(product_.row(row, slot_)[i]));
        distance_bp.push_back(static_cast<double>(distance_bp_.values()[first + i]));
    }
    // The row's own region is none of them.
    for (auto* const values : {&knock_out, &gradient, &powerlaw, &product})
        scale_scores(*values, centres, rows_[row].position, values->size(), {nearest, true});
    for (std::size_t r = 0; r < centres.size(); ++r)
        scored.scores.push_back({knock_out[r], std::abs(knock_out[r]), gradient[r], std::abs(gradient[r]),
                                 powerlaw[r], product[r], std::abs(product[r]), -distance_bp[r]});
    return scored;
}

}  // namespace mpira::jobs
