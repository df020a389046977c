#include "mpira/atlas/cage_expression.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mpira/atlas/expression_names.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "atlas/counts_file.hpp"

namespace mpira::atlas {

struct CageExpression::State {
    store::MappedArray<std::int32_t> counts;  ///< (regions, 2 x cell types): +, -
    std::vector<double> per_read;             ///< by cell type: 1e6 / reads
    std::vector<std::string> columns;
    std::string hash;
};

CageExpression::CageExpression() : state_(std::make_unique<State>()) {}
CageExpression::CageExpression(CageExpression&&) noexcept = default;
CageExpression& CageExpression::operator=(CageExpression&&) noexcept = default;
CageExpression::~CageExpression() = default;

CageExpression::CageExpression(std::filesystem::path const& file, genome::ChromSizes const& chroms,
                               std::span<genome::Region const> regions)
    : state_(std::make_unique<State>()) {
    store::AnnDataReader const reader(file);
    require_counts(reader, chroms, regions, /*five_prime_ends=*/true);
    auto const names = reader.index("var");
    auto const total = reader.numbers("uns/total");
    state_->counts = reader.array<std::int32_t>("X");
    bool fits = names.size() % 2 == 0 && total.size() == names.size() &&
                state_->counts.values().size() == regions.size() * names.size();
    for (std::size_t i = 0; fits && i < names.size(); i += 2) {
        auto const cell_type = cell_type_of(names[i]);
        fits = names[i] == strand_column(cell_type, '+') && names[i + 1] == strand_column(cell_type, '-');
        require(!fits || total[i] + total[i + 1] > 0,
                fmt::format("{}: '{}' has no 5' end", file.string(), cell_type));
        state_->per_read.push_back(1e6 / (total[i] + total[i + 1]));
        for (auto&& name : {names[i], names[i + 1], sum_column(cell_type)}) state_->columns.push_back(name);
    }
    require(fits,
            fmt::format("{}: X, var and uns/total aren't as `mpira counts` writes them", file.string()));
    for (auto const count : state_->counts.values())
        if (count < 0) fail_usage(fmt::format("{}: X: a count of {}", file.string(), count));
    ContentHash hash;
    for (auto const& name : names) hash.add(name);
    hash.add(std::as_bytes(std::span(total))).add(std::as_bytes(state_->counts.values()));
    state_->hash = hash.hex();
}

std::vector<std::string> const& CageExpression::columns() const noexcept {
    return state_->columns;
}
std::string const& CageExpression::content_hash() const noexcept {
    return state_->hash;
}

void CageExpression::read_rows(std::uint64_t first, std::span<float> out) const {
    auto const types = state_->per_read.size();
    auto const counts = state_->counts.values().subspan(first * 2 * types);
    auto const scaled = [](double cpm) { return static_cast<float>(std::log10(cpm + 1)); };
    for (std::size_t row = 0; row < out.size() / (3 * types); ++row) {
        for (std::size_t type = 0; type < types; ++type) {
            double const plus = counts[(row * types + type) * 2] * state_->per_read[type];
            double const minus = counts[(row * types + type) * 2 + 1] * state_->per_read[type];
            auto const at = out.subspan((row * types + type) * 3, 3);
            at[0] = scaled(plus);
            at[1] = scaled(minus);
            at[2] = scaled(plus + minus);
        }
    }
}

}  // namespace mpira::atlas
