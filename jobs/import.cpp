#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/atlas/scan_record.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/regions.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/store/zarr_reader.hpp"

#include "jobs/atlas_scales.hpp"
#include "jobs/entries.hpp"
#include "jobs/region_frame.hpp"

/// A data set of GET, as gcell writes it (spec/get.md 2.2), to an atlas. A unit is a block of regions.
namespace mpira::jobs {
namespace {

constexpr std::uint64_t kMostUnit = 65'536;
constexpr std::array<char const*, 2> kStrands{"plus", "minus"};
constexpr std::array<char const*, 2> kExpressionGroups{"expression_positive", "expression_negative"};

/// The sizes' chromosomes in the order in which the peaks have them; the others behind these.
genome::ChromSizes in_order_of(std::vector<std::string> const& peaks, genome::ChromSizes const& sizes,
                               std::string const& where) {
    std::vector<std::string> names;
    for (auto const& peak : peaks) {
        auto const name = peak.substr(0, peak.rfind(':'));
        if (!names.empty() && names.back() == name) continue;
        require(
            std::ranges::find(names, name) == names.end(),
            fmt::format("{}: peak '{}' stands after peaks of another chromosome, which stand after peaks of "
                        "its own; rows must be sorted by chromosome",
                        where, peak));
        if (!sizes.find(name)) {
            std::vector<std::string> const known(sizes.names().begin(), sizes.names().end());
            fail_usage(fmt::format("{}: peak '{}' is on a chromosome that genome.chrom_sizes lacks{}", where,
                                   peak, text::did_you_mean(name, known)));
        }
        names.push_back(name);
    }
    for (auto const& name : sizes.names())
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    std::vector<std::int64_t> lengths;
    for (auto const& name : names) lengths.push_back(sizes.length(*sizes.find(name)));
    return {std::move(names), std::move(lengths)};
}

std::vector<std::string> read_peaks(store::ZarrReader const& zarr) {
    for (auto const* const array : {"data", "peak_names", "motif_names"})
        require(zarr.contains(array),
                fmt::format("{}: has no array '{}'; a data set of GET has data, peak_names and motif_names",
                            zarr.folder().string(), array));
    auto peaks = zarr.strings("peak_names");
    require(!peaks.empty(), fmt::format("{}: peak_names is empty", zarr.folder().string()));
    return peaks;
}

class Import final : public store::Job {
public:
    explicit Import(Settings const& settings)
        : settings_(settings),
          zarr_(settings.path("zarr")),
          peaks_(read_peaks(zarr_)),
          chroms_(in_order_of(peaks_, genome::ChromSizes::read(settings.path("genome.chrom_sizes")),
                              peaks_file())) {
        read_regions();
        peaks_ = {};  // most of the memory
        features_ = zarr_.strings("motif_names");
        for (std::size_t i = 0; i < features_.size(); ++i)
            require(text::is_utf8(features_[i]),
                    fmt::format("{}: motif_names: name {} is no text in UTF-8", zarr_.folder().string(), i));
        auto sorted = features_;
        std::ranges::sort(sorted);
        if (auto const twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
            fail_usage(fmt::format("{}: motif_names has '{}' twice", zarr_.folder().string(), *twice));
        require_rows("data", features_.size());
        choose_cell_types();
        make_layout();
        read_promoters();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return static_cast<double>(layout_.row_count(unit));
    }
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format(
            "{} regions x {} features of {}, imported from {}; {} cell types{}", regions_.size(),
            features_.size(), settings_.text("genome.assembly"), zarr_.folder().string(), cell_types_.size(),
            expressed_.empty() ? std::string() : fmt::format(", {} with expression", expressed_.size()));
    }

private:
    void read_regions();
    void choose_cell_types();
    void take(std::string const& cell_type);
    void read_promoters();
    void make_layout();
    void require_rows(std::string const& array, std::size_t columns) const;
    [[nodiscard]] std::string peaks_file() const { return (zarr_.folder() / "peak_names").string(); }
    [[nodiscard]] bool divides() const { return settings_.text("accessibility.scale") == "maximum"; }
    /// Rows of an array, refused where one is negative or no number.
    [[nodiscard]] std::vector<float> values(std::string const& array, std::uint64_t first,
                                            std::uint64_t count) const;

