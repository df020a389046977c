// What each region near a gene is worth to its predicted expression: the region is taken from the window and
// the gene read again, the in-silico counterpart of CRISPRi. Rows and windows are those of the jacobian job
// (jobs/jacobian_inputs.hpp); a unit is a block of rows. Beside the differences stand the other scores of an
// enhancer-gene table; jobs/crispri.cpp holds them against measured pairs.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/model/jacobian.hpp"
#include "mpira/model/predictor.hpp"

#include "jobs/attribution_summary.hpp"
#include "jobs/cell_type_reader.hpp"
#include "jobs/enhancer_scores.hpp"
#include "jobs/entries.hpp"
#include "jobs/jacobian_inputs.hpp"
#include "jobs/sparse_row.hpp"

namespace mpira::jobs {
namespace {

DeviceSize const kUnit{"units.rows", 2, 16};

constexpr char const* kKnockOut = "obsm/knock_out";
constexpr char const* kGradient = "obsm/gradient_x_input";
constexpr char const* kPowerLaw = "obsm/powerlaw";
constexpr char const* kProduct = "obsm/gradient_x_input_powerlaw";
constexpr char const* kDistance = "obsm/distance_bp";

/// Regions [first, end) of a window are in reach of its focus.
struct Reach {
    std::int64_t first = 0;
    std::int64_t end = 0;
};

Reach reach_of(genome::FocusedWindow const& window, std::int64_t regions) {
    std::int64_t const focus = window.focus;
    return {std::max<std::int64_t>(focus - regions, 0),
            std::min<std::int64_t>(focus + regions + 1, window.size)};
}

class Perturb final : public store::Job {
public:
    Perturb(Settings const& settings, Place const& place)
        : settings_(settings),
          atlas_(atlas::Atlas::open(settings.path("atlas.file"))),
          inputs_(settings, atlas_),
          reader_(settings, place, atlas_, inputs_),
          outputs_(inputs_.shared_outputs()),
          how_(settings.text("perturb.mode") == "zero" ? model::Removal::zero : model::Removal::close),
          reach_(settings.integer("perturb.reach")),
          law_{settings.number("powerlaw.gamma"), settings.number("powerlaw.scale"),
               settings.integer("powerlaw.least_bp")} {
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override;
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{}\n{}\nregions removed one at a time ({}), up to {} to each side of a row's own",
                           atlas_.describe(), inputs_.describe(), name_of(how_), reach_);
    }

private:
    void make_layout();
    void run_rows(std::span<JacobianRow const> wanted, std::uint64_t offset, store::UnitRows& rows,
                  std::stop_token const& stop);
    /// Predictions without each region in reach, for the last window asked for: genes that share a promoter,
    /// and outputs of one gene, share them. Their bits depend on the window alone.
    struct Removed {
        std::uint32_t cell_type = 0;
        genome::FocusedWindow window;
        std::vector<float> predictions;  ///< (regions in reach without the focus, outputs)
        std::vector<float> untouched;    ///< (outputs)
    };
    Removed const& removed(JacobianRow const& row, model::JacobianWindow const& window,
                           std::stop_token const& stop);

