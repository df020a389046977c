#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mpira/atlas/expression_names.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/genome/fragments.hpp"
#include "mpira/genome/regions.hpp"

#include "jobs/counts.hpp"
#include "jobs/region_frame.hpp"

/// Fragments to counts of regions and cell types. A unit is a block of regions and of the genome: it counts
/// what overlaps its regions, and what begins between the first of them and the first of the next unit, so
/// that every fragment of the files is in one total, whoever reads it. The 5' ends of CAGE are fragments of
/// one base, counted in a column a cell type and strand.
namespace mpira::jobs {
namespace {

constexpr std::int64_t kChromosomeEnd =
    std::numeric_limits<std::int32_t>::max();  // as far as tabix indexes reach

void add_to(std::int32_t& count, std::int64_t more) {
    require(more <= std::numeric_limits<std::int32_t>::max() - std::int64_t{count},
            "more fragments on one region than 32 bits count");
    count += static_cast<std::int32_t>(more);
}

/// A file, and whose fragments they are unless their barcodes say.
struct Source {
    genome::FragmentFile file;
    std::uint32_t cell_type = 0;
};

class FragmentCounts final : public store::Job {
public:
    explicit FragmentCounts(Settings const& settings)
        : settings_(settings),
          chroms_(genome::ChromSizes::read(settings.path("genome.chrom_sizes"))),
          insertions_(settings.text("counted") == "insertions"),
          key_(settings.texts("cage").empty() ? "fragments" : "cage"),
          by_strand_(key_ == "cage"),
          counted_(by_strand_ ? "five_prime_ends" : settings.text("counted")) {
        if (settings.path("regions.bed").empty())
            settings.refuse("regions.bed", "must be given with fragments");
        auto bed = genome::read_bed(settings.path("regions.bed"), chroms_);
        log::info("{}: {}", settings.text("regions.bed"), bed.report.describe());
        regions_ = std::move(bed.regions);
        open_sources();
        name_columns();
        if (std::ranges::none_of(sources_, [](Source const& one) { return one.file.is_alignments(); }))
            refuse_alignment_settings(settings);
        read_first_lines();
        refuse_other_assemblies();
        if (barcodes_) look_for_barcodes();
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override;
    [[nodiscard]] double relative_cost(std::uint64_t unit) const override;
    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override;
    void finish(store::FinishedRows& rows) override;
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} of {} files in {} regions x {} cell types{}", counted_, sources_.size(),
                           regions_.size(), cell_types_.size(), by_strand_ ? " and strands" : "");
    }

private:
    /// Rows [first, last) of one chromosome, and the bases [from, to) whose fragments' beginnings they count.
    struct Stretch {
        std::size_t first, last;
        std::int64_t from, to;
    };
    void open_sources();
    void name_columns();
    void read_first_lines();
    void refuse_other_assemblies();
    void look_for_barcodes();
    void make_layout();
    [[nodiscard]] std::vector<Stretch> stretches(std::size_t first, std::size_t last) const;
    void count(Stretch const& stretch, std::size_t unit_first, std::span<std::int32_t> counts,
               std::span<std::int32_t> beginning, std::stop_token const& stop);
    void count_elsewhere(std::span<std::int32_t> beginning_of_last, std::stop_token const& stop);
    void read(Source& source, std::string_view chrom, std::int64_t from, std::int64_t to,
              std::stop_token const& stop,
              std::function<void(genome::Fragment const&, std::uint32_t)> const& each);

    Settings settings_;
    genome::ChromSizes chroms_;
    bool insertions_;
    std::string key_;
    bool by_strand_;
    std::string counted_;
    std::vector<genome::Region> regions_;
    std::vector<std::string> cell_types_;
    std::vector<std::string> columns_;  ///< of X: the cell types, or (5' ends) + and - of each
    std::optional<Barcodes> barcodes_;
    std::vector<Source> sources_;
    store::ResultLayout layout_;
};