    Settings settings_;
    store::ZarrReader zarr_;
    std::vector<std::string> peaks_;
    genome::ChromSizes chroms_;
    std::vector<genome::Region> regions_;
    std::vector<std::string> features_;
    std::vector<std::string> cell_types_;
    std::vector<float> largest_;                 ///< accessibility of each cell type
    std::vector<std::string> expressed_;         ///< cell types with expression
    std::vector<std::string> arrays_;            ///< all that are read
    std::array<std::vector<bool>, 2> promoter_;  ///< a region, on + and -; empty: not told
    nlohmann::json genes_;                       ///< uns/promoters; null: not told
    store::ResultLayout layout_;
};

void Import::read_regions() {
    auto const where = peaks_file();
    for (auto const& peak : peaks_) {
        auto const place = genome::parse_held_out(peak, where);
        auto const chrom = chroms_.find(place.chrom);
        genome::Region const region{*chrom, place.start, place.end};
        require(region.end > region.start && region.end <= chroms_.length(*chrom),
                fmt::format("{}: peak '{}' is no interval of {}, which has {} bp", where, peak, place.chrom,
                            chroms_.length(*chrom)));
        require(
            regions_.empty() || regions_.back() < region,
            fmt::format("{}: peak '{}' stands after '{}'; rows must be sorted by start and end, and differ: "
                        "in a data set that is not, features and peaks may not belong together",
                        where, peak, regions_.empty() ? peak : chroms_.label(regions_.back())));
        regions_.push_back(region);
    }
}

void Import::require_rows(std::string const& array, std::size_t columns) const {
    auto const shape = zarr_.shape(array);
    std::vector<std::uint64_t> expected{regions_.size()};
    if (columns > 0) expected.push_back(columns);
    require(shape == expected,
            fmt::format("{}: '{}' has the shape ({}), ({}) was expected: a row a peak{}",
                        zarr_.folder().string(), array, fmt::join(shape, ", "), fmt::join(expected, ", "),
                        array == "data" ? " and a column a motif" : ""));
}

void Import::choose_cell_types() {
    auto const of_accessibility = zarr_.arrays_of("atpm");
    std::set<std::string> known(of_accessibility.begin(), of_accessibility.end());
    for (auto const* const group : kExpressionGroups)
        for (auto& name : zarr_.arrays_of(group)) known.insert(std::move(name));
    std::vector<std::string> const names(known.begin(), known.end());
    for (auto const& name : names)
        require(text::is_utf8(name) && name != "all_regions",
                fmt::format("{}: a cell type can't be called '{}'", zarr_.folder().string(), name));
    auto chosen = settings_.texts("cell_types");
    if (chosen.empty()) chosen = names;
    arrays_ = {"peak_names", "motif_names", "data"};
    std::set<std::string> taken;
    for (auto const& cell_type : chosen) {
        if (!known.contains(cell_type))
            settings_.refuse("cell_types", fmt::format("{} has no atpm/{}{}", zarr_.folder().string(),
                                                       cell_type, text::did_you_mean(cell_type, names)));
        if (!taken.insert(cell_type).second)
            settings_.refuse("cell_types", fmt::format("'{}' is named twice", cell_type));
        take(cell_type);
    }
    if (settings_.text("scales") == "cell_type" && cell_types_.empty())
        settings_.refuse("scales", fmt::format("{} has accessibility (atpm) of none of the cell types; "
                                               "scales = \"all_regions\" needs none",
                                               zarr_.folder().string()));
    if (zarr_.contains("gene_idx_info_index"))
        for (auto const* const array : {"gene_idx_info_index", "gene_idx_info_name", "gene_idx_info_strand"})
            arrays_.emplace_back(array);
    for (auto const& array : arrays_)
        if (auto const missing = zarr_.missing_chunks(array); missing > 0)
            log::warning(
                "{}: {} chunks of '{}' are missing and read as what .zarray says fills them; a store may be "
                "so, and a broken copy is",
                zarr_.folder().string(), missing, array);
}

/// What the store has of a cell type: accessibility, expression, starts.
void Import::take(std::string const& cell_type) {
    if (auto const array = "atpm/" + cell_type; zarr_.contains(array)) {
        require_rows(array, 0);
        arrays_.push_back(array);
        cell_types_.push_back(cell_type);
    } else {
        log::warning("{}: no atpm/{}: expression without accessibility", zarr_.folder().string(), cell_type);
    }
    auto const on = [&](std::size_t strand) {
        return fmt::format("{}/{}", kExpressionGroups[strand], cell_type);
    };
    if (zarr_.contains(on(0)) || zarr_.contains(on(1))) {
        expressed_.push_back(cell_type);
        for (std::size_t strand = 0; strand < 2; ++strand) {
            require_rows(on(strand), 0);
            arrays_.push_back(on(strand));
        }
    }
    if (auto const tss = "tss/" + cell_type; zarr_.contains(tss)) {
        require_rows(tss, 2);
        arrays_.push_back(tss);
    }
}

/// A region is a promoter on the strand of a start of any cell type, and where a gene is listed.
void Import::read_promoters() {
    auto const mark = [&](std::size_t strand, std::uint64_t row) {
        promoter_[strand].resize(regions_.size());
        promoter_[1 - strand].resize(regions_.size());
        promoter_[strand][row] = true;
    };
    for (auto const& array : arrays_) {
        if (!array.starts_with("tss/")) continue;
        auto const starts = zarr_.numbers(array, 0, regions_.size());
        for (std::uint64_t i = 0; i < starts.size(); ++i) {
            require(starts[i] >= 0, fmt::format("{}: '{}' has {}, no number of starts",
                                                zarr_.folder().string(), array, starts[i]));
            if (starts[i] > 0) mark(i % 2, i / 2);
        }
    }
    if (!zarr_.contains("gene_idx_info_index")) return;
    auto const names = zarr_.strings("gene_idx_info_name");
    auto const strands = zarr_.strings("gene_idx_info_strand");
    auto const where = zarr_.folder().string() + "/gene_idx_info_";
    std::vector<std::uint64_t> const shape{names.size()};
    require(zarr_.shape("gene_idx_info_index") == shape && strands.size() == names.size(),
            fmt::format("{}*: index, name and strand differ in length", where));
    auto const rows = zarr_.numbers("gene_idx_info_index", 0, names.size());
    std::vector<std::int64_t> at;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        require(
            rows[i] >= 0 && rows[i] < static_cast<double>(regions_.size()) && rows[i] == std::floor(rows[i]),
            fmt::format("{}index: {} of gene {} is no row of {}", where, rows[i], names[i], regions_.size()));
        require(strands[i] == "+" || strands[i] == "-",
                fmt::format("{}strand: '{}' of gene {} is neither + nor -", where, strands[i], names[i]));
        at.push_back(static_cast<std::int64_t>(rows[i]));
        mark(strands[i] == "+" ? 0 : 1, static_cast<std::uint64_t>(at.back()));
    }
    genes_ = {{"gene_id", names}, {"gene_name", names}, {"row", at}, {"strand", strands}};
}

void Import::make_layout() {
    layout_.job = "import";
    layout_.rows = regions_.size();
    auto const unit = settings_.count("unit.regions");
    layout_.rows_per_unit = unit > 0 ? unit : std::min(zarr_.chunk_rows("data"), kMostUnit);
    layout_.row_arrays = {{"X", store::Type::f32, {features_.size()}}};
    if (!cell_types_.empty())
        layout_.row_arrays.push_back({"obsm/accessibility", store::Type::f32, {cell_types_.size()}});
    if (!expressed_.empty())
        layout_.row_arrays.push_back({"obsm/expression", store::Type::f32, {2 * expressed_.size()}});
    bool const has_promoters = std::ranges::any_of(arrays_, [](auto const& array) {
        return array.starts_with("tss/") || array == "gene_idx_info_index";
    });
    if (has_promoters)
        for (auto const* const path : {"obs/promoter", "obs/promoter_plus", "obs/promoter_minus"})
            layout_.row_arrays.push_back({path, store::Type::boolean, {}});
    auto const sets = settings_.text("scales") == "cell_type" ? 1 + cell_types_.size() : 1;
    layout_.fixed_arrays = {{"varm/scale", store::Type::f32, {features_.size(), sets}, {}}};
    layout_.identity = settings_.to_json(true);
    layout_.identity["content of zarr"] = zarr_.content_hash(arrays_);
    layout_.identity["content of chrom_sizes"] = hash_file(settings_.path("genome.chrom_sizes"));

    for (auto const& cell_type : cell_types_) {
        auto const all = values("atpm/" + cell_type, 0, regions_.size());
        largest_.push_back(*std::ranges::max_element(all));
        require(largest_.back() > 0,
                fmt::format("{}: atpm/{} is 0 everywhere", zarr_.folder().string(), cell_type));
        if (largest_.back() > 1 && !divides())
            log::warning(
                "{}: atpm/{} has values up to {}; published models read accessibility that is divided "
                "by its maximum: accessibility.scale = \"maximum\" does so",
                zarr_.folder().string(), cell_type, largest_.back());
    }
}

std::vector<float> Import::values(std::string const& array, std::uint64_t first, std::uint64_t count) const {
    auto found = zarr_.floats(array, first, count);
    auto const columns = found.size() / std::max<std::uint64_t>(1, count);
    for (std::size_t i = 0; i < found.size(); ++i)
        if (!(found[i] >= 0) || std::isinf(found[i]))
            fail_usage(fmt::format("{}: '{}' has {} at {}; values must be finite and not negative",
                                   zarr_.folder().string(), array, found[i],
                                   chroms_.label(regions_[first + i / columns])));
    return found;
}

store::ResultTables Import::tables() const {
    store::ResultTables tables;
    tables.obs = region_frame(regions_, {}, chroms_);
    tables.var.index = features_;
    auto& uns = tables.uns;
    uns["assembly"] = settings_.text("genome.assembly");
    uns["chrom_names"] = std::vector<std::string>(chroms_.names().begin(), chroms_.names().end());
    uns["chrom_lengths"] = std::vector<std::int64_t>(chroms_.lengths().begin(), chroms_.lengths().end());
    std::vector<std::string> sets{"all_regions"};
    if (settings_.text("scales") == "cell_type")
        sets.insert(sets.end(), cell_types_.begin(), cell_types_.end());
    uns["scale_sets"] = sets;
    if (!cell_types_.empty()) uns["cell_types"] = cell_types_;
    if (!expressed_.empty()) {
        std::vector<std::string> columns;
        for (auto const& cell_type : expressed_)
            for (auto const* const strand : kStrands)
                columns.push_back(fmt::format("{}.{}", cell_type, strand));
        uns["expression"] = columns;
    }
    if (!genes_.is_null()) uns["promoters"] = genes_;
    // Which motifs and thresholds it was made with, the store doesn't say: features of equal names are taken
    // to mean the same.
    ContentHash hash;
    for (auto const& name : features_) hash.add(name);
    uns["scan"] = atlas::import_record("gcell", hash.hex());
    uns["inputs"] = {{"zarr", layout_.identity.at("content of zarr")}};
    uns["settings"] = {{"zarr", zarr_.folder().string()},
                       {"accessibility.scale", settings_.text("accessibility.scale")}};
    return tables;
}

void Import::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const first = rows.first_row();
    auto const count = rows.row_count();
    std::ranges::copy(values("data", first, count), rows.array<float>("X").begin());
    auto const column = [&](std::span<float> out, std::size_t at, std::size_t columns,
                            std::string const& array, float divisor) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
        auto const found = values(array, first, count);
        for (std::size_t i = 0; i < found.size(); ++i) out[i * columns + at] = found[i] / divisor;
    };
    for (std::size_t type = 0; type < cell_types_.size(); ++type)
        column(rows.array<float>("obsm/accessibility"), type, cell_types_.size(), "atpm/" + cell_types_[type],
               divides() ? largest_[type] : 1.0F);
    for (std::size_t type = 0; type < expressed_.size(); ++type)
        for (std::size_t strand = 0; strand < 2; ++strand)
            column(rows.array<float>("obsm/expression"), 2 * type + strand, 2 * expressed_.size(),
                   fmt::format("{}/{}", kExpressionGroups[strand], expressed_[type]), 1.0F);
    if (promoter_[0].empty()) return;
    auto const any = rows.array<std::uint8_t>("obs/promoter");
    auto const plus = rows.array<std::uint8_t>("obs/promoter_plus");
    auto const minus = rows.array<std::uint8_t>("obs/promoter_minus");
    for (std::size_t i = 0; i < count; ++i) {
        plus[i] = promoter_[0][first + i] ? 1 : 0;
        minus[i] = promoter_[1][first + i] ? 1 : 0;
        any[i] = plus[i] | minus[i];
    }
}