    Settings settings_;
    atlas::Atlas atlas_;
    JacobianInputs inputs_;
    CellTypeReader reader_;
    std::vector<std::string> outputs_;
    model::Removal how_;
    std::int64_t reach_;
    PowerLaw law_;
    std::uint64_t slot_ = 1;  ///< most regions in reach of a row
    std::optional<Removed> last_;
    store::ResultLayout layout_;
};

void Perturb::make_layout() {
    for (auto const& row : inputs_.rows()) {
        auto const reach = reach_of(row.window, reach_);
        slot_ = std::max(slot_, static_cast<std::uint64_t>(reach.end - reach.first - 1));
    }
    using store::Type;
    layout_.job = "perturb";
    layout_.rows = inputs_.rows().size();
    layout_.rows_per_unit = settings_.count("units.rows");
    layout_.row_arrays = {{"X", Type::f32, {outputs_.size()}},
                          {"layers/observed", Type::f32, {outputs_.size()}},
                          {"obs/predicted", Type::f32, {}}};
    auto const regions = atlas_.region_count();
    for (auto const* const path : {kKnockOut, kGradient, kPowerLaw, kProduct})
        store::add_sparse(layout_, path, Type::f32, slot_, regions);
    store::add_sparse(layout_, kDistance, Type::i32, slot_, regions);
    auto const put = [&](char const* path, Type type, auto const& values) {
        auto const bytes = std::as_bytes(std::span(values));
        layout_.fixed_arrays.push_back({path, type, {values.size()}, {bytes.begin(), bytes.end()}});
    };
    put("uns/region_chrom", Type::i32, atlas_.regions().chrom);
    put("uns/region_start", Type::i64, atlas_.regions().start);
    put("uns/region_end", Type::i64, atlas_.regions().end);
    layout_.identity = settings_.to_json(true);
    layout_.identity["atlas.content"] = atlas_.content_hash();
    layout_.identity["inputs"] = inputs_.hashes();
}

store::ResultTables Perturb::tables() const {
    store::ResultTables tables;
    tables.obs = inputs_.obs();
    tables.var.index_name = "output";
    tables.var.index = outputs_;
    auto& uns = tables.uns;
    uns = inputs_.provenance();
    auto const chroms = atlas_.regions().chrom_names;
    uns["chrom_names"] = std::vector<std::string>(chroms.begin(), chroms.end());
    uns["perturb"] = {{"mode", settings_.text("perturb.mode")}, {"reach", reach_}};
    uns["powerlaw"] = {{"gamma", law_.gamma}, {"scale", law_.scale}, {"least_bp", law_.least_bp}};
    uns["notes"]["X"] =
        "predictions of the whole window; layers/observed is not a number where the atlas has no column";
    uns["notes"]["obsm"] =
        "Columns are rows of the atlas (uns/region_start, ...). Every row has equally many entries; those "
        "with powerlaw 0 only fill up. The row's own region is never removed.";
    uns["notes"]["knock_out"] =
        "prediction of the row's output minus the prediction without the region: positive where the region "
        "activates";
    uns["notes"]["gradient_x_input"] = "sum over motifs and accessibility, of the row's output";
    uns["notes"]["distance_bp"] = "from the region's centre to the start of transcription";
    return tables;
}

double Perturb::relative_cost(std::uint64_t unit) const {
    auto const mine = std::span(inputs_.rows()).subspan(layout_.first_row(unit), layout_.row_count(unit));
    double cost = 0;
    for (auto const& row : mine) {
        auto const reach = reach_of(row.window, reach_);
        // The whole window, its gradient (two forwards' worth), and a forward a region.
        cost += static_cast<double>(row.window.size) * static_cast<double>(reach.end - reach.first + 3);
    }
    return cost;
}

Perturb::Removed const& Perturb::removed(JacobianRow const& row, model::JacobianWindow const& window,
                                         std::stop_token const& stop) {
    if (last_ && last_->cell_type == row.cell_type && last_->window == row.window) return *last_;
    auto const reach = reach_of(row.window, reach_);
    std::vector<std::int64_t> regions;
    for (auto region = reach.first; region < reach.end; ++region)
        if (region != window.focus) regions.push_back(region);
    Removed now{row.cell_type, row.window, std::vector<float>(regions.size() * outputs_.size()),
                std::vector<float>(outputs_.size())};
    reader_.predictor().remove(window, how_, regions, now.predictions, now.untouched, stop);
    return last_.emplace(std::move(now));
}

void Perturb::run_rows(std::span<JacobianRow const> wanted, std::uint64_t offset, store::UnitRows& rows,
                       std::stop_token const& stop) {
    auto const windows = windows_of(wanted);
    auto const most = inputs_.most_regions();
    std::array const summaries{Summary::sum};
    std::vector<float> by_region(wanted.size() * most);
    model::JacobianResult result;
    result.regions = static_cast<std::int64_t>(most);
    result.region_summaries = summaries;
    result.by_region = by_region;
    reader_.predictor().run(windows, model::Attribution::gradient_x_input, result, stop);

    auto const atlas_regions = atlas_.regions();
    auto const wide = outputs_.size();
    for (std::uint64_t i = 0; i < wanted.size(); ++i) {
        auto const& row = wanted[i];
        auto const at = offset + i;
        auto const& without = removed(row, windows[i], stop);
        auto const attributed = std::span(by_region).subspan(i * most, row.window.size);
        std::ranges::copy(without.untouched,
                          rows.array<float>("X").begin() + static_cast<std::ptrdiff_t>(at * wide));
        for (std::uint32_t output = 0; output < wide; ++output)
            rows.array<float>("layers/observed")[at * wide + output] = reader_.observed(row, output);
        rows.array<float>("obs/predicted")[at] = without.untouched[row.output];

        auto const reach = reach_of(row.window, reach_);
        std::vector<std::uint32_t> regions;  // rows of the atlas
        std::vector<float> gradient;
        for (auto region = reach.first; region < reach.end; ++region) {
            if (region == row.window.focus) continue;
            auto const place = static_cast<std::size_t>(region);
            regions.push_back(reader_.chosen()[row.window.first + place]);
            gradient.push_back(attributed[place]);
        }
        auto const sparse = sparse_row(regions, slot_);
        auto const values = [&]<typename T>(char const* path, T /*type*/) {
            std::ranges::copy(sparse.columns,
                              rows.array<std::int32_t>(std::string(path) + "/indices").begin() +
                                  static_cast<std::ptrdiff_t>(at * slot_));
            return rows.array<T>(std::string(path) + "/data").subspan(at * slot_, slot_);
        };
        auto const knock_out = values(kKnockOut, float{});
        auto const gradient_x_input = values(kGradient, float{});
        auto const powerlaw = values(kPowerLaw, float{});
        auto const product = values(kProduct, float{});
        auto const distance_bp = values(kDistance, std::int32_t{});
        for (std::size_t r = 0; r < regions.size(); ++r) {
            auto const entry = sparse.entries[r];
            auto const centre = (atlas_regions.start[regions[r]] + atlas_regions.end[regions[r]]) / 2;
            auto const distance = std::abs(centre - row.position);
            auto const near = contact(law_, distance);
            knock_out[entry] = without.untouched[row.output] - without.predictions[r * wide + row.output];
            gradient_x_input[entry] = gradient[r];
            powerlaw[entry] = static_cast<float>(near);
            product[entry] = static_cast<float>(static_cast<double>(gradient[r]) * near);
            distance_bp[entry] = static_cast<std::int32_t>(distance);
        }
    }
}

void Perturb::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    reader_.for_each_cell_type(rows, [&](std::span<JacobianRow const> wanted, std::uint64_t offset) {
        run_rows(wanted, offset, rows, stop);
    });
}

