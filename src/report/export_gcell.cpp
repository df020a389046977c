// A jacobian result as the zarr stores that gcell's GETHydraCellType reads: one a cell type, an entry a gene
// and promoter region, in the arrays that GET's own interpretation leaves (spec/get.md 3).
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/model/model_card.hpp"
#include "mpira/model/scale_set.hpp"
#include "mpira/report/export.hpp"
#include "mpira/store/zarr.hpp"

#include "report/export_source.hpp"

namespace mpira::report {
namespace {

using store::Type;
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
constexpr char const* kJacobian = "obsm/jacobian";

/// Where the reader looks for the gene in every window, whatever the model: index 100 is written in its code.
constexpr std::uint64_t kReadAt = 100;

/// A gene at one of its promoter regions: the rows of the result that read its two strands.
struct Entry {
    std::string gene_id;
    std::string gene_name;
    std::uint64_t row = 0;   ///< its first row: place and window
    std::size_t strand = 0;  ///< of the gene: 0 is +, 1 is -
    std::optional<std::uint64_t> of_strand[2];
};

class GcellExport {
public:
    GcellExport(std::filesystem::path const& result, std::filesystem::path const& atlas)
        : source_(result, {}), atlas_(atlas::Atlas::open(atlas)) {
        auto const& layout = source_.rows().layout();
        require(layout.job == "jacobian",
                fmt::format("{} is a result of mpira {}; the format gcell-zarr is of mpira jacobian",
                            result.string(), layout.job));
        auto const* const jacobian = source_.rows().find(kJacobian);
        if (jacobian == nullptr)
            fail_usage(
                fmt::format("{} keeps no gradients of every region: run the campaign with "
                            "results.jacobian = \"f16\", \"bf16\" or \"f32\"",
                            result.string()));
        require(
            source_.find("gene_name") != nullptr,
            fmt::format("{}: its rows are regions, but gcell reads genes: run the campaign with genes.file",
                        result.string()));
        auto const wanted = source_.reader().text("uns/atlas/content_hash");
        require(wanted == atlas_.content_hash(),
                fmt::format("--atlas {}: its content is {}, but {} was computed from {}", atlas.string(),
                            atlas_.content_hash(), result.string(), wanted));
        is_half_ = jacobian->type == Type::f16;
        slots_ = jacobian->row_shape.at(0);
        features_ = jacobian->row_shape.at(1);
        focus_ = slots_ > kReadAt ? kReadAt : slots_ / 2;
        for (auto const& card : source_.reader().strings("uns/model_cards"))
            cards_.push_back(nlohmann::json::parse(card).get<model::ModelCard>());
        names_ = source_.reader().strings("uns/cell_types");
        ensure(cards_.size() == names_.size(), "a model card a cell type");
        rows_of_.resize(names_.size());
        std::map<std::string, std::size_t> numbers;
        for (std::size_t number = 0; number < names_.size(); ++number) numbers[names_[number]] = number;
        for (auto const row : source_.chosen()) rows_of_[numbers.at(text("cell_type", row))].push_back(row);
    }

    std::vector<std::string> write(std::filesystem::path const& output, bool overwrite) {
        store::ZarrFolder folder(output, overwrite);
        std::vector<std::string> stores;
        std::set<std::string> taken;
        for (std::size_t number = 0; number < names_.size(); ++number) {
            auto const entries = entries_of(number);
            if (entries.empty()) continue;
            auto name = names_[number];
            std::replace(name.begin(), name.end(), '/', '_');
            name += ".zarr";
            require(taken.insert(name).second,
                    fmt::format("{}: two cell types would be called {}", source_.file().string(), name));
            write_cell_type(folder, name, number, entries);
            stores.push_back(name);
        }
        folder.place();
        return stores;
    }

private:
    [[nodiscard]] std::vector<Entry> entries_of(std::size_t number) const;
    void write_cell_type(store::ZarrFolder& folder, std::string const& store, std::size_t number,
                         std::vector<Entry> const& entries);
    void write_frame(store::ZarrFolder& folder, std::string const& store, std::size_t number,
                     std::vector<Entry> const& entries);
    [[nodiscard]] std::int64_t integer(std::string_view column, std::uint64_t row) const {
        return static_cast<std::int64_t>(source_.at(column, "which a jacobian result has").number(row));
    }
    [[nodiscard]] std::string text(std::string_view column, std::uint64_t row) const {
        return source_.at(column, "which a jacobian result has").text(row);
    }
    [[nodiscard]] float real(std::string_view column, std::uint64_t row) const {
        return static_cast<float>(source_.at(column, "which a jacobian result has").number(row));
    }
    /// The rows of the atlas that windows of a cell type consist of.
    [[nodiscard]] std::vector<std::uint32_t> chosen_rows(std::size_t number) const {
        auto const wanted = source_.rows().layout().identity.at("windows.regions").get<std::string>();
        auto const least = cards_[number].least_accessibility_of(wanted);
        return least ? atlas_.accessible_rows(names_[number], *least) : atlas_.all_rows();
    }
    /// Where a region of a window is put: the focus at the place where the reader looks for it. Nothing in
    /// the network depends on the order of regions, and their coordinates are beside them, so a window that
    /// was moved inward at the end of its chromosome is turned until it fits.
    [[nodiscard]] std::uint64_t slot_of(std::uint64_t region, std::uint64_t focus) const {
        return (region + slots_ + focus_ - focus) % slots_;
    }