void Import::finish(store::FinishedRows& rows) {
    auto const scale = rows.fixed_array<float>("varm/scale");
    auto const types = cell_types_.size();
    auto const accessibility = types > 0 ? rows.array<float>("obsm/accessibility") : std::span<float const>();
    auto const never = fill_scales(rows.array<float>("X"), accessibility, features_.size(), types,
                                   scale.size() / features_.size(), scale);
    if (never.size() == features_.size())
        fail_usage(fmt::format("{}: 'data' is 0 everywhere", zarr_.folder().string()));
    for (std::size_t type = 0; type < types; ++type) {
        std::size_t open = 0;
        for (auto i = type; i < accessibility.size(); i += types) open += accessibility[i] > 0 ? 1 : 0;
        log::info("{}: {} of {} regions are accessible", cell_types_[type], open, regions_.size());
    }
    log::info("{} of {} features occur in no region{}", never.size(), features_.size(),
              some_of(never, features_));
}

std::vector<SettingSpec> import_settings() {
    SettingValue const required;
    return {
        {"zarr", SettingKind::text, required,
         "The data set: a folder of zarr version 2 with data (peaks x motifs), peak_names, motif_names, and "
         "by "
         "cell type atpm, expression_positive, expression_negative and tss.",
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
         "models "
         "read it.",
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
         "unit reads "
         "the chunks that it needs whole.",
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
