#include "train/table_maker.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/atlas/expression_names.hpp"
#include "mpira/base/text.hpp"
#include "mpira/train/settings.hpp"

namespace mpira::train {

namespace {

constexpr std::string_view kCellType = "{cell_type}";

// Positions of the named motifs among the atlas's features.
std::vector<std::size_t> motif_columns(Settings const& settings, atlas::Atlas const& atlas, char const* key) {
    auto const& names = atlas.feature_names();
    std::vector<std::size_t> columns;
    for (auto const& name : settings.texts(key)) {
        auto const at = std::find(names.begin(), names.end(), name);
        if (at == names.end()) {
            settings.refuse(key, fmt::format("{} has no motif '{}'{}", atlas.file().string(), name,
                                             text::did_you_mean(name, names)));
        }
        columns.push_back(static_cast<std::size_t>(at - names.begin()));
    }
    return columns;
}

// Limits are of the atlas's type: 0.7 there is not below 0.7 here.
std::vector<float> cutoffs_of(Settings const& settings) {
    std::vector<float> cutoffs;
    for (auto const& text : settings.texts("input.cutoffs")) {
        auto const cutoff = text::to_number(text);
        if (!cutoff || !(static_cast<float>(*cutoff) > (cutoffs.empty() ? 0 : cutoffs.back()))) {
            settings.refuse("input.cutoffs",
                            fmt::format("'{}': write numbers above 0 that ascend, as 0.6,0.75", text));
        }
        cutoffs.push_back(static_cast<float>(*cutoff));
    }
    return cutoffs;
}

// Makes the table of all cell types.
class TableMaker {
public:
    TableMaker(Settings const& settings, atlas::Atlas const& atlas, std::vector<std::string> cell_types)
        : settings_(settings),
          atlas_(atlas),
          cell_types_(std::move(cell_types)),
          left_out_(motif_columns(settings, atlas, "input.left_out_motifs")),
          carried_(motif_columns(settings, atlas, "holdout.motifs")),
          cutoffs_(cutoffs_of(settings)) {
        if (cell_types_.empty()) cell_types_.emplace_back();
        table_.features = atlas.features();
        switch (head_of(settings)) {
            case model::HeadKind::accessibility:
                table_.outputs = 1;
                break;
            case model::HeadKind::expression:
                table_.outputs = settings.texts("target.expression").size();
                break;
            case model::HeadKind::masked:
                table_.outputs = atlas.feature_count() + 1;
                break;
        }
    }

    TrainingTable make() {
        for (auto const& cell_type : cell_types_) add(cell_type);
        if (!cutoffs_.empty() && !has_cut_) {
            settings_.refuse("input.cutoffs",
                             fmt::format("leave nothing out: no region lies below them; of {}, {}",
                                         cell_types_.front(), spread(cell_types_.front())));
        }
        if (auto const seed = settings_.integer("target.permute_labels"); seed >= 0) {
            permute_labels(table_, static_cast<std::uint64_t>(seed));
        }
        return std::move(table_);
    }

private:
    void add(std::string const& cell_type) {
        bool const accessible_only = settings_.text("input.rows") == "accessible";
        auto const& set = settings_.text("input.scale_set");
        auto scales = atlas_.scale(set == "cell_type" ? cell_type : set);
        for (auto const column : left_out_) scales[column] = std::numeric_limits<float>::infinity();
        auto rows = accessible_only
                        ? atlas_.accessible_rows(cell_type, settings_.number("input.least_accessibility"))
                        : atlas_.all_rows();
        if (rows.empty()) {
            settings_.refuse("input.rows", fmt::format("no region is accessible in {}", cell_type));
        }
        if (carried_.empty()) {
            append(cell_type, Purpose::all, scales, rows);
            append_cutoffs(cell_type, scales, rows);
            return;
        }
        auto const cutoff = static_cast<float>(settings_.number("holdout.motif_cutoff"));
        auto const carries = [&](std::uint32_t row) {
            auto const features = atlas_.features(row);
            return std::any_of(carried_.begin(), carried_.end(), [&](std::size_t motif) {
                return std::min(1.0F, features[motif] / scales[motif]) > cutoff;
            });
        };
        auto without = rows;
        std::erase_if(without, carries);
        if (without.empty()) settings_.refuse("holdout.motifs", "every region carries one of them");
        append(cell_type, Purpose::training, scales, without);
        append(cell_type, Purpose::scoring, scales, rows);
        append_cutoffs(cell_type, scales, without);
    }

    // The same cell type again, with fewer regions each time, for training only.
    void append_cutoffs(std::string const& cell_type, std::vector<float> const& scales,
                        std::vector<std::uint32_t> rows) {
        if (cutoffs_.empty()) return;  // the atlas may have no accessibility
        auto const values = atlas_.accessibility(cell_type);
        for (float const cutoff : cutoffs_) {
            auto const before = rows.size();
            std::erase_if(rows, [&](std::uint32_t row) { return values[row] < cutoff; });
            if (rows.empty()) {
                settings_.refuse("input.cutoffs", fmt::format("no region of {} reaches {:g}; {}", cell_type,
                                                              cutoff, spread(cell_type)));
            }
            if (rows.size() == before) continue;  // nothing new to see
            has_cut_ = true;
            append(cell_type, Purpose::augmentation, scales, rows);
        }
    }

