#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mpira/atlas/expression_names.hpp"
#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

#include "jobs/atlas_file.hpp"
#include "jobs/entries.hpp"
#include "jobs/get_store.hpp"
#include "jobs/region_frame.hpp"

/// A data set of GET, as gcell writes it (spec/get.md 2.2), to an atlas. A unit is a block of regions.
namespace mpira::jobs {
namespace {

constexpr std::uint64_t kMostUnit = 65'536;

class Import final : public store::Job {
public:
    explicit Import(Settings const& settings) : settings_(settings), store_(settings) {
        if (has_own_scales() && store_.cell_types().empty())
            settings.refuse("scales", fmt::format("{} has accessibility (atpm) of none of the cell types; "
                                                  "scales = \"all_regions\" needs none",
                                                  store_.folder()));
        make_layout();
        find_largest();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return static_cast<double>(layout_.row_count(unit));
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} regions x {} features of {}, imported from {}; {} cell types{}",
                           store_.regions().size(), store_.features().size(),
                           settings_.text("genome.assembly"), store_.folder(), store_.cell_types().size(),
                           store_.expressed().empty()
                               ? std::string()
                               : fmt::format(", {} with expression", store_.expressed().size()));
    }

private:
    void make_layout();
    void find_largest();
    [[nodiscard]] bool divides() const { return settings_.text("accessibility.scale") == "maximum"; }
    [[nodiscard]] bool has_own_scales() const { return settings_.text("scales") == "cell_type"; }

    Settings settings_;
    GetStore store_;
    std::vector<float> largest_;  ///< accessibility of each cell type
    store::ResultLayout layout_;
};

void Import::make_layout() {
    layout_.job = "import";
    layout_.rows = store_.regions().size();
    auto const unit = settings_.count("unit.regions");
    layout_.rows_per_unit = unit > 0 ? unit : std::min(store_.chunk_rows(), kMostUnit);
    layout_.row_arrays = {{"X", store::Type::f32, {store_.features().size()}}};
    if (!store_.cell_types().empty())
        layout_.row_arrays.push_back({"obsm/accessibility", store::Type::f32, {store_.cell_types().size()}});
    if (!store_.expressed().empty())
        layout_.row_arrays.push_back({"obsm/expression", store::Type::f32, {2 * store_.expressed().size()}});
    if (store_.has_promoters())
        for (auto const* const path : {"obs/promoter", "obs/promoter_plus", "obs/promoter_minus"})
            layout_.row_arrays.push_back({path, store::Type::boolean, {}});
    auto const sets = has_own_scales() ? 1 + store_.cell_types().size() : 1;
    layout_.fixed_arrays = {{"varm/scale", store::Type::f32, {store_.features().size(), sets}, {}}};
    layout_.identity = settings_.to_json(true);
    layout_.identity["content of zarr"] = store_.content_hash();
    layout_.identity["content of chrom_sizes"] = hash_file(settings_.path("genome.chrom_sizes"));
}

void Import::find_largest() {
    for (auto const& cell_type : store_.cell_types()) {
        auto const all = store_.values("atpm/" + cell_type, 0, store_.regions().size());
        largest_.push_back(*std::ranges::max_element(all));
        require(largest_.back() > 0, fmt::format("{}: atpm/{} is 0 everywhere", store_.folder(), cell_type));
        if (largest_.back() > 1 && !divides())
            log::warning(
                "{}: atpm/{} has values up to {}; published models read accessibility that is divided "
                "by its maximum: accessibility.scale = \"maximum\" does so",
                store_.folder(), cell_type, largest_.back());
    }
}

store::ResultTables Import::tables() const {
    store::ResultTables tables;
    tables.obs = region_frame(store_.regions(), {}, store_.chroms());
    tables.var.index = store_.features();
    std::vector<std::string> sets{"all_regions"};
    if (has_own_scales()) sets.insert(sets.end(), store_.cell_types().begin(), store_.cell_types().end());
    auto& uns = tables.uns;
    uns = atlas_uns(settings_.text("genome.assembly"), store_.chroms(), sets, store_.cell_types());
    if (!store_.expressed().empty()) {
        std::vector<std::string> columns;
        for (auto const& cell_type : store_.expressed())
            for (char const strand : {'+', '-'}) columns.push_back(atlas::strand_column(cell_type, strand));
        uns["expression"] = columns;
    }
    if (!store_.genes().is_null()) uns["promoters"] = store_.genes();
    // Which motifs and thresholds it was made with, the store doesn't say: features of equal names are taken
    // to mean the same.
    ContentHash hash;
    for (auto const& name : store_.features()) hash.add(name);
    uns["scan"] = atlas::import_record("gcell", hash.hex());
    uns["notes"]["X"] =
        "motif score as the store has it; a model reads min(1, X / varm/scale), a column of varm/scale a "
        "scale set";
    uns["inputs"] = {{"zarr", layout_.identity.at("content of zarr")}};
    uns["settings"] = {{"zarr", store_.folder()},
                       {"accessibility.scale", settings_.text("accessibility.scale")}};
    return tables;
}

