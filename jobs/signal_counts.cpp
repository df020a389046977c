#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/genome/bigwig.hpp"
#include "mpira/genome/regions.hpp"

#include "jobs/counts.hpp"
#include "jobs/region_frame.hpp"

/// bigWig files as if they were counts: a region's value is the sum of the signal over its bases, the total
/// that of the whole file. Of the coverage of fragments their quotient is the share of sequenced bases, as of
/// counts it is the share of fragments.
namespace mpira::jobs {
namespace {

class SignalCounts final : public store::Job {
public:
    explicit SignalCounts(Settings const& settings)
        : settings_(settings), chroms_(genome::ChromSizes::read(settings.path("genome.chrom_sizes"))) {
        if (!settings.flag("signal"))
            settings.refuse(
                "signal",
                "bigWig is signal, not counts: fold changes or p values don't become the "
                "accessibility that published models expect. Coverage of fragments does: then say "
                "signal = true; or count fragments or BAMs");
        if (settings.path("regions.bed").empty())
            settings.refuse("regions.bed", "must be given with bigwigs");
        auto bed = genome::read_bed(settings.path("regions.bed"), chroms_);
        log::info("{}: {}", settings.text("regions.bed"), bed.report.describe());
        regions_ = std::move(bed.regions);
        open_sources();
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override {
        store::ResultTables tables;
        tables.obs =
            region_frame(regions_, genome::read_bed(settings_.path("regions.bed"), chroms_).names, chroms_);
        tables.var.index = cell_types_;
        tables.uns["assembly"] = settings_.text("genome.assembly");
        tables.uns["counted"] = "signal";
        tables.uns["notes"] = {
            {"X",
             "sum of the signal over the bases of each region, of each cell type; bases without one are 0"},
            {"total", "sum of the signal over all bases of a cell type's files, in regions or not"},
            {"largest", "the largest value of a cell type in X"}};
        return tables;
    }
    [[nodiscard]] double relative_cost(std::uint64_t /*unit*/) const override { return 1; }
    void run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) override {
        auto const out = rows.array<float>("X");
        auto const first = static_cast<std::size_t>(rows.first_row());
        auto const types = cell_types_.size();
        std::vector<double> sums(out.size(), 0);
        for (auto& source : sources_) {
            for (std::size_t row = 0; row < out.size() / types; ++row) {
                if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
                auto const& region = regions_[first + row];
                auto const sum = source.file.sum(chroms_.name(region.chrom), region.start, region.end);
                if (sum < 0 || sum > static_cast<double>(std::numeric_limits<float>::max()))
                    fail_usage(fmt::format("{}: the signal in {} sums to {}: coverage is never below 0",
                                           source.file.file().string(), chroms_.label(region), sum));
                sums[row * types + source.cell_type] += sum;
            }
        }
        std::ranges::transform(sums, out.begin(), [](double sum) { return static_cast<float>(sum); });
    }
    void finish(store::FinishedRows& rows) override {
        std::ranges::copy(totals_, rows.fixed_array<double>("uns/total").begin());
        auto const largest = rows.fixed_array<double>("uns/largest");
        std::ranges::fill(largest, 0);
        auto const values = rows.array<float>("X");
        std::vector<std::int64_t> open(largest.size(), 0);
        for (std::size_t i = 0; i < values.size(); ++i) {
            auto& most = largest[i % largest.size()];
            most = std::max(most, double{values[i]});
            open[i % largest.size()] += values[i] > 0 ? 1 : 0;
        }
        for (std::size_t type = 0; type < largest.size(); ++type)
            log::info("{}: signal {:.6g}; {} of {} regions have any, at most {:.6g}", cell_types_[type],
                      totals_[type], open[type], regions_.size(), largest[type]);
    }
    [[nodiscard]] std::string describe() const override {
        return fmt::format("signal of {} files in {} regions x {} cell types", sources_.size(),
                           regions_.size(), cell_types_.size());
    }

private:
    struct Source {
        genome::BigWig file;
        std::uint32_t cell_type = 0;
    };

    void open_sources();
    void make_layout();

    Settings settings_;
    genome::ChromSizes chroms_;
    std::vector<genome::Region> regions_;
    std::vector<std::string> cell_types_;
    std::vector<Source> sources_;
    std::vector<double> totals_;  ///< a cell type
    store::ResultLayout layout_;
};

void SignalCounts::open_sources() {
    for (auto const& item : settings_.texts("bigwigs")) {
        auto const [number, path] = named_file(item, settings_, "bigwigs", cell_types_);
        auto const& source = sources_.emplace_back(Source{genome::BigWig(path), number}).file;
        bool known = false;
        for (std::size_t i = 0; i < chroms_.size(); ++i) {
            auto const length = source.length(chroms_.names()[i]);
            known = known || length > 0;
            require(length == 0 || length == chroms_.lengths()[i],
                    fmt::format("{}: {} has {} bp, in genome.chrom_sizes {}: is it of another assembly?",
                                path.string(), chroms_.names()[i], length, chroms_.lengths()[i]));
        }
        require(known, fmt::format("{}: has none of the chromosomes; it has '{}', they are called '{}'",
                                   path.string(), source.chroms().empty() ? "" : source.chroms().front(),
                                   chroms_.names().front()));
        totals_.resize(cell_types_.size(), 0);
        totals_[number] += source.total();
        require(std::isfinite(totals_[number]) && totals_[number] > 0,
                fmt::format("{}: its signal sums to {}; coverage of fragments was expected", path.string(),
                            source.total()));
    }
}

void SignalCounts::make_layout() {
    layout_ = counts_layout(settings_, regions_.size(), cell_types_.size(),
                            {.count = store::Type::f32, .sum = store::Type::f64});
    ContentHash files;
    for (auto const& source : sources_)
        files.add(cell_types_[source.cell_type]).add(source.file.content_hash());
    layout_.identity["content of regions"] = hash_file(settings_.path("regions.bed"));
    layout_.identity["content of bigwigs"] = files.hex();
}

}  // namespace

std::unique_ptr<store::Job> count_signal(Settings const& settings) {
    return std::make_unique<SignalCounts>(settings);
}

}  // namespace mpira::jobs