void FragmentCounts::open_sources() {
    auto const& items = settings_.texts(key_);
    genome::AlignmentRules const rules{by_strand_ ? genome::Ends::five_prime : genome::Ends::fragments,
                                       static_cast<int>(settings_.integer("bam.min_mapq")),
                                       settings_.integer("bam.max_fragment_bp"),
                                       settings_.text("bam.barcode_tag")};
    if (rules.barcode_tag.size() != 2) settings_.refuse("bam.barcode_tag", "a tag has two characters, as CB");
    if (auto const file = settings_.path("barcodes"); !file.empty()) {
        barcodes_.emplace(file);
        cell_types_ = barcodes_->cell_types();
        for (auto const& item : items) sources_.push_back({genome::FragmentFile(item, rules), 0});
        return;
    }
    for (auto const& item : items) {
        auto const [number, file] = named_file(item, settings_, key_, cell_types_);
        sources_.push_back({genome::FragmentFile(file, rules), number});
    }
}

void FragmentCounts::name_columns() {
    if (!by_strand_) {
        columns_ = cell_types_;
        return;
    }
    for (auto const& cell_type : cell_types_)
        for (char const strand : {'+', '-'}) columns_.push_back(atlas::strand_column(cell_type, strand));
}

/// A file of another form is found now, not when all units fail.
void FragmentCounts::read_first_lines() {
    struct Enough {};
    for (auto& source : sources_) {
        if (source.file.chroms().empty()) continue;
        try {
            source.file.read(source.file.chroms().front(), 0, kChromosomeEnd,
                             [](genome::Fragment const&) { throw Enough(); });
        } catch (Enough const&) {
        }
    }
}

void FragmentCounts::refuse_other_assemblies() {
    for (auto& source : sources_) {
        auto const& names = source.file.chroms();
        bool const known = std::ranges::any_of(regions_, [&](genome::Region const& region) {
            return std::ranges::find(names, chroms_.name(region.chrom)) != names.end();
        });
        require(known,
                fmt::format("{}: no fragment is on a chromosome of the regions; it has '{}', they have '{}'",
                            source.file.file().string(), names.empty() ? std::string() : names.front(),
                            chroms_.name(regions_.front().chrom)));
        for (auto const& name : names) {
            auto const chrom = chroms_.find(name);
            if (!chrom) continue;
            auto const length = chroms_.length(*chrom);
            source.file.read(name, length, kChromosomeEnd, [&](genome::Fragment const& fragment) {
                if (fragment.start >= length)
                    fail_usage(fmt::format(
                        "{}: a fragment at {}:{}-{}, but {} has {} bp: is it of another assembly?",
                        source.file.file().string(), name, fragment.start, fragment.end, name, length));
            });
        }
    }
}

/// Says so where none of a file's first fragments has a barcode of ours, and refuses when that is so of all
/// files: to learn it at the end may cost hours.
void FragmentCounts::look_for_barcodes() {
    constexpr std::int64_t kEnough = 1'000'000;
    std::string strange;
    std::size_t strange_files = 0;
    for (auto& source : sources_) {
        struct Enough {};
        std::int64_t read = 0;
        std::string example;
        try {
            for (auto const& chrom : source.file.chroms())
                source.file.read(chrom, 0, kChromosomeEnd, [&](genome::Fragment const& fragment) {
                    if (read == 0) example = fragment.barcode;
                    if (++read > kEnough || barcodes_->find(fragment.barcode)) throw Enough();
                });
        } catch (Enough const&) {
            if (read <= kEnough) continue;
        }
        ++strange_files;
        strange = fmt::format(
            "{}: none of {} fragments looked at has a barcode of {}: the first has '{}', "
            "there one is '{}'",
            source.file.file().string(), std::min(read, kEnough), settings_.text("barcodes"), example,
            barcodes_->example());
        if (read > 0 && sources_.size() > 1) log::warning("{}", strange);
    }
    require(strange_files < sources_.size(), strange);
}

