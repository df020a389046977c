#include "jobs/cell_type_reader.hpp"

#include <algorithm>
#include <limits>

#include "mpira/base/error.hpp"
#include "mpira/model/predictor.hpp"
#include "mpira/model/scale_set.hpp"

#include "jobs/device_settings.hpp"
#include "jobs/script_trust.hpp"

namespace mpira::jobs {

CellTypeReader::CellTypeReader(Settings const& settings, Place const& place, atlas::Atlas const& atlas,
                               JacobianInputs const& inputs, std::int64_t integration_steps)
    : settings_(settings), place_(place), atlas_(atlas), inputs_(inputs) {
    options_.micro_batch = settings.integer("model.micro_batch");
    options_.one_query = settings.flag("model.shortcuts");
    options_.steps = integration_steps;
    for (std::uint32_t number = 0; number < inputs.cell_types().size(); ++number) {
        auto& of_outputs = observed_.emplace_back();
        auto const outputs = inputs.cell_types()[number].card.names_of_outputs().size();
        for (std::uint32_t output = 0; output < outputs; ++output)
            of_outputs.push_back(inputs.observed(number, output));
    }
}

void CellTypeReader::use(std::uint32_t cell_type) {
    if (current_ == cell_type) return;
    current_.reset();
    auto const& one = inputs_.cell_types()[cell_type];
    if (!predictor_ || loaded_ != one.weights) {
        predictor_.reset();  // before the next one takes its memory
        predictor_.emplace(one.weights, compute_of(settings_, place_), options_, script_trust(settings_));
        loaded_ = one.weights;
    }
    chosen_ = inputs_.chosen_rows(cell_type);
    scales_ = atlas_.scale(model::scale_set_of(one.card, one.name));
    accessibility_ = inputs_.accessibility(cell_type);
    model::FeatureTable table;
    table.regions = static_cast<std::int64_t>(atlas_.region_count());
    table.motifs = static_cast<std::int64_t>(atlas_.feature_count());
    table.features = atlas_.features();
    table.rows = chosen_;
    table.scales = scales_;
    table.accessibility = accessibility_;
    predictor_->set_table(table);
    current_ = cell_type;
}

void CellTypeReader::for_each_cell_type(
    store::UnitRows const& unit,
    std::function<void(std::span<JacobianRow const>, std::uint64_t)> const& read) {
    auto const rows = std::span(inputs_.rows()).subspan(unit.first_row(), unit.row_count());
    try {
        for (std::size_t first = 0; first < rows.size();) {
            auto const cell_type = rows[first].cell_type;
            auto end = first + 1;
            while (end < rows.size() && rows[end].cell_type == cell_type) ++end;
            use(cell_type);
            read(rows.subspan(first, end - first), first);
            first = end;
        }
    } catch (Error const&) {
        model::release_cached_device_memory();
        throw;
    }
}

double CellTypeReader::accessibility(std::uint32_t region) const {
    return accessibility_.empty() ? 1 : std::min<double>(accessibility_[region], 1);
}

float CellTypeReader::observed(JacobianRow const& row, std::uint32_t output) const {
    auto const& column = observed_[row.cell_type][output];
    return column.empty() ? std::numeric_limits<float>::quiet_NaN() : column[row.region];
}

std::vector<model::JacobianWindow> windows_of(std::span<JacobianRow const> rows) {
    std::vector<model::JacobianWindow> windows;
    windows.reserve(rows.size());
    for (auto const& row : rows) {
        windows.push_back(
            {static_cast<std::int64_t>(row.window.first), static_cast<std::int64_t>(row.window.size),
             static_cast<std::int64_t>(row.window.focus), static_cast<std::int64_t>(row.output)});
    }
    return windows;
}

double regions_read(store::ResultLayout const& layout, std::span<JacobianRow const> rows,
                    std::uint64_t unit) {
    double cost = 0;
    for (auto const& row : rows.subspan(layout.first_row(unit), layout.row_count(unit)))
        cost += row.window.size;
    return cost;
}

}  // namespace mpira::jobs
