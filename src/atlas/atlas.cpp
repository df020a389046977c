#include "mpira/atlas/atlas.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "atlas/atlas_state.hpp"

namespace mpira::atlas {
namespace {

using store::MappedArray;

std::size_t position_of(std::string_view name, std::vector<std::string> const& names, std::string_view what,
                        std::filesystem::path const& file) {
    auto const found = std::ranges::find(names, name);
    if (found == names.end()) {
        fail_usage(fmt::format(
            "{}: no {} '{}'{}; it has {}", file.string(), what, name, text::did_you_mean(name, names),
            names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", "))));
    }
    return static_cast<std::size_t>(found - names.begin());
}

std::vector<float> column(MappedArray<float> const& matrix, std::size_t at) {
    auto const width = static_cast<std::size_t>(matrix.shape()[1]);
    auto const values = matrix.values();
    std::vector<float> picked(static_cast<std::size_t>(matrix.shape()[0]));
    for (std::size_t row = 0; row < picked.size(); ++row) {
        picked[row] = values[row * width + at];
    }
    return picked;
}

}  // namespace

Atlas::Atlas(std::unique_ptr<State> state) : state_(std::move(state)) {}
Atlas::Atlas(Atlas&&) noexcept = default;
Atlas& Atlas::operator=(Atlas&&) noexcept = default;
Atlas::~Atlas() = default;

Atlas Atlas::open(std::filesystem::path const& file) {
    auto state = std::make_unique<State>();
    state->file = file;
    state->read();
    return Atlas(std::move(state));
}

std::filesystem::path const& Atlas::file() const noexcept {
    return state_->file;
}
std::string const& Atlas::assembly() const noexcept {
    return state_->assembly;
}
std::uint64_t Atlas::region_count() const noexcept {
    return state_->chrom.size();
}
std::uint64_t Atlas::feature_count() const noexcept {
    return state_->feature_names.size();
}
std::vector<std::string> const& Atlas::feature_names() const noexcept {
    return state_->feature_names;
}

genome::RegionColumns Atlas::regions() const noexcept {
    return {state_->chrom_names, state_->chrom, state_->start.values(), state_->end.values()};
}

std::string Atlas::region_label(std::uint64_t row) const {
    ensure(row < region_count(), "a row beyond the atlas");
    return state_->label(row);
}

std::vector<std::string> Atlas::region_names() const {
    return store::AnnDataReader(state_->file).index("obs");
}

std::span<std::uint8_t const> Atlas::promoter() const noexcept {
    return state_->promoter;
}

std::span<std::uint8_t const> Atlas::promoter_on(char strand) const {
    ensure(strand == '+' || strand == '-', "a promoter is on the + or the - strand");
    return strand == '+' ? state_->promoter_plus : state_->promoter_minus;
}

std::span<float const> Atlas::features() const noexcept {
    return state_->features.values();
}

std::span<float const> Atlas::features(std::uint64_t row) const noexcept {
    return features().subspan(static_cast<std::size_t>(row * feature_count()),
                              static_cast<std::size_t>(feature_count()));
}

std::vector<std::string> const& Atlas::cell_types() const noexcept {
    return state_->cell_types;
}

bool Atlas::has_cell_type(std::string_view name) const noexcept {
    return std::ranges::find(state_->cell_types, name) != state_->cell_types.end();
}

std::vector<float> Atlas::accessibility(std::string_view cell_type) const {
    return column(state_->accessibility,
                  position_of(cell_type, state_->cell_types, "cell type", state_->file));
}

std::vector<std::string> const& Atlas::expression_names() const noexcept {
    return state_->expression_names;
}

std::vector<float> Atlas::expression(std::string_view name) const {
    return column(state_->expression,
                  position_of(name, state_->expression_names, "expression column", state_->file));
}

std::vector<std::string> const& Atlas::scale_sets() const noexcept {
    return state_->scale_sets;
}

std::vector<float> Atlas::scale(std::string_view scale_set) const {
    return column(state_->scale, position_of(scale_set, state_->scale_sets, "scale set", state_->file));
}

std::vector<std::uint32_t> Atlas::all_rows() const {
    std::vector<std::uint32_t> rows(state_->chrom.size());
    std::iota(rows.begin(), rows.end(), 0U);
    return rows;
}

std::vector<std::uint32_t> Atlas::accessible_rows(std::string_view cell_type, double least) const {
    auto const limit = static_cast<float>(least);  // as values are: 0.7 is not below 0.7
    auto const signal = accessibility(cell_type);
    std::vector<std::uint32_t> rows;
    for (std::uint32_t row = 0; row < signal.size(); ++row) {
        if (signal[row] > 0 && signal[row] >= limit) {
            rows.push_back(row);
        }
    }
    return rows;
}

void Atlas::scaled_features(std::span<float const> scale, std::span<std::uint32_t const> rows,
                            std::span<float> out) const {
    auto const width = static_cast<std::size_t>(feature_count());
    ensure(scale.size() == width && out.size() == rows.size() * width, "scaled_features: shapes differ");
    for (std::size_t i = 0; i < rows.size(); ++i) {
        scale_features(features(rows[i]), scale, out.subspan(i * width, width));
    }
}

std::string const& Atlas::feature_source() const noexcept {
    return state_->origin.source;
}
bool Atlas::is_scanned() const noexcept {
    return state_->origin.scan.has_value();
}
genome::ScanModel const& Atlas::scan_model() const {
    if (!is_scanned())
        fail_usage(
            fmt::format("{}: its features were not scanned but taken from '{}'; there is no scan model",
                        file().string(), feature_source()));
    return *state_->origin.scan;
}
std::string const& Atlas::scan_hash() const noexcept {
    return state_->origin.hash;
}

std::string const& Atlas::content_hash() const noexcept {
    return state_->hash;
}
nlohmann::json const& Atlas::provenance() const noexcept {
    return state_->provenance;
}

std::string Atlas::describe() const {
    std::string line = fmt::format("{}: {} regions x {} features of {}", state_->file.string(),
                                   region_count(), feature_count(), state_->assembly);
    if (state_->cell_types.size() > 8) {
        line += fmt::format(", {} cell types", state_->cell_types.size());
    } else if (!state_->cell_types.empty()) {
        line += fmt::format(", cell types {}", fmt::join(state_->cell_types, ", "));
    }
    if (!state_->expression_names.empty()) {
        line += fmt::format(", {} expression columns", state_->expression_names.size());
    }
    return line;
}

void scale_features(std::span<float const> raw, std::span<float const> scale, std::span<float> out) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
        out[i] = std::min(1.0F, raw[i] / scale[i]);
    }
}

}  // namespace mpira::atlas