void FragmentCounts::make_layout() {
    layout_ = counts_layout(settings_, regions_.size(), columns_.size());
    layout_.row_arrays.push_back({"obsm/beginning", store::Type::i32, {columns_.size()}});
    ContentHash files;
    for (auto const& source : sources_)
        files.add(cell_types_[source.cell_type]).add(source.file.content_hash());
    layout_.identity["content of regions"] = hash_file(settings_.path("regions.bed"));
    layout_.identity[fmt::format("content of {}", key_)] = files.hex();
    if (barcodes_) layout_.identity["content of barcodes"] = hash_file(settings_.path("barcodes"));
}

store::ResultTables FragmentCounts::tables() const {
    store::ResultTables tables;
    tables.obs =
        region_frame(regions_, genome::read_bed(settings_.path("regions.bed"), chroms_).names, chroms_);
    tables.var.index = columns_;
    tables.uns["assembly"] = settings_.text("genome.assembly");
    tables.uns["counted"] = counted_;
    auto const of = by_strand_ ? "cell type and strand" : "cell type";
    tables.uns["notes"] = {
        {"X", fmt::format("{} of each region and {}", counted_, of)},
        {"beginning",
         fmt::format(
             "{} that begin after a region's start and before the next one's; their sum is all of them",
             by_strand_ ? "5' ends" : "fragments")},
        {"total", fmt::format("all {} of a {}, in regions or not", counted_, of)},
        {"largest", fmt::format("the largest count of a {}", of)}};
    return tables;
}

std::vector<FragmentCounts::Stretch> FragmentCounts::stretches(std::size_t first, std::size_t last) const {
    std::vector<Stretch> found;
    for (std::size_t row = first; row < last;) {
        auto const chrom = regions_[row].chrom;
        auto next = row;
        while (next < last && regions_[next].chrom == chrom) ++next;
        bool const opens = row == 0 || regions_[row - 1].chrom != chrom;
        bool const goes_on = next < regions_.size() && regions_[next].chrom == chrom;
        found.push_back(
            {row, next, opens ? 0 : regions_[row].start, goes_on ? regions_[next].start : kChromosomeEnd});
        row = next;
    }
    return found;
}

double FragmentCounts::relative_cost(std::uint64_t unit) const {
    double bases = 1;
    auto const first = static_cast<std::size_t>(layout_.first_row(unit));
    for (auto const& stretch : stretches(first, first + static_cast<std::size_t>(layout_.row_count(unit))))
        bases += static_cast<double>(std::min(stretch.to, chroms_.length(regions_[stretch.first].chrom)) -
                                     stretch.from);
    return bases;
}

void FragmentCounts::read(Source& source, std::string_view chrom, std::int64_t from, std::int64_t to,
                          std::stop_token const& stop,
                          std::function<void(genome::Fragment const&, std::uint32_t)> const& each) {
    source.file.read(chrom, from, to, [&](genome::Fragment const& fragment) {
        if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
        auto const cell_type =
            barcodes_ ? barcodes_->find(fragment.barcode) : std::optional(source.cell_type);
        if (cell_type)
            each(fragment, by_strand_ ? 2 * *cell_type + (fragment.strand == '-' ? 1 : 0) : *cell_type);
    });
}

