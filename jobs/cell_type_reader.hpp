#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/jobs/table.hpp"
#include "mpira/model/jacobian.hpp"
#include "mpira/store/job.hpp"
#include "mpira/store/layout.hpp"

#include "jobs/jacobian_inputs.hpp"

namespace mpira::jobs {

/// The model of one cell type over its regions, loaded when a unit first asks for it: what jacobian, perturb
/// and predict share. A weights file that several cell types read is loaded once.
class CellTypeReader {
public:
    /// `atlas` and `inputs` must outlive this.
    CellTypeReader(Settings const& settings, Place const& place, atlas::Atlas const& atlas,
                   JacobianInputs const& inputs, std::int64_t integration_steps = 1);

    /// Calls read(rows, number of their first one in the unit) for the unit's rows of each cell type, that
    /// one being at work: a unit may hold the end of one and the beginning of the next. After an error no
    /// memory of the device stays cached, so that a retry has all of it.
    void for_each_cell_type(store::UnitRows const& unit,
                            std::function<void(std::span<JacobianRow const>, std::uint64_t)> const& read);
    /// Of the cell type at work.
    [[nodiscard]] model::JacobianPredictor& predictor() { return predictor_.value(); }
    /// Rows of the atlas that its windows consist of.
    [[nodiscard]] std::span<std::uint32_t const> chosen() const noexcept { return chosen_; }
    /// A region's accessibility as the model reads it; 1 for a model that reads none.
    [[nodiscard]] double accessibility(std::uint32_t region) const;
    /// What was measured for an output at a row's region; not a number where the atlas has nothing.
    [[nodiscard]] float observed(JacobianRow const& row, std::uint32_t output) const;

private:
    /// Makes `cell_type` the one at work.
    void use(std::uint32_t cell_type);

    Settings settings_;
    Place place_;
    atlas::Atlas const& atlas_;
    JacobianInputs const& inputs_;
    model::JacobianOptions options_;
    /// For a cell type, the expression columns of its outputs; empty where the atlas has none.
    std::vector<std::vector<std::vector<float>>> observed_;

    std::optional<std::uint32_t> current_;
    std::filesystem::path loaded_;
    std::optional<model::JacobianPredictor> predictor_;
    std::vector<std::uint32_t> chosen_;
    std::vector<float> scales_;
    std::vector<float> accessibility_;
};

/// The windows of rows of one cell type, as the model takes them.
[[nodiscard]] std::vector<model::JacobianWindow> windows_of(std::span<JacobianRow const> rows);
/// Regions to be read for a unit: what it costs beside the others.
[[nodiscard]] double regions_read(store::ResultLayout const& layout, std::span<JacobianRow const> rows,
                                  std::uint64_t unit);

}  // namespace mpira::jobs