    ExportSource source_;
    atlas::Atlas atlas_;
    std::vector<model::ModelCard> cards_;
    std::vector<std::string> names_;
    std::vector<std::vector<std::uint64_t>> rows_of_;  ///< of the result, a cell type
    bool is_half_ = false;
    std::uint64_t slots_ = 0;
    std::uint64_t features_ = 0;
    std::uint64_t focus_ = 0;
};

std::vector<Entry> GcellExport::entries_of(std::size_t number) const {
    auto const& identity = source_.rows().layout().identity;
    auto const outputs = cards_[number].names_of_outputs();
    // As JacobianInputs chooses them: the first is +, the second -; an only one is both.
    auto const named = [&](char const* key, std::size_t place) {
        auto const name = identity.at(key).get<std::string>();
        return name.empty() ? outputs[std::min(place, outputs.size() - 1)] : name;
    };
    std::string const plus = named("outputs.plus", 0);
    std::string const minus = named("outputs.minus", 1);
    std::vector<Entry> entries;
    std::map<std::tuple<std::string, std::int64_t, std::size_t>, std::size_t> known;
    for (auto const row : rows_of_[number]) {
        std::size_t const strand = text("strand", row) == "-" ? 1 : 0;
        auto const id = text("gene_id", row);
        auto const [place, is_new] =
            known.try_emplace({id, integer("atlas_row", row), strand}, entries.size());
        if (is_new) {
            auto const name = text("gene_name", row);
            entries.push_back({id, name.empty() ? id : name, row, strand, {}});
        }
        auto const output = text("output", row);
        bool const is_minus = plus == minus ? strand == 1 : output == minus;
        entries[place->second].of_strand[is_minus ? 1 : 0] = row;
    }
    return entries;
}

/// Everything that is small: a value or two an entry.
void GcellExport::write_frame(store::ZarrFolder& folder, std::string const& store, std::size_t number,
                              std::vector<Entry> const& entries) {
    auto const& card = cards_[number];
    nlohmann::json const attributes{
        {"cell_type", names_[number]},
        {"assembly", atlas_.assembly()},
        {"atlas", atlas_.content_hash()},
        {"model", card.content_hash},
        {"focus", focus_},
        {"written_by", "mpira export --format gcell-zarr"},
        {"notes",
         fmt::format("An entry is a gene at one of its promoter regions, which stands at index {} of axis 1. "
                     "Where the window was moved inward at the end of its chromosome, the order of the other "
                     "regions is turned: peak_coord says which is which; -1 -1: a chromosome with fewer "
                     "regions, where input and gradients are 0. Not a number: not computed (the gradient of "
                     "the other strand, predictions away from the focus). gene_by_motif: mean over axis 1 of "
                     "gradient x input, on the gene's own strand.",
                     focus_)}};
    folder.group(store, attributes);
    std::vector<std::string> names, ids, chroms, features = atlas_.feature_names();
    std::vector<std::uint8_t> strands;
    std::vector<std::int64_t> positions;
    for (auto const& entry : entries) {
        names.push_back(entry.gene_name);
        ids.push_back(entry.gene_id);
        chroms.push_back(text("chrom", entry.row));
        strands.push_back(static_cast<std::uint8_t>(entry.strand));
        positions.push_back(integer("position", entry.row));
    }
    features.emplace_back("Accessibility");
    folder.strings(store + "/available_genes", names);
    folder.strings(store + "/gene_id", ids);
    folder.strings(store + "/chromosome", chroms);
    folder.strings(store + "/feature_names", features);
    auto const column = [&](std::string const& name, Type type, auto const& values) {
        auto rows = folder.rows({store + "/" + name, type, {values.size()}, values.size(), 0, {}});
        rows.add(std::as_bytes(std::span(values)));
        rows.finish();
    };
    column("strand", Type::u8, strands);
    column("tss", Type::i64, positions);
}

void GcellExport::write_cell_type(store::ZarrFolder& folder, std::string const& store, std::size_t number,
                                  std::vector<Entry> const& entries) {
    write_frame(folder, store, number, entries);
    auto const& card = cards_[number];
    auto const chosen = chosen_rows(number);
    auto const scales = atlas_.scale(model::scale_set_of(card, names_[number]));
    std::vector<float> const accessibility = card.accessibility == model::AccessibilityMode::quantitative
                                                 ? atlas_.accessibility(names_[number])
                                                 : std::vector<float>();
    auto const regions = atlas_.regions();

    auto const array = [&](std::string const& path, Type type, std::vector<std::uint64_t> shape,
                           double fill) {
        shape.insert(shape.begin(), entries.size());
        auto const rows = store::zarr_chunk_rows(type, shape);
        return folder.rows({store + "/" + path, type, std::move(shape), rows, fill, {}});
    };
    auto input = array("input", Type::f32, {slots_, features_}, 0);
    std::vector<store::ZarrFolder::Rows> jacobians;
    for (char const* strand : {"0", "1"})
        jacobians.push_back(array(fmt::format("jacobians/exp/{}/input/region_motif", strand), Type::f32,
                                  {slots_, features_}, kNone));
    auto coordinates = array("peak_coord", Type::i64, {slots_, 2}, -1);
    auto predicted = array("preds/exp", Type::f32, {slots_, 2}, kNone);
    auto observed = array("obs/exp", Type::f32, {slots_, 2}, kNone);
    auto by_motif = array("gene_by_motif", Type::f32, {features_}, 0);

    auto const motifs = features_ - 1;
    std::vector<float> inputs(slots_ * features_), gradients(slots_ * features_), scaled, means(features_);
    std::vector<float> predictions(slots_ * 2), observations(slots_ * 2);
    std::vector<std::int64_t> places(slots_ * 2);
    std::vector<double> stored;
    for (auto const& entry : entries) {
        auto const focus = static_cast<std::uint64_t>(integer("focus", entry.row));
        auto const window =
            std::span(chosen).subspan(static_cast<std::size_t>(integer("window_start", entry.row)),
                                      static_cast<std::size_t>(integer("window_regions", entry.row)));
        ensure(window[focus] == static_cast<std::uint64_t>(integer("atlas_row", entry.row)),
               "the window of a row isn't where the result says");
        scaled.resize(window.size() * motifs);
        atlas_.scaled_features(scales, window, scaled);
        std::ranges::fill(inputs, 0.0F);
        std::ranges::fill(places, -1);
        for (std::uint64_t region = 0; region < window.size(); ++region) {
            auto const slot = slot_of(region, focus);
            auto* const row = &inputs[slot * features_];
            std::copy_n(&scaled[region * motifs], motifs, row);
            // As the model reads it.
            row[motifs] = accessibility.empty() ? 1.0F : std::min(accessibility[window[region]], 1.0F);
            places[slot * 2] = regions.start[window[region]];
            places[slot * 2 + 1] = regions.end[window[region]];
        }
        input.add(std::span<float const>(inputs));
        coordinates.add(std::span<std::int64_t const>(places));

        std::ranges::fill(predictions, kNone);
        std::ranges::fill(observations, kNone);
        std::ranges::fill(means, kNone);
        for (std::size_t strand = 0; strand < 2; ++strand) {
            auto const row = entry.of_strand[strand];
            std::ranges::fill(gradients, row ? 0.0F : kNone);
            if (row) {
                source_.rows().read(kJacobian, *row, 1, stored);
                double const scale = is_half_ ? static_cast<double>(real("jacobian_scale", *row)) : 1;
                for (std::uint64_t region = 0; region < window.size(); ++region)
                    for (std::uint64_t f = 0; f < features_; ++f)
                        gradients[slot_of(region, focus) * features_ + f] =
                            static_cast<float>(stored[region * features_ + f] * scale);
                predictions[focus_ * 2 + strand] = real("predicted", *row);
                observations[focus_ * 2 + strand] = real("observed", *row);
            }
            jacobians[strand].add(std::span<float const>(gradients));
            if (!row || strand != entry.strand) continue;
            for (std::uint64_t f = 0; f < features_; ++f) {
                double sum = 0;
                for (std::uint64_t slot = 0; slot < slots_; ++slot) {
                    auto const at = slot * features_ + f;
                    sum += static_cast<double>(gradients[at]) * static_cast<double>(inputs[at]);
                }
                means[f] = static_cast<float>(sum / static_cast<double>(slots_));
            }
        }
        predicted.add(std::span<float const>(predictions));
        observed.add(std::span<float const>(observations));
        by_motif.add(std::span<float const>(means));
    }
    for (auto* const rows :
         {&input, &jacobians[0], &jacobians[1], &coordinates, &predicted, &observed, &by_motif})
        rows->finish();
}

}  // namespace

std::vector<std::string> export_gcell(std::filesystem::path const& result, std::filesystem::path const& atlas,
                                      std::filesystem::path const& output, bool overwrite) {
    return GcellExport(result, atlas).write(output, overwrite);
}

}  // namespace mpira::report