void Import::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const first = rows.first_row();
    auto const count = rows.row_count();
    std::ranges::copy(store_.values("data", first, count), rows.array<float>("X").begin());
    auto const column = [&](std::span<float> out, std::size_t at, std::size_t columns,
                            std::string const& array, float divisor) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
        auto const found = store_.values(array, first, count);
        for (std::size_t i = 0; i < found.size(); ++i) out[i * columns + at] = found[i] / divisor;
    };
    for (std::size_t type = 0; type < store_.cell_types().size(); ++type)
        column(rows.array<float>("obsm/accessibility"), type, store_.cell_types().size(),
               "atpm/" + store_.cell_types()[type], divides() ? largest_[type] : 1.0F);
    for (std::size_t type = 0; type < store_.expressed().size(); ++type)
        for (std::size_t strand = 0; strand < 2; ++strand)
            column(rows.array<float>("obsm/expression"), 2 * type + strand, 2 * store_.expressed().size(),
                   fmt::format("{}/{}", GetStore::kExpression[strand], store_.expressed()[type]), 1.0F);
    if (!store_.has_promoters()) return;
    auto const any = rows.array<std::uint8_t>("obs/promoter");
    auto const plus = rows.array<std::uint8_t>("obs/promoter_plus");
    auto const minus = rows.array<std::uint8_t>("obs/promoter_minus");
    for (std::size_t i = 0; i < count; ++i) {
        plus[i] = store_.promoters(0)[first + i] ? 1 : 0;
        minus[i] = store_.promoters(1)[first + i] ? 1 : 0;
        any[i] = plus[i] | minus[i];
    }
}

void Import::finish(store::FinishedRows& rows) {
    auto const never = finish_scales(rows, store_.features(), store_.cell_types(), store_.folder() + "/data");
    log::info("{}", describe_never(never, store_.features()));
}

std::vector<SettingSpec> import_settings() {
    SettingValue const required;
    return {
        {"zarr", SettingKind::text, required,
         "The data set: a folder of zarr version 2 with data (peaks x motifs), peak_names, motif_names, and "
         "by cell type atpm, expression_positive, expression_negative and tss.",
         Affects::run},
        {"genome.assembly", SettingKind::text, required,
         "Its assembly (hg38). Models and atlases of different assemblies are never mixed."},
        {"genome.chrom_sizes", SettingKind::text, required,
         "Names and lengths of chromosomes (a .fai will do). Their order is the data set's.", Affects::run},
        {"cell_types", SettingKind::texts, std::vector<std::string>(), "Which to take; empty: all."},
        {"accessibility.scale",
         SettingKind::text,
         std::string("as_stored"),
         "as_stored: atpm as it is; maximum: divided by its largest value in the cell type, as published "
         "models read it.",
         Affects::result,
         {"as_stored", "maximum"}},
        {"scales",
         SettingKind::text,
         std::string("cell_type"),
         "What features are divided by before a model sees them: their maximum over all regions, or, in "
         "addition, over the accessible regions of each cell type, as published models were trained.",
         Affects::result,
         {"all_regions", "cell_type"}},
        {"unit.regions",
         SettingKind::integer,
         std::int64_t{0},
         "Regions in a unit of work; 0: the rows of one of the store's chunks of data, at most 65536. Each "
         "unit reads the chunks that it needs whole.",
         Affects::result,
         {},
         0,
         1e6},
    };
}

std::unique_ptr<store::Job> make(Settings const& settings, Place const& /*place*/) {
    return std::make_unique<Import>(settings);
}

}  // namespace

JobEntry import_entry() {
    return {"import", "a data set of GET (gcell's zarr) to an atlas",
            "mpirun -n 4 mpira import --set zarr=pbmc.zarr --set genome.assembly=hg38 "
            "--set genome.chrom_sizes=hg38.fa.fai --output atlas.h5ad",
            import_settings, make};
}

}  // namespace mpira::jobs