std::vector<SettingSpec> perturb_settings() {
    auto specs = jacobian_input_settings(true);
    std::erase_if(specs, [](SettingSpec const& spec) { return spec.key == "genes.value"; });
    PowerLaw const law;
    std::vector<SettingSpec> const own{
        {"perturb.mode",
         SettingKind::text,
         std::string("close"),
         "What becomes of a removed region: close, the window has one region fewer (nothing comes in at its "
         "end), or zero, its row of features is 0.",
         Affects::result,
         {"close", "zero"}},
        {"perturb.reach",
         SettingKind::integer,
         std::int64_t{100},
         "Regions to each side of a row's own that are removed, one at a time, as far as the window goes. A "
         "forward each.",
         Affects::result,
         {},
         1,
         1e6},
        {"powerlaw.gamma",
         SettingKind::number,
         law.gamma,
         "Contact of a region and a start d bp apart is exp(scale - gamma ln(max(d, least_bp) + 1)); these "
         "are ABC's values for K562.",
         Affects::result,
         {},
         0,
         3},
        {"powerlaw.scale",
         SettingKind::number,
         law.scale,
         "See powerlaw.gamma.",
         Affects::result,
         {},
         -20,
         20},
        {"powerlaw.least_bp",
         SettingKind::integer,
         law.least_bp,
         "See powerlaw.gamma.",
         Affects::result,
         {},
         0,
         1e9},
        {kUnit.key,
         SettingKind::integer,
         std::int64_t{0},
         "Rows a work unit. Units of 0.1 to 10 s balance best; rows of one window share its forwards within "
         "a unit. " +
             explain(kUnit),
         Affects::result,
         {},
         0,
         1e6},
    };
    specs.insert(specs.end(), own.begin(), own.end());
    return specs;
}

}  // namespace

JobEntry perturb_entry() {
    return {"perturb",
            "What each region near a gene is worth to its prediction: removed one at a time, with other "
            "enhancer-gene scores",
            "mpirun -n 2 mpira perturb --config perturb.toml --output perturb.h5ad", perturb_settings,
            [](Settings const& settings, Place const& place) -> std::unique_ptr<store::Job> {
                return std::make_unique<Perturb>(settled(settings, std::array{kGradientBatch, kUnit}, place),
                                                 place);
            }};
}

}  // namespace mpira::jobs