void FragmentCounts::count(Stretch const& stretch, std::size_t unit_first, std::span<std::int32_t> counts,
                           std::span<std::int32_t> beginning, std::stop_token const& stop) {
    auto const types = columns_.size();
    auto const rows = std::span(regions_).subspan(stretch.first, stretch.last - stretch.first);
    // Furthest end so far, by row: regions may contain each other.
    std::vector<std::int64_t> reach(rows.size());
    std::transform_inclusive_scan(
        rows.begin(), rows.end(), reach.begin(), [](auto a, auto b) { return std::max(a, b); },
        [](genome::Region const& region) { return region.end; });
    auto const offset = (stretch.first - unit_first) * types;
    auto const add = [&](std::int64_t start, std::int64_t end, std::uint32_t column, std::int64_t reads) {
        auto row = std::ranges::lower_bound(rows, end, {}, &genome::Region::start) - rows.begin();
        while (row > 0 && reach[static_cast<std::size_t>(row) - 1] > start) {
            --row;
            auto const at = static_cast<std::size_t>(row);
            if (rows[at].end > start) add_to(counts[offset + at * types + column], reads);
        }
    };
    auto const& chrom = chroms_.name(rows.front().chrom);
    for (auto& source : sources_) {
        read(source, chrom, stretch.from, std::max(stretch.to, reach.back()), stop,
             [&](genome::Fragment const& fragment, std::uint32_t column) {
                 if (insertions_) {
                     add(fragment.start, fragment.start + 1, column, fragment.reads);
                     add(fragment.end - 1, fragment.end, column, fragment.reads);
                 } else {
                     add(fragment.start, fragment.end, column, fragment.reads);
                 }
                 if (fragment.start < stretch.from || fragment.start >= stretch.to) return;
                 auto const after =
                     std::ranges::upper_bound(rows, fragment.start, {}, &genome::Region::start);
                 auto const at =
                     static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - rows.begin() - 1, 0));
                 add_to(beginning[offset + at * types + column], fragment.reads);
             });
    }
}

/// Fragments of chromosomes without regions count for the last region.
void FragmentCounts::count_elsewhere(std::span<std::int32_t> beginning_of_last, std::stop_token const& stop) {
    for (auto& source : sources_) {
        for (auto const& chrom : source.file.chroms()) {
            auto const number = chroms_.find(chrom);
            if (number && std::ranges::binary_search(regions_, *number, {}, &genome::Region::chrom)) continue;
            read(source, chrom, 0, kChromosomeEnd, stop,
                 [&](genome::Fragment const& fragment, std::uint32_t column) {
                     add_to(beginning_of_last[column], fragment.reads);
                 });
        }
    }
}

void FragmentCounts::run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token stop) {
    auto const first = static_cast<std::size_t>(rows.first_row());
    auto const last = first + static_cast<std::size_t>(rows.row_count());
    auto const counts = rows.array<std::int32_t>("X");
    auto const beginning = rows.array<std::int32_t>("obsm/beginning");
    for (auto const& stretch : stretches(first, last)) count(stretch, first, counts, beginning, stop);
    if (last == regions_.size()) count_elsewhere(beginning.last(columns_.size()), stop);
}

void FragmentCounts::finish(store::FinishedRows& rows) {
    auto const types = columns_.size();
    auto const counts = rows.array<std::int32_t>("X");
    auto const beginning = rows.array<std::int32_t>("obsm/beginning");
    auto const total = rows.fixed_array<std::int64_t>("uns/total");
    auto const largest = rows.fixed_array<std::int64_t>("uns/largest");
    std::ranges::fill(total, 0);
    std::ranges::fill(largest, 0);
    std::vector<std::int64_t> open(types, 0);
    for (std::size_t i = 0; i < counts.size(); ++i) {
        total[i % types] += std::int64_t{beginning[i]} * (insertions_ ? 2 : 1);
        largest[i % types] = std::max<std::int64_t>(largest[i % types], counts[i]);
        open[i % types] += counts[i] > 0 ? 1 : 0;
    }
    if (std::ranges::count(total, 0) == std::ssize(total))
        fail_usage(barcodes_
                       ? fmt::format("{}: none of its barcodes is in the fragments; the first is '{}'",
                                     settings_.text("barcodes"), barcodes_->example())
                       : fmt::format("{}: nothing that counts ({}?)", sources_.front().file.file().string(),
                                     by_strand_ ? "bam.min_mapq" : "bam.min_mapq, bam.max_fragment_bp"));
    for (std::size_t type = 0; type < types; ++type)
        log::info("{}: {} {}; {} of {} regions have any, at most {}", columns_[type], total[type], counted_,
                  open[type], regions_.size(), largest[type]);
}

}  // namespace

std::unique_ptr<store::Job> count_fragments(Settings const& settings) {
    return std::make_unique<FragmentCounts>(settings);
}

}  // namespace mpira::jobs