    // Of the values of a cell type's regions, for messages: cutoffs have to be chosen by them.
    [[nodiscard]] std::string spread(std::string const& cell_type) const {
        auto values = atlas_.accessibility(cell_type);
        std::erase(values, 0.0F);
        std::sort(values.begin(), values.end());
        auto const at = [&](std::size_t quarter) { return values[(values.size() - 1) * quarter / 4]; };
        return fmt::format("its accessible ones have {:.3g} to {:.3g}, quartiles {:.3g}, {:.3g}, {:.3g}",
                           at(0), at(4), at(1), at(2), at(3));
    }

    void append(std::string const& cell_type, Purpose purpose, std::vector<float> const& scales,
                std::vector<std::uint32_t> const& rows) {
        auto const first = table_.places();
        table_.rows.insert(table_.rows.end(), rows.begin(), rows.end());
        table_.cell_types.push_back({cell_type, {first, table_.places()}, purpose});
        table_.scales.insert(table_.scales.end(), scales.begin(), scales.end());
        if (settings_.text("input.accessibility") == "quantitative") {
            auto const all = atlas_.accessibility(cell_type);
            for (auto const row : rows) table_.accessibility.push_back(std::min(1.0F, all[row]));
        }
        auto const head = head_of(settings_);
        if (head == model::HeadKind::masked) return;
        std::vector<std::vector<float>> columns;
        if (head == model::HeadKind::accessibility) {
            columns.push_back(atlas_.accessibility(cell_type));
        } else {
            for (auto const& name : columns_of(settings_, cell_type, cell_types_.size() > 1)) {
                columns.push_back(atlas_.expression(name));
            }
            if (auto const least = static_cast<float>(settings_.number("target.least_accessibility"));
                least > 0) {
                auto const values = atlas_.accessibility(cell_type);
                for (auto const row : rows) {
                    if (values[row] >= least) continue;
                    for (auto& column : columns) column[row] = 0;
                }
            }
            append_scored(rows);
        }
        for (auto const row : rows) {
            for (auto const& column : columns) table_.targets.push_back(column[row]);
        }
    }

    // Regions with a promoter on the column's strand. Its name tells the strand in every cell type alike.
    void append_scored(std::vector<std::uint32_t> const& rows) {
        if (atlas_.promoter().empty()) return;
        std::vector<std::span<std::uint8_t const>> flags;
        for (auto const& column : settings_.texts("target.expression")) {
            auto const strand = atlas::strand_of(column);
            auto const on_it = strand ? atlas_.promoter_on(*strand) : std::span<std::uint8_t const>();
            flags.push_back(on_it.empty() ? atlas_.promoter() : on_it);
        }
        for (auto const row : rows) {
            for (auto const& of_column : flags) table_.scored.push_back(of_column[row]);
        }
    }

    Settings const& settings_;
    atlas::Atlas const& atlas_;
    std::vector<std::string> cell_types_;
    std::vector<std::size_t> left_out_;
    std::vector<std::size_t> carried_;
    std::vector<float> cutoffs_;
    bool has_cut_ = false;  // some cutoff left some region out
    TrainingTable table_;
};

}  // namespace

std::vector<std::string> columns_of(Settings const& settings, std::string const& cell_type, bool several) {
    auto columns = settings.texts("target.expression");
    for (auto& column : columns) {
        auto const at = column.find(kCellType);
        if (at != std::string::npos) {
            column.replace(at, kCellType.size(), cell_type);
        } else if (several) {
            settings.refuse("target.expression",
                            fmt::format("'{}' would be the same column for every cell type; write {} where "
                                        "their name stands",
                                        column, kCellType));
        }
    }
    return columns;
}

TrainingTable make_table(Settings const& settings, atlas::Atlas const& atlas,
                         std::vector<std::string> cell_types) {
    return TableMaker(settings, atlas, std::move(cell_types)).make();
}

std::vector<std::string> scoring_warnings(Settings const& settings, atlas::Atlas const& atlas) {
    if (head_of(settings) != model::HeadKind::expression) return {};
    auto const file = atlas.file().string();
    if (atlas.promoter().empty()) {
        return {
            fmt::format("{} does not say which regions hold promoters (regions.promoters of mpira features): "
                        "figures are over all regions, not over promoters alone",
                        file)};
    }
    std::vector<std::string> any_strand;
    bool const known = !atlas.promoter_on('+').empty();
    for (auto const& column : settings.texts("target.expression")) {
        if (!known || !atlas::strand_of(column)) any_strand.push_back(column);
    }
    if (any_strand.empty()) return {};
    return {fmt::format("figures of {} are over promoters of either strand: {}", fmt::join(any_strand, ", "),
                        known ? "a column's name tells its strand by .plus or .minus at its end"
                              : file + " does not say on which strand promoters are (column 6 of "
                                       "regions.promoters of mpira features)")};
}

}  // namespace mpira::train
